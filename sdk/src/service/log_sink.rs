//! Writing to other log groups. Capability: the log group.

use super::imported;
use crate::{NewEvent, SinkError};

/// Adds events to a stream; stored only when the handler returns without an error.
///
/// # Errors
/// [`SinkError`]: not granted, no such group, or it would loop.
pub fn put(log_group: &str, log_stream: &str, events: &[NewEvent]) -> Result<(), SinkError> {
    imported::log_sink::put(log_group, log_stream, events)
}
