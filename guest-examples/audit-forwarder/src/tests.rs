//! What is sent, and what becomes of answers.

use logboom_sdk::http::Response;
use logboom_sdk::native;
use logboom_sdk::prelude::*;

use super::AuditForwarder;

fn deliver() -> Outcome {
    let context = Context {
        log_group: "/audit".to_owned(),
        delivery_id: "subscription-1-7-8".to_owned(),
        first_sequence: 7,
        ..Context::default()
    };
    let events = vec![LogEvent::new(1, r#"{"user":"ann"}"#), LogEvent::new(2, "plain")];
    native::call(|| AuditForwarder::handle(&context, events))
}

#[test]
fn events_are_lines_of_json_with_a_key_and_a_token() {
    native::reset(&[("URL", "https://audit.example.com/in"), ("SECRET", "audit-token")]);
    assert_eq!(deliver(), done());
    let request = native::with(|r| r.requests.remove(0));
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://audit.example.com/in"));
    let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("idempotency-key"), Some("subscription-1-7-8"));
    assert_eq!(header("authorization"), Some("Bearer {{secret:audit-token}}"));
    let body = String::from_utf8(request.body).expect("text");
    let lines: Vec<serde_json::Value> =
        body.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines[0]["message"]["user"], "ann");
    assert_eq!((&lines[1]["message"], &lines[1]["sequence"]), (&"plain".into(), &8.into()));
}

#[test]
fn what_may_get_better_is_tried_again_and_what_may_not_is_not() {
    let url = ("URL", "https://audit.example.com/in");
    for (status, again) in [(503, true), (429, true), (401, false), (301, false)] {
        native::reset(&[url]);
        native::with(|r| r.answers.push_back(Ok(Response { status, ..Response::default() })));
        assert_eq!(matches!(deliver(), Err(HandlerError::Retry(_))), again, "{status}");
    }
    native::reset(&[url]);
    native::with(|r| r.denied.insert("http"));
    assert!(matches!(deliver(), Err(HandlerError::Permanent(_))));
    native::reset(&[]);
    assert!(matches!(deliver(), Err(HandlerError::Permanent(_))));
}
