//! Owns what stands in for the product while a function is tried out: every topic and log group is there, state lives as
//! long as the process. Refuses to send or store anything: HTTP requests and secrets are refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wasm::{LogLine, NotifyError, Services, SinkError, StateEntry, StateError, StateOp, StateWrite};

/// The services of all calls of a run.
#[derive(Debug, Default)]
pub(super) struct Bystander {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<String>,
    state: BTreeMap<String, StateEntry>,
}

impl Bystander {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines written since this was asked last.
    pub(super) fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().lines)
    }

    /// Keeps what a call wrote for the calls after it.
    pub(super) fn keep(&self, writes: &[StateWrite]) {
        let mut inner = self.lock();
        for StateWrite { key, op } in writes {
            match op {
                StateOp::Put { value, version, .. } => {
                    inner.state.insert(key.clone(), StateEntry { value: value.clone(), version: *version });
                }
                StateOp::Delete => drop(inner.state.remove(key)),
            }
        }
    }
}

impl Services for Bystander {
    fn log(&self, line: LogLine) {
        self.lock().lines.push(line.to_string());
    }

    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        let is_arn = topic.starts_with("arn:");
        Ok(if is_arn { topic.to_owned() } else { format!("arn:aws:sns:us-east-1:000000000000:{topic}") })
    }

    fn check_log_group(&self, _: &str) -> Result<(), SinkError> {
        Ok(())
    }

    fn state_get(&self, key: &str) -> Result<Option<StateEntry>, StateError> {
        Ok(self.lock().state.get(key).cloned())
    }

    fn state_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
        let inner = self.lock();
        let keys = inner.state.keys().filter(|key| key.starts_with(prefix));
        let keys = keys.filter(|key| after.is_none_or(|after| key.as_str() > after));
        Ok(keys.take(limit as usize).cloned().collect())
    }
}
