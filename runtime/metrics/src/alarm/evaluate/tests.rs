//! Tests of evaluation: the table of recorded texts, and what must hold for any input.

use super::*;
use crate::alarm::explain::explain;
use crate::alarm::spec::tests::spec;
use crate::distribution::Distribution;
use crate::point::tests::event;
use crate::point::{Point, PointKey, Tier};
use crate::unit::Unit;
use proptest::prelude::*;
use serde_json::{Value, json};

fn point(bucket_ms: i64, value: f64) -> StoredPoint {
    let key = PointKey { bucket_ms, tier: Tier::Minute, unit: Unit::None };
    let events = vec![event(bucket_ms + 5, bucket_ms.unsigned_abs())];
    StoredPoint { key, point: Point::with_events(Distribution::value(value), events) }
}

fn previous(text: &str) -> AlarmState {
    AlarmState { value: StateValue::parse(text).unwrap(), ..AlarmState::initial(0) }
}

/// Each line: an alarm, its state before, datapoints by periods back, the state after and its texts.
#[test]
fn table() {
    let table = include_str!("../../../cases/evaluate.jsonl");
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).unwrap();
        let about = case["about"].as_str().unwrap();
        let spec = spec(&case["put"]);
        let tick_ms = case["tick_ms"].as_i64().unwrap();
        let points: Vec<(i64, f64)> = serde_json::from_value(case["points"].clone()).unwrap();
        let start = |back: i64| tick_ms - back * spec.period_ms();
        let points: Vec<_> = points.into_iter().map(|(back, value)| point(start(back), value)).collect();
        let before = previous(case["previous"].as_str().unwrap());
        let found = evaluate(&spec, &points, &before, Moment::at(tick_ms + 1234));
        assert_eq!(case["state"], found.state.value.as_str(), "{about}");
        let changed = case["state"] != case["previous"];
        assert_eq!(found.transition.is_some(), changed, "{about}");
        assert!(explain(&spec, &found).contains("State: "), "{about}");
        if !changed {
            assert_eq!(found.state, before, "{about}");
            continue;
        }
        assert_eq!(case["reason"], found.state.reason.as_str(), "{about}");
        let data: Value = serde_json::from_str(found.state.reason_data.as_deref().unwrap()).unwrap();
        if let Some(evaluated) = case.get("evaluated") {
            let pairs: Vec<(i64, Option<f64>)> = serde_json::from_value(evaluated.clone()).unwrap();
            let shown: Vec<Value> = pairs
                .into_iter()
                .map(|(back, value)| match value {
                    Some(value) => {
                        json!({ "timestamp": crate::time::iso(start(back)), "sampleCount": 1.0, "value": value })
                    }
                    None => json!({ "timestamp": crate::time::iso(start(back)) }),
                })
                .collect();
            assert_eq!(data["evaluatedDatapoints"], json!(shown), "{about}");
        }
        if let Some(recent) = case.get("recent") {
            let recent: Vec<f64> = serde_json::from_value(recent.clone()).unwrap();
            assert_eq!(data["recentDatapoints"], json!(recent), "{about}");
            assert_eq!(data["startDate"].is_null(), recent.is_empty(), "{about}");
        }
    }
}

#[test]
fn reason_data_is_spelled_as_recorded() {
    let spec = spec(&json!({"Period": 10, "Unit": "Seconds", "Statistic": "Average", "Threshold": 21}));
    let key = PointKey { bucket_ms: 50_000, tier: Tier::Second, unit: Unit::Seconds };
    let values = Distribution::values(&[(21.0, 1.0), (22.0, 1.0)]).unwrap();
    let points = [StoredPoint { key, point: Point::of(values) }];
    let found = evaluate(&spec, &points, &previous("OK"), Moment::at(60_000));
    assert_eq!(
        found.state.reason_data.unwrap(),
        "{\"version\":\"1.0\",\"queryDate\":\"1970-01-01T00:01:00.000+0000\",\"startDate\":\
         \"1970-01-01T00:00:50.000+0000\",\"unit\":\"Seconds\",\"statistic\":\"Average\",\"period\":10,\
         \"recentDatapoints\":[21.5],\"threshold\":21.0,\"evaluatedDatapoints\":[{\"timestamp\":\
         \"1970-01-01T00:00:50.000+0000\",\"sampleCount\":2.0,\"value\":21.5}]}"
    );
}

#[test]
fn texts_stay_within_awss_limits() {
    let spec = spec(&json!({"EvaluationPeriods": 1440, "Threshold": 0}));
    let points: Vec<_> = (1..=1440).map(|back| point(-back * 60_000, 123_456.789_012_345)).collect();
    let found = evaluate(&spec, &points, &previous("OK"), Moment::at(0));
    assert_eq!(found.state.value, StateValue::Alarm);
    assert!(found.state.reason.chars().count() <= 1023);
    let data = found.state.reason_data.unwrap();
    assert!(data.len() <= 4000, "{}", data.len());
    let data: Value = serde_json::from_str(&data).unwrap();
    let newest = data["recentDatapoints"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(newest, json!(123_456.789_012_345), "the newest stay");
    assert_eq!(found.transition.unwrap().events.len(), 50);
}

#[test]
fn partial_data_shows_and_goes() {
    let spec = spec(&json!({}));
    let partial = Moment { partial: true, ..Moment::at(60_000) };
    let first = evaluate(&spec, &[point(0, 1.0)], &previous("OK"), partial);
    assert_eq!(first.transition, None);
    assert_eq!(first.state.evaluation_state, Some(EvaluationState::PartialData));
    assert_eq!((first.state.updated_ms, first.state.transitioned_ms), (60_000, 0));
    let second = evaluate(&spec, &[point(60_000, 1.0)], &first.state, Moment::at(120_000));
    assert_eq!((second.state.evaluation_state, second.state.updated_ms), (None, 120_000));
}

#[test]
fn units_are_not_mixed() {
    let in_unit = |unit, value| {
        let key = PointKey { bucket_ms: 0, tier: Tier::Minute, unit };
        StoredPoint { key, point: Point::of(Distribution::value(value)) }
    };
    let points = [in_unit(Unit::Seconds, 4.0), in_unit(Unit::Milliseconds, 3.0)];
    let value = |put: &Value| {
        let found = evaluate(&spec(put), &points, &previous("OK"), Moment::at(60_000));
        found.slots[0].datapoint.as_ref().map(|d| d.value)
    };
    assert_eq!(value(&json!({"Unit": "Seconds"})), Some(4.0));
    assert_eq!(value(&json!({"Unit": "Bytes"})), None);
    assert_eq!(value(&json!({})), Some(3.0), "the preferred unit, not the sum of 7");
}

#[test]
fn minute_points_reach_a_ten_second_alarm_at_their_minute() {
    let spec = spec(&json!({"Period": 10, "Threshold": 0}));
    let found =
        |tick_ms| evaluate(&spec, &[point(60_000, 1.0)], &previous("OK"), Moment::at(tick_ms)).state.value;
    assert_eq!(found(69_999), StateValue::InsufficientData);
    assert_eq!(found(70_000), StateValue::Alarm);
    assert_eq!(found(100_000), StateValue::InsufficientData);
}

#[test]
fn explanation_names_window_datapoints_and_rule() {
    let spec =
        spec(&json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 2, "TreatMissingData": "notBreaching"}));
    let points = [point(0, 9.0), point(120_000, 7.0), point(-60_000, 1.0)];
    let found = evaluate(&spec, &points, &previous("OK"), Moment::at(180_000));
    let told = explain(&spec, &found);
    for part in [
        "ALARM when 2 of 3 datapoints are greater than 5.0",
        "Sum of MyApplication/DatabaseErrors over 60 s",
        "Looked at 5 periods up to 1970-01-01T00:03:00.000+0000",
        "1970-01-01T00:02:00.000+0000  7.0 (1.0 samples): breaching",
        "1970-01-01T00:01:00.000+0000  no data",
        "The newest 3 datapoints decide",
        "State: OK -> ALARM.",
        "Behind it: 2 log events.",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
}

fn alarm() -> impl Strategy<Value = AlarmSpec> {
    let treatment = proptest::sample::select(vec!["missing", "ignore", "breaching", "notBreaching"]);
    let period = proptest::sample::select(vec![10, 30, 60, 300, 3600]);
    (1..6i64, 1..6i64, treatment, period, any::<bool>()).prop_map(|(n, m, treatment, period, explicit)| {
        let mut put =
            json!({"EvaluationPeriods": n, "TreatMissingData": treatment, "Period": period, "Threshold": 0});
        if explicit {
            put["DatapointsToAlarm"] = json!(m.min(n));
        }
        spec(&put)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(128)))]
    #[test]
    fn same_input_same_output_in_any_order(
        spec in alarm(), values in proptest::collection::btree_map(0..400i64, -9.0..9.0f64, 0..40),
        before in proptest::sample::select(vec!["OK", "ALARM", "INSUFFICIENT_DATA"]),
        seconds in 0..24_000i64, turn in 0..40usize,
    ) {
        let points: Vec<_> = values.iter().map(|(minute, value)| point(minute * 60_000, *value)).collect();
        let mut turned = points.clone();
        turned.rotate_left(turn.min(points.len()));
        turned.reverse();
        let before = previous(before);
        let moment = Moment::at(seconds * 1000);
        let found = evaluate(&spec, &points, &before, moment);
        prop_assert_eq!(&found, &evaluate(&spec, &turned, &before, moment));
        prop_assert_eq!(found.transition.is_some(), found.state.value != before.value);
        prop_assert!(found.watermark_ms <= moment.tick_ms);
        prop_assert!(found.slots.iter().all(|s| s.start_ms + spec.period_ms() <= found.watermark_ms));
        if let Some(change) = &found.transition {
            prop_assert!(change.events.len() <= 50);
            prop_assert_eq!(change.new.value == StateValue::Alarm || change.events.is_empty(), true);
            let data = change.new.reason_data.as_deref().unwrap();
            prop_assert!(serde_json::from_str::<Value>(data).is_ok() && data.len() <= 4000);
        }
        // What was decided stays decided: a second look at the same data changes nothing.
        let again = evaluate(&spec, &points, &found.state, moment);
        prop_assert!(again.transition.is_none());
    }
}
