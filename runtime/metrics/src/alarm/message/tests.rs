//! Tests of notifications: spelled as recorded, with evidence, within their size.

use super::*;
use crate::alarm::spec::tests::spec;
use crate::alarm::state::StateValue;
use proptest::prelude::*;

fn scope() -> Scope {
    Scope { account: "111111111111".into(), region: "us-east-1".into() }
}

fn change() -> Transition {
    let old = AlarmState::initial(1_000);
    let new = AlarmState {
        value: StateValue::Alarm,
        reason: "testing alarm".into(),
        reason_data: Some("{\"version\":\"1.0\"}".into()),
        updated_ms: 1_772_100_851_000,
        transitioned_ms: 1_772_100_851_000,
        evaluation_state: None,
    };
    Transition { old, new, events: vec![] }
}

fn line(message: &str) -> EvidenceLine {
    EvidenceLine {
        log_group: "/app".into(),
        log_stream: "s".into(),
        timestamp: 5,
        message: message.into(),
        event_id: "0".repeat(56),
        truncated: false,
    }
}

#[test]
fn sns_message_as_recorded() {
    let spec = spec(&json!({
        "AlarmName": "a1", "AlarmDescription": "testing cloudwatch alarms", "Statistic": "Average", "Unit": "Seconds",
        "Dimensions": [{"Name": "InstanceId", "Value": "abc"}], "Period": 10, "Threshold": 21,
        "TreatMissingData": "ignore",
    }));
    let notice = sns(&spec, &scope(), 0, &change(), &[]);
    assert_eq!(notice.subject, "ALARM: \"a1\" in US East (N. Virginia)");
    assert_eq!(
        notice.message,
        "{\"AlarmName\":\"a1\",\"AlarmDescription\":\"testing cloudwatch alarms\",\"AWSAccountId\":\"111111111111\",\
         \"AlarmConfigurationUpdatedTimestamp\":\"1970-01-01T00:00:00.000+0000\",\"NewStateValue\":\"ALARM\",\
         \"NewStateReason\":\"testing alarm\",\"StateChangeTime\":\"2026-02-26T10:14:11.000+0000\",\
         \"Region\":\"US East (N. Virginia)\",\"AlarmArn\":\"arn:aws:cloudwatch:us-east-1:111111111111:alarm:a1\",\
         \"OldStateValue\":\"INSUFFICIENT_DATA\",\"ActionExecutedAfterMuteWindow\":false,\"OKActions\":[],\
         \"AlarmActions\":[],\"InsufficientDataActions\":[],\"Trigger\":{\"MetricName\":\"DatabaseErrors\",\
         \"Namespace\":\"MyApplication\",\"StatisticType\":\"Statistic\",\"Statistic\":\"AVERAGE\",\
         \"Unit\":\"Seconds\",\"Dimensions\":[{\"value\":\"abc\",\"name\":\"InstanceId\"}],\"Period\":10,\
         \"EvaluationPeriods\":1,\"ComparisonOperator\":\"GreaterThanThreshold\",\"Threshold\":21.0,\
         \"TreatMissingData\":\"ignore\",\"EvaluateLowSampleCountPercentile\":\"\"}}"
    );
}

#[test]
fn extended_statistics_and_absent_members() {
    let spec = spec(&json!({"Statistic": null, "ExtendedStatistic": "p99", "DatapointsToAlarm": 1}));
    let message: Value = serde_json::from_str(&sns(&spec, &scope(), 0, &change(), &[]).message).unwrap();
    assert_eq!(message["AlarmDescription"], Value::Null);
    assert!(message.as_object().unwrap().contains_key("AlarmDescription"));
    let trigger = &message["Trigger"];
    assert_eq!(trigger["StatisticType"], "ExtendedStatistic");
    assert_eq!((&trigger["ExtendedStatistic"], &trigger["DatapointsToAlarm"]), (&json!("p99"), &json!(1)));
    assert_eq!((trigger.get("Statistic"), &trigger["Unit"]), (None, &Value::Null));
}

#[test]
fn lambda_event_as_recorded() {
    let spec = spec(&json!({"AlarmDescription": "d", "Dimensions": [{"Name": "a", "Value": "b"}]}));
    let event: Value = serde_json::from_str(&lambda(&spec, &scope(), &change(), &[])).unwrap();
    let id = event["alarmData"]["configuration"]["metrics"][0]["id"].as_str().unwrap();
    assert_eq!((id.len(), id.matches('-').count()), (36, 4));
    assert_eq!(
        event,
        json!({
            "source": "aws.cloudwatch",
            "alarmArn": "arn:aws:cloudwatch:us-east-1:111111111111:alarm:DatabaseErrorsAlarm",
            "accountId": "111111111111", "time": "2026-02-26T10:14:11.000+0000", "region": "us-east-1",
            "alarmData": {
                "alarmName": "DatabaseErrorsAlarm",
                "state": {"value": "ALARM", "reason": "testing alarm", "reasonData": "{\"version\":\"1.0\"}",
                          "timestamp": "2026-02-26T10:14:11.000+0000"},
                "previousState": {"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation",
                                  "timestamp": "1970-01-01T00:00:01.000+0000"},
                "configuration": {"description": "d", "metrics": [{"id": id, "returnData": true, "metricStat": {
                    "metric": {"namespace": "MyApplication", "name": "DatabaseErrors", "dimensions": {"a": "b"}},
                    "period": 60, "stat": "Sum"}}]},
            },
        })
    );
}

#[test]
fn evidence_rides_along() {
    let lines = [line("[ERROR] one"), line("[ERROR] two")];
    let message: Value =
        serde_json::from_str(&sns(&spec(&json!({})), &scope(), 0, &change(), &lines).message).unwrap();
    assert_eq!(
        message["LogboomEvidence"][0],
        json!({"logGroup": "/app", "logStream": "s", "timestamp": 5, "message": "[ERROR] one", "eventId": "0".repeat(56)})
    );
    let event: Value = serde_json::from_str(&lambda(&spec(&json!({})), &scope(), &change(), &lines)).unwrap();
    assert_eq!(event["LogboomEvidence"], message["LogboomEvidence"]);
}

#[test]
fn subjects_are_ascii_and_short() {
    assert_eq!(subject("a", "OK", "home-1"), "OK: \"a\" in home-1");
    let long = subject(&"n".repeat(255), "ALARM", "us-east-1");
    assert_eq!(long.len(), 100);
    assert!(long.starts_with("ALARM: \"nnn") && long.ends_with("...\" in US East (N. Virginia)"), "{long}");
    assert_eq!(subject("Fehler\n\u{fc}ber", "ALARM", "x"), "ALARM: \"Fehler??ber\" in x");
}

fn messages() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![
        (0..200usize).prop_map(|n| "x".repeat(n)),
        (0..60_000usize).prop_map(|n| "\"\\\n".repeat(n)),
        (0..200_000usize).prop_map(|n| "\u{1}".repeat(n)),
        (0..90_000usize).prop_map(|n| "\u{1f4a5}".repeat(n)),
    ];
    proptest::collection::vec(text, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(8)))]
    #[test]
    fn stays_within_256_kib_and_loses_no_line(messages in messages()) {
        let lines: Vec<EvidenceLine> = messages.iter().map(|m| line(m)).collect();
        for text in [
            sns(&spec(&json!({})), &scope(), 0, &change(), &lines).message,
            lambda(&spec(&json!({})), &scope(), &change(), &lines),
        ] {
            prop_assert!(text.len() <= MESSAGE_BYTES_MAX, "{}", text.len());
            let document: Value = serde_json::from_str(&text).unwrap();
            let shown: Vec<EvidenceLine> = serde_json::from_value(document["LogboomEvidence"].clone()).unwrap();
            prop_assert_eq!(shown.len(), lines.len());
            for (shown, line) in shown.iter().zip(&lines) {
                prop_assert!(line.message.starts_with(&shown.message));
                prop_assert_eq!(shown.truncated, shown.message.len() < line.message.len());
            }
        }
    }
}
