//! A guest that does little, so that what is measured is the host: keeps events that contain ERROR.
#![allow(clippy::disallowed_methods, reason = "a guest has only the clock the host shows it")]

use std::sync::LazyLock;

use logboom_sdk::prelude::*;
use logboom_sdk::{PackedBatch, PackedFilter, QueryFunctions, Scalar, ScalarType, Signature};
use memchr::memmem::Finder;

struct Bench;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ERROR"));

impl Filter for Bench {
    fn verdict(_: &Context, event: &LogEvent) -> Verdict {
        if ERROR.find(event.message.as_bytes()).is_some() { Verdict::Keep } else { Verdict::Drop }
    }
}

impl PackedFilter for Bench {
    fn keep(message: &[u8]) -> bool {
        ERROR.find(message).is_some()
    }

    /// Searches all messages at once. A find that reaches over the end of its message is none.
    fn apply(_: &Context, batch: &PackedBatch) -> Result<Vec<u8>, String> {
        let mut verdicts = vec![0; batch.ends.len()];
        let (mut event, mut from) = (0, 0);
        while let Some(at) = ERROR.find(&batch.text[from..]).map(|at| at + from) {
            while batch.ends.get(event).is_some_and(|end| *end as usize <= at) {
                event += 1;
            }
            let Some(end) = batch.ends.get(event).map(|end| *end as usize) else { break };
            if at + ERROR.needle().len() <= end {
                verdicts[event] = 1;
                // The rest of the message does not matter.
                from = end;
            } else {
                from = at + 1;
            }
        }
        Ok(verdicts)
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

logboom_sdk::export!(Bench: filter, packed_filter, subscription, query_functions);
