//! The world `subscription-handler`.

use super::Exported;
use crate::generated::subscription::exports::logboom::extension::subscription::Guest;
use crate::{Context, LogEvent, Outcome};

/// Handles batches of matching events. Delivered at least once: `context.delivery_id` stays the
/// same when a batch comes again.
pub trait Subscription {
    /// Handles one batch.
    ///
    /// # Errors
    /// [`crate::HandlerError`]: the whole batch is tried again, or never.
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome;
}

impl<T: Subscription> Guest for Exported<T> {
    fn handle(context: Context, events: Vec<LogEvent>) -> Outcome {
        super::entry::enter();
        T::handle(&context, events)
    }
}
