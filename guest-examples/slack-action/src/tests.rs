//! What people get to read.

use logboom_sdk::prelude::*;

use super::SlackAction;

fn event() -> AlarmEvent {
    AlarmEvent {
        alarm_name: "DatabaseErrors".to_owned(),
        alarm_arn: "arn:a".to_owned(),
        description: Some("look at the pool".to_owned()),
        previous: AlarmState::Ok,
        current: AlarmState::Alarm,
        reason: "Threshold Crossed: 6.0 > 5.0".to_owned(),
        details_json: r#"{"Trigger":{"Namespace":"App","MetricName":"Errors","Statistic":"SUM","Period":300},
            "LogboomEvidence":[{"logGroup":"/app","message":"[ERROR] one ```"},{"logGroup":"/app","message":"two"}]}"#
            .to_owned(),
        changed_at: 7,
        attempt: 1,
    }
}

#[test]
fn the_message_says_what_why_and_shows_the_lines() {
    logboom_sdk::native::reset(&[("TOPIC", "people"), ("LINES", "1"), ("CHANNEL", "#ops")]);
    SlackAction::handle(&event()).expect("published");
    let (topic, message) = logboom_sdk::native::with(|r| r.published.remove(0));
    assert_eq!(topic, "people");
    assert_eq!(message.subject.as_deref(), Some("DatabaseErrors is in ALARM"));
    assert_eq!(
        message.message,
        "🔴 *DatabaseErrors* is in ALARM\n_look at the pool_\nThreshold Crossed: 6.0 > 5.0\n\
         Metric: sum of App/Errors over 300 s\nLog lines behind it (2):\n```\n/app | [ERROR] one '''\n```\nand 1 more\n"
    );
    assert_eq!(message.attributes[0].value, "#ops");
    assert_eq!(message.dedup_key.as_deref(), Some("arn:a/7/AlarmState::Alarm"));
}

#[test]
fn details_that_say_nothing_are_no_reason_to_be_silent() {
    logboom_sdk::native::reset(&[("TOPIC", "people")]);
    let event = AlarmEvent {
        details_json: "not JSON".to_owned(),
        description: None,
        current: AlarmState::Ok,
        ..event()
    };
    SlackAction::handle(&event).expect("published");
    let (_, message) = logboom_sdk::native::with(|r| r.published.remove(0));
    assert_eq!(message.message, "🟢 *DatabaseErrors* is OK again\nThreshold Crossed: 6.0 > 5.0\n");
}

#[test]
fn without_a_topic_it_fails_for_good() {
    logboom_sdk::native::reset(&[]);
    assert!(matches!(SlackAction::handle(&event()), Err(HandlerError::Permanent(_))));
}
