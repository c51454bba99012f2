//! Decides event by event: keep it, drop it, or replace its text. Pure: the same batch gives the same answer.

use logboom_sdk::prelude::*;

struct Handler;

impl Filter for Handler {
    fn verdict(_: &Context, event: &Event<'_>) -> Verdict {
        if event.message.contains("DEBUG") { Verdict::Drop } else { Verdict::Keep }
    }
}

logboom_sdk::export!(Handler: filter);
