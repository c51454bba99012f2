//! `dedup`: the first row of every key, in sort order; rows without one of the keys are all kept.
//! Only the rows that can still be among the first `limit` are held: a row that falls behind that
//! many others never comes back, since those only get better.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::batch::{Batch, Table};
use super::node::write_key;
use super::rank::{Ordered, Rank};
use super::sink::Sink;
use super::stage::{Slot, Stage};
use super::top::{Row, fill_pending, table};
use crate::error::Error;
use crate::limits::Limits;

/// What to keep.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    pub(crate) keys: Vec<Slot>,
    pub(crate) limit: usize,
    pub(crate) order: Ordered,
    pub(crate) exports: Vec<Slot>,
}

pub(super) struct DistinctSink {
    spec: Distinct,
    limits: Limits,
    keyed: HashMap<Box<[u8]>, Row>,
    loose: Vec<Row>,
    worst: Option<Rank>,
}

impl DistinctSink {
    pub(super) fn new(spec: Distinct, limits: Limits) -> DistinctSink {
        DistinctSink { spec, limits, keyed: HashMap::new(), loose: Vec::new(), worst: None }
    }

    fn len(&self) -> usize {
        self.keyed.len() + self.loose.len()
    }

    fn offer(&mut self, key: Option<&[u8]>, row: Row) {
        let Some(key) = key else {
            self.loose.push(row);
            return;
        };
        match self.keyed.entry(key.into()) {
            Entry::Vacant(entry) => {
                entry.insert(row);
            }
            Entry::Occupied(mut entry) => {
                if self.spec.order.compare(&row.rank, &entry.get().rank).is_lt() {
                    entry.insert(row);
                }
            }
        }
    }

    /// Drops all but the first `limit` rows.
    fn prune(&mut self) {
        let limit = self.spec.limit;
        if self.len() <= limit || limit == 0 {
            return;
        }
        let order = &self.spec.order;
        let mut ranks: Vec<&Rank> =
            self.keyed.values().map(|row| &row.rank).chain(self.loose.iter().map(|row| &row.rank)).collect();
        let (_, worst, _) = ranks.select_nth_unstable_by(limit - 1, |a, b| order.compare(a, b));
        let worst = worst.clone();
        self.keyed.retain(|_, row| order.compare(&row.rank, &worst).is_le());
        self.loose.retain(|row| order.compare(&row.rank, &worst).is_le());
        self.worst = Some(worst);
    }

    fn check(&mut self) -> Result<(), Error> {
        let maximum = self.limits.row_bytes;
        let bytes = |sink: &DistinctSink| {
            let keyed: usize = sink.keyed.iter().map(|(key, row)| key.len() + row.bytes).sum();
            keyed + sink.loose.iter().map(|row| row.bytes).sum::<usize>()
        };
        if bytes(self) > maximum {
            self.prune();
        }
        if bytes(self) > maximum {
            return Err(Error::LimitExceeded { limit: "bytes of result rows", maximum: maximum as u64 });
        }
        Ok(())
    }
}

impl Sink for DistinctSink {
    fn push(&mut self, stage: &Stage, batch: &mut Batch<'_>) -> Result<bool, Error> {
        for slot in self.spec.order.keys.iter().map(|key| key.slot).chain(self.spec.keys.iter().copied()) {
            batch.load(stage, slot)?;
        }
        let mut key = Vec::new();
        let slack = self.spec.limit.saturating_mul(2).saturating_add(1024);
        for row in 0..batch.len() {
            if self.worst.as_ref().is_some_and(|worst| !self.spec.order.precedes(batch, row, worst)) {
                continue;
            }
            key.clear();
            let mut whole = true;
            for slot in &self.spec.keys {
                let cell = batch.cell(*slot, row);
                whole &= !cell.is_null();
                write_key(cell, &mut key);
            }
            let rank = self.spec.order.rank(batch, row);
            let number = u32::try_from(row).unwrap_or(u32::MAX);
            self.offer(whole.then_some(key.as_slice()), Row::pending(rank, number));
            if self.len() > slack {
                self.prune();
            }
        }
        let rows = self.keyed.values_mut().chain(self.loose.iter_mut());
        fill_pending(rows, &self.spec.exports, stage, batch)?;
        self.check()?;
        Ok(true)
    }

    fn merge(&mut self, other: Box<dyn Sink>) -> Result<(), Error> {
        let Ok(other) = other.into_any().downcast::<DistinctSink>() else {
            return Err(Error::Mismatch);
        };
        for (key, row) in other.keyed {
            self.offer(Some(&key), row);
        }
        self.loose.extend(other.loose);
        self.prune();
        self.check()
    }

    fn finish(self: Box<Self>) -> Result<Table, Error> {
        let order = &self.spec.order;
        let mut rows: Vec<Row> = self.keyed.into_values().chain(self.loose).collect();
        rows.sort_by(|a, b| order.compare(&a.rank, &b.rank));
        rows.truncate(self.spec.limit);
        Ok(table(rows, self.spec.exports.len()))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
