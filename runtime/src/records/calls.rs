//! Owns what is remembered of calls whose effects are durable while their delivery is not settled yet: after a
//! crash such a call is not made again. Refuses to know functions and events.
//!
//! A row is written in the change of the effects and removed in the change that settles the delivery, so there
//! are only rows of deliveries at work.

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (consumer, stream id, first position, last position) -> the last call that was given events from there.
const PARTS: Table<Part> = Table::new("delivery_calls");

/// Idempotency key of an outbox row -> the call it made.
const SINGLE: Table<Made> = Table::new("outbox_calls");

/// How long a row is kept that nothing removed: longer than anything is tried.
const SINGLE_LIFE_MS: i64 = 14 * 24 * 3600 * 1000;

/// Who ran, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// Version of the function.
    pub(crate) version: String,
    /// Digest of its module.
    pub(crate) digest: String,
    /// When its effects were written, epoch milliseconds.
    pub(crate) at_ms: i64,
}

/// A call that was given events of one stream, and what is left of them.
///
/// It was given every event of the delivery between its bounds that was not done or given up by then. So the
/// rows of a delivery, taken in by rising round, say what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The stream.
    pub(crate) stream: u64,
    /// The first position it was given.
    pub(crate) first: u64,
    /// The last position it was given.
    pub(crate) last: u64,
    /// One more than that of every earlier row between the same positions.
    pub(crate) round: u32,
    /// Positions of the events that the function wants again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) again: Vec<u64>,
    /// Who ran; `None` for events that were given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<Made>,
}

impl Part {
    /// Whether it says something about a position of a stream.
    pub(crate) fn covers(&self, stream: u64, seq: u64) -> bool {
        self.stream == stream && (self.first..=self.last).contains(&seq)
    }

    /// Whether it says something about what lies between two positions of a stream.
    pub(crate) fn overlaps(&self, stream: u64, first: u64, last: u64) -> bool {
        self.stream == stream && self.first <= last && first <= self.last
    }
}

/// The round of a call between two positions of a stream, after those `made`.
pub(crate) fn round(made: &[Part], stream: u64, first: u64, last: u64) -> u32 {
    let before = made.iter().filter(|part| part.overlaps(stream, first, last));
    before.map(|part| part.round.saturating_add(1)).max().unwrap_or(0)
}

/// Whether an event is done after the calls `made` (by rising round): handled or given up.
pub(crate) fn is_done(made: &[Part], stream: u64, position: u64) -> bool {
    let last = made.iter().rev().find(|part| part.covers(stream, position));
    last.is_some_and(|part| !part.again.contains(&position))
}

/// Writes what a call left of its events.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn put(tx: &mut Tx<'_>, consumer: &str, part: &Part) -> Result<(), MetaError> {
    tx.put(&PARTS, &Key::of((consumer, part.stream, part.first, part.last)), part)
}

/// Writes that events, as (stream id, position), were given up while the rest of their delivery goes on.
pub(crate) fn give_up(tx: &mut Tx<'_>, consumer: &str, events: &[(u64, u64)]) -> Result<(), MetaError> {
    if events.is_empty() {
        return Ok(());
    }
    let made = of(tx, consumer)?;
    events.iter().try_for_each(|&(stream, position)| {
        let round = round(&made, stream, position, position);
        let part = Part { stream, first: position, last: position, round, again: Vec::new(), made: None };
        put(tx, consumer, &part)
    })
}

/// The calls of a consumer's delivery, by rising round.
pub(crate) fn of(tx: &Tx<'_>, consumer: &str) -> Result<Vec<Part>, MetaError> {
    let rows = tx.scan(&PARTS, &Span::prefix(&Key::of(consumer)))?;
    let mut parts = rows.map(|row| Ok(row?.1)).collect::<Result<Vec<Part>, MetaError>>()?;
    parts.sort_by_key(|part| part.round);
    Ok(parts)
}

/// Forgets the calls of a consumer: its delivery is settled, or the consumer is gone.
pub(crate) fn forget(tx: &mut Tx<'_>, consumer: &str) -> Result<(), MetaError> {
    tx.delete_span(&PARTS, &Span::prefix(&Key::of(consumer))).map(drop)
}

/// Writes that the call of an outbox row was made.
pub(crate) fn put_single(tx: &mut Tx<'_>, key: &str, made: &Made) -> Result<(), MetaError> {
    tx.put(&SINGLE, &Key::of(key), made)
}

/// Whether the call of an outbox row was made.
pub(crate) fn single(tx: &Tx<'_>, key: &str) -> Result<Option<Made>, MetaError> {
    tx.get(&SINGLE, &Key::of(key))
}

/// Forgets the call of an outbox row that is settled.
pub(crate) fn forget_single(tx: &mut Tx<'_>, key: &str) -> Result<(), MetaError> {
    tx.delete(&SINGLE, &Key::of(key))
}

/// Removes rows that nothing else removed: of consumers that are gone, and of outbox rows from long ago.
pub(crate) fn sweep(
    tx: &mut Tx<'_>,
    lives: impl Fn(&Tx<'_>, &str) -> Result<bool, MetaError>,
    now_ms: i64,
) -> Result<(), MetaError> {
    let mut consumers: Vec<String> = Vec::new();
    for row in tx.scan(&PARTS, &Span::all())? {
        let consumer = row?.0.reader().text()?;
        if consumers.last() != Some(&consumer) {
            consumers.push(consumer);
        }
    }
    for consumer in consumers {
        if !lives(tx, &consumer)? {
            forget(tx, &consumer)?;
        }
    }
    let mut old = Vec::new();
    for row in tx.scan(&SINGLE, &Span::all())? {
        let (key, made) = row?;
        if made.at_ms < now_ms.saturating_sub(SINGLE_LIFE_MS) {
            old.push(key);
        }
    }
    old.iter().try_for_each(|key| tx.delete(&SINGLE, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    fn part(stream: u64, (first, last): (u64, u64), round: u32) -> Part {
        Part { stream, first, last, round, again: vec![last], made: Some(Made::default()) }
    }

    #[test]
    fn rows_are_of_one_consumer_by_round_until_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        for meta in [Meta::in_memory(), Meta::open(&folder.path().join("meta.redb")).unwrap()] {
            meta.change_blocking(|tx| {
                put(tx, "subscription-1", &part(1, (1, 9), 2))?;
                put(tx, "subscription-1", &part(1, (3, 4), 0))?;
                put(tx, "subscription-1", &part(2, (1, 9), 1))?;
                put(tx, "subscription-12", &part(1, (1, 9), 0))?;
                put_single(tx, "key", &Made { at_ms: 5, ..Made::default() })
            })
            .unwrap();
            let rounds = |consumer: &'static str| {
                let parts = meta.read(|tx| of(tx, consumer)).unwrap();
                parts.iter().map(|part| (part.stream, part.round)).collect::<Vec<_>>()
            };
            assert_eq!(rounds("subscription-1"), [(1, 0), (2, 1), (1, 2)]);
            meta.change_blocking(|tx| forget(tx, "subscription-1")).unwrap();
            assert_eq!((rounds("subscription-1"), rounds("subscription-12")), (vec![], vec![(1, 0)]));
            meta.change_blocking(|tx| sweep(tx, |_, _| Ok(true), SINGLE_LIFE_MS)).unwrap();
            assert_eq!(rounds("subscription-12").len(), 1);
            assert!(meta.read(|tx| single(tx, "key")).unwrap().is_some());
            meta.change_blocking(|tx| sweep(tx, |_, name| Ok(name == "x"), SINGLE_LIFE_MS + 6)).unwrap();
            assert!(rounds("subscription-12").is_empty());
            assert_eq!(meta.read(|tx| single(tx, "key")).unwrap(), None);
        }
    }
}
