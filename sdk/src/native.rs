//! The native stand-in for the host, so that a handler's own tests run with `cargo test`: services answer from this
//! thread's [`Recorder`], and what they were asked to do is kept there. Everything is granted but what
//! [`Recorder::denied`] names. Refuses to know the real host.
//!
//! ```
//! use logboom_sdk::{native, prelude::*};
//!
//! fn alert(text: &str) -> Result<(), HandlerError> {
//!     notify::publish("ops", text)?;
//!     Ok(())
//! }
//!
//! native::reset(&[("KEY", "value")]);
//! assert_eq!(native::call(|| alert("the disk is full")), Ok(()));
//! assert_eq!(native::with(|r| r.published[0].1.message.clone()), "the disk is full");
//!
//! native::with(|r| r.denied.insert("notify"));
//! assert!(matches!(native::call(|| alert("again")), Err(HandlerError::Permanent(_))));
//! assert_eq!(native::with(|r| r.published.len()), 1);
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::{Entry, MetricDatum, NewEvent, Notification};

pub(crate) mod imported;

/// What the services of this thread know and were asked to do.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// Answers of `config`.
    pub config: BTreeMap<String, String>,
    /// Entries of `state`.
    pub state: BTreeMap<String, Entry>,
    /// Seconds to live of the entries of `state` that were written with some.
    pub state_ttl: BTreeMap<String, u32>,
    /// Lines of `log`.
    pub lines: Vec<String>,
    /// Topic and notification of each `notify`.
    pub published: Vec<(String, Notification)>,
    /// Values of `metrics`.
    pub metrics: Vec<MetricDatum>,
    /// Group, stream and event of each `log_sink` event.
    pub written: Vec<(String, String, NewEvent)>,
    /// Names of the secrets that there are; empty: every name is one.
    pub secrets: BTreeSet<String>,
    /// Services that are not granted: `state`, `notify`, `metrics`, `log_sink`, `secrets`, `http`.
    pub denied: BTreeSet<&'static str>,
    /// Requests of `http`.
    #[cfg(feature = "http")]
    pub requests: Vec<crate::http::Request>,
    /// Answers of `http`, used up one by one; then every answer is an empty 200.
    #[cfg(feature = "http")]
    pub answers: std::collections::VecDeque<Result<crate::http::Response, crate::http::HttpError>>,
    /// Answers of `invocation`.
    pub invocation: Invocation,
}

/// What `invocation` tells.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The id of the call.
    pub request_id: String,
    /// The name of the function.
    pub function_name: String,
    /// Its version.
    pub function_version: String,
    /// Milliseconds that are left.
    pub remaining_ms: u64,
    /// Bytes the instance may hold.
    pub memory_limit_bytes: u64,
}

impl Default for Invocation {
    fn default() -> Self {
        Self {
            request_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            function_name: "native".to_owned(),
            function_version: "$LATEST".to_owned(),
            remaining_ms: 3000,
            memory_limit_bytes: 128 << 20,
        }
    }
}

thread_local! {
    static RECORDER: RefCell<Recorder> = RefCell::default();
}

/// Reads or changes this thread's recorder.
pub fn with<R>(f: impl FnOnce(&mut Recorder) -> R) -> R {
    RECORDER.with_borrow_mut(f)
}

/// Starts over, with these settings.
pub fn reset(config: &[(&str, &str)]) {
    let config = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    with(|recorder| *recorder = Recorder { config, ..Recorder::default() });
}

/// Runs a handler as the host does: what it changed stays only if it ends without an error. Its log lines and the
/// requests that left stay in any case.
///
/// # Errors
/// Those of the handler.
pub fn call<T, E>(handler: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let before = with(|recorder| recorder.clone());
    let result = handler();
    if result.is_err() {
        with(|recorder| {
            recorder.state = before.state;
            recorder.state_ttl = before.state_ttl;
            recorder.published = before.published;
            recorder.metrics = before.metrics;
            recorder.written = before.written;
        });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StateError, state};

    #[test]
    fn what_a_failed_call_changed_is_taken_back() {
        reset(&[]);
        assert_eq!(call(|| state::put("kept", b"1")), Ok(1));
        let failed: Result<(), &str> = call(|| {
            state::put("lost", b"1").expect("granted");
            crate::info!("it was here");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(state::list_keys("", None, 9), Ok(vec!["kept".to_owned()]));
        assert_eq!(with(|r| r.lines.len()), 1);
    }

    #[test]
    fn state_compares_and_swaps_and_counts() {
        reset(&[]);
        assert_eq!(state::put_if("k", b"a", Some(0), Some(60)), Ok(1));
        assert_eq!(state::put_if("k", b"b", Some(0), None), Err(StateError::Conflict));
        assert_eq!(state::put_if("k", b"b", Some(1), None), Ok(2));
        assert_eq!(state::get_text("k"), Ok(Some("b".to_owned())));
        assert_eq!((state::increment("n", 2), state::increment("n", 3)), (Ok(2), Ok(5)));
        assert!(matches!(state::increment("k", 1), Err(StateError::Other(_))));
        with(|r| r.denied.insert("state"));
        assert!(matches!(state::get("k"), Err(StateError::NotAllowed(_))));
    }
}
