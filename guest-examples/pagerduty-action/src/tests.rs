//! What PagerDuty gets.

use logboom_sdk::native;
use logboom_sdk::prelude::*;
use serde_json::Value;

use super::PagerdutyAction;

fn change(current: AlarmState) -> Result<(), HandlerError> {
    let event = AlarmEvent {
        alarm_name: "Errors".to_owned(),
        alarm_arn: "arn:a".to_owned(),
        description: None,
        previous: AlarmState::Ok,
        current,
        reason: "too many".to_owned(),
        details_json: r#"{"Region":"us-east-1","Trigger":{"MetricName":"Errors"},
            "LogboomEvidence":[{"logGroup":"/app","message":"one\n"},{"logGroup":"/app","message":"two"}]}"#
            .to_owned(),
        changed_at: 7,
        attempt: 1,
    };
    native::call(|| PagerdutyAction::handle(&event))
}

fn sent() -> Value {
    let request = native::with(|r| r.requests.remove(0));
    assert_eq!(request.url, "https://events.pagerduty.com/v2/enqueue");
    serde_json::from_slice(&request.body).expect("JSON")
}

#[test]
fn an_alarm_opens_an_incident_and_ok_resolves_it() {
    native::reset(&[("LINES", "1")]);
    assert_eq!(change(AlarmState::Alarm), Ok(()));
    let opened = sent();
    assert_eq!(opened["routing_key"], "{{secret:pagerduty}}");
    assert_eq!((&opened["event_action"], &opened["dedup_key"]), (&"trigger".into(), &"arn:a".into()));
    assert_eq!(opened["payload"]["summary"], "Errors: too many");
    assert_eq!(opened["payload"]["custom_details"]["lines"], serde_json::json!(["/app | one"]));
    assert_eq!(change(AlarmState::InsufficientData), Ok(()));
    assert_eq!(change(AlarmState::Ok), Ok(()));
    let resolved = sent();
    assert_eq!((&resolved["event_action"], &resolved["dedup_key"]), (&"resolve".into(), &"arn:a".into()));
    assert!(resolved.get("payload").is_none());
}

#[test]
fn a_wrong_setting_is_named() {
    native::reset(&[("SEVERITY", "awful")]);
    assert_eq!(
        change(AlarmState::Alarm),
        Err(permanent("SEVERITY is awful, not one of critical, error, warning, info"))
    );
    native::with(|r| {
        r.config.clear();
        r.secrets.insert("other".to_owned());
    });
    assert_eq!(change(AlarmState::Alarm), Err(permanent("secret: there is none: pagerduty")));
}
