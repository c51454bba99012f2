//! The world `metric-extractor`.

use std::mem::ManuallyDrop;

use super::Exported;
use crate::generated::extractor::exports::logboom::extension::extractor::Guest;
use crate::{Context, Event, Extracted, LogEvent, MetricDatum};

/// Finds metric values in events. Pure: the same batch always gives the same values.
pub trait Extractor {
    /// Adds the values of one event to `found`.
    ///
    /// # Errors
    /// A message: the batch gives no values at all.
    fn extract(context: &Context, event: &Event<'_>, found: &mut Vec<MetricDatum>) -> Result<(), String>;
}

impl<T: Extractor> Guest for Exported<T> {
    fn extract(context: Context, events: Vec<LogEvent>) -> Result<Vec<Extracted>, String> {
        super::entry::enter();
        // The instance ends with the call: giving a thousand texts back one by one would be for nothing.
        let events = ManuallyDrop::new(events);
        let mut all = Vec::new();
        let mut found = Vec::new();
        for (index, event) in (0u32..).zip(events.iter()) {
            T::extract(&context, &Event::from(event), &mut found)?;
            all.extend(found.drain(..).map(|datum| Extracted { event: index, datum }));
        }
        Ok(all)
    }
}
