//! Tests of `outbox`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::attribute::MessageAttribute;
use crate::egress::Rules;
use crate::subscription::{Fresh, Subscribe, subscribe};
use crate::tests::topic;

fn sub(id: u64, protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> SubscriptionRecord {
    let request = Subscribe {
        protocol: protocol.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    let fresh = Fresh { id, uuid: format!("u{id}"), token: [0; 32], now_ms: 0 };
    let rules = Rules { allow_loopback: true, listed: Vec::new() };
    let mut record = subscribe(&topic("t"), &request, None, &fresh, &rules).unwrap().record;
    record.state = State::Confirmed;
    record
}

fn fan_out(topic: &TopicRecord, subs: &[SubscriptionRecord], message: &Message) -> Vec<OutboxRecord> {
    let mut last = 100;
    let mut ids = || {
        last += 1;
        last
    };
    expand(topic, subs, message, &mut ids, 5)
}

fn notification(record: &OutboxRecord) -> &Notification {
    match &record.payload {
        Payload::Notification(n) => n,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_gets_what() {
    let mut topic = topic("t");
    topic.attributes.insert("DisplayName".to_owned(), "Ops".to_owned());
    topic.attributes.insert("SignatureVersion".to_owned(), "2".to_owned());
    let mut pending = sub(1, "http", "http://a.example/", &[]);
    pending.state = State::Pending;
    let mut foreign = sub(2, "http", "http://b.example/", &[]);
    foreign.topic_id = 77;
    let policy = r#"{"k":["yes"]}"#;
    let throttled = r#"{"throttlePolicy":{"maxReceivesPerSecond":3},"healthyRetryPolicy":{"numRetries":1}}"#;
    let subs = [
        pending,
        foreign,
        sub(3, "http", "http://c.example/", &[("RawMessageDelivery", "true"), ("DeliveryPolicy", throttled)]),
        sub(4, "email", "a@example.com", &[]),
        sub(5, "lambda", "arn:aws:lambda:us-east-1:111111111111:function:f", &[("FilterPolicy", policy)]),
        sub(
            6,
            "lambda",
            "arn:aws:lambda:us-east-1:111111111111:function:g",
            &[("FilterPolicy", r#"{"k":["no"]}"#)],
        ),
        sub(
            7,
            "https",
            "https://d.example/",
            &[("FilterPolicy", r#"{"a":[1]}"#), ("FilterPolicyScope", "MessageBody")],
        ),
    ];
    let mut message = Message::plain("m", &topic.arn, "default text", 5);
    message.variants = BTreeMap::from([
        ("email".to_owned(), "mail text".to_owned()),
        ("https".to_owned(), r#"{"a":1}"#.to_owned()),
    ]);
    message
        .attributes
        .insert("k".to_owned(), MessageAttribute { data_type: "String".to_owned(), value: "yes".to_owned() });
    let records = fan_out(&topic, &subs, &message);
    let got: Vec<_> = records
        .iter()
        .map(|r| {
            let n = notification(r);
            (
                r.id,
                n.subscription_arn.rsplit(':').next().unwrap(),
                n.message.body.as_str(),
                n.raw,
                n.retry.num_retries,
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            (101, "u3", "default text", true, 1),
            (102, "u4", "mail text", false, 50),
            (103, "u5", "default text", false, 100),
            (104, "u7", r#"{"a":1}"#, false, 3),
        ]
    );
    let first = notification(&records[0]);
    assert_eq!(
        (first.max_per_second, first.version, first.sender_name.as_str()),
        (Some(3), Version::Two, "Ops")
    );
    assert_eq!(records[0].key, format!("m/{}", subs[2].arn));
    assert!(first.message.variants.is_empty());
    assert_eq!(records[0].subscription_arn(), Some(subs[2].arn.as_str()));
}

fn one() -> OutboxRecord {
    let topic = topic("t");
    fan_out(&topic, &[sub(1, "http", "http://c.example/", &[])], &Message::plain("m", &topic.arn, "x", 0))
        .remove(0)
}

fn retry(error: &str) -> SendResult {
    SendResult::Retry { error: error.to_owned(), after_ms: None }
}

#[test]
fn a_record_is_tried_as_the_policy_says_and_then_dies() {
    let mut record = one();
    let mut waits = Vec::new();
    let mut now = 5;
    let letter = loop {
        match next(record, retry("boom"), now, 0.0) {
            Step::Retry(again) => {
                waits.push(again.due_ms - now);
                now = again.due_ms;
                record = *again;
            }
            Step::Dead(letter) => break letter,
            Step::Done => panic!("not delivered"),
        }
    };
    assert_eq!(waits, [20_000, 20_000, 20_000]);
    assert_eq!((letter.record.attempt, letter.error.as_str(), letter.died_ms), (4, "boom", now));
    assert_eq!(letter.record.last_error.as_deref(), Some("boom"));
    let again = redrive(*letter, 500, 9);
    assert_eq!((again.id, again.attempt, again.due_ms), (500, 0, 9));
    assert_eq!(next(again, SendResult::Delivered, 10, 0.0), Step::Done);
}

#[test]
fn other_outcomes() {
    assert!(matches!(next(one(), SendResult::Refused { error: "404".to_owned() }, 5, 0.0), Step::Dead(_)));
    let asked = SendResult::Retry { error: "429".to_owned(), after_ms: Some(90_000) };
    let Step::Retry(record) = next(one(), asked, 5, 0.0) else { panic!("retried") };
    assert_eq!((record.due_ms, record.attempt), (90_005, 1));
    let later = SendResult::Later { after_ms: 700, reason: "held".to_owned() };
    let Step::Retry(record) = next(one(), later, 5, 0.0) else { panic!("kept") };
    assert_eq!((record.due_ms, record.attempt), (705, 0), "waiting is no try");
    let mut record = invoke(
        "1",
        "r",
        InvokeRecord {
            function_arn: "f".to_owned(),
            payload: "{}".to_owned(),
            principal: "p".to_owned(),
            source_arn: "s".to_owned(),
            hop: 0,
        },
        "k",
        1,
        0,
    );
    for wait in [60_000, 126_000] {
        let jitter = if wait == 60_000 { 0.0 } else { 0.5 };
        let Step::Retry(again) = next(record, failed(), 0, jitter) else { panic!("two more tries") };
        assert_eq!(again.due_ms, wait);
        record = *again;
    }
    let Step::Dead(letter) = next(record, failed(), 0, 0.0) else { panic!("often enough") };
    assert!(!letter.expired);
}

fn failed() -> SendResult {
    SendResult::FunctionFailed { error: "trap".to_owned() }
}

fn call() -> OutboxRecord {
    let call = InvokeRecord {
        function_arn: "f".to_owned(),
        payload: "{}".to_owned(),
        principal: "p".to_owned(),
        source_arn: "s".to_owned(),
        hop: 0,
    };
    invoke("1", "r", call, "k", 1, 0)
}

#[test]
fn a_function_is_tried_as_its_patience_says() {
    let with =
        |retries_max, age_max_ms| OutboxRecord { patience: Patience { retries_max, age_max_ms }, ..call() };
    let Step::Dead(letter) = next(with(0, 1_000_000), failed(), 0, 0.0) else { panic!("no more tries") };
    assert_eq!((letter.expired, letter.record.attempt), (false, 1));
    let Step::Dead(letter) = next(with(2, 59_999), failed(), 0, 0.0) else { panic!("too old by then") };
    assert!(letter.expired);
    assert!(matches!(next(with(2, 60_000), failed(), 0, 0.0), Step::Retry(_)));
    // One that cannot be called is tried as long as its age allows, however often.
    let (mut record, mut now_ms, mut waits) = (with(0, 2_000_000), 0, Vec::new());
    let letter = loop {
        match next(record, retry("throttled"), now_ms, 0.0) {
            Step::Retry(again) => {
                waits.push(again.due_ms - now_ms);
                now_ms = again.due_ms;
                record = *again;
            }
            Step::Dead(letter) => break letter,
            Step::Done => panic!("not delivered"),
        }
    };
    assert_eq!(waits[..4], [1_000, 2_000, 4_000, 8_000]);
    assert_eq!((waits.last(), letter.expired), (Some(&300_000), true));
    assert!(now_ms <= 2_000_000 && now_ms > 1_700_000, "{now_ms}");
    assert_eq!(redrive(*letter, 2, now_ms).created_ms, now_ms, "its age begins anew");
}

#[test]
fn every_kind_survives_its_json_and_an_older_record_opens() {
    let topic = topic("t");
    let sub = sub(1, "email", "a@example.com", &[]);
    let call = InvokeRecord {
        function_arn: "f".to_owned(),
        payload: "{}".to_owned(),
        principal: "p".to_owned(),
        source_arn: "s".to_owned(),
        hop: 1,
    };
    for record in [
        one(),
        handshake(&topic, &sub, false, 3, "mid", 7),
        handshake(&topic, &sub, true, 3, "mid", 7),
        invoke("1", "r", call, "k", 1, 0),
    ] {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<OutboxRecord>(&text).unwrap(), record);
    }
    let line = AppendRecord {
        log_group_arn: "g".to_owned(),
        log_stream: "s".to_owned(),
        message: "{}".to_owned(),
        hop: 1,
    };
    let record = append("1", "r", line, "k", 1, 0);
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<OutboxRecord>(&text).unwrap(), record);
    let old = r#"{"id":1,"account":"1","region":"r","key":"k","due_ms":0,"created_ms":0,"payload":
        {"kind":"invoke","function_arn":"f","payload":"{}","principal":"p","source_arn":"s"}}"#;
    assert_eq!(serde_json::from_str::<OutboxRecord>(old).unwrap().attempt, 0);
}

fn any_result() -> impl Strategy<Value = SendResult> {
    let error = || "e".to_owned();
    prop_oneof![
        Just(SendResult::Delivered),
        prop::option::of(any::<u64>())
            .prop_map(move |after_ms| SendResult::Retry { error: error(), after_ms }),
        Just(SendResult::FunctionFailed { error: error() }),
        any::<u64>().prop_map(move |after_ms| SendResult::Later { after_ms, reason: error() }),
        Just(SendResult::Refused { error: error() }),
    ]
}

proptest! {
    #![proptest_config(crate::tests::rounds(128))]
    #[test]
    fn the_machine_always_moves_on(
        results in prop::collection::vec(any_result(), 1..130), jitter in -1.0f64..2.0, now in any::<i64>(),
    ) {
        let mut record = one();
        for result in results {
            let (id, key, before) = (record.id, record.key.clone(), record.attempt);
            let counted = !matches!(result, SendResult::Later { .. });
            match next(record, result, now, jitter) {
                Step::Retry(again) => {
                    prop_assert_eq!((again.id, &again.key), (id, &key));
                    prop_assert!(again.due_ms >= now && again.last_error.is_some());
                    prop_assert_eq!(again.attempt, before + u32::from(counted));
                    prop_assert!(again.attempt <= 3 + 2);
                    record = *again;
                }
                Step::Dead(letter) => {
                    prop_assert_eq!(letter.record.attempt, before + 1);
                    break;
                }
                Step::Done => break,
            }
        }
    }
}
