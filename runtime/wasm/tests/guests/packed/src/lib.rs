//! Keeps events that contain ERROR, asked as a packed filter, and handles those.

use std::sync::LazyLock;

use logboom_sdk::prelude::*;
use memchr::memmem::Finder;

struct Errors;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ERROR"));

impl PackedFilter for Errors {
    fn keep(message: &[u8]) -> bool {
        ERROR.find(message).is_some()
    }
}

impl Subscription for Errors {
    fn handle(_: &Context, _: Vec<LogEvent>) -> Outcome {
        done()
    }
}

logboom_sdk::export!(Errors: packed_filter, subscription);
