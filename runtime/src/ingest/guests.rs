//! Owns what filters ask of functions: whether one exists and fits, verdicts, values, deliveries; all in
//! batches. Refuses to run them (`functions`) and to know what a filter does with the answers.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use store::{Event, GroupId, Held};

use wasm::{LogEvent, Records as _, Role};

use super::matching::{Answers, Matched, Parts, in_parts, text};
use crate::app::App;
use crate::functions::events::{self, Given, Origin};
use crate::functions::once::{Handed, Once};
use crate::functions::{Ready, attach, registry};
use crate::meta::MetaError;
use crate::records::Scope;
use crate::records::calls::{self, Part};

pub(crate) use crate::functions::attach::{Purpose, Unusable};
pub(crate) use crate::functions::events::Why;

/// Events that a filter is asked about at once: its time is short.
const FILTER_EVENTS: usize = 2_000;

/// Events that an extractor is asked about at once: their values are counted too.
const EXTRACTOR_EVENTS: usize = 1_000;

/// Events that a packed filter is asked about at once.
const PACKED_EVENTS: usize = 4_000;

/// Bytes of messages that a filter or an extractor is asked about at once, roughly. An instance that touches more than it may keep for the
/// next one (2 MiB, its own data included) makes the system clear those pages anew: half as much again for each event.
const PART_BYTES: usize = 1 << 20;

/// Who asks which function about events of one group.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
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
}

/// Events for a function, and who asks it.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// Who asks.
    pub(crate) asker: Asker<'a>,
    /// The events, by rising position.
    pub(crate) events: &'a [&'a Event],
    /// The message of each: see [`texts`].
    pub(crate) texts: &'a [Cow<'a, str>],
}

/// The messages of events as text. Whether it is text is looked at once for all that is done with a batch.
pub(crate) fn texts<'a>(events: &[&'a Event]) -> Vec<Cow<'a, str>> {
    events.iter().map(|event| text(event)).collect()
}

/// How many they are, and their bytes.
pub(crate) fn count_and_bytes(texts: &[Cow<'_, str>]) -> (usize, usize) {
    (texts.len(), texts.iter().map(|text| text.len()).sum())
}

impl<'a> Asker<'a> {
    /// The function as it is now. Which version of an alias is asked follows from the id of the delivery.
    async fn ready(&self, app: &Arc<App>, delivery_id: &str) -> Result<Ready, String> {
        let ready = registry::ready(app, self.scope, self.function, delivery_id).await;
        ready.map_err(|error| format!("{}: {error}", self.function))
    }

    /// The id of the delivery of what lies between two positions.
    fn delivery_id(&self, first: u64, last: u64) -> String {
        format!("{}-{first}-{last}", self.source)
    }

    fn origin(&self, group: Option<GroupId>) -> Origin {
        Origin {
            group: self.group.to_owned(),
            stream: self.stream.to_owned(),
            filter: self.filter.to_owned(),
            attempt: self.attempt,
            group_id: group.map_or(0, |group| group.0),
        }
    }
}

impl Batch<'_> {
    /// The id of the delivery of some of the events: the same however often and in whatever batch they are
    /// delivered together.
    pub(crate) fn delivery_id(&self, range: Range<usize>) -> String {
        let seq = |event: Option<&&Event>| event.map_or(0, |event| event.position.seq);
        let events = self.events.get(range).unwrap_or_default();
        self.asker.delivery_id(seq(events.first()), seq(events.last()))
    }

    /// The id of the delivery of some of the events, of one stream, and how their call is remembered. What a
    /// function took and wants again (`made` tells) is another delivery.
    fn handing(&self, range: Range<usize>, made: &[Part]) -> (String, Once) {
        let events = self.events.get(range.clone()).unwrap_or_default();
        let positions: Vec<u64> = events.iter().map(|event| event.position.seq).collect();
        let stream = events.first().map_or(0, |event| event.stream.0);
        let (first, last) = (positions.first().copied(), positions.last().copied());
        let round = calls::round(made, stream, first.unwrap_or(0), last.unwrap_or(0));
        let mut id = self.delivery_id(range);
        if round > 0 {
            id.push_str(&format!(".{round}"));
        }
        let handed = Handed { consumer: self.asker.source.to_owned(), stream, round, positions };
        (id, Once::Events(handed))
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
    /// Why.
    pub(crate) why: Why,
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
    /// Whether some of it is to be handed over again.
    pub(crate) fn comes_again(&self) -> bool {
        self.left.iter().any(|left| left.fate != Fate::Never)
    }

    /// The whole batch is to be handed over again.
    pub(crate) fn nothing(events: usize, reason: &str) -> Delivered {
        let left = |index| Left { index, fate: Fate::Again, why: reason.into() };
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

/// Digests of the modules of functions as they are now; a function that is not there has none.
///
/// # Errors
/// Storage failures.
pub(crate) fn digests<'a>(
    app: &App,
    scope: &Scope,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, MetaError> {
    let found = app.meta.read(|tx| {
        names
            .map(|name| tx.function(&scope.account, &scope.region, name))
            .collect::<Result<Vec<_>, MetaError>>()
    });
    let mut digests: Vec<String> = found?.into_iter().flatten().map(|record| record.digest).collect();
    digests.sort_unstable();
    digests.dedup();
    Ok(digests)
}

/// Whether a filter keeps each event.
///
/// # Errors
/// A sentence, when it could not be asked.
pub(crate) async fn kept(app: &Arc<App>, batch: &Batch<'_>) -> Result<Vec<bool>, String> {
    let ready = batch.ready(app).await?;
    let (given, id) = (batch.given(), batch.whole_id());
    let kept = events::kept(app, &ready, &batch.origin(), &id, &given).await;
    kept.map_err(|error| format!("wasm:{} failed: {error}", batch.asker.function))
}

/// What a filter says about events that are held, as the whole of a pattern.
///
/// # Errors
/// A sentence, when it could not be asked or fails on too many events.
pub(crate) async fn kept_held(app: &Arc<App>, asker: &Asker<'_>, held: &[Held]) -> Result<Matched, String> {
    let count = held.iter().map(Held::len).sum();
    let bytes = held.iter().map(|held| held.lend().messages().len()).sum();
    let parts = parts(app, (asker, &held_id(asker, held)), (count, bytes), Purpose::Filter).await?;
    let answers = in_parts(parts, |range| {
        let part = store::part(held, range);
        async move {
            let id = held_id(asker, &part);
            let ready = asker.ready(app, &id).await?;
            let origin = asker.origin(part.first().map(|held| held.lend().group));
            let kept = events::kept_held(app, &ready, &origin, &id, &part).await;
            kept.map_err(|error| format!("wasm:{} failed: {error}", asker.function))
        }
    });
    let Answers { values, reason } = answers.await?;
    let mut matched = Matched { reason, ..Matched::default() };
    for (row, kept) in values.into_iter().enumerate() {
        match kept {
            Some(true) => matched.yes.push(row),
            Some(false) => {}
            None => matched.unknown.push(row),
        }
    }
    Ok(matched)
}

fn held_id(asker: &Asker<'_>, held: &[Held]) -> String {
    let first = held.first().map_or(0, |held| held.lend().seq(0));
    let last = held.last().map_or(0, |held| held.lend().seq(held.len() - 1));
    asker.delivery_id(first, last)
}

/// How a filter or an extractor is best asked about a batch of so many events and bytes. What a packed filter costs beside
/// its search is the call itself.
///
/// # Errors
/// A sentence, when it cannot be asked.
pub(crate) async fn parts(
    app: &Arc<App>,
    (asker, delivery_id): (&Asker<'_>, &str),
    size: (usize, usize),
    purpose: Purpose,
) -> Result<Parts, String> {
    let count = size.0;
    let most = if matches!(purpose, Purpose::Filter) { FILTER_EVENTS } else { EXTRACTOR_EVENTS };
    let least = of_one_part(most, size);
    if count <= least {
        return Ok(Parts { count, events: least, at_once: 1 });
    }
    let ready = asker.ready(app, delivery_id).await?;
    let is_packed = matches!(purpose, Purpose::Filter) && ready.module.has(Role::PackedFilter);
    let events = if is_packed { of_one_part(PACKED_EVENTS, size) } else { least };
    Ok(Parts { count, events, at_once: app.functions.free_places(ready.record.id) })
}

/// Events of one part, at most `most` and at least one, of so many events and bytes.
fn of_one_part(most: usize, (count, bytes): (usize, usize)) -> usize {
    let average = (bytes / count.max(1)).max(1);
    most.min((PART_BYTES / average).max(1))
}

/// The values an extractor finds in each event.
///
/// # Errors
/// A sentence, when it cannot be asked.
pub(crate) async fn extract(app: &Arc<App>, batch: &Batch<'_>) -> Result<Vec<Vec<f64>>, String> {
    let ready = batch.ready(app).await?;
    let (given, id) = (batch.given(), batch.whole_id());
    let values = events::values(app, &ready, &batch.origin(), &id, &given).await;
    values.map_err(|error| format!("wasm:{} failed: {error}", batch.asker.function))
}

/// Hands events of one stream to a subscription's function, halving the batch to find the events that kill it.
/// `made` are the calls that the delivery made before.
pub(crate) async fn deliver(app: &Arc<App>, batch: &Batch<'_>, made: &[Part]) -> Delivered {
    let ready = match batch.ready(app).await {
        Ok(ready) => ready,
        Err(reason) => return Delivered::nothing(batch.events.len(), &reason),
    };
    let given = batch.given();
    let handing = |range: Range<usize>| batch.handing(range, made);
    let handled = events::deliver(app, &ready, &batch.origin(), &given, handing).await;
    let left = handled.left.into_iter().map(|one| {
        let fate = match (one.again, one.kills) {
            (true, _) => Fate::Again,
            (false, true) => Fate::Kills,
            (false, false) => Fate::Never,
        };
        Left { index: one.index, fate, why: one.why }
    });
    Delivered { left: left.collect(), after_ms: handled.after_ms }
}

impl<'a> Batch<'a> {
    /// The id of the delivery of all of them.
    pub(crate) fn whole_id(&self) -> String {
        self.delivery_id(0..self.events.len())
    }

    async fn ready(&self, app: &Arc<App>) -> Result<Ready, String> {
        self.asker.ready(app, &self.whole_id()).await
    }

    fn given(&self) -> Vec<Given<'a>> {
        let one = |(event, message): (&&Event, &'a Cow<'a, str>)| Given {
            event: LogEvent { timestamp: event.timestamp_ms, ingestion_time: event.ingestion_ms, message },
            sequence: event.position.seq,
            hop: event.hop,
        };
        self.events.iter().zip(self.texts).map(one).collect()
    }

    fn origin(&self) -> Origin {
        self.asker.origin(self.events.first().map(|event| event.group))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use store::{Position, StreamId};

    use super::*;

    #[test]
    fn a_part_has_at_most_about_a_mebibyte() {
        for (size, expected) in
            [((0, 0), 4_000), ((9, 0), 4_000), ((10_000, 2_800_000), 3_744), ((1, PART_BYTES + 1), 1)]
        {
            assert_eq!(of_one_part(4_000, size), expected, "{size:?}");
        }
    }

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
            message: Bytes::new(),
        };
        let events = [event(7), event(9), event(12)];
        let events: Vec<&Event> = events.iter().collect();
        let source = "subscription-3";
        let (function, group, stream, filter) = ("f", "/a", "s", "x");
        let asker = Asker { scope: &scope, function, group, stream, filter, source, attempt: 1 };
        let batch = Batch { asker, events: &events, texts: &[] };
        assert_eq!(batch.delivery_id(0..3), "subscription-3-7-12");
        let rest = Batch { asker: Asker { attempt: 2, ..asker }, events: &events[1..], texts: &[] };
        assert_eq!(rest.delivery_id(0..1), batch.delivery_id(1..2));
        let made = |round, again| Part { stream: 1, first: 9, last: 12, round, again, made: None };
        assert_eq!(batch.handing(0..3, &[]).0, batch.delivery_id(0..3));
        assert_eq!(batch.handing(0..1, &[made(0, vec![9])]).0, "subscription-3-7-7");
        let (id, once) = batch.handing(1..3, &[made(3, vec![9, 12])]);
        assert_eq!(id, "subscription-3-9-12.4", "what is wanted again is another delivery");
        let Once::Events(handed) = once else { panic!("it is remembered") };
        assert_eq!((handed.positions, handed.round), (vec![9, 12], 4));
    }
}
