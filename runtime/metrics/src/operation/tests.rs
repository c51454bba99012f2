//! Tests of the operations over records in memory.

#![allow(clippy::needless_pass_by_value, reason = "json! literals as arguments")]

mod memory;

use super::*;
use crate::alarm::StateValue;
use crate::alarm::evaluate::Moment;
use crate::alarm::spec::tests::request;
use crate::operation::delete_alarms::delete_alarms;
use crate::operation::describe_alarm_history::describe_alarm_history;
use crate::operation::describe_alarms::describe_alarms;
use crate::operation::describe_alarms_for_metric::describe_alarms_for_metric;
use crate::operation::evaluate_alarm::{commit, look};
use crate::operation::get_metric_data::get_metric_data;
use crate::operation::get_metric_statistics::get_metric_statistics;
use crate::operation::list_metrics::list_metrics;
use crate::operation::put_metric_alarm::put_metric_alarm;
use crate::operation::put_metric_data::put_metric_data;
use crate::operation::set_alarm_state::set_alarm_state;
use crate::records::Reads;
use crate::{Code, Scope};
use memory::Memory;
use serde_json::{Value, json};
use std::convert::Infallible;

/// A full hour, so that minutes and hours line up.
const NOW_S: i64 = 1_700_006_400;
const NOW_MS: i64 = NOW_S * 1000;
const DAY_MS: i64 = 86_400_000;

fn scope() -> Scope {
    Scope { account: "000000000000".into(), region: "us-east-1".into() }
}

fn input<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn put_data(records: &mut Memory, data: Value, now_ms: i64) {
    let put = input(json!({ "Namespace": "App", "MetricData": data }));
    put_metric_data(records, &scope(), &put, now_ms).unwrap();
}

fn fault<T: std::fmt::Debug>(outcome: Outcome<T, Infallible>) -> Fault {
    match outcome.unwrap_err() {
        Failure::Fault(fault) => fault,
        Failure::Records(never) => match never {},
    }
}

fn alarm(records: &mut Memory, changes: Value) {
    put_metric_alarm(records, &scope(), &request(&changes), NOW_MS).unwrap();
}

#[test]
fn put_then_get() {
    let mut records = Memory::default();
    for value in [1.0, 5.0, 3.0] {
        put_data(&mut records, json!([{"MetricName": "m", "Value": value, "Timestamp": NOW_S - 90}]), NOW_MS);
    }
    put_data(&mut records, json!([{"MetricName": "m", "Value": 7, "Timestamp": NOW_S - 30}]), NOW_MS);
    let get = |records: &mut Memory, more: Value| {
        let mut get = json!({"Namespace": "App", "MetricName": "m", "StartTime": NOW_S - 120, "EndTime": NOW_S, "Period": 60});
        get.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        get_metric_statistics(records, &scope(), &input(get), NOW_MS)
    };
    let basic =
        get(&mut records, json!({"Statistics": ["Sum", "Average", "SampleCount", "Minimum", "Maximum"]}))
            .unwrap();
    assert_eq!(basic["Label"], "m");
    assert_eq!(
        basic["Datapoints"],
        json!([
            {"Timestamp": (NOW_S - 120) as f64, "Unit": "None", "Sum": 9.0, "Average": 3.0, "SampleCount": 3.0, "Minimum": 1.0, "Maximum": 5.0},
            {"Timestamp": (NOW_S - 60) as f64, "Unit": "None", "Sum": 7.0, "Average": 7.0, "SampleCount": 1.0, "Minimum": 7.0, "Maximum": 7.0},
        ])
    );
    let extended = get(&mut records, json!({"ExtendedStatistics": ["p50", "tm100"]})).unwrap();
    assert_eq!(extended["Datapoints"][0]["ExtendedStatistics"], json!({"p50": 3.0, "tm100": 3.0}));
    assert_eq!(
        get(&mut records, json!({"Statistics": ["Sum"], "Unit": "Seconds"})).unwrap()["Datapoints"],
        json!([])
    );
    assert_eq!(
        get(&mut records, json!({"Statistics": ["Sum"], "MetricName": "other"})).unwrap()["Datapoints"],
        json!([])
    );
    assert_eq!(fault(get(&mut records, json!({}))).code, Code::InvalidParameterCombination);
    let many =
        fault(get(&mut records, json!({"Statistics": ["Sum"], "Period": 1, "StartTime": NOW_S - 86_400})));
    assert_eq!(
        many.message,
        "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints \
         requested by increasing Period, or decreasing the time range."
    );
    let turned = fault(get(&mut records, json!({"Statistics": ["Sum"], "EndTime": NOW_S - 200})));
    assert_eq!(turned.message, "The parameter StartTime must be less than the parameter EndTime.");
}

#[test]
fn one_bad_datum_refuses_all() {
    let mut records = Memory::default();
    let put = input(
        json!({"Namespace": "App", "MetricData": [{"MetricName": "m", "Value": 1}, {"MetricName": "m", "Value": "NaN"}]}),
    );
    assert_eq!(
        fault(put_metric_data(&mut records, &scope(), &put, NOW_MS)).code,
        Code::InvalidParameterValue
    );
    assert_eq!(records.series_all(None, 9).unwrap(), []);
}

#[test]
fn metric_data_pages_and_orders() {
    let mut records = Memory::default();
    for minute in 1..=5 {
        let at = NOW_S - minute * 60;
        put_data(
            &mut records,
            json!([{"MetricName": "a", "Value": minute, "Timestamp": at}, {"MetricName": "b", "Value": 10 * minute, "Timestamp": at}]),
            NOW_MS,
        );
    }
    let query = |name: &str| json!({"Id": name, "MetricStat": {"Metric": {"Namespace": "App", "MetricName": name}, "Period": 60, "Stat": "Sum"}});
    let get = |more: Value| {
        let mut get = json!({"MetricDataQueries": [query("a"), query("b")], "StartTime": NOW_S - 600, "EndTime": NOW_S});
        get.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        get
    };
    let all = get_metric_data(&mut records, &scope(), &input(get(json!({}))), NOW_MS).unwrap();
    assert_eq!(all["MetricDataResults"][0]["Values"], json!([1.0, 2.0, 3.0, 4.0, 5.0]), "newest first");
    assert_eq!(all["MetricDataResults"][1]["Label"], "b");
    assert_eq!(all.get("NextToken"), None);
    let (mut seen, mut statuses, mut token) = (Vec::new(), Vec::new(), Value::Null);
    for _ in 0..9 {
        let asked = get(json!({"MaxDatapoints": 3, "ScanBy": "TimestampAscending", "NextToken": token}));
        let page = get_metric_data(&mut records, &scope(), &input(asked), NOW_MS).unwrap();
        for result in page["MetricDataResults"].as_array().unwrap() {
            let values: Vec<f64> = input(result["Values"].clone());
            seen.extend(values);
            statuses.push(result["StatusCode"].as_str().unwrap().to_owned());
        }
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen, [5.0, 4.0, 3.0, 2.0, 1.0, 50.0, 40.0, 30.0, 20.0, 10.0]);
    assert_eq!(statuses, ["PartialData", "Complete", "PartialData", "PartialData", "Complete"]);
    for (more, code) in [
        (json!({"NextToken": "zz"}), Code::InvalidNextToken),
        (json!({"NextToken": token_text("9.0")}), Code::InvalidNextToken),
        (json!({"MetricDataQueries": [{"Id": "e1", "Expression": "a+b"}]}), Code::Unsupported),
        (json!({"MetricDataQueries": [query("a"), query("a")]}), Code::ValidationError),
        (json!({"MetricDataQueries": []}), Code::MissingParameter),
        (json!({"EndTime": NOW_S - 600}), Code::ValidationError),
        (json!({"MaxDatapoints": 100_801}), Code::ValidationError),
    ] {
        let outcome = get_metric_data(&mut records, &scope(), &input(get(more.clone())), NOW_MS);
        assert_eq!(fault(outcome).code, code, "{more}");
    }
}

#[test]
fn several_units_are_told_as_aws_does() {
    let mut records = Memory::default();
    for (value, unit) in [(60_000, "Milliseconds"), (60, "Seconds"), (5, "Count")] {
        put_data(&mut records, json!([{"MetricName": "m", "Value": value, "Unit": unit}]), NOW_MS);
    }
    let get = |unit: Value| {
        input(json!({"StartTime": NOW_S, "EndTime": NOW_S + 60, "MetricDataQueries": [
            {"Id": "m1", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Sum", "Unit": unit}}]}))
    };
    let all = get_metric_data(&mut records, &scope(), &get(Value::Null), NOW_MS).unwrap();
    let result = &all["MetricDataResults"][0];
    assert_eq!(result["Values"], json!([5.0]));
    assert_eq!(
        result["Messages"],
        json!([{"Code": "MultipleUnits", "Value": "Multiple units returned: '[Count, Milliseconds, Seconds]'"}])
    );
    let one = get_metric_data(&mut records, &scope(), &get(json!("Seconds")), NOW_MS).unwrap();
    let result = &one["MetricDataResults"][0];
    assert_eq!((&result["Values"], result.get("Messages")), (&json!([60.0]), None));
}

#[test]
fn labels_tell_queries_apart() {
    let mut records = Memory::default();
    for (queries, labels) in [
        (vec![("Sum", 60), ("Minimum", 30)], vec!["m Sum 60", "m Minimum 30"]),
        (vec![("Sum", 60), ("Minimum", 60)], vec!["m Sum", "m Minimum"]),
        (vec![("Sum", 60), ("Sum", 30)], vec!["m 60", "m 30"]),
        (vec![("Sum", 60), ("Sum", 60)], vec!["m", "m"]),
    ] {
        let queries: Vec<Value> = queries
            .into_iter()
            .enumerate()
            .map(|(i, (stat, period))| json!({"Id": format!("q{i}"), "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": period, "Stat": stat}}))
            .collect();
        let get = input(json!({"StartTime": NOW_S, "EndTime": NOW_S + 60, "MetricDataQueries": queries}));
        let answer = get_metric_data(&mut records, &scope(), &get, NOW_MS).unwrap();
        let got: Vec<&str> = answer["MetricDataResults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["Label"].as_str().unwrap())
            .collect();
        assert_eq!(got, labels);
    }
}

#[test]
fn absurd_times_are_answered() {
    let mut records = Memory::default();
    put_data(&mut records, json!([{"MetricName": "m", "Value": 1}]), NOW_MS);
    let query = json!([{"Id": "q", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}}]);
    for (start, end) in [(-1e300, 1e300), (-1e15, 1e15), (0.0, 1e18)] {
        let get = input(json!({"StartTime": start, "EndTime": end, "MetricDataQueries": query}));
        let answer = get_metric_data(&mut records, &scope(), &get, NOW_MS).unwrap();
        assert_eq!(answer["MetricDataResults"][0]["Values"], json!([1.0]));
        let get = input(
            json!({"Namespace": "App", "MetricName": "m", "StartTime": start, "EndTime": end, "Period": 60, "Statistics": ["Sum"]}),
        );
        assert_eq!(
            fault(get_metric_statistics(&mut records, &scope(), &get, NOW_MS)).code,
            Code::InvalidParameterCombination
        );
    }
}

fn token_text(text: &str) -> String {
    token('d', text)
}

#[test]
fn metrics_are_listed_by_filter_page_and_activity() {
    let mut records = Memory::default();
    let data = |from: i64, to: i64| -> Value {
        (from..to).map(|i| json!({"MetricName": format!("m{i:04}"), "Value": 1, "Dimensions": [{"Name": "k", "Value": (i % 2).to_string()}]})).collect()
    };
    put_data(&mut records, data(0, 600), NOW_MS);
    put_data(&mut records, data(600, 700), NOW_MS - 5 * 3_600_000);
    let list =
        |records: &mut Memory, asked: Value| list_metrics(records, &scope(), &input(asked), NOW_MS).unwrap();
    let count = |answer: &Value| answer["Metrics"].as_array().unwrap().len();
    let first = list(&mut records, json!({}));
    assert_eq!(count(&first), 500);
    let second = list(&mut records, json!({"NextToken": first["NextToken"]}));
    assert_eq!((count(&second), second.get("NextToken")), (200, None));
    assert_eq!(count(&list(&mut records, json!({"Namespace": "App", "MetricName": "m0001"}))), 1);
    assert_eq!(count(&list(&mut records, json!({"MetricName": "m0001"}))), 1);
    assert_eq!(count(&list(&mut records, json!({"Namespace": "Ap"}))), 0);
    assert_eq!(count(&list(&mut records, json!({"Dimensions": [{"Name": "k", "Value": "1"}]}))), 350);
    let active = list(&mut records, json!({"RecentlyActive": "PT3H", "NextToken": first["NextToken"]}));
    assert_eq!(count(&active), 100);
    let later = list_metrics(&mut records, &scope(), &input(json!({})), NOW_MS + 15 * DAY_MS).unwrap();
    assert_eq!(count(&later), 0);
    let elsewhere = Scope { region: "eu-west-1".into(), ..scope() };
    assert_eq!(count(&list_metrics(&mut records, &elsewhere, &input(json!({})), NOW_MS).unwrap()), 0);
    assert_eq!(
        fault(list_metrics(&mut records, &scope(), &input(json!({"IncludeLinkedAccounts": true})), NOW_MS))
            .code,
        Code::Unsupported
    );
}

#[test]
fn alarms_are_put_and_described() {
    let mut records = Memory::default();
    for name in ["b", "a", "ab"] {
        alarm(
            &mut records,
            json!({"AlarmName": name, "AlarmActions": ["arn:aws:sns:us-east-1:000000000000:t"]}),
        );
    }
    let names = |records: &mut Memory, asked: Value| -> Vec<String> {
        let answer = describe_alarms(records, &scope(), &input(asked)).unwrap();
        answer["MetricAlarms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["AlarmName"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&mut records, json!({})), ["a", "ab", "b"]);
    assert_eq!(names(&mut records, json!({"AlarmNamePrefix": "a"})), ["a", "ab"]);
    assert_eq!(names(&mut records, json!({"AlarmNames": ["b", "nope", "a"]})), ["a", "b"]);
    assert_eq!(names(&mut records, json!({"StateValue": "OK"})), [""; 0]);
    assert_eq!(names(&mut records, json!({"ActionPrefix": "arn:aws:sns"})).len(), 3);
    assert_eq!(names(&mut records, json!({"AlarmTypes": ["CompositeAlarm"]})), [""; 0]);
    let page = describe_alarms(&mut records, &scope(), &input(json!({"MaxRecords": 2}))).unwrap();
    assert_eq!(names(&mut records, json!({"MaxRecords": 2, "NextToken": page["NextToken"]})), ["b"]);
    let shown = &page["MetricAlarms"][0];
    assert_eq!(shown["StateReason"], "Unchecked: Initial alarm creation");
    assert_eq!(shown["AlarmArn"], "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a");
    assert_eq!(
        (shown.get("Unit"), shown.get("DatapointsToAlarm"), &shown["Dimensions"]),
        (None, None, &json!([]))
    );

    let for_metric = describe_alarms_for_metric(
        &mut records,
        &scope(),
        &input(json!({"Namespace": "MyApplication", "MetricName": "DatabaseErrors", "Statistic": "Sum"})),
    )
    .unwrap();
    assert_eq!(for_metric["MetricAlarms"].as_array().unwrap().len(), 3);
    let other = describe_alarms_for_metric(
        &mut records,
        &scope(),
        &input(json!({"Namespace": "MyApplication", "MetricName": "DatabaseErrors", "Period": 300})),
    )
    .unwrap();
    assert_eq!(other["MetricAlarms"], json!([]));
}

#[test]
fn alarms_are_switched_and_deleted() {
    let mut records = Memory::default();
    for name in ["a", "b"] {
        alarm(
            &mut records,
            json!({"AlarmName": name, "AlarmActions": ["arn:aws:sns:us-east-1:000000000000:t"]}),
        );
    }
    super::alarm_actions::set_alarm_actions(
        &mut records,
        &scope(),
        &["a".into(), "nope".into()],
        false,
        NOW_MS + 1,
    )
    .unwrap();
    let off = records.alarm(&scope(), "a").unwrap().unwrap();
    assert_eq!((off.spec.actions_enabled, off.revision), (false, 2));
    assert!(off.spec.actions(StateValue::Alarm).is_empty());

    let gone =
        delete_alarms(&mut records, &scope(), &["a".into(), "nope".into(), "a".into()], NOW_MS + 2).unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(records.alarms(&scope(), "", None, 9).unwrap().len(), 1);
    let revisions: Vec<_> =
        records.alarm_definitions(off.id).unwrap().iter().map(|d| (d.revision, d.spec.is_some())).collect();
    assert_eq!(revisions, [(1, true), (2, true), (3, false)]);
    let history = describe_alarm_history(&mut records, &scope(), &input(json!({"AlarmName": "a"}))).unwrap();
    let summaries: Vec<_> = history["AlarmHistoryItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["HistorySummary"].clone())
        .collect();
    assert_eq!(summaries, ["Alarm \"a\" deleted", "Alarm \"a\" updated", "Alarm \"a\" created"]);
    alarm(&mut records, json!({"AlarmName": "a"}));
    assert_ne!(records.alarm(&scope(), "a").unwrap().unwrap().id, off.id, "made again, it is another alarm");
}

#[test]
fn a_new_definition_leaves_the_state() {
    let mut records = Memory::default();
    alarm(&mut records, json!({}));
    let set =
        input(json!({"AlarmName": "DatabaseErrorsAlarm", "StateValue": "ALARM", "StateReason": "test"}));
    let (_, change) = set_alarm_state(&mut records, &scope(), &set, NOW_MS + 5).unwrap();
    assert_eq!(change.unwrap().old.value, StateValue::InsufficientData);
    let (_, again) = set_alarm_state(&mut records, &scope(), &set, NOW_MS + 6).unwrap();
    assert_eq!(again, None, "no change, no actions");
    alarm(&mut records, json!({"Threshold": 9}));
    let alarm = records.alarm(&scope(), "DatabaseErrorsAlarm").unwrap().unwrap();
    assert_eq!((alarm.state.value, alarm.spec.threshold, alarm.revision), (StateValue::Alarm, 9.0, 2));
    let unknown = input(json!({"AlarmName": "nope", "StateValue": "OK", "StateReason": ""}));
    let fault = fault(set_alarm_state(&mut records, &scope(), &unknown, NOW_MS));
    assert_eq!((fault.code, fault.code.status()), (Code::ResourceNotFound, 404));
}

#[test]
fn from_data_to_alarm_and_back() {
    let mut records = Memory::default();
    alarm(&mut records, json!({"MetricName": "m", "Namespace": "App", "Threshold": 5}));
    let step = |records: &mut Memory, tick_ms: i64| {
        let alarm = records.alarm(&scope(), "DatabaseErrorsAlarm").unwrap().unwrap();
        let found = look(records, &alarm, Moment::at(tick_ms)).unwrap();
        assert!(commit(records, &alarm, &found, &[]).unwrap());
        let after = records.alarm(&scope(), "DatabaseErrorsAlarm").unwrap().unwrap();
        assert_eq!(after.evaluated_ms, tick_ms);
        after.state.value
    };
    put_data(&mut records, json!([{"MetricName": "m", "Value": 6, "Timestamp": NOW_S + 10}]), NOW_MS);
    assert_eq!(step(&mut records, NOW_MS), StateValue::InsufficientData, "the minute is not complete");
    assert_eq!(step(&mut records, NOW_MS + 60_000), StateValue::Alarm);
    put_data(&mut records, json!([{"MetricName": "m", "Value": 1, "Timestamp": NOW_S + 70}]), NOW_MS);
    assert_eq!(step(&mut records, NOW_MS + 120_000), StateValue::Ok);
    let history = describe_alarm_history(
        &mut records,
        &scope(),
        &input(json!({"HistoryItemType": "StateUpdate", "ScanBy": "TimestampAscending"})),
    )
    .unwrap();
    let items = history["AlarmHistoryItems"].as_array().unwrap();
    assert_eq!(items[0]["HistorySummary"], "Alarm updated from INSUFFICIENT_DATA to ALARM");
    assert_eq!(items[1]["HistorySummary"], "Alarm updated from ALARM to OK");
    let data: Value = serde_json::from_str(items[1]["HistoryData"].as_str().unwrap()).unwrap();
    assert_eq!(data["oldState"]["stateReasonData"]["recentDatapoints"], json!([6.0]));
    assert_eq!(data["newState"]["stateValue"], "OK");
}

#[test]
fn an_evaluation_of_a_changed_alarm_is_not_kept() {
    let mut records = Memory::default();
    alarm(&mut records, json!({"TreatMissingData": "breaching"}));
    let looked_at = records.alarm(&scope(), "DatabaseErrorsAlarm").unwrap().unwrap();
    let found = look(&mut records, &looked_at, Moment::at(NOW_MS + 60_000)).unwrap();
    assert!(found.transition.is_some());
    alarm(&mut records, json!({"TreatMissingData": "ignore"}));
    assert!(!commit(&mut records, &looked_at, &found, &[]).unwrap());
    delete_alarms(&mut records, &scope(), &["DatabaseErrorsAlarm".into()], NOW_MS).unwrap();
    assert!(!commit(&mut records, &looked_at, &found, &[]).unwrap());
}

#[test]
fn history_pages_both_ways() {
    let mut records = Memory::default();
    alarm(&mut records, json!({}));
    for (at, state) in (1..=6).zip(["OK", "ALARM"].into_iter().cycle()) {
        let set = input(
            json!({"AlarmName": "DatabaseErrorsAlarm", "StateValue": state, "StateReason": at.to_string()}),
        );
        // Two at the same moment: the sequence tells them apart.
        set_alarm_state(&mut records, &scope(), &set, NOW_MS + at / 2).unwrap();
    }
    for order in ["TimestampDescending", "TimestampAscending"] {
        let (mut seen, mut token) = (Vec::new(), Value::Null);
        for _ in 0..9 {
            let asked = json!({"MaxRecords": 2, "ScanBy": order, "NextToken": token, "HistoryItemType": "StateUpdate"});
            let page = describe_alarm_history(&mut records, &scope(), &input(asked)).unwrap();
            for item in page["AlarmHistoryItems"].as_array().unwrap() {
                let data: Value = serde_json::from_str(item["HistoryData"].as_str().unwrap()).unwrap();
                seen.push(data["newState"]["stateReason"].as_str().unwrap().parse::<i64>().unwrap());
            }
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        let mut expected: Vec<i64> = (1..=6).collect();
        if order == "TimestampDescending" {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{order}");
    }
    assert_eq!(super::sweep::sweep_history(&mut records, NOW_MS + 31 * DAY_MS, 5).unwrap(), 5);
    assert_eq!(super::sweep::sweep_history(&mut records, NOW_MS + 31 * DAY_MS, 5).unwrap(), 2);
}

#[test]
fn sweeping_keeps_sums_in_coarser_points() {
    let mut records = Memory::default();
    for second in 0..120 {
        put_data(
            &mut records,
            json!([{"MetricName": "m", "Value": 1, "Timestamp": NOW_S + second, "StorageResolution": 1}]),
            NOW_MS,
        );
    }
    let series = records.series_all(None, 1).unwrap()[0].id;
    let count = |records: &mut Memory| records.points(series, i64::MIN, i64::MAX).unwrap().len();
    assert_eq!(count(&mut records), 120);
    let later = NOW_MS + 3 * 3_600_000 + 120_000;
    let first = super::sweep::sweep_points(&mut records, series, later, 90).unwrap();
    assert_eq!((first.joined, first.gone, first.has_more), (2, 90, true), "the limit cuts the second minute");
    let swept = super::sweep::sweep_points(&mut records, series, later, 90).unwrap();
    assert_eq!((swept.joined, swept.gone, swept.has_more, count(&mut records)), (1, 30, false, 2));
    put_data(
        &mut records,
        json!([{"MetricName": "m", "Value": 1, "Timestamp": NOW_S, "StorageResolution": 1}]),
        later,
    );
    assert_eq!(count(&mut records), 2, "late data join what was rolled up");
    for days in [16, 64, 300, 456] {
        super::sweep::sweep_points(&mut records, series, NOW_MS + days * DAY_MS, 500).unwrap();
        let sum: f64 =
            records.points(series, i64::MIN, i64::MAX).unwrap().iter().map(|p| p.point.values.sum).sum();
        assert_eq!(sum, if days < 456 { 121.0 } else { 0.0 }, "after {days} days");
    }
}
