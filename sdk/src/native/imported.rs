//! The interfaces of the generated bindings, answered by the recorder.

use super::{Recorder, with};

/// The refusal of a service that is denied.
fn denied(recorder: &Recorder, service: &str) -> Option<String> {
    recorder.denied.contains(service).then(|| format!("{service} is denied by the test"))
}

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
        super::with(|r| r.invocation.request_id.clone())
    }
    pub(crate) fn function_name() -> String {
        super::with(|r| r.invocation.function_name.clone())
    }
    pub(crate) fn function_version() -> String {
        super::with(|r| r.invocation.function_version.clone())
    }
    pub(crate) fn remaining_ms() -> u64 {
        super::with(|r| r.invocation.remaining_ms)
    }
    pub(crate) fn memory_limit_bytes() -> u64 {
        super::with(|r| r.invocation.memory_limit_bytes)
    }
}

pub(crate) mod log_sink {
    use crate::{NewEvent, SinkError};

    pub(crate) fn put(group: &str, stream: &str, events: &[NewEvent]) -> Result<(), SinkError> {
        super::with(|r| {
            super::denied(r, "log_sink").map_or(Ok(()), |why| Err(SinkError::NotAllowed(why)))?;
            r.written.extend(events.iter().map(|e| (group.to_owned(), stream.to_owned(), e.clone())));
            Ok(())
        })
    }
}

pub(crate) mod metrics {
    use crate::{MetricDatum, MetricError};

    pub(crate) fn put(data: &[MetricDatum]) -> Result<(), MetricError> {
        super::with(|r| {
            super::denied(r, "metrics").map_or(Ok(()), |why| Err(MetricError::NotAllowed(why)))?;
            r.metrics.extend_from_slice(data);
            Ok(())
        })
    }
}

pub(crate) mod notify {
    use crate::{Notification, NotifyError};

    pub(crate) fn publish(topic: &str, notification: &Notification) -> Result<String, NotifyError> {
        super::with(|r| {
            super::denied(r, "notify").map_or(Ok(()), |why| Err(NotifyError::NotAllowed(why)))?;
            r.published.push((topic.to_owned(), notification.clone()));
            Ok(format!("message-{}", r.published.len()))
        })
    }
}

pub(crate) mod secrets {
    use crate::SecretError;

    pub(crate) fn placeholder(name: &str) -> Result<String, SecretError> {
        super::with(|r| {
            super::denied(r, "secrets").map_or(Ok(()), |why| Err(SecretError::NotAllowed(why)))?;
            if !r.secrets.is_empty() && !r.secrets.contains(name) {
                return Err(SecretError::Missing(name.to_owned()));
            }
            Ok(format!("{{{{secret:{name}}}}}"))
        })
    }
}

#[cfg(feature = "http")]
pub(crate) mod http {
    use crate::http::{HttpError, Request, Response};

    pub(crate) fn send(request: &Request) -> Result<Response, HttpError> {
        super::with(|r| {
            super::denied(r, "http").map_or(Ok(()), |why| Err(HttpError::NotAllowed(why)))?;
            r.requests.push(request.clone());
            r.answers.pop_front().unwrap_or(Ok(Response { status: 200, ..Response::default() }))
        })
    }
}

pub(crate) mod state {
    use super::Recorder;
    use crate::{Entry, StateError};

    /// Asks the state of this thread, unless it is denied.
    fn granted<T>(f: impl FnOnce(&mut Recorder) -> Result<T, StateError>) -> Result<T, StateError> {
        super::with(|r| {
            super::denied(r, "state").map_or(Ok(()), |why| Err(StateError::NotAllowed(why)))?;
            f(r)
        })
    }

    pub(crate) fn get(key: &str) -> Result<Option<Entry>, StateError> {
        granted(|r| Ok(r.state.get(key).cloned()))
    }

    pub(crate) fn put(
        key: &str,
        value: &[u8],
        expected: Option<u64>,
        ttl: Option<u32>,
    ) -> Result<u64, StateError> {
        granted(|r| {
            let version = r.state.get(key).map_or(0, |entry| entry.version);
            if expected.is_some_and(|e| e != version) {
                return Err(StateError::Conflict);
            }
            r.state.insert(key.to_owned(), Entry { value: value.to_vec(), version: version + 1 });
            match ttl {
                Some(seconds) => r.state_ttl.insert(key.to_owned(), seconds),
                None => r.state_ttl.remove(key),
            };
            Ok(version + 1)
        })
    }

    pub(crate) fn delete(key: &str) -> Result<(), StateError> {
        granted(|r| {
            r.state.remove(key);
            r.state_ttl.remove(key);
            Ok(())
        })
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

    pub(crate) fn list_keys(
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StateError> {
        granted(|r| {
            let keys =
                r.state.keys().filter(|k| k.starts_with(prefix) && after.is_none_or(|a| k.as_str() > a));
            Ok(keys.take(limit as usize).cloned().collect())
        })
    }
}
