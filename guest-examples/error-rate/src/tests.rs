//! What is counted, what the digest says, and that it starts over.

use logboom_sdk::native;
use logboom_sdk::prelude::*;

use super::ErrorRate;

fn batch(group: &str, messages: &[&str]) {
    let context = Context { log_group: group.to_owned(), ..Context::default() };
    let events = (0..).zip(messages).map(|(at, message)| LogEvent::new(at, *message)).collect();
    native::call(|| <ErrorRate as Subscription>::handle(&context, events)).expect("counted");
}

fn tick(due_at: i64) -> Result<(), HandlerError> {
    let tick = Tick { schedule: "hourly".to_owned(), due_at, attempt: 1, input_json: "{}".to_owned() };
    native::call(|| <ErrorRate as Scheduled>::handle(&tick))
}

#[test]
fn rates_are_told_the_worst_first_and_start_over() {
    native::reset(&[("TOPIC", "ops")]);
    batch("/web", &["ok", "ERROR one", "ok", "ok"]);
    batch("/db", &["FATAL", "java.lang.Exception"]);
    batch("/web", &["ok", "ok", "ok", "ok"]);
    assert_eq!(tick(3_600_000), Ok(()));
    let (topic, message) = native::with(|r| r.published.remove(0));
    assert_eq!((topic.as_str(), message.subject.as_deref()), ("ops", Some("Errors: 100.00 % at worst")));
    assert_eq!(message.message, "100.00 %  2 of 2 in /db\n 12.50 %  1 of 8 in /web\n");
    assert_eq!(message.dedup_key.as_deref(), Some("hourly/3600000"));
    assert_eq!(tick(7_200_000), Ok(()));
    assert!(native::with(|r| r.published.is_empty()), "nothing happened since");
}

#[test]
fn counts_stay_when_the_digest_cannot_be_sent() {
    native::reset(&[("TOPIC", "ops"), ("WORDS", "bad")]);
    batch("/web", &["bad", "ERROR is fine"]);
    native::with(|r| r.denied.insert("notify"));
    assert!(matches!(tick(1), Err(HandlerError::Permanent(_))));
    native::with(|r| r.denied.clear());
    assert_eq!(tick(2), Ok(()));
    assert_eq!(native::with(|r| r.published.remove(0)).1.message, " 50.00 %  1 of 2 in /web\n");
}
