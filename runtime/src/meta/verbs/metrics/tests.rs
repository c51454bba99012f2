//! Tests of the verbs of `metrics`: what is put is found by every way to it, in order, and page by page.

use metrics::alarm::history::HistoryKind;
use metrics::alarm::{AlarmSpec, AlarmState};
use metrics::distribution::Distribution;
use metrics::name::{Dimension, Metric};
use metrics::unit::Unit;
use serde_json::json;

use super::*;
use crate::meta::Meta;
use crate::meta::conformance::for_each;

fn scope(account: &str) -> Scope {
    Scope { account: account.to_owned(), region: "eu-west-1".to_owned() }
}

fn change<T: Send + 'static>(
    meta: &Meta,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, MetaError> + Send + 'static,
) -> T {
    meta.change_blocking(work).unwrap()
}

fn read<T>(meta: &Meta, work: impl FnOnce(&mut Tx<'_>) -> Result<T, MetaError>) -> T {
    meta.read(work).unwrap()
}

fn metric(name: &str) -> Metric {
    Metric {
        namespace: "App".to_owned(),
        name: name.to_owned(),
        dimensions: vec![Dimension::new("host", "a|b")],
    }
}

fn item(alarm: &str, at_ms: i64, kind: HistoryKind) -> HistoryItem {
    let item = json!({ "alarm_name": alarm, "at_ms": at_ms, "kind": kind, "summary": "s", "data": "{}" });
    serde_json::from_value(item).unwrap()
}

#[test]
fn series_are_found_by_key_by_prefix_and_by_id() {
    for_each(series);
}

fn series(meta: &Meta) {
    for name in ["Errors", "Latency", "Errors2"] {
        change(meta, move |tx| tx.series_for(&scope("1"), &metric(name), 5).map(drop));
    }
    change(meta, |tx| tx.series_for(&scope("2"), &metric("Errors"), 5).map(drop));
    let again = change(meta, |tx| tx.series_for(&scope("1"), &metric("Errors"), 6));
    assert_eq!((again.id, again.created_ms), (1, 5), "a series is made once");
    let prefix = "App|";
    let list = |after: Option<&str>, limit| {
        let found = read(meta, |tx| tx.series_list(&scope("1"), prefix, after, limit));
        found.into_iter().map(|series| series.metric.name).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 9).len(), 3);
    let first = list(None, 1);
    let rest = list(Some(&metric(&first[0]).key()), 9);
    assert_eq!((rest.len(), rest.contains(&first[0])), (2, false));
    let ids =
        |after| read(meta, |tx| tx.series_all(after, 9)).into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!((ids(None), ids(Some(2))), (vec![1, 2, 3, 4], vec![3, 4]));
}

#[test]
fn points_are_read_by_bucket_in_all_tiers_and_units() {
    for_each(points);
}

fn points(meta: &Meta) {
    let key = |bucket_ms, tier, unit| PointKey { bucket_ms, tier, unit };
    let keys = [
        key(-60_000, Tier::Minute, Unit::None),
        key(0, Tier::Minute, Unit::None),
        key(0, Tier::Minute, Unit::Count),
        key(0, Tier::Hour, Unit::None),
        key(60_000, Tier::Minute, Unit::None),
    ];
    let point = Point::of(Distribution::value(1.0));
    for key in keys {
        let point = point.clone();
        change(meta, move |tx| tx.merge_point(7, &StoredPoint { key, point }));
    }
    let found = |from_ms, to_ms| read(meta, |tx| tx.points(7, from_ms, to_ms)).len();
    assert_eq!((found(0, 60_000), found(-60_000, 60_001), found(1, 60_000)), (3, 5, 0));
    assert!(read(meta, |tx| tx.points(8, i64::MIN, i64::MAX)).is_empty());
    let old = |tier, before_ms, limit| read(meta, |tx| tx.points_before(7, tier, before_ms, limit)).len();
    assert_eq!(
        (old(Tier::Minute, 60_000, 9), old(Tier::Minute, 60_000, 2), old(Tier::Hour, 0, 9)),
        (3, 2, 0)
    );
    change(meta, move |tx| tx.delete_point(7, keys[1]));
    assert_eq!(read(meta, |tx| tx.point(7, keys[1])), None);
    assert_eq!(read(meta, |tx| tx.point(7, keys[2])), Some(point));
}

#[test]
fn points_of_earlier_versions_are_read_and_merged() {
    for_each(old_points);
}

fn old_points(meta: &Meta) {
    // As rows of points were before they were packed.
    const OLD: Table<StoredPoint> = Table::new("metric_points");
    let row = json!({
        "key": { "bucket_ms": 60_000, "tier": "minute", "unit": "Count" },
        "point": {
            "values": { "count": 2.0, "sum": 3.5, "min": 0.5, "max": 3.0,
                "samples": { "exact": [[0.5, 1.0], [3.0, 1.0]] } },
            "events": [[60_007, 9, 4, 5, "errors@1"]],
        },
    });
    let old: StoredPoint = serde_json::from_value(row).unwrap();
    let (put, key) = (old.clone(), old.key);
    change(meta, move |tx| tx.put(&OLD, &point_key(7, put.key), &put));
    assert_eq!(read(meta, |tx| tx.points(7, 0, 120_000)), std::slice::from_ref(&old));
    let new = StoredPoint { key, point: Point::of(Distribution::value(1.0)) };
    let merged = old.point.merge(&new.point);
    change(meta, move |tx| tx.merge_point(7, &new));
    assert_eq!(read(meta, |tx| tx.point(7, key)), Some(merged));
    assert!(meta.read(|tx| tx.get(&OLD, &point_key(7, key))).is_err(), "it is packed now");
}

#[test]
fn history_is_read_by_scope_and_alarm_in_both_orders_and_swept_by_age() {
    for_each(history);
}

fn history(meta: &Meta) {
    let kinds = [HistoryKind::ConfigurationUpdate, HistoryKind::StateUpdate];
    for (at_ms, alarm) in [(10, "a"), (10, "b"), (20, "a"), (30, "a\0"), (40, "a")] {
        let item = item(alarm, at_ms, kinds[usize::from(at_ms > 10)]);
        change(meta, move |tx| tx.append_history(&scope("1"), &item));
    }
    let all = HistoryQuery {
        alarm_name: None,
        kind: None,
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        newest_first: false,
        after: None,
        limit: 9,
    };
    let times = |query: &HistoryQuery| {
        let found = read(meta, |tx| tx.history(&scope("1"), query));
        found.iter().map(HistoryEntry::place).collect::<Vec<_>>()
    };
    assert_eq!(times(&all), [(10, 1), (10, 2), (20, 3), (30, 4), (40, 5)]);
    let of_a = HistoryQuery { alarm_name: Some("a".to_owned()), ..all.clone() };
    assert_eq!(times(&of_a), [(10, 1), (20, 3), (40, 5)]);
    let newest = HistoryQuery { newest_first: true, limit: 2, ..of_a.clone() };
    assert_eq!(times(&newest), [(40, 5), (20, 3)]);
    assert_eq!(times(&HistoryQuery { after: Some((20, 3)), ..newest }), [(10, 1)]);
    assert_eq!(times(&HistoryQuery { after: Some((10, 1)), ..all.clone() })[0], (10, 2));
    assert_eq!(times(&HistoryQuery { from_ms: 20, to_ms: 30, ..all.clone() }), [(20, 3), (30, 4)]);
    let made = HistoryQuery { kind: Some(HistoryKind::ConfigurationUpdate), ..all.clone() };
    assert_eq!(times(&made), [(10, 1), (10, 2)]);
    assert!(read(meta, |tx| tx.history(&scope("2"), &all)).is_empty());
    assert_eq!(change(meta, |tx| tx.sweep_history(30, 2)), 2);
    assert_eq!(change(meta, |tx| tx.sweep_history(30, 9)), 1);
    assert_eq!((times(&all), times(&of_a)), (vec![(30, 4), (40, 5)], vec![(40, 5)]));
}

fn alarm(id: u64, account: &str, name: &str) -> AlarmRecord {
    let put = json!({
        "AlarmName": name, "MetricName": "m", "Namespace": "App", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold",
    });
    AlarmRecord {
        id,
        scope: scope(account),
        revision: 1,
        spec: AlarmSpec::new(&serde_json::from_value(put).unwrap()).unwrap(),
        created_ms: 1,
        configured_ms: 1,
        state: AlarmState::initial(1),
        evaluated_ms: 1,
    }
}

#[test]
fn alarms_are_found_by_name_by_prefix_and_by_id() {
    for_each(alarms);
}

fn alarms(meta: &Meta) {
    for (id, account, name) in [(7, "1", "b"), (2, "1", "ab"), (5, "2", "a"), (9, "1", "a")] {
        change(meta, move |tx| tx.put_alarm(&alarm(id, account, name)));
    }
    let listed = |prefix: &str, after: Option<&str>, limit| {
        let found = read(meta, |tx| tx.alarms(&scope("1"), prefix, after, limit));
        found.into_iter().map(|alarm| alarm.id).collect::<Vec<_>>()
    };
    assert_eq!(listed("", None, 9), [9, 2, 7]);
    assert_eq!((listed("a", None, 9), listed("a", Some("a"), 9)), (vec![9, 2], vec![2]));
    assert_eq!(listed("", Some("a"), 1), [2]);
    let ids = |after, limit| {
        let found = read(meta, |tx| tx.alarms_all(after, limit));
        found.into_iter().map(|alarm| alarm.id).collect::<Vec<_>>()
    };
    assert_eq!((ids(None, 9), ids(Some(5), 1)), (vec![2, 5, 7, 9], vec![7]));
    let raised = AlarmRecord { revision: 2, ..alarm(9, "1", "a") };
    let put = raised.clone();
    change(meta, move |tx| tx.put_alarm(&put));
    assert_eq!(read(meta, |tx| tx.alarm(&scope("1"), "a")), Some(raised));
    for revision in [1, 2, 10] {
        let definition = AlarmDefinition { alarm_id: 9, revision, valid_from_ms: 4, spec: None };
        change(meta, move |tx| tx.append_definition(&definition));
    }
    let revisions = read(meta, |tx| tx.alarm_definitions(9));
    assert_eq!(revisions.iter().map(|one| one.revision).collect::<Vec<_>>(), [1, 2, 10]);
    change(meta, |tx| tx.delete_alarm(&scope("1"), "a"));
    assert_eq!((read(meta, |tx| tx.alarm(&scope("1"), "a")), ids(None, 9)), (None, vec![2, 5, 7]));
    assert_eq!(read(meta, |tx| tx.alarm_definitions(9)).len(), 3, "definitions outlive the alarm");
}
