//! The filter of bench-guest without its packed side, as filters in other languages are.

use std::sync::LazyLock;

use logboom_sdk::generated::filter::exports::logboom::extension::filter::Guest;
use logboom_sdk::prelude::*;
use memchr::memmem::Finder;

struct Errors;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ERROR"));

impl Guest for Errors {
    fn apply(_: Context, events: Vec<LogEvent>) -> Result<Vec<Verdict>, String> {
        let events = std::mem::ManuallyDrop::new(events);
        let verdict = |event: &LogEvent| match ERROR.find(event.message.as_bytes()) {
            Some(_) => Verdict::Keep,
            None => Verdict::Drop,
        };
        Ok(events.iter().map(verdict).collect())
    }
}

impl Subscription for Errors {
    fn handle(_: &Context, _: Vec<LogEvent>) -> Outcome {
        done()
    }
}

logboom_sdk::generated::filter::export_filter!(Errors);
logboom_sdk::export!(Errors: subscription);
