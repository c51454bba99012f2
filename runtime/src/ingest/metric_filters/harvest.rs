//! Owns what the reader of native filters and embedded metrics holds between reading events and committing what
//! comes of them. Refuses to read and to commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use metrics::emf::{self, Embedded};
use metrics::filter::Publication;
use metrics::point::{EventReference, Point, PointKey, StoredPoint};
use metrics::{Metric, Scope};
use pattern::Literal;
use store::{BlockHandle, Borrower, Containing, GroupId, Lent};

use super::compiled::{Compiled, Filters, OfGroup};
use super::evaluate::{self, Sheet};
use crate::app::App;
use crate::records::gaps::Gap;
use crate::records::groups;

/// What every event with embedded metrics contains.
static MARK: LazyLock<Literal> = LazyLock::new(|| Literal::new(emf::MARK));

/// The source of points that events carry in themselves.
static SOURCE: LazyLock<Arc<str>> = LazyLock::new(|| "embedded".into());

/// What came of events that is not committed yet.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    /// What filters took.
    pub(super) sheets: Vec<Sheet>,
    /// (filter id, revision) -> its sheet.
    places: HashMap<(u64, u64), usize>,
    /// Metrics that events carried in themselves.
    embedded: BTreeMap<(Scope, Metric, PointKey), Point>,
    /// By group: events that broke the embedded format, and those that were no JSON.
    pub(super) broken: BTreeMap<u64, (u64, u64)>,
    /// Events that could not be read.
    pub(super) missed: Vec<Gap>,
    /// What went wrong: nothing of it is to be committed.
    pub(super) failure: Option<String>,
    /// There came more than is to be held: the events are to be read again, fewer at a time.
    pub(super) is_over: bool,
}

impl Harvest {
    /// What filters took, without anything else.
    pub(super) fn of(sheets: Vec<Sheet>) -> Harvest {
        Harvest { sheets, ..Harvest::default() }
    }

    /// How many points will come of it, about.
    pub(super) fn points(&self) -> usize {
        self.embedded.len() + self.sheets.iter().map(Sheet::points).sum::<usize>()
    }

    /// Points of filters and of events.
    pub(super) fn publish(&mut self, now_ms: i64) -> Vec<(Scope, Publication)> {
        let mut points: Vec<(Scope, Publication)> = Vec::new();
        for sheet in &mut self.sheets {
            let scope = sheet.filter.metric_scope();
            points.extend(sheet.publish(now_ms).into_iter().map(|point| (scope.clone(), point)));
        }
        for ((scope, metric, key), point) in std::mem::take(&mut self.embedded) {
            match points.last_mut() {
                Some((of, last)) if *of == scope && last.metric == metric => {
                    last.points.push(StoredPoint { key, point });
                }
                _ => points.push((scope, Publication { metric, points: vec![StoredPoint { key, point }] })),
            }
        }
        points
    }

    fn sheet_of(&mut self, filter: &Arc<Compiled>) -> usize {
        let sheets = &mut self.sheets;
        *self.places.entry((filter.id, filter.number)).or_insert_with(|| {
            sheets.push(Sheet::new(filter));
            sheets.len() - 1
        })
    }

    fn ask(&mut self, of: &OfGroup, lent: &Lent<'_>) {
        let places: Vec<usize> = of.filters.iter().map(|filter| self.sheet_of(filter)).collect();
        // The sheets in the order of the filters; each filter has its own.
        let mut by_place: Vec<Option<&mut Sheet>> = self.sheets.iter_mut().map(Some).collect();
        let mut sheets: Vec<&mut Sheet> = places.iter().filter_map(|place| by_place[*place].take()).collect();
        evaluate::native(of, lent, &mut sheets);
    }

    fn embedded(&mut self, lent: &Lent<'_>, row: usize, scope: &Scope, now_ms: i64) {
        let message = crate::utf8::repaired(lent.message(row));
        let event = EventReference {
            timestamp_ms: lent.timestamps[row],
            position: lent.seq(row),
            group_id: lent.group.0,
            stream_id: lent.stream.0,
            source: Arc::clone(&SOURCE),
        };
        let broken = self.broken.entry(lent.group.0);
        match emf::read(&message, &event, now_ms) {
            Embedded::None => {}
            Embedded::Invalid(reason) => {
                tracing::debug!(
                    position = event.position,
                    reason,
                    "an event breaks the embedded metric format"
                );
                broken.or_default().0 += 1;
            }
            Embedded::Unreadable(reason) => {
                tracing::debug!(
                    position = event.position,
                    reason,
                    "an event with embedded metrics is no JSON"
                );
                broken.or_default().1 += 1;
            }
            Embedded::Points(points) => {
                let each = |Publication { metric, points }| {
                    points.into_iter().map(move |one| (metric.clone(), one.key, one.point))
                };
                for (metric, key, point) in points.into_iter().flat_map(each) {
                    match self.embedded.entry((scope.clone(), metric, key)) {
                        std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(point)),
                        std::collections::btree_map::Entry::Occupied(mut there) => {
                            let merged = there.get().merge(&point);
                            there.insert(merged);
                        }
                    }
                }
            }
        }
    }
}

/// Account and region of groups, as far as they were asked for; `None` for one that is gone.
pub(super) type Scopes = HashMap<u64, Option<Scope>>;

/// Borrows events for a harvest.
pub(super) struct Harvesting<'a> {
    pub(super) app: &'a App,
    pub(super) filters: &'a Filters,
    pub(super) harvest: &'a mut Harvest,
    pub(super) scopes: &'a mut Scopes,
    pub(super) now_ms: i64,
    /// The most points to hold.
    pub(super) points_max: usize,
}

impl Harvesting<'_> {
    fn scope(&mut self, group: GroupId) -> Option<Scope> {
        if let Some(known) = self.scopes.get(&group.0) {
            return known.clone();
        }
        match self.app.meta.read(|tx| groups::by_id(tx, group.0)) {
            Ok(found) => {
                let scope =
                    found.map(|found| Scope { account: found.scope.account, region: found.scope.region });
                self.scopes.insert(group.0, scope.clone());
                scope
            }
            Err(error) => {
                self.harvest.failure = Some(error.to_string());
                None
            }
        }
    }
}

impl Borrower for Harvesting<'_> {
    /// Any group may have embedded metrics.
    fn wants(&self, _group: GroupId) -> bool {
        true
    }

    /// A sealed block of a group without filters is decoded only if its words say that it may have some.
    fn wants_block(&self, block: &BlockHandle) -> bool {
        self.filters.of(block.meta().group.0).is_some()
            || block.may_contain(emf::MARK.as_bytes(), Containing::Raw)
    }

    fn take(&mut self, lent: Lent<'_>) {
        if self.harvest.is_over {
            return;
        }
        let mut carriers = Vec::new();
        evaluate::messages(&lent).each_with(&MARK, &mut |row| carriers.push(row));
        if !carriers.is_empty()
            && let Some(scope) = self.scope(lent.group)
        {
            for row in carriers {
                self.harvest.embedded(&lent, row, &scope, self.now_ms);
            }
        }
        if let Some(of) = self.filters.of(lent.group.0) {
            self.harvest.ask(of, &lent);
        }
        self.harvest.is_over = self.harvest.points() > self.points_max;
    }
}
