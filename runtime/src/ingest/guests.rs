//! Owns what filters ask of functions: whether one exists and fits, verdicts, values, deliveries; all in
//! batches. Refuses to run them (`functions`) and to know what a filter does with the answers.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use store::Event;

use wasm::{LogEvent, Verdict};

use super::matching::text;
use crate::app::App;
use crate::functions::events::{self, Given, Origin};
use crate::functions::{Ready, attach, registry};
use crate::records::Scope;

pub(crate) use crate::functions::attach::{Purpose, Unusable};

/// Events for a function, from one group of one scope, and where they stand.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// Account and region of the group, and so of the function.
    pub(crate) scope: &'a Scope,
    /// Name of the function, with a qualifier if one was given.
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
    /// It kills the function, as far as can be told: worth a few more attempts.
    Kills,
    /// It never will be: the function said so.
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

/// Whether a function can be used for a purpose: it exists, is not `Failed`, and exports what that needs.
///
/// # Errors
/// See [`Unusable`].
pub(crate) fn check(app: &App, scope: &Scope, function: &str, purpose: Purpose) -> Result<(), Unusable> {
    attach::check(app, scope, function, purpose)
}

/// A filter's verdict about each event: `true` keeps it.
///
/// # Errors
/// A sentence, when there is no verdict to be had.
pub(crate) async fn verdicts(app: &Arc<App>, batch: &Batch<'_>) -> Result<Vec<bool>, String> {
    let (texts, ready) = (batch.texts(), batch.ready(app).await?);
    let (given, id) = (batch.given(&texts), batch.delivery_id(0..batch.events.len()));
    let verdicts = events::verdicts(app, &ready, &batch.origin(), &id, &given).await;
    let verdicts = verdicts.map_err(|error| format!("wasm:{} failed: {error}", batch.function))?;
    // A text in place of the message is a way to keep it.
    Ok(verdicts.iter().map(|verdict| *verdict != Verdict::Drop).collect())
}

/// The values an extractor finds in each event.
///
/// # Errors
/// A sentence, when it cannot be asked.
pub(crate) async fn extract(app: &Arc<App>, batch: &Batch<'_>) -> Result<Vec<Vec<f64>>, String> {
    let (texts, ready) = (batch.texts(), batch.ready(app).await?);
    let (given, id) = (batch.given(&texts), batch.delivery_id(0..batch.events.len()));
    let values = events::values(app, &ready, &batch.origin(), &id, &given).await;
    values.map_err(|error| format!("wasm:{} failed: {error}", batch.function))
}

/// Hands events to a subscription's function, halving the batch to find the events that kill it.
pub(crate) async fn deliver(app: &Arc<App>, batch: &Batch<'_>) -> Delivered {
    let texts = batch.texts();
    let ready = match batch.ready(app).await {
        Ok(ready) => ready,
        Err(reason) => return Delivered::nothing(batch.events.len(), &reason),
    };
    let given = batch.given(&texts);
    let id_of = |range: Range<usize>| batch.delivery_id(range);
    let handled = events::deliver(app, &ready, &batch.origin(), &given, id_of).await;
    let left = handled.left.into_iter().map(|one| {
        let fate = match (one.again, one.kills) {
            (true, _) => Fate::Again,
            (false, true) => Fate::Kills,
            (false, false) => Fate::Never,
        };
        Left { index: one.index, fate, reason: one.reason }
    });
    Delivered { left: left.collect(), after_ms: handled.after_ms }
}

impl<'a> Batch<'a> {
    async fn ready(&self, app: &Arc<App>) -> Result<Ready, String> {
        let id = self.delivery_id(0..self.events.len());
        let ready = registry::ready(app, self.scope, self.function, &id).await;
        ready.map_err(|error| format!("{}: {error}", self.function))
    }

    fn texts(&self) -> Vec<Cow<'a, str>> {
        self.events.iter().map(|event| text(event)).collect()
    }

    fn given<'t>(&self, texts: &'t [Cow<'_, str>]) -> Vec<Given<'t>> {
        let one = |(event, message): (&&Event, &'t Cow<'_, str>)| Given {
            event: LogEvent { timestamp: event.timestamp_ms, ingestion_time: event.ingestion_ms, message },
            sequence: event.position.seq,
            hop: event.hop,
        };
        self.events.iter().zip(texts).map(one).collect()
    }

    fn origin(&self) -> Origin {
        Origin {
            group: self.group.to_owned(),
            stream: self.stream.to_owned(),
            filter: self.filter.to_owned(),
            attempt: self.attempt,
        }
    }
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
