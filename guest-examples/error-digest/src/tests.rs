//! What a digest says, and where it goes.

use logboom_sdk::native;
use logboom_sdk::prelude::*;

use super::{ErrorDigest, kind};

#[test]
fn numbers_and_ids_do_not_make_a_kind() {
    assert_eq!(kind("user 17 failed after 3.5s"), kind("user 9 failed after 4.1s"));
    assert_eq!(kind("id=a1b2-c3 gone"), kind("id=ffff0-1 gone"));
    assert_ne!(kind("user 17 failed"), kind("user 17 left"));
}

#[test]
fn the_most_frequent_kind_comes_first_and_the_digest_is_published_once() {
    native::reset(&[("TOPIC", "ops")]);
    let messages = ["[ERROR] disk 1 full", "[ERROR] no user 3", "[ERROR] no user 4\n", "[ERROR] no user 5"];
    let events = (0..).zip(messages).map(|(at, message)| LogEvent::new(at, message)).collect();
    let context =
        Context { log_group: "/app".to_owned(), delivery_id: "d-1".to_owned(), ..Context::default() };
    assert_eq!(ErrorDigest::handle(&context, events), done());
    let published = native::with(|r| std::mem::take(&mut r.published));
    let [(topic, message)] = &published[..] else { panic!("{published:?}") };
    assert_eq!((topic.as_str(), message.subject.as_deref()), ("ops", Some("4 errors in /app")));
    assert_eq!(
        message.message,
        "4 events of 2 kinds in /app\n     3 x [ERROR] no user 3\n     1 x [ERROR] disk 1 full\n"
    );
    assert_eq!(message.dedup_key.as_deref(), Some("d-1"));
}

#[test]
fn without_a_topic_it_only_writes() {
    native::reset(&[]);
    assert_eq!(ErrorDigest::handle(&Context::default(), vec![LogEvent::new(1, "x")]), done());
    assert_eq!(ErrorDigest::handle(&Context::default(), vec![]), done());
    assert!(native::with(|r| r.published.is_empty()));
}
