//! Owns which metrics functions have a part in, so that only the alarms on these wait for functions. Refuses to know
//! alarms and to evaluate filters.

use std::collections::HashSet;

use crate::meta::{MetaError, Tx};
use crate::records::filters::{METRIC_FILTERS, MetricFilter};
use crate::records::groups;

/// What stands before the name of a function in patterns and values.
const GUEST: &str = "wasm:";

/// Account, region, namespace and name of a metric; of all its dimension sets.
type Place = (String, String, String, String);

/// The metrics of filters that ask functions, by the definitions of one moment.
#[derive(Default)]
pub(super) struct GuestMetrics {
    /// [`crate::ingest::fan_out::FanOut::definitions`] when they were read.
    seen: Option<u64>,
    places: HashSet<Place>,
}

impl GuestMetrics {
    /// Reads the definitions again if they changed.
    ///
    /// # Errors
    /// Storage failures.
    pub(super) fn refresh(&mut self, tx: &Tx<'_>, definitions: u64) -> Result<(), MetaError> {
        if self.seen == Some(definitions) {
            return Ok(());
        }
        let mut places = HashSet::new();
        for (owner, revision) in METRIC_FILTERS.every(tx)? {
            let Some(body) = revision.body.filter(asks) else { continue };
            let Some(group) = groups::by_id(tx, owner)? else { continue };
            places.insert((group.scope.account, group.scope.region, body.namespace, body.name));
        }
        (self.seen, self.places) = (Some(definitions), places);
        Ok(())
    }

    /// Whether no function has a part in any.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a function has a part in the metric.
    pub(super) fn has(&self, scope: &metrics::Scope, metric: &metrics::Metric) -> bool {
        let place =
            (scope.account.clone(), scope.region.clone(), metric.namespace.clone(), metric.name.clone());
        self.places.contains(&place)
    }
}

/// May say yes for a filter that only has the word in a text: then an alarm waits in vain, which costs seconds.
fn asks(body: &MetricFilter) -> bool {
    body.value.contains(GUEST) || body.pattern.contains(GUEST)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metrics::{Metric, Scope};

    use super::*;
    use crate::meta::Meta;
    use crate::records::groups::GroupRecord;

    #[test]
    fn metrics_of_filters_that_ask_a_function_are_known_by_account_and_region() {
        let meta = Meta::in_memory();
        let group = GroupRecord {
            id: 1,
            name: "/a".into(),
            scope: crate::records::Scope { account: "1".into(), region: "r".into() },
            created_ms: 0,
            retention_days: None,
            class: "STANDARD".into(),
            tags: BTreeMap::new(),
            kms_key: None,
        };
        let filters = [("n", "ERROR", "1"), ("v", "ERROR", "wasm:f"), ("p", "{ wasm:f }", "1")];
        meta.change_blocking(move |tx| {
            groups::insert(tx, group, &crate::keyring::tests::wrapping())?;
            for (name, pattern, value) in filters {
                let body = MetricFilter {
                    from: 0,
                    pattern: pattern.into(),
                    namespace: "App".into(),
                    name: name.into(),
                    value: value.into(),
                    default_value: None,
                    dimensions: BTreeMap::new(),
                    unit: None,
                };
                METRIC_FILTERS.put(tx, 1, name, body, 0)?;
            }
            Ok::<_, MetaError>(())
        })
        .unwrap();
        let mut known = GuestMetrics::default();
        meta.read(|tx| known.refresh(tx, 1)).unwrap();
        let has = |region: &str, name: &str| {
            let scope = Scope { account: "1".into(), region: region.into() };
            known.has(&scope, &Metric::new("App", name, &[], "").unwrap())
        };
        assert_eq!((has("r", "n"), has("r", "v"), has("r", "p"), has("q", "v")), (false, true, true, false));
    }
}
