//! Owns what the product lends a guest during one call. Everything here answers from memory or a snapshot;
//! what the guest wants to change is committed after it returned (`effects`).

use std::sync::{Arc, Mutex};

use wasm::{Egress, FunctionRecord, LogLine, NotifyError, Services, SinkError, StateEntry, StateError};

use super::shadow::Before;
use super::way_out::ForCall;
use super::{Ready, lock, state};
use crate::app::App;
use crate::records::{Scope, groups};

/// The services of one call.
pub(super) struct ForGuest {
    app: Arc<App>,
    scope: Scope,
    function: u64,
    egress: Arc<ForCall>,
    lines: Mutex<Vec<(i64, String)>>,
    /// The state it has read, where a shadow is to see the same.
    read: Option<Mutex<Before>>,
}

impl ForGuest {
    pub(super) fn new(app: &Arc<App>, ready: &Ready, hop: u8) -> ForGuest {
        let FunctionRecord { id, .. } = ready.record;
        let egress = Arc::new(ForCall { way: Arc::clone(&app.functions.way_out), hop });
        let (app, scope) = (Arc::clone(app), ready.scope.clone());
        ForGuest { app, scope, function: id, egress, lines: Mutex::default(), read: None }
    }

    /// The same, remembering the state that is read.
    pub(super) fn remembering(self) -> ForGuest {
        ForGuest { read: Some(Mutex::default()), ..self }
    }

    /// The state that was read, if it was to be remembered.
    pub(super) fn read(&self) -> Before {
        self.read.as_ref().map(|read| std::mem::take(&mut *lock(read))).unwrap_or_default()
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

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        Some(Arc::clone(&self.egress) as Arc<dyn Egress>)
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
        let found = found.map_err(|error| StateError::Other(error.to_string()))?;
        if let Some(read) = &self.read {
            lock(read).remember(key, found.as_ref());
        }
        Ok(found)
    }

    fn state_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
        let now_ms = self.app.clock.now_ms();
        let found =
            self.app.meta.read(|tx| state::list(tx, self.function, prefix, after, limit as usize, now_ms));
        found.map_err(|error| StateError::Other(error.to_string()))
    }
}
