//! The order of result rows: sort keys, then age or arrival. Knows no command.

use std::cmp::Ordering;

use super::batch::Batch;
use super::stage::Slot;
use crate::value::Cell;
use crate::value::compare::SortKey;

/// What decides between rows with equal keys: time, intake position, and the place among rows
/// made from one event. Rows of a table have only a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tie {
    pub(crate) time: i64,
    pub(crate) shard: u32,
    pub(crate) sequence: u64,
    pub(crate) sub: u32,
}

impl Tie {
    /// Oldest first; of equal times the one that arrived first.
    pub(crate) fn age(&self, other: &Tie) -> Ordering {
        (self.time, self.shard, self.sequence).cmp(&(other.time, other.shard, other.sequence))
    }
}

/// Which rows come first among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Newest,
    Oldest,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) slot: Slot,
    pub(crate) descending: bool,
}

/// A total order of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ordered {
    pub(crate) keys: Vec<Key>,
    pub(crate) base: Base,
}

/// Where one row stands.
#[derive(Debug, Clone)]
pub(crate) struct Rank {
    keys: Vec<SortKey>,
    pub(crate) tie: Tie,
}

impl Rank {
    /// The first key as a number. Only exact ones: beyond 2^53 a float stands for several.
    pub(crate) fn first_number(&self) -> Option<f64> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        self.keys.first()?.number().filter(|x| x.abs() < EXACT)
    }

    /// Bytes held, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.iter().map(SortKey::bytes).sum::<usize>() + size_of::<Rank>()
    }
}

impl Ordered {
    /// The rank of one row; its key columns are loaded.
    pub(crate) fn rank(&self, batch: &Batch<'_>, row: usize) -> Rank {
        let keys = self.keys.iter().map(|key| SortKey::new(batch.get(key.slot).get(row))).collect();
        Rank { keys, tie: batch.tie(row) }
    }

    /// Whether the row would come before `rank`, without making a rank for it.
    pub(crate) fn precedes(&self, batch: &Batch<'_>, row: usize, rank: &Rank) -> bool {
        for (key, theirs) in self.keys.iter().zip(&rank.keys) {
            match theirs.compare_cell(batch.get(key.slot).get(row), key.descending) {
                Ordering::Equal => {}
                order => return order == Ordering::Greater,
            }
        }
        // Asking for the time costs less than for the position.
        let time = batch.time(row);
        if time != rank.tie.time {
            return (time > rank.tie.time) == (self.base == Base::Newest);
        }
        self.ties(&batch.tie(row), &rank.tie) == Ordering::Less
    }

    /// Whether every row with this first key comes after `rank`.
    pub(crate) fn is_behind(&self, first: Cell<'_>, rank: &Rank) -> bool {
        let key = self.keys.first().zip(rank.keys.first());
        key.is_some_and(|(key, theirs)| theirs.compare_cell(first, key.descending).is_lt())
    }

    /// The order of two rows.
    pub(crate) fn compare(&self, a: &Rank, b: &Rank) -> Ordering {
        for (key, (x, y)) in self.keys.iter().zip(a.keys.iter().zip(&b.keys)) {
            let order = x.compare(y, key.descending);
            if order != Ordering::Equal {
                return order;
            }
        }
        self.ties(&a.tie, &b.tie)
    }

    fn ties(&self, a: &Tie, b: &Tie) -> Ordering {
        let age = match self.base {
            Base::Oldest => a.age(b),
            Base::Newest => b.age(a),
        };
        age.then(a.sub.cmp(&b.sub))
    }
}
