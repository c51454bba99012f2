//! The filter of bench-guest, written for the packed world: keeps events that contain ERROR, and handles those.

use std::sync::LazyLock;

use logboom_sdk::prelude::*;
use memchr::memmem::Finder;

struct Errors;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ERROR"));

impl PackedFilter for Errors {
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

impl Subscription for Errors {
    fn handle(_: &Context, _: Vec<LogEvent>) -> Outcome {
        done()
    }
}

logboom_sdk::export!(Errors: packed_filter, subscription);
