//! Owns what consumers missed: events that were gone, unreadable or refused before they were read. Refuses
//! to know consumers: each is a name.

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// consumer -> what it missed.
const GAPS: Table<Gaps> = Table::new("consumer_gaps");

/// All that one consumer missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gaps {
    /// Events missed.
    pub(crate) events: u64,
    /// How many times some were missed.
    pub(crate) times: u64,
    /// The last time.
    pub(crate) last: Option<Gap>,
}

/// Events missed at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// How many.
    pub(crate) events: u64,
    /// The first position among them.
    pub(crate) first: u64,
    /// The last position among them.
    pub(crate) last: u64,
    /// Why, for people.
    pub(crate) reason: String,
    /// When it was noticed, epoch milliseconds.
    pub(crate) at_ms: i64,
}

/// Adds to what a consumer missed.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn add(tx: &mut Tx<'_>, consumer: &str, gap: Gap) -> Result<(), MetaError> {
    let mut gaps = of(tx, consumer)?;
    gaps.events += gap.events;
    gaps.times += 1;
    gaps.last = Some(gap);
    tx.put(&GAPS, &Key::of(consumer), &gaps)
}

/// What a consumer missed.
pub(crate) fn of(tx: &Tx<'_>, consumer: &str) -> Result<Gaps, MetaError> {
    Ok(tx.get(&GAPS, &Key::of(consumer))?.unwrap_or_default())
}

/// Forgets consumers that are not among the `living`.
pub(crate) fn keep_only(tx: &mut Tx<'_>, living: impl Fn(&str) -> bool) -> Result<(), MetaError> {
    let mut gone = Vec::new();
    for row in tx.scan(&GAPS, &Span::all())? {
        let (key, _) = row?;
        if !living(&key.reader().text()?) {
            gone.push(key);
        }
    }
    for key in &gone {
        tx.delete(&GAPS, key)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    #[test]
    fn gaps_add_up_until_the_consumer_is_gone() {
        let meta = Meta::in_memory();
        let gap = |events, at_ms| Gap { events, first: 1, last: 9, reason: "retention".into(), at_ms };
        meta.change_blocking(move |tx| {
            add(tx, "a", gap(3, 1))?;
            add(tx, "a", gap(4, 2))?;
            add(tx, "b", gap(1, 3))
        })
        .unwrap();
        let seen = meta.read(|tx| of(tx, "a")).unwrap();
        assert_eq!((seen.events, seen.times, seen.last.unwrap().at_ms), (7, 2, 2));
        meta.change_blocking(|tx| keep_only(tx, |name| name == "b")).unwrap();
        assert_eq!(meta.read(|tx| of(tx, "a")).unwrap(), Gaps::default());
        assert_eq!(meta.read(|tx| of(tx, "b")).unwrap().events, 1);
    }
}
