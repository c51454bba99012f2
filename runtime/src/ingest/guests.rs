//! Owns what filters ask of functions: whether one exists and fits, verdicts, values, deliveries; all in
//! batches. Refuses to run them. This is the seam to `functions.rs`: while functions are not served, every
//! question is answered with a sentence that says so, and a filter that would need one is refused at the door.

use std::ops::Range;
use std::sync::Arc;

use store::Event;

use crate::app::App;
use crate::records::Scope;

/// What a function is to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A verdict per event: `{ wasm:NAME }` in a pattern.
    Filter,
    /// Values out of events: `metricValue=wasm:NAME`.
    Extractor,
    /// The destination of a subscription filter.
    Subscription,
}

/// Why a function cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is none of that name.
    Missing,
    /// There is, but it does not do; a sentence that says why.
    Unfit(String),
}

/// Events for a function, from one group of one scope, and where they stand.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// Account and region of the group, and so of the function.
    pub(crate) scope: &'a Scope,
    /// Name of the function.
    pub(crate) function: &'a str,
    /// Name of the group.
    pub(crate) group: &'a str,
    /// Name of the stream; empty when the events are of several.
    pub(crate) stream: &'a str,
    /// Name of the filter.
    pub(crate) filter: &'a str,
    /// What begins the ids of its deliveries: stable over restarts, different for every filter.
    pub(crate) source: &'a str,
    /// 1 on the first attempt.
    pub(crate) attempt: u32,
    /// The events, by rising position.
    pub(crate) events: &'a [&'a Event],
}

impl Batch<'_> {
    /// The id of the delivery of some of the events: the same however often and in whatever batch they are
    /// delivered together.
    pub(crate) fn delivery_id(&self, range: Range<usize>) -> String {
        let seq = |event: Option<&&Event>| event.map_or(0, |event| event.position.seq);
        let events = self.events.get(range).unwrap_or_default();
        format!("{}-{}-{}", self.source, seq(events.first()), seq(events.last()))
    }
}

/// What became of an event that was not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is to be handed over again.
    Again,
    /// It never will be: the function cannot handle it, or said so.
    Never,
}

/// An event that was not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Its index in the batch.
    pub(crate) index: usize,
    /// What is to become of it.
    pub(crate) fate: Fate,
    /// Why, for people.
    pub(crate) reason: String,
}

/// What became of a delivery: whatever is not `left` was handled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Events that were not handled, by rising index.
    pub(crate) left: Vec<Left>,
    /// Milliseconds the function asks to wait before the next attempt; 0 leaves it to the schedule.
    pub(crate) after_ms: u64,
}

impl Delivered {
    /// The whole batch is to be handed over again.
    pub(crate) fn nothing(events: usize, reason: &str) -> Delivered {
        let left = |index| Left { index, fate: Fate::Again, reason: reason.to_owned() };
        Delivered { left: (0..events).map(left).collect(), after_ms: 0 }
    }
}

const NOT_SERVED: &str = "functions are not served by this version of Logboom";

/// Whether a function can be used for a purpose: it exists, is not `Failed`, and exports what that needs.
///
/// # Errors
/// See [`Unusable`].
pub(crate) fn check(_app: &App, _scope: &Scope, _function: &str, purpose: Purpose) -> Result<(), Unusable> {
    match purpose {
        Purpose::Subscription => Err(Unusable::Missing),
        Purpose::Filter | Purpose::Extractor => Err(Unusable::Unfit(NOT_SERVED.to_owned())),
    }
}

/// A filter's verdict about each event: `true` keeps it.
///
/// # Errors
/// A sentence, when there is no verdict to be had.
#[allow(clippy::unused_async, reason = "a call of a guest is awaited")]
pub(crate) async fn verdicts(_app: &Arc<App>, _batch: &Batch<'_>) -> Result<Vec<bool>, String> {
    Err(NOT_SERVED.to_owned())
}

/// The values an extractor finds in each event.
///
/// # Errors
/// A sentence, when it cannot be asked.
#[allow(clippy::unused_async, reason = "a call of a guest is awaited")]
pub(crate) async fn extract(_app: &Arc<App>, _batch: &Batch<'_>) -> Result<Vec<Vec<f64>>, String> {
    Err(NOT_SERVED.to_owned())
}

/// Hands events to a subscription's function, halving the batch to find the events that kill it.
#[allow(clippy::unused_async, reason = "a call of a guest is awaited")]
pub(crate) async fn deliver(_app: &Arc<App>, batch: &Batch<'_>) -> Delivered {
    Delivered::nothing(batch.events.len(), NOT_SERVED)
}

#[cfg(test)]
mod tests {
    use store::{GroupId, Position, StreamId};

    use super::*;

    #[test]
    fn the_id_of_a_delivery_follows_from_its_events() {
        let scope = Scope { account: "000000000000".into(), region: "us-east-1".into() };
        let event = |seq| Event {
            group: GroupId(1),
            stream: StreamId(1),
            position: Position::at(seq),
            timestamp_ms: 0,
            ingestion_ms: 0,
            hop: 0,
            message: Vec::new(),
        };
        let events = [event(7), event(9), event(12)];
        let events: Vec<&Event> = events.iter().collect();
        let source = "subscription-3";
        let batch = Batch {
            scope: &scope,
            function: "f",
            group: "/a",
            stream: "s",
            filter: "x",
            source,
            attempt: 1,
            events: &events,
        };
        assert_eq!(batch.delivery_id(0..3), "subscription-3-7-12");
        let rest = Batch { events: &events[1..], attempt: 2, ..batch };
        assert_eq!(rest.delivery_id(0..1), batch.delivery_id(1..2));
    }
}
