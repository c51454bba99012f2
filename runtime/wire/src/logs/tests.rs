//! The fast decoder agrees with the general one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn general(body: &[u8]) -> Result<PutLogEvents<'static>, Fault> {
    slow(body)
}

#[test]
fn messages_stand_in_one_text_with_escapes_undone() {
    let body = br#"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"plain"},{"message":"a\nb","timestamp":2}],"unknown":[{}]}"#;
    let input = put_log_events(body).unwrap();
    let LogEvents { timestamps, ends, text } = &input.log_events;
    assert_eq!((&timestamps[..], &ends[..], text.as_str()), (&[1, 2][..], &[5, 8][..], "plaina\nb"));
    assert_eq!(input, general(body).unwrap());
}

#[test]
fn unusual_input_falls_back() {
    for body in [
        json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1.7, "message": "m"}]}),
        json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}], "sequenceToken": null}),
        json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}],
               "entity": {"keyAttributes": {"Type": "Service", "Name": "n"}}}),
        json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m", "x": [{}]}]}),
    ] {
        let body = body.to_string();
        let input = put_log_events(body.as_bytes()).unwrap();
        assert_eq!(input.log_events.timestamps, [1], "{body}");
        assert_eq!(input, general(body.as_bytes()).unwrap());
    }
}

#[test]
fn errors_are_the_general_ones() {
    let event = json!({"timestamp": 1, "message": "m"});
    for (body, word) in [
        (json!({}), "3 validation errors"),
        (json!({"logGroupName": "g:", "logStreamName": "s", "logEvents": [event]}), "logGroupName"),
        (json!({"logGroupName": "g", "logStreamName": "s*", "logEvents": [event]}), "logStreamName"),
        (json!({"logGroupName": "g", "logStreamName": "s", "logEvents": []}), "'logEvents'"),
        (
            json!({"logGroupName": "g", "logStreamName": "s", "logEvents": vec![event.clone(); 10_001]}),
            "10000",
        ),
        (
            json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": -1, "message": "m"}]}),
            "timestamp",
        ),
        (json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1}]}), "message"),
        (json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [null]}), "logEvents.1.member"),
        (json!({"logGroupName": 5}), "NUMBER_VALUE can not be converted to a String"),
        (json!({"logGroupName": "g", "logEvents": "x"}), "Expected list"),
    ] {
        let body = body.to_string();
        let fault = put_log_events(body.as_bytes()).unwrap_err();
        assert_eq!(Err(fault.clone()), general(body.as_bytes()));
        assert!(fault.message().contains(word), "{fault}");
    }
    assert_eq!(put_log_events(b"{\"logGroupName\":").unwrap_err().code(), "SerializationException");
    let deep = "[".repeat(70) + &"]".repeat(70);
    assert_eq!(put_log_events(deep.as_bytes()).unwrap_err().code(), "SerializationException");
}

fn rounds() -> u32 {
    if std::env::var_os("LOGBOOM_LONG").is_some() { 50_000 } else { 300 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds()))]

    #[test]
    fn both_decoders_agree(
        group in "[a-z:]{0,4}",
        events in proptest::collection::vec((-1i64..1_800_000_000_000, ".{0,20}"), 0..5),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let events: Vec<Value> = events.iter().map(|(t, m)| json!({"timestamp": t, "message": m})).collect();
        let body = json!({"logGroupName": group, "logStreamName": "s", "logEvents": events}).to_string();
        let body = if whole { body.as_bytes() } else { &body.as_bytes()[..cut.index(body.len())] };
        prop_assert_eq!(put_log_events(body), general(body));
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = put_log_events(&body);
    }
}
