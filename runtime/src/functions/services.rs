//! Owns what the product lends a guest during one call. Everything here answers from memory or a snapshot;
//! what the guest wants to change is committed after it returned (`effects`).

use std::sync::{Arc, Mutex};

use wasm::{FunctionRecord, LogLine, NotifyError, Services, SinkError, StateEntry, StateError};

use super::{Ready, lock, state};
use crate::app::App;
use crate::records::{Scope, groups};

/// The services of one call.
pub(super) struct ForGuest {
    app: Arc<App>,
    scope: Scope,
    function: u64,
    lines: Mutex<Vec<(i64, String)>>,
}

impl ForGuest {
    pub(super) fn new(app: &Arc<App>, ready: &Ready) -> ForGuest {
        let FunctionRecord { id, .. } = ready.record;
        ForGuest { app: Arc::clone(app), scope: ready.scope.clone(), function: id, lines: Mutex::default() }
    }

    /// The lines written so far, with their times.
    pub(super) fn lines(&self) -> Vec<(i64, String)> {
        std::mem::take(&mut lock(&self.lines))
    }
}

impl Services for ForGuest {
    fn log(&self, line: LogLine) {
        lock(&self.lines).push((self.app.clock.now_ms(), line.to_string()));
    }

    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        super::effects::topic_arn(&self.app, &self.scope, topic)
    }

    fn check_log_group(&self, log_group: &str) -> Result<(), SinkError> {
        match self.app.meta.read(|tx| groups::find(tx, &self.scope, log_group)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(SinkError::NoSuchGroup(log_group.to_owned())),
            Err(error) => {
                tracing::error!(%error, "a log group could not be looked up for a function");
                Err(SinkError::Throttled)
            }
        }
    }

    fn state_get(&self, key: &str) -> Result<Option<StateEntry>, StateError> {
        let now_ms = self.app.clock.now_ms();
        let found = self.app.meta.read(|tx| state::get(tx, self.function, key, now_ms));
        found.map_err(|error| StateError::Other(error.to_string()))
    }

    fn state_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
        let now_ms = self.app.clock.now_ms();
        let found =
            self.app.meta.read(|tx| state::list(tx, self.function, prefix, after, limit as usize, now_ms));
        found.map_err(|error| StateError::Other(error.to_string()))
    }
}
