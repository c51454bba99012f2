//! The world `event-filter`.

use std::mem::ManuallyDrop;

use super::Exported;
use crate::generated::filter::exports::logboom::extension::filter::Guest;
use crate::{Context, LogEvent, Verdict};

/// Keeps, drops or rewrites events. Pure: the same batch always gives the same verdicts.
pub trait Filter {
    /// What happens to one event.
    fn verdict(context: &Context, event: &LogEvent) -> Verdict;

    /// What happens to each event of a batch, in order; override it to look at events together.
    ///
    /// # Errors
    /// A message: the filter could not decide, and its `on_error` rule applies to the batch.
    fn apply(context: &Context, events: &[LogEvent]) -> Result<Vec<Verdict>, String> {
        Ok(events.iter().map(|event| Self::verdict(context, event)).collect())
    }
}

impl<T: Filter> Guest for Exported<T> {
    fn apply(context: Context, events: Vec<LogEvent>) -> Result<Vec<Verdict>, String> {
        super::entry::enter();
        // The instance ends with the call: giving a thousand texts back one by one would be for nothing.
        T::apply(&context, &ManuallyDrop::new(events))
    }
}
