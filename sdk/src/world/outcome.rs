//! How a handler says how it went.

use crate::{
    BatchOutcome, HandlerError, MetricError, NotifyError, RetryError, SecretError, SinkError, StateError,
};

/// What a batch handler answers.
pub type Outcome = Result<BatchOutcome, HandlerError>;

/// All events are done.
///
/// # Errors
/// Never; the `Result` is what a handler returns.
pub fn done() -> Outcome {
    Ok(BatchOutcome { failed: Vec::new() })
}

/// These events (indexes into the batch) come again; the others are done.
///
/// # Errors
/// Never; the `Result` is what a handler returns.
pub fn failed(indexes: Vec<u32>) -> Outcome {
    Ok(BatchOutcome { failed: indexes })
}

/// The whole call should be tried again, when the host sees fit.
pub fn retry(message: impl Into<String>) -> HandlerError {
    retry_after(message, 0)
}

/// The whole call should be tried again after so many milliseconds.
pub fn retry_after(message: impl Into<String>, after_ms: u32) -> HandlerError {
    HandlerError::Retry(RetryError { message: message.into(), after_ms })
}

/// Trying again is useless: the call goes to the dead letters.
pub fn permanent(message: impl Into<String>) -> HandlerError {
    HandlerError::Permanent(message.into())
}

impl From<String> for HandlerError {
    fn from(message: String) -> Self {
        retry(message)
    }
}

impl From<&str> for HandlerError {
    fn from(message: &str) -> Self {
        retry(message)
    }
}

impl From<NotifyError> for HandlerError {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::NotAllowed(what) => permanent(format!("publish: not allowed: {what}")),
            NotifyError::NoSuchTopic(topic) => permanent(format!("publish: no such topic: {topic}")),
            NotifyError::Throttled => retry("publish: throttled"),
            NotifyError::Other(what) => retry(format!("publish: {what}")),
        }
    }
}

impl From<MetricError> for HandlerError {
    fn from(error: MetricError) -> Self {
        match error {
            MetricError::NotAllowed(what) => permanent(format!("metrics: not allowed: {what}")),
            MetricError::Invalid(what) => permanent(format!("metrics: invalid: {what}")),
            MetricError::Throttled => retry("metrics: throttled"),
        }
    }
}

impl From<SinkError> for HandlerError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::NotAllowed(what) => permanent(format!("log group: not allowed: {what}")),
            SinkError::WouldLoop(group) => permanent(format!("log group: would loop: {group}")),
            SinkError::NoSuchGroup(group) => permanent(format!("no such log group: {group}")),
            SinkError::Throttled => retry("log group: throttled"),
            SinkError::Invalid(what) => permanent(format!("log group: invalid: {what}")),
        }
    }
}

impl From<SecretError> for HandlerError {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::NotAllowed(what) => permanent(format!("secret: not allowed: {what}")),
            SecretError::Missing(name) => permanent(format!("secret: there is none: {name}")),
        }
    }
}

impl From<StateError> for HandlerError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::NotAllowed(what) => permanent(format!("state: not allowed: {what}")),
            StateError::TooLarge => permanent("state: value too large"),
            StateError::Quota => retry("state: over quota"),
            StateError::Conflict => retry("state: conflict"),
            StateError::Other(what) => retry(format!("state: {what}")),
        }
    }
}
