//! The world `packed-event-filter`.

use super::Exported;
use crate::generated::packed_filter::exports::logboom::extension::packed_filter::Guest;
use crate::{Context, PackedBatch};

/// The fast road for hot filters: all messages in one text, no allocation per event. Pure.
pub trait PackedFilter {
    /// Whether to keep a message.
    fn keep(message: &[u8]) -> bool;

    /// One byte per event, 1 = keep; override it to look at events together.
    ///
    /// # Errors
    /// A message: the filter could not decide.
    fn apply(_: &Context, batch: &PackedBatch) -> Result<Vec<u8>, String> {
        let mut start = 0;
        let mut verdicts = Vec::with_capacity(batch.ends.len());
        for end in &batch.ends {
            let message = batch.text.get(start..*end as usize).ok_or("the batch is malformed")?;
            verdicts.push(u8::from(Self::keep(message)));
            start = *end as usize;
        }
        Ok(verdicts)
    }
}

impl<T: PackedFilter> Guest for Exported<T> {
    fn apply(context: Context, batch: PackedBatch) -> Result<Vec<u8>, String> {
        super::entry::enter();
        T::apply(&context, &batch)
    }
}
