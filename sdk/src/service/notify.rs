//! Publishing to topics. Capability: the topic.

use super::imported;
use crate::{Notification, NotifyError};

/// Publishes a text to a topic (a name or an ARN); sent only when the handler returns without an
/// error. Gives the message id.
///
/// # Errors
/// [`NotifyError`]: not granted, or no such topic.
pub fn publish(topic: &str, message: &str) -> Result<String, NotifyError> {
    send(topic, &Notification::new(message))
}

/// Publishes a notification with subject and attributes.
///
/// # Errors
/// As [`publish`].
pub fn send(topic: &str, notification: &Notification) -> Result<String, NotifyError> {
    imported::notify::publish(topic, notification)
}
