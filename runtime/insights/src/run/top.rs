//! The first rows of an order: `sort`, `limit`, and the end of every query.
//! Keeps at most about twice as many rows as are wanted, never all of them.

use std::any::Any;

use super::batch::{Batch, Table};
use super::rank::{Base, Ordered, Rank};
use super::sink::Sink;
use super::stage::{Slot, Stage};
use super::vector::Vector;
use crate::error::Error;
use crate::limits::Limits;
use crate::value::Value;

/// What to keep.
#[derive(Debug, Clone)]
pub(crate) struct Top {
    pub(crate) limit: usize,
    pub(crate) order: Ordered,
    /// `limit any`: which rows does not matter.
    pub(crate) any: bool,
    /// The columns that later stages or the result read.
    pub(crate) exports: Vec<Slot>,
}

/// A kept row. Its values are filled in when the batch that brought it is done.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) rank: Rank,
    pub(super) values: Vec<Value>,
    pub(super) pending: Option<u32>,
    pub(super) bytes: usize,
}

impl Row {
    pub(super) fn pending(rank: Rank, row: u32) -> Row {
        Row { rank, values: Vec::new(), pending: Some(row), bytes: 0 }
    }

    /// Takes the row's values from the batch, of which only row `at` is this one.
    pub(super) fn fill(&mut self, batch: &Batch<'_>, exports: &[Slot], at: usize) {
        self.values = batch.row(exports, at);
        self.pending = None;
        self.bytes = self.rank.bytes() + self.values.iter().map(Value::bytes).sum::<usize>();
    }
}

/// Fills every pending row, computing the exported columns for those rows only.
pub(super) fn fill_pending<'r>(
    rows: impl Iterator<Item = &'r mut Row>,
    exports: &[Slot],
    stage: &Stage,
    batch: &mut Batch<'_>,
) -> Result<usize, Error> {
    let mut pending: Vec<&mut Row> = rows.filter(|row| row.pending.is_some()).collect();
    pending.sort_by_key(|row| row.pending);
    let keep: Vec<u32> = pending.iter().filter_map(|row| row.pending).collect();
    if keep.is_empty() {
        return Ok(0);
    }
    if keep.len() < batch.len() {
        batch.select(&keep);
    }
    for slot in exports {
        batch.load(stage, *slot)?;
    }
    let mut bytes = 0;
    for (at, row) in pending.into_iter().enumerate() {
        row.fill(batch, exports, at);
        bytes += row.bytes;
    }
    Ok(bytes)
}

/// Rows as a table of their columns.
pub(super) fn table(rows: Vec<Row>, columns: usize) -> Table {
    let mut table = Table { columns: (0..columns).map(|_| Vec::new()).collect(), rows: rows.len() };
    for row in rows {
        for (column, value) in table.columns.iter_mut().zip(row.values) {
            column.push(value);
        }
    }
    table
}

pub(super) struct TopSink {
    spec: Top,
    limits: Limits,
    rows: Vec<Row>,
    /// The last row that is certainly good enough; rows after it are not.
    worst: Option<Rank>,
    bytes: usize,
}

impl TopSink {
    pub(super) fn new(spec: Top, limits: Limits) -> TopSink {
        TopSink { spec, limits, rows: Vec::new(), worst: None, bytes: 0 }
    }

    /// Drops all but the first `limit` rows.
    fn prune(&mut self) {
        let limit = self.spec.limit;
        if self.rows.len() >= limit && limit > 0 {
            let order = &self.spec.order;
            self.rows.select_nth_unstable_by(limit - 1, |a, b| order.compare(&a.rank, &b.rank));
            self.rows.truncate(limit);
            self.worst = self.rows.last().map(|row| row.rank.clone());
        } else if limit == 0 {
            self.rows.clear();
        }
    }

    fn settle(&mut self) -> Result<(), Error> {
        if self.bytes > self.limits.row_bytes {
            self.prune();
            self.bytes = self.rows.iter().map(|row| row.bytes).sum();
        }
        if self.bytes > self.limits.row_bytes {
            let maximum = self.limits.row_bytes as u64;
            return Err(Error::LimitExceeded { limit: "bytes of result rows", maximum });
        }
        Ok(())
    }
}

impl TopSink {
    /// Keeps the row if it is among the first so far.
    fn offer(&mut self, batch: &Batch<'_>, row: usize, slack: usize) {
        if self.worst.as_ref().is_some_and(|worst| !self.spec.order.precedes(batch, row, worst)) {
            return;
        }
        let rank = self.spec.order.rank(batch, row);
        let number = u32::try_from(row).unwrap_or(u32::MAX);
        self.rows.push(Row::pending(rank, number));
        if self.rows.len() > slack {
            self.prune();
        }
    }

    /// The number that the first key of a row must reach to be kept, and whether it is sorted downwards.
    fn bar(&self) -> Option<(f64, bool)> {
        let key = self.spec.order.keys.first()?;
        Some((self.worst.as_ref()?.first_number()?, key.descending))
    }

    /// Whether no row of the batch is good enough, from what is known of its first key.
    fn is_beaten(&self, stage: &Stage, batch: &mut Batch<'_>) -> bool {
        let (Some((bar, descending)), Some(key)) = (self.bar(), self.spec.order.keys.first()) else {
            return false;
        };
        batch.bounds(stage, key.slot).is_some_and(
            |(least, greatest)| {
                if descending { greatest < bar } else { least > bar }
            },
        )
    }

    /// Offers the rows whose first key is a number that reaches the bar; the others cost one
    /// comparison each.
    #[allow(clippy::cast_precision_loss)]
    fn offer_all(&mut self, batch: &Batch<'_>) {
        let slack = self.spec.limit.saturating_mul(2).saturating_add(64);
        // With the better rows first, most of the others are dropped at once.
        let backwards = self.spec.order.keys.is_empty() && self.spec.order.base == Base::Newest;
        let first = self.spec.order.keys.first().map(|key| batch.get(key.slot));
        if let (Some(Vector::Constant(value)), Some(worst)) = (first, &self.worst)
            && self.spec.order.is_behind(value.cell(), worst)
        {
            return;
        }
        for at in 0..batch.len() {
            let row = if backwards { batch.len() - 1 - at } else { at };
            if self.spec.any && self.rows.len() >= self.spec.limit {
                break;
            }
            let number = match first {
                Some(Vector::Floats(list)) => Some(list[row]),
                Some(Vector::Ints(list)) => Some(list[row] as f64),
                _ => None,
            };
            if let (Some(number), Some((bar, descending))) = (number, self.bar())
                && (if descending { number < bar } else { number > bar })
            {
                continue;
            }
            self.offer(batch, row, slack);
        }
    }
}

impl Sink for TopSink {
    fn push(&mut self, stage: &Stage, batch: &mut Batch<'_>) -> Result<bool, Error> {
        if !self.is_beaten(stage, batch) {
            for key in &self.spec.order.keys {
                batch.load(stage, key.slot)?;
            }
            self.offer_all(batch);
            if self.rows.len() >= self.spec.limit {
                self.prune();
            }
            fill_pending(self.rows.iter_mut(), &self.spec.exports, stage, batch)?;
            self.bytes = self.rows.iter().map(|row| row.bytes).sum();
            self.settle()?;
        }
        Ok(!(self.spec.limit == 0 || (self.spec.any && self.rows.len() >= self.spec.limit)))
    }

    fn merge(&mut self, other: Box<dyn Sink>) -> Result<(), Error> {
        let Ok(other) = other.into_any().downcast::<TopSink>() else {
            return Err(Error::Mismatch);
        };
        self.rows.extend(other.rows);
        self.prune();
        self.bytes = self.rows.iter().map(|row| row.bytes).sum();
        self.settle()
    }

    fn finish(mut self: Box<Self>) -> Result<Table, Error> {
        let order = &self.spec.order;
        self.rows.sort_by(|a, b| order.compare(&a.rank, &b.rank));
        self.rows.truncate(self.spec.limit);
        Ok(table(self.rows, self.spec.exports.len()))
    }

    fn wants(&self, oldest: i64, newest: i64) -> bool {
        match &self.worst {
            _ if self.spec.limit == 0 => false,
            Some(worst) if self.spec.order.keys.is_empty() => match self.spec.order.base {
                Base::Newest => newest >= worst.tie.time,
                Base::Oldest => oldest <= worst.tie.time,
            },
            _ => !(self.spec.any && self.rows.len() >= self.spec.limit),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
