//! A guest that does little, so that what is measured is the host: keeps events that contain ERROR.
#![allow(clippy::disallowed_methods, reason = "a guest has only the clock the host shows it")]

use std::sync::LazyLock;

use logboom_sdk::prelude::*;
use memchr::memmem::Finder;

struct Bench;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ERROR"));

impl Filter for Bench {
    fn verdict(_: &Context, event: &Event<'_>) -> Verdict {
        if ERROR.find(event.message.as_bytes()).is_some() { Verdict::Keep } else { Verdict::Drop }
    }
}

impl Subscription for Bench {
    fn handle(_: &Context, events: Vec<LogEvent>) -> Outcome {
        match events.first().map(|event| event.message.as_str()) {
            Some("trap") => std::process::abort(),
            Some("panic") => panic!("no such user"),
            Some("sleep") => std::thread::sleep(std::time::Duration::from_secs(3)),
            _ => {}
        }
        done()
    }
}

impl QueryFunctions for Bench {
    fn describe() -> Vec<Signature> {
        let text = || "length".to_owned();
        vec![Signature {
            name: text(),
            parameters: vec![ScalarType::Text],
            variadic: false,
            returns: ScalarType::Integer,
            help: text(),
        }]
    }

    fn evaluate(_: &str, columns: &[Vec<Scalar>], _: usize) -> Result<Vec<Scalar>, String> {
        let length = |value: &Scalar| match value {
            Scalar::Text(text) => Scalar::Integer(i64::try_from(text.len()).unwrap_or(i64::MAX)),
            _ => Scalar::Null,
        };
        Ok(columns.first().ok_or("one column")?.iter().map(length).collect())
    }
}

logboom_sdk::export!(Bench: filter, subscription, query_functions);
