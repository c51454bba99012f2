//! Owns what is attached to a function, and by which of its names: subscriptions, filters, extractors, transformers,
//! schedules. Refuses to attach anything, and to know topics and alarms, which name ARNs of anything.

use pattern::{Options, Pattern, ValueSelector};

use super::attach::Purpose;
use super::resolve;
use crate::ingest::transform::Transformer;
use crate::meta::{MetaError, Tx};
use crate::records::filters::{METRIC_FILTERS, SUBSCRIPTION_FILTERS};
use crate::records::groups::{self, GroupRecord};
use crate::records::{Scope, schedules};

/// Something that calls a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// A version or an alias; `None` for the function itself, which is `$LATEST`.
    pub(crate) qualifier: Option<String>,
    /// What it needs of the function.
    pub(crate) purpose: Purpose,
    /// What it is, for people.
    pub(crate) text: String,
}

/// Everything that calls a function.
///
/// # Errors
/// Storage failures.
pub(crate) fn of(tx: &mut Tx<'_>, scope: &Scope, function: &str) -> Result<Vec<Point>, MetaError> {
    let mut found = Found { function, points: Vec::new() };
    let groups = groups::every(tx)?;
    for group in groups.iter().filter(|group| group.scope == *scope) {
        found.of_group(tx, group)?;
    }
    for schedule in schedules::every(tx)?.iter().filter(|schedule| schedule.scope == *scope) {
        found.add(&schedule.target.function, Purpose::Schedule, || format!("schedule {}", schedule.name));
    }
    Ok(found.points)
}

struct Found<'a> {
    function: &'a str,
    points: Vec<Point>,
}

impl Found<'_> {
    fn of_group(&mut self, tx: &Tx<'_>, group: &GroupRecord) -> Result<(), MetaError> {
        let of = &group.name;
        if let Some(transformer) = Transformer::of(group) {
            self.add(transformer.function(), Purpose::Filter, || format!("transformer of {of}"));
        }
        for one in SUBSCRIPTION_FILTERS.list(tx, group.id)? {
            let Some(body) = &one.body else { continue };
            let text = || format!("subscription {} of {of}", one.name);
            self.add(&body.function, Purpose::Subscription, text);
            self.add_pattern(&body.pattern, || format!("pattern of subscription {} of {of}", one.name));
        }
        for one in METRIC_FILTERS.list(tx, group.id)? {
            let Some(body) = &one.body else { continue };
            self.add_pattern(&body.pattern, || format!("pattern of metric filter {} of {of}", one.name));
            if let Ok(value) = ValueSelector::parse(&body.value)
                && let Some(named) = value.guest()
            {
                self.add(named, Purpose::Extractor, || {
                    format!("value of metric filter {} of {of}", one.name)
                });
            }
        }
        Ok(())
    }

    /// The functions that a pattern asks; one that cannot be read asks none, whatever the reading rules.
    fn add_pattern(&mut self, text: &str, what: impl Fn() -> String) {
        let Ok(pattern) = Pattern::parse(text, Options::default()) else { return };
        for named in pattern.guests() {
            self.add(named, Purpose::Filter, &what);
        }
    }

    fn add(&mut self, named: &str, purpose: Purpose, what: impl FnOnce() -> String) {
        let (name, qualifier) = resolve::split(named);
        if name == self.function {
            let qualifier = qualifier.filter(|qualifier| *qualifier != wasm::LATEST).map(str::to_owned);
            self.points.push(Point { qualifier, purpose, text: what() });
        }
    }
}
