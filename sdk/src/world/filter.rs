//! The worlds of a filter of events: `event-filter`, and `packed-event-filter` for where only keep or drop matters.

use std::mem::ManuallyDrop;

use super::Exported;
use crate::generated::filter::exports::logboom::extension::filter;
use crate::generated::packed_filter::exports::logboom::extension::packed_filter;
use crate::{Context, Event, LogEvent, PackedBatch, Verdict, event};

/// Keeps, drops or rewrites events. Pure: the same batch always gives the same verdicts. In a pattern, to rewrite an event
/// is to keep it.
pub trait Filter {
    /// What happens to one event.
    fn verdict(context: &Context, event: &Event<'_>) -> Verdict;

    /// What happens to each event of a batch, in order; override it to look at events together.
    ///
    /// # Errors
    /// A message: the filter could not decide, and its `on_error` rule applies to the batch.
    fn apply(context: &Context, events: &[Event<'_>]) -> Result<Vec<Verdict>, String> {
        Ok(events.iter().map(|event| Self::verdict(context, event)).collect())
    }
}

impl<T: Filter> filter::Guest for Exported<T> {
    fn apply(context: Context, events: Vec<LogEvent>) -> Result<Vec<Verdict>, String> {
        super::entry::enter();
        // The instance ends with the call: giving a thousand texts back one by one would be for nothing.
        let events = ManuallyDrop::new(events);
        let lent: Vec<Event<'_>> = events.iter().map(Event::from).collect();
        T::apply(&context, &lent)
    }
}

/// Carries a filter of events into the packed world: the host writes a batch in four pieces instead of a text per event.
#[doc(hidden)]
#[derive(Debug)]
pub struct Packed<T>(core::marker::PhantomData<T>);

impl<T: Filter> packed_filter::Guest for Packed<T> {
    fn apply(context: Context, batch: PackedBatch) -> Result<Vec<u8>, String> {
        super::entry::enter();
        let batch = ManuallyDrop::new(batch);
        let verdicts = ManuallyDrop::new(T::apply(&context, &event::unpacked(&batch)?)?);
        // A text in place of the message is a way to keep it.
        Ok(verdicts.iter().map(|verdict| u8::from(!matches!(verdict, Verdict::Drop))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shout;

    impl Filter for Shout {
        fn verdict(context: &Context, event: &Event<'_>) -> Verdict {
            match event.message {
                "late" if event.ingestion_time > event.timestamp => Verdict::Drop,
                "group" => Verdict::Replace(context.log_group.clone()),
                _ => Verdict::Keep,
            }
        }

        fn apply(context: &Context, events: &[Event<'_>]) -> Result<Vec<Verdict>, String> {
            if events.iter().any(|event| event.message == "unsure") {
                return Err("unsure".to_owned());
            }
            Ok(events.iter().map(|event| Self::verdict(context, event)).collect())
        }
    }

    /// What is kept, asked in both ways.
    fn kept(events: &[(i64, i64, &str)]) -> [Result<Vec<bool>, String>; 2] {
        let owned = |(timestamp, ingestion_time, message): &(i64, i64, &str)| LogEvent {
            timestamp: *timestamp,
            ingestion_time: *ingestion_time,
            message: (*message).to_owned(),
        };
        let mut batch =
            PackedBatch { timestamps: vec![], ingestion_times: vec![], ends: vec![], text: vec![] };
        for (timestamp, ingestion_time, message) in events {
            batch.timestamps.push(*timestamp);
            batch.ingestion_times.push(*ingestion_time);
            batch.text.extend_from_slice(message.as_bytes());
            batch.ends.push(u32::try_from(batch.text.len()).expect("short"));
        }
        let context = || Context { log_group: "/a".to_owned(), ..Context::default() };
        let records =
            <Exported<Shout> as filter::Guest>::apply(context(), events.iter().map(owned).collect());
        let packed = <Packed<Shout> as packed_filter::Guest>::apply(context(), batch);
        [
            records.map(|all| all.iter().map(|one| *one != Verdict::Drop).collect()),
            packed.map(|all| all.iter().map(|one| *one == 1).collect()),
        ]
    }

    #[test]
    fn both_worlds_keep_the_same_events() {
        let [records, packed] = kept(&[(1, 2, "late"), (2, 2, "late"), (3, 4, "group"), (4, 5, "")]);
        assert_eq!(records, Ok(vec![false, true, true, true]));
        assert_eq!(packed, records);
        let [records, packed] = kept(&[(1, 1, "x"), (1, 1, "unsure")]);
        assert_eq!(records, Err("unsure".to_owned()));
        assert_eq!(packed, records, "an overridden batch is asked as a whole in both");
    }
}
