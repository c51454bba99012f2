//! Owns metric filters ready to evaluate: patterns and selectors compiled once per revision, and which events
//! each revision reads. Refuses to evaluate.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use metrics::Unit;
use metrics::filter::Transformation;
use pattern::{Options, Pattern, Set, ValueSelector};
use store::Event;

use crate::functions::HOPS_MAX;
use crate::ingest::fan_out::MetricReader;
use crate::meta::{MetaError, Tx};
use crate::records::Scope;
use crate::records::filters::{METRIC_FILTERS, MetricFilter};
use crate::records::groups::{self, GroupRecord};
use crate::records::revisions::Revision;

/// One revision of a metric filter.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Id of the filter, the same over its revisions.
    pub(super) id: u64,
    /// Its name.
    pub(super) name: String,
    /// Number of the revision.
    pub(super) number: u64,
    /// Id of the log group.
    pub(super) group: u64,
    /// Name of the log group.
    pub(super) group_name: String,
    /// Where group and metric live.
    pub(super) scope: Scope,
    /// The first event it reads ...
    pub(super) from: u64,
    /// ... and the first that the next revision does.
    pub(super) until: u64,
    /// Which events match.
    pub(super) pattern: Pattern,
    /// What is published for them.
    pub(super) value: ValueSelector,
    /// Dimension names with where their values are.
    pub(super) dimensions: Vec<(String, ValueSelector)>,
    /// Where it is published.
    pub(super) transformation: Transformation,
    /// `filter-name@revision`, for evidence.
    pub(super) source: Arc<str>,
}

impl Compiled {
    /// Whether this revision is the one that reads the event.
    pub(super) fn reads(&self, event: &Event) -> bool {
        event.group.0 == self.group && self.reads_at(event.position.seq)
    }

    /// Whether this revision is the one that reads the event of its group at a position.
    pub(super) fn reads_at(&self, seq: u64) -> bool {
        (self.from..self.until).contains(&seq)
    }

    /// Those of the events that this revision reads, and apart from them those that came through so many
    /// deliveries that to ask a function about them would be a loop: what it writes may come back to it.
    pub(super) fn share<'e>(&self, events: &'e [Event]) -> (Vec<&'e Event>, Vec<&'e Event>) {
        events.iter().filter(|event| self.reads(event)).partition(|event| event.hop < HOPS_MAX)
    }

    /// Whether a function has a part in it.
    pub(super) fn has_guests(&self) -> bool {
        self.value.guest().is_some() || !self.pattern.guests().is_empty()
    }

    /// What is read from a match: the value, then the dimensions.
    fn values(&self) -> Vec<ValueSelector> {
        let dimensions = self.dimensions.iter().map(|(_, selector)| selector);
        std::iter::once(&self.value).chain(dimensions).cloned().collect()
    }

    pub(super) fn metric_scope(&self) -> metrics::Scope {
        metrics::Scope { account: self.scope.account.clone(), region: self.scope.region.clone() }
    }

    /// Compiles a revision; it was checked when it was put, so a failure is one of this program's versions.
    fn new(group: &GroupRecord, revision: &Revision<MetricFilter>, strict: bool) -> Result<Compiled, String> {
        let body = revision.body.as_ref().ok_or("it was removed")?;
        let value = ValueSelector::parse(&body.value).map_err(|error| error.message)?;
        let dimensions = body.dimensions.iter().map(|(name, selector)| {
            Ok((name.clone(), ValueSelector::parse(selector).map_err(|error| error.message)?))
        });
        let dimensions = dimensions.collect::<Result<Vec<_>, String>>()?;
        let parsed = Pattern::parse(&body.pattern, Options { strict }).map_err(|error| error.message)?;
        let selectors: Vec<ValueSelector> = dimensions.iter().map(|(_, selector)| selector.clone()).collect();
        let pattern = parsed.for_metric(&value, &selectors).map_err(|error| error.message)?;
        let unit = body.unit.as_deref().map_or(Ok(Unit::None), |unit| Unit::parse(unit, "unit"));
        let transformation = Transformation {
            namespace: body.namespace.clone(),
            name: body.name.clone(),
            unit: unit.map_err(|fault| fault.message)?,
            default_value: body.default_value,
            dimensions: body.dimensions.keys().cloned().collect(),
        };
        Ok(Compiled {
            id: revision.id,
            name: revision.name.clone(),
            number: revision.number,
            group: group.id,
            group_name: group.name.clone(),
            scope: group.scope.clone(),
            from: body.from,
            until: u64::MAX,
            pattern,
            value,
            dimensions,
            transformation,
            source: format!("{}@{}", revision.name, revision.number).into(),
        })
    }
}

/// Every revision of one reader that still has events to read.
#[derive(Debug, Default)]
pub(super) struct Filters {
    by_group: BTreeMap<u64, Arc<OfGroup>>,
    /// Ids and numbers of the revisions that are the other reader's.
    others: HashSet<(u64, u64)>,
}

/// The filters of one group, and their patterns by the same index, to be asked together.
#[derive(Debug)]
pub(super) struct OfGroup {
    pub(super) filters: Vec<Arc<Compiled>>,
    pub(super) patterns: Set,
}

impl OfGroup {
    fn new(filters: Vec<Arc<Compiled>>) -> OfGroup {
        let patterns = Set::new(filters.iter().map(|filter| (filter.pattern.clone(), filter.values())));
        OfGroup { filters, patterns }
    }

    fn is_of(&self, filters: &[Arc<Compiled>]) -> bool {
        let same = |(mine, other): (&Arc<Compiled>, &Arc<Compiled>)| Arc::ptr_eq(mine, other);
        self.filters.len() == filters.len() && self.filters.iter().zip(filters).all(same)
    }
}

/// A revision to compile.
struct Compile<'a> {
    revision: &'a Revision<MetricFilter>,
    strict: bool,
    until: u64,
}

impl Filters {
    /// Reads the definitions that are `which`'s: the current ones, and of those that changed after `next` the ones
    /// before. What `known` has compiled is taken over.
    pub(super) fn load(
        tx: &Tx<'_>,
        which: MetricReader,
        known: &Filters,
        strict: bool,
        next: u64,
    ) -> Result<Filters, MetaError> {
        let mut filters = Loading::default();
        for (owner, current) in METRIC_FILTERS.every(tx)? {
            let Some(group) = groups::by_id(tx, owner)? else { continue };
            let mut until = u64::MAX;
            let mut revision = Some(current);
            while let Some(this) = revision.filter(|this| this.body.is_some()) {
                let from = this.body.as_ref().map_or(0, |body| body.from);
                filters.add(which, known, &group, &Compile { revision: &this, strict, until });
                if from <= next {
                    break;
                }
                until = from;
                revision = METRIC_FILTERS.before(tx, owner, &this)?;
            }
        }
        let of_group = |(group, of): (u64, Vec<Arc<Compiled>>)| {
            // The same filters as before keep what was learnt about their group's messages.
            let same = known.by_group.get(&group).filter(|known| known.is_of(&of)).map(Arc::clone);
            (group, same.unwrap_or_else(|| Arc::new(OfGroup::new(of))))
        };
        let by_group = filters.by_group.into_iter().map(of_group).collect();
        Ok(Filters { by_group, others: filters.others })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_group.is_empty()
    }

    /// Ids of the groups with filters.
    pub(super) fn groups(&self) -> impl Iterator<Item = u64> + '_ {
        self.by_group.keys().copied()
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.by_group.values().flat_map(|of| &of.filters)
    }

    /// Whether the filter with this id is among them.
    pub(super) fn has(&self, id: u64) -> bool {
        self.all().any(|filter| filter.id == id)
    }

    /// The filters of a group, if it has some.
    pub(super) fn of(&self, group: u64) -> Option<&Arc<OfGroup>> {
        self.by_group.get(&group)
    }

    /// The revisions in force.
    pub(super) fn current(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.all().filter(|filter| filter.until == u64::MAX)
    }
}

/// Filters that are being read.
#[derive(Default)]
struct Loading {
    by_group: BTreeMap<u64, Vec<Arc<Compiled>>>,
    others: HashSet<(u64, u64)>,
}

impl Loading {
    fn add(&mut self, which: MetricReader, known: &Filters, group: &GroupRecord, compile: &Compile<'_>) {
        let Compile { revision, strict, until } = *compile;
        let place = (revision.id, revision.number);
        if known.others.contains(&place) {
            self.others.insert(place);
            return;
        }
        let same = |one: &&Arc<Compiled>| (one.id, one.number, one.until) == (place.0, place.1, until);
        let before = known.of(group.id).and_then(|known| known.filters.iter().find(same)).map(Arc::clone);
        let compiled = match before {
            Some(compiled) => Ok(compiled),
            None => Compiled::new(group, revision, strict).map(|new| Arc::new(Compiled { until, ..new })),
        };
        match compiled {
            Ok(mine) if mine.has_guests() == (which == MetricReader::Guests) => {
                self.by_group.entry(group.id).or_default().push(mine);
            }
            Ok(_) => drop(self.others.insert(place)),
            Err(reason) => {
                let (filter, group) = (&revision.name, &group.name);
                tracing::error!(filter, group, reason, "a metric filter is not understood");
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::meta::Meta;

    fn group() -> GroupRecord {
        GroupRecord {
            id: 1,
            name: "/a".into(),
            scope: Scope { account: "000000000000".into(), region: "us-east-1".into() },
            created_ms: 0,
            retention_days: None,
            class: "STANDARD".into(),
            tags: BTreeMap::new(),
            kms_key: None,
        }
    }

    fn body(pattern: &str, value: &str, dimensions: &[(&str, &str)]) -> MetricFilter {
        MetricFilter {
            from: 0,
            pattern: pattern.into(),
            namespace: "App".into(),
            name: "Errors".into(),
            value: value.into(),
            default_value: None,
            dimensions: dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            unit: Some("Milliseconds".into()),
        }
    }

    /// A filter of group 1 that reads every event.
    pub(in super::super) fn filter(pattern: &str, value: &str, dimensions: &[(&str, &str)]) -> Arc<Compiled> {
        let body = Some(body(pattern, value, dimensions));
        let (name, valid_from_ms, created_ms) = ("errors".into(), 0, 0);
        let revision = Revision { id: 4, number: 2, name, valid_from_ms, created_ms, body };
        Arc::new(Compiled::new(&group(), &revision, false).unwrap())
    }

    pub(in super::super) fn filters(of: Vec<Arc<Compiled>>) -> Filters {
        Filters { by_group: BTreeMap::from([(1, Arc::new(OfGroup::new(of)))]), others: HashSet::new() }
    }

    #[test]
    fn events_of_a_loop_are_set_apart() {
        let event = |group, hop| Event {
            group: store::GroupId(group),
            stream: store::StreamId(1),
            position: store::Position::at(9),
            timestamp_ms: 0,
            ingestion_ms: 0,
            hop,
            message: bytes::Bytes::new(),
        };
        let events =
            [event(1, 0), event(2, 4), event(1, HOPS_MAX - 1), event(1, HOPS_MAX), event(1, u8::MAX)];
        let filter = filter("{ wasm:judge }", "1", &[]);
        let (mine, looping) = filter.share(&events);
        assert_eq!(mine, [&events[0], &events[2]]);
        assert_eq!(looping, [&events[3], &events[4]]);
    }

    #[test]
    fn each_event_meets_one_revision_in_one_reader() {
        let meta = Meta::in_memory();
        let put = |pattern: &str, from| {
            let body = MetricFilter { from, ..body(pattern, "1", &[]) };
            meta.change_blocking(move |tx| METRIC_FILTERS.put(tx, 1, "f", body, 0)).unwrap();
        };
        meta.change_blocking(|tx| groups::insert(tx, group(), &crate::keyring::tests::wrapping())).unwrap();
        put("one", 10);
        put("{ wasm:two }", 20);
        put("three", 30);
        let load = |which, next| {
            let filters = meta.read(|tx| Filters::load(tx, which, &Filters::default(), false, next)).unwrap();
            filters.all().map(|one| (one.from, one.until)).collect::<Vec<_>>()
        };
        assert_eq!(load(MetricReader::Native, 5), [(30, u64::MAX), (10, 20)]);
        assert_eq!(load(MetricReader::Guests, 5), [(20, 30)]);
        assert_eq!(load(MetricReader::Native, 25), [(30, u64::MAX)], "the first has nothing left to read");
        meta.change_blocking(|tx| METRIC_FILTERS.remove(tx, 1, "f", 0)).unwrap();
        put("four", 40);
        assert_eq!(load(MetricReader::Native, 5), [(40, u64::MAX)], "a filter made anew is another one");
    }
}
