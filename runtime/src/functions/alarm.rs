//! Owns the typed event of an alarm action, made of the JSON event that AWS sends to functions. Refuses to
//! know alarms: the event says all there is.

use serde_json::{Map, Value, json};
use wasm::{AlarmEvent, AlarmState};

/// The event in `payload`; `None` when it is not of an alarm.
pub(crate) fn event(payload: &str, attempt: u32) -> Option<AlarmEvent> {
    let event: Value = serde_json::from_str(payload).ok()?;
    if event["source"] != "aws.cloudwatch" {
        return None;
    }
    let data = &event["alarmData"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(AlarmEvent {
        alarm_name: text(&data["alarmName"]),
        alarm_arn: text(&event["alarmArn"]),
        description: data["configuration"]["description"].as_str().map(str::to_owned),
        previous: state(&data["previousState"]["value"]),
        current: state(&data["state"]["value"]),
        reason: text(&data["state"]["reason"]),
        details_json: details(&event).to_string(),
        changed_at: event["time"].as_str().map_or(0, time_ms),
        attempt,
    })
}

fn state(value: &Value) -> AlarmState {
    match value.as_str() {
        Some("ALARM") => AlarmState::Alarm,
        Some("OK") => AlarmState::Ok,
        _ => AlarmState::InsufficientData,
    }
}

/// AWS writes offsets without a colon.
fn time_ms(text: &str) -> i64 {
    chrono::DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").map_or(0, |time| time.timestamp_millis())
}

/// The members of the SNS message of the same change, as far as the event says them.
fn details(event: &Value) -> Value {
    let data = &event["alarmData"];
    let stat = &data["configuration"]["metrics"][0]["metricStat"];
    let dimensions: Vec<Value> = stat["metric"]["dimensions"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let mut trigger = Map::from_iter([
        ("MetricName".to_owned(), stat["metric"]["name"].clone()),
        ("Namespace".to_owned(), stat["metric"]["namespace"].clone()),
        ("Dimensions".to_owned(), dimensions.into()),
        ("Period".to_owned(), stat["period"].clone()),
        ("Unit".to_owned(), stat["unit"].clone()),
    ]);
    let named = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
    match stat["stat"].as_str() {
        Some(name) if named.contains(&name) => {
            trigger.insert("StatisticType".to_owned(), "Statistic".into());
            trigger.insert("Statistic".to_owned(), name.to_uppercase().into());
        }
        other => {
            trigger.insert("StatisticType".to_owned(), "ExtendedStatistic".into());
            trigger.insert("ExtendedStatistic".to_owned(), other.into());
        }
    }
    let mut details = json!({
        "AlarmName": data["alarmName"],
        "AlarmDescription": data["configuration"]["description"],
        "AWSAccountId": event["accountId"],
        "NewStateValue": data["state"]["value"],
        "NewStateReason": data["state"]["reason"],
        "StateChangeTime": event["time"],
        "Region": event["region"],
        "AlarmArn": event["alarmArn"],
        "OldStateValue": data["previousState"]["value"],
        "Trigger": trigger,
    });
    if let Some(lines) = event.get("LogboomEvidence") {
        details["LogboomEvidence"] = lines.clone();
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typed_event_says_what_the_json_says() {
        let payload = json!({
            "source": "aws.cloudwatch", "alarmArn": "arn:a", "accountId": "1", "region": "us-east-1",
            "time": "2023-08-04T12:36:15.490+0000",
            "alarmData": {
                "alarmName": "Errors",
                "state": {"value": "ALARM", "reason": "too many", "timestamp": "x"},
                "previousState": {"value": "INSUFFICIENT_DATA", "reason": "?", "timestamp": "x"},
                "configuration": {"description": "d", "metrics": [{"metricStat": {
                    "metric": {"namespace": "App", "name": "Errors", "dimensions": {"a": "b"}},
                    "period": 60, "stat": "Sum"}}]},
            },
            "LogboomEvidence": [{"message": "it broke"}],
        });
        let event = event(&payload.to_string(), 2).unwrap();
        assert_eq!((event.alarm_name.as_str(), event.changed_at), ("Errors", 1_691_152_575_490));
        assert_eq!((event.previous, event.current), (AlarmState::InsufficientData, AlarmState::Alarm));
        let details: Value = serde_json::from_str(&event.details_json).unwrap();
        assert_eq!(details["Trigger"]["Statistic"], "SUM");
        assert_eq!(details["Trigger"]["Dimensions"], json!([{"name": "a", "value": "b"}]));
        assert_eq!(details["LogboomEvidence"][0]["message"], "it broke");
        assert!(super::event(r#"{"Records": []}"#, 1).is_none());
    }
}
