//! Owns the `AWS/Lambda` metrics: what functions did in a minute becomes points. Refuses to count (the ledger does) and
//! to write them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use metrics::datum::{self, Datum, MetricDatum, StatisticSet};
use metrics::number::Number;
use metrics::{Dimension, Scope};
use wasm::Recent;

use crate::app::App;
use crate::meta::{MetaError, every_function};
use crate::records;

/// The namespace.
const NAMESPACE: &str = "AWS/Lambda";

/// What functions did since the last time: taken, and news again when it is given back.
pub(super) type Taken = BTreeMap<u64, Recent>;

/// Points by the account and region that they belong to.
pub(super) type Points = Vec<(Scope, Vec<Datum>)>;

/// The points of what functions did since the last time, for the minute that began at `at_ms`.
///
/// # Errors
/// Metadata failed: it is news still.
pub(super) fn take(app: &Arc<App>, at_ms: i64) -> Result<(Taken, Points), MetaError> {
    let recent = app.functions.ledger.take_recent();
    if recent.is_empty() {
        return Ok((recent, Vec::new()));
    }
    match points(app, &recent, at_ms) {
        Ok(points) => Ok((recent, points)),
        Err(error) => {
            app.functions.ledger.give_back_recent(recent);
            Err(error)
        }
    }
}

fn points(app: &Arc<App>, recent: &Taken, at_ms: i64) -> Result<Points, MetaError> {
    let every = app.meta.read(|tx| every_function(tx))?;
    let names: HashMap<u64, (records::Scope, String)> = every
        .into_iter()
        .map(|(account, region, record)| (record.id, (records::Scope { account, region }, record.name)))
        .collect();
    let now_ms = app.clock.now_ms();
    let mut by_scope: BTreeMap<(String, String), Vec<Datum>> = BTreeMap::new();
    // A function that is gone by now has no name to count under.
    for (id, recent) in recent {
        let Some((scope, name)) = names.get(id) else { continue };
        let data = by_scope.entry((scope.account.clone(), scope.region.clone())).or_default();
        let checked = datum::check(NAMESPACE, &of_function(name, recent, at_ms), now_ms);
        match checked {
            Ok(checked) => data.extend(checked),
            Err(error) => tracing::warn!(name, %error, "metrics of a function were not written"),
        }
    }
    let scoped = |((account, region), data)| (Scope::from(&records::Scope { account, region }), data);
    Ok(by_scope.into_iter().map(scoped).collect())
}

/// Lambda's own: a sum of 1 for each call, error and throttle, durations in milliseconds.
fn of_function(name: &str, recent: &Recent, at_ms: i64) -> Vec<MetricDatum> {
    let datum = |metric: &str, unit: &str| MetricDatum {
        metric_name: metric.to_owned(),
        dimensions: vec![Dimension { name: "FunctionName".to_owned(), value: name.to_owned() }],
        timestamp: Some(Number(at_ms as f64 / 1e3)),
        unit: Some(unit.to_owned()),
        ..MetricDatum::default()
    };
    let count = |metric: &str, count: u64| MetricDatum {
        value: Some(Number(count as f64)),
        ..datum(metric, "Count")
    };
    let mut data = vec![
        count("Invocations", recent.calls),
        count("Errors", recent.errors),
        count("Throttles", recent.throttles),
        count("ConcurrentExecutions", recent.concurrent),
    ];
    if recent.calls > 0 {
        let [sum, minimum, maximum] = recent.duration_us.map(|us| Number(us as f64 / 1e3));
        let statistic_values =
            Some(StatisticSet { sample_count: Number(recent.calls as f64), sum, minimum, maximum });
        data.push(MetricDatum { statistic_values, ..datum("Duration", "Milliseconds") });
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_did_is_five_metrics() {
        let recent =
            Recent { calls: 2, errors: 1, throttles: 3, duration_us: [5_000, 1_000, 4_000], concurrent: 2 };
        let data = of_function("f", &recent, 60_000);
        let checked = datum::check(NAMESPACE, &data, 60_000).unwrap();
        let names: Vec<&str> = checked.iter().map(|datum| datum.metric.name.as_str()).collect();
        assert_eq!(names, ["Invocations", "Errors", "Throttles", "ConcurrentExecutions", "Duration"]);
        assert_eq!(data[4].statistic_values.unwrap().maximum.0, 4.0);
        let none = Recent { throttles: 1, ..Recent::default() };
        assert_eq!(of_function("f", &none, 0).len(), 4, "no call has no duration");
    }
}
