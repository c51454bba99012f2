//! Owns what the events of a group went through before they were stored, by position: which module made them. Refuses
//! to know who runs it. Rows are few: one is written when a group's transformer is another one, not for each batch.
//!
//! A row stands for the positions from its own on to the next row's, and names every module that any batch of the
//! group stored there went through: usually one, several where an alias shares its calls out.

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (group id, position) -> what its events went through from there on.
const MAKERS: Table<Made> = Table::new("event_makers");

/// Rows of one group; beyond it the two oldest are taken together.
const ROWS_MAX: usize = 1_000;

/// What a batch went through.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Maker {
    /// The transformer as the group names it; empty when it had none.
    pub(crate) function: String,
    /// The version that was asked; empty when none could be.
    pub(crate) version: String,
    /// Digest of its module.
    pub(crate) digest: String,
    /// It failed, and the batch was stored as it came.
    #[serde(default)]
    pub(crate) failed: bool,
}

/// What the events of some positions went through, each of them one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// When the first of these positions was free, epoch milliseconds.
    pub(crate) since_ms: i64,
    /// In order, without doubles.
    pub(crate) by: Vec<Maker>,
}

/// Says what the events of a group go through from a position on.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn put(tx: &mut Tx<'_>, group: u64, from: u64, made: &Made) -> Result<(), MetaError> {
    tx.put(&MAKERS, &Key::of((group, from)), made)?;
    let rows = tx.scan(&MAKERS, &of_group(group))?.take(ROWS_MAX + 1).collect::<Result<Vec<_>, _>>()?;
    let [(first, oldest), (second, next), ..] = &rows[..] else { return Ok(()) };
    if rows.len() > ROWS_MAX {
        let mut both = Made { since_ms: oldest.since_ms, by: [&oldest.by[..], &next.by[..]].concat() };
        both.by.sort();
        both.by.dedup();
        tx.put(&MAKERS, first, &both)?;
        tx.delete(&MAKERS, second)?;
    }
    Ok(())
}

/// All rows of a group by rising position.
pub(crate) fn of(tx: &Tx<'_>, group: u64) -> Result<Vec<(u64, Made)>, MetaError> {
    let rows = tx.scan(&MAKERS, &of_group(group))?;
    rows.map(|row| row.and_then(|(key, made)| Ok((place(&key)?.1, made)))).collect()
}

/// The last row of every group.
pub(crate) fn latest(tx: &Tx<'_>) -> Result<Vec<(u64, Made)>, MetaError> {
    let mut last: Vec<(u64, Made)> = Vec::new();
    for row in tx.scan(&MAKERS, &Span::all())? {
        let (key, made) = row?;
        let (group, _) = place(&key)?;
        if last.last().is_some_and(|(before, _)| *before == group) {
            last.pop();
        }
        last.push((group, made));
    }
    Ok(last)
}

/// Forgets a group that is gone.
pub(super) fn remove_all(tx: &mut Tx<'_>, group: u64) -> Result<(), MetaError> {
    tx.delete_span(&MAKERS, &of_group(group)).map(drop)
}

fn of_group(group: u64) -> Span {
    Span::prefix(&Key::of(group))
}

fn place(key: &Key) -> Result<(u64, u64), MetaError> {
    let mut parts = key.reader();
    Ok((parts.u64()?, parts.u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    fn by(digests: &[&str]) -> Made {
        let one = |digest: &&str| Maker { digest: (*digest).to_owned(), ..Maker::default() };
        Made { since_ms: 0, by: digests.iter().map(one).collect() }
    }

    #[test]
    fn rows_go_with_their_group_and_the_last_one_counts() {
        let meta = Meta::in_memory();
        meta.change_blocking(|tx| {
            put(tx, 1, 5, &by(&["a"]))?;
            put(tx, 1, 9, &by(&["b"]))?;
            put(tx, 2, 7, &by(&["c"]))
        })
        .unwrap();
        assert_eq!(meta.read(|tx| latest(tx)).unwrap(), [(1, by(&["b"])), (2, by(&["c"]))]);
        assert_eq!(meta.read(|tx| of(tx, 1)).unwrap(), [(5, by(&["a"])), (9, by(&["b"]))]);
        meta.change_blocking(|tx| remove_all(tx, 1)).unwrap();
        assert_eq!(meta.read(|tx| latest(tx)).unwrap(), [(2, by(&["c"]))]);
    }

    #[test]
    fn the_oldest_rows_are_taken_together_and_lose_nobody() {
        let meta = Meta::in_memory();
        meta.change_blocking(|tx| {
            let names = (0..ROWS_MAX as u64 + 2).map(|n| (n, format!("{:04}", n % 3)));
            names.into_iter().try_for_each(|(n, name)| put(tx, 1, 10 * n, &by(&[&name])))
        })
        .unwrap();
        let rows = meta.read(|tx| of(tx, 1)).unwrap();
        assert_eq!(rows.len(), ROWS_MAX);
        assert_eq!(rows[0], (0, by(&["0000", "0001", "0002"])));
        assert_eq!(rows[1], (30, by(&["0000"])));
    }
}
