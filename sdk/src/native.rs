//! The native stand-in for the host, so that a handler's own tests run with `cargo test`:
//! services answer from this thread's [`Recorder`] and what they were asked to do is kept there.
//! Everything is granted. Refuses to know the real host.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::{Entry, MetricDatum, NewEvent, Notification};

/// What the services of this thread know and were asked to do.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Answers of `config`.
    pub config: BTreeMap<String, String>,
    /// Entries of `state`.
    pub state: BTreeMap<String, Entry>,
    /// Lines of `log`.
    pub lines: Vec<String>,
    /// Topic and notification of each `notify`.
    pub published: Vec<(String, Notification)>,
    /// Values of `metrics`.
    pub metrics: Vec<MetricDatum>,
    /// Group, stream and event of each `log_sink` event.
    pub written: Vec<(String, String, NewEvent)>,
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

/// The interfaces of the generated bindings, answered by the recorder.
pub(crate) mod imported {
    use super::with;

    pub(crate) mod log {
        pub(crate) fn write(level: crate::log::Level, message: &str) {
            super::with(|r| r.lines.push(format!("{level:?} {message}")));
        }
    }

    pub(crate) mod config {
        pub(crate) fn get(key: &str) -> Option<String> {
            super::with(|r| r.config.get(key).cloned())
        }
        pub(crate) fn all() -> Vec<(String, String)> {
            super::with(|r| r.config.clone().into_iter().collect())
        }
    }

    pub(crate) mod invocation {
        pub(crate) fn request_id() -> String {
            "00000000-0000-0000-0000-000000000000".to_owned()
        }
        pub(crate) fn function_name() -> String {
            "native".to_owned()
        }
        pub(crate) fn function_version() -> String {
            "$LATEST".to_owned()
        }
        pub(crate) fn remaining_ms() -> u64 {
            3000
        }
        pub(crate) fn memory_limit_bytes() -> u64 {
            128 << 20
        }
    }

    pub(crate) mod log_sink {
        use crate::{NewEvent, SinkError};
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn put(group: &str, stream: &str, events: &[NewEvent]) -> Result<(), SinkError> {
            let rows = events.iter().map(|e| (group.to_owned(), stream.to_owned(), e.clone()));
            super::with(|r| r.written.extend(rows));
            Ok(())
        }
    }

    pub(crate) mod metrics {
        use crate::{MetricDatum, MetricError};
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn put(data: &[MetricDatum]) -> Result<(), MetricError> {
            super::with(|r| r.metrics.extend_from_slice(data));
            Ok(())
        }
    }

    pub(crate) mod notify {
        use crate::{Notification, NotifyError};
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn publish(topic: &str, notification: &Notification) -> Result<String, NotifyError> {
            Ok(super::with(|r| {
                r.published.push((topic.to_owned(), notification.clone()));
                format!("message-{}", r.published.len())
            }))
        }
    }

    pub(crate) mod secrets {
        use crate::SecretError;
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn placeholder(name: &str) -> Result<String, SecretError> {
            Ok(format!("{{{{secret:{name}}}}}"))
        }
    }

    pub(crate) mod state {
        use crate::{Entry, StateError};

        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn get(key: &str) -> Result<Option<Entry>, StateError> {
            Ok(super::with(|r| r.state.get(key).cloned()))
        }
        pub(crate) fn put(
            key: &str,
            value: &[u8],
            expected: Option<u64>,
            _: Option<u32>,
        ) -> Result<u64, StateError> {
            super::with(|r| {
                let version = r.state.get(key).map_or(0, |entry| entry.version);
                if expected.is_some_and(|e| e != version) {
                    return Err(StateError::Conflict);
                }
                r.state.insert(key.to_owned(), Entry { value: value.to_vec(), version: version + 1 });
                Ok(version + 1)
            })
        }
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn delete(key: &str) -> Result<(), StateError> {
            super::with(|r| r.state.remove(key));
            Ok(())
        }
        pub(crate) fn increment(key: &str, by: i64, ttl: Option<u32>) -> Result<i64, StateError> {
            let before = match get(key)? {
                None => 0,
                Some(entry) => String::from_utf8_lossy(&entry.value)
                    .parse::<i64>()
                    .map_err(|_| StateError::Other(format!("{key} is not a counter")))?,
            };
            let sum = before.saturating_add(by);
            put(key, sum.to_string().as_bytes(), None, ttl)?;
            Ok(sum)
        }
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn list_keys(
            prefix: &str,
            after: Option<&str>,
            limit: u32,
        ) -> Result<Vec<String>, StateError> {
            Ok(super::with(|r| {
                let keys =
                    r.state.keys().filter(|k| k.starts_with(prefix) && after.is_none_or(|a| k.as_str() > a));
                keys.take(limit as usize).cloned().collect()
            }))
        }
    }
}
