//! What the host lends a guest, as the root implements it. All functions are synchronous and
//! quick: what a call wants to change is collected in [`crate::Effects`] and committed by the root
//! after the guest returned without an error.

use std::sync::Arc;

use crate::{Egress, LogLine};

/// The seam between guests and the product. One value serves one call.
pub trait Services: Send + Sync {
    /// A line of output, as soon as it is complete. Must not block.
    fn log(&self, line: LogLine);

    /// The ARN of a topic given by name or ARN, if it exists.
    ///
    /// # Errors
    /// [`NotifyError`]; whether the function may publish was checked before.
    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError>;

    /// Whether a log group exists and takes events from this function.
    ///
    /// # Errors
    /// [`SinkError`]; the grant, the function's own group and the groups the call is fed from were
    /// checked before.
    fn check_log_group(&self, log_group: &str) -> Result<(), SinkError>;

    /// The way out for HTTP requests, and the secrets for them; `None` where there is none.
    fn egress(&self) -> Option<Arc<dyn Egress>> {
        None
    }

    /// The entry of a key, in the snapshot of this call.
    ///
    /// # Errors
    /// [`StateError`]; a host without state says so by name.
    fn state_get(&self, key: &str) -> Result<Option<StateEntry>, StateError> {
        let _ = key;
        Err(StateError::unsupported())
    }

    /// Keys with a prefix, in order, after the given one.
    ///
    /// # Errors
    /// As [`Services::state_get`].
    fn state_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
        let _ = (prefix, after, limit);
        Err(StateError::unsupported())
    }
}

/// A value of guest state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Counts up from 1 with every write of the key.
    pub version: u64,
}

/// Why a notification is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyError {
    /// There is no such topic.
    NoSuchTopic(String),
    /// Too many at once.
    Throttled,
    /// Anything else, in words.
    Other(String),
}

/// Why log events are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkError {
    /// There is no such log group.
    NoSuchGroup(String),
    /// The events would come back to the function that writes them.
    WouldLoop(String),
    /// Too many at once.
    Throttled,
    /// The events break a rule.
    Invalid(String),
}

/// Why state is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// Anything, in words.
    Other(String),
}

impl StateError {
    /// What a host without guest state answers.
    pub fn unsupported() -> Self {
        Self::Other("guest state is not supported by this version of Logboom".to_owned())
    }
}
