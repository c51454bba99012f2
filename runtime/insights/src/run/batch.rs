//! A batch: some rows of one block or table, and the columns computed for them so far.
//! Columns are made when first asked for, so what no surviving row needs is never computed.

use std::cell::RefCell;
use std::rc::Rc;

use super::gather::Source;
use super::mask::Mask;
use super::rank::Tie;
use super::stage::{Slot, Stage};
use super::vector::Vector;
use crate::block::Block;
use crate::discover::Layouts;
use crate::error::Error;
use crate::limits::MAX_MADE_ROWS;
use crate::value::{Cell, Value};

/// Rows that left a barrier: one list of values per column.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Vec<Value>>,
    pub(crate) rows: usize,
}

/// Where a batch's rows come from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'b> {
    /// The execution remembers how templates lie from block to block.
    Block(&'b dyn Block, &'b RefCell<Layouts>),
    Table(&'b Table),
}

/// Row numbers in the origin, never descending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows {
    /// This many, from the first.
    All(usize),
    Some(Vec<u32>),
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::All(len) => *len,
            Rows::Some(rows) => rows.len(),
        }
    }

    /// The number in the origin of the batch's row.
    pub(crate) fn at(&self, row: u32) -> usize {
        match self {
            Rows::All(_) => row as usize,
            Rows::Some(rows) => rows[row as usize] as usize,
        }
    }

    /// All numbers.
    pub(crate) fn list(&self) -> Vec<u32> {
        match self {
            Rows::All(len) => (0..*len).filter_map(index).collect(),
            Rows::Some(rows) => rows.clone(),
        }
    }

    /// The numbers of some of the batch's rows.
    pub(crate) fn pick(&self, rows: &[u32]) -> Vec<u32> {
        match self {
            Rows::All(_) => rows.to_vec(),
            Rows::Some(all) => rows.iter().map(|row| all[*row as usize]).collect(),
        }
    }
}

/// Some rows and their columns.
pub(crate) struct Batch<'b> {
    pub(super) origin: Origin<'b>,
    pub(super) rows: Rows,
    /// Place among the rows made from one event; empty while no command has made several.
    subs: Vec<u32>,
    pub(super) slots: Vec<Option<Vector<'b>>>,
    /// Where the wanted fields come from in a block with templates: `[field][template]`.
    pub(super) fields: Option<Rc<Vec<Vec<Source>>>>,
    /// The same for the columns of a `parse`, under its first target.
    pub(super) cuts: Vec<(Slot, Rc<Vec<Vec<Source>>>)>,
}

impl<'b> Batch<'b> {
    pub(crate) fn new(stage: &Stage, origin: Origin<'b>, rows: Rows) -> Batch<'b> {
        let slots = stage.slots.iter().map(|_| None).collect();
        Batch { origin, rows, subs: Vec::new(), slots, fields: None, cuts: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn block(&self) -> Option<&'b dyn Block> {
        match self.origin {
            Origin::Block(block, _) => Some(block),
            Origin::Table(_) => None,
        }
    }

    /// The row's number in its block or table.
    pub(crate) fn origin_row(&self, row: usize) -> usize {
        match &self.rows {
            Rows::All(_) => row,
            Rows::Some(rows) => rows[row] as usize,
        }
    }

    /// Distinct origin rows; rows made from one event stand together.
    pub(crate) fn origins(&self) -> u64 {
        match &self.rows {
            Rows::Some(rows) if !self.subs.is_empty() => {
                let repeated = rows.windows(2).filter(|pair| pair[0] == pair[1]).count();
                (rows.len() - repeated) as u64
            }
            rows => rows.len() as u64,
        }
    }

    /// What orders the row among its equals.
    pub(crate) fn tie(&self, row: usize) -> Tie {
        let at = self.origin_row(row);
        let sub = self.subs.get(row).copied().unwrap_or(0);
        match self.origin {
            Origin::Block(block, _) => {
                let (shard, sequence) = block.position(at);
                Tie { time: block.timestamps()[at], shard, sequence, sub }
            }
            Origin::Table(_) => Tie { sequence: at as u64, sub, ..Tie::default() },
        }
    }

    /// When the row happened; 0 for rows of a table.
    pub(crate) fn time(&self, row: usize) -> i64 {
        match self.origin {
            Origin::Block(block, _) => block.timestamps()[self.origin_row(row)],
            Origin::Table(_) => 0,
        }
    }

    /// A column that was loaded before.
    pub(crate) fn get(&self, slot: Slot) -> &Vector<'b> {
        const NOTHING: &Vector<'static> = &Vector::Constant(Value::Null);
        match &self.slots[slot] {
            Some(vector) => vector,
            // Every reader loads its slots first; a missing one reads as absent.
            None => nothing(NOTHING),
        }
    }

    /// Whether the column is there.
    pub(crate) fn is_loaded(&self, slot: Slot) -> bool {
        self.slots[slot].is_some()
    }

    /// Puts a column in place; it has one value per row.
    pub(crate) fn put(&mut self, slot: Slot, vector: Vector<'b>) {
        self.slots[slot] = Some(vector);
    }

    /// Keeps the rows whose indexes are listed; an index may repeat.
    pub(crate) fn select(&mut self, keep: &[u32]) {
        self.rows = Rows::Some(self.rows.pick(keep));
        if !self.subs.is_empty() {
            self.subs = keep.iter().map(|row| self.subs[*row as usize]).collect();
        }
        for vector in self.slots.iter_mut().flatten() {
            vector.select(keep);
        }
    }

    /// Keeps the rows of the mask.
    pub(crate) fn keep(&mut self, mask: &Mask) {
        match mask {
            Mask::All => {}
            Mask::None => self.select(&[]),
            Mask::Rows(rows) => self.select(rows),
        }
    }

    /// Repeats row `i` `counts[i]` times; 0 drops the row.
    pub(crate) fn expand(&mut self, counts: &[usize]) {
        let copies = |(row, count): (usize, &usize)| std::iter::repeat_n(index(row), *count).flatten();
        let keep: Vec<u32> = counts.iter().enumerate().flat_map(copies).collect();
        self.select(&keep);
        // The rows of one event stand together and are numbered in the order they stand in.
        self.subs.clear();
        for row in 0..self.len() {
            let same = row > 0 && self.origin_row(row - 1) == self.origin_row(row);
            let sub = if same { self.subs[row - 1].saturating_add(1) } else { 0 };
            self.subs.push(sub);
        }
    }

    /// Owned values of one row in the given columns.
    pub(crate) fn row(&self, slots: &[Slot], row: usize) -> Vec<Value> {
        slots.iter().map(|slot| self.get(*slot).get(row).to_value()).collect()
    }

    /// A cell of a loaded column.
    pub(crate) fn cell(&self, slot: Slot, row: usize) -> Cell<'_> {
        self.get(slot).get(row)
    }
}

/// Shortens the lifetime of what borrows nothing.
fn nothing<'a, 'b>(vector: &'a Vector<'static>) -> &'a Vector<'b> {
    vector
}

/// Refuses to make more rows from one block than the bound.
pub(crate) fn check_made_rows(rows: usize) -> Result<(), Error> {
    if rows <= MAX_MADE_ROWS {
        return Ok(());
    }
    Err(Error::LimitExceeded { limit: "rows made from one block", maximum: MAX_MADE_ROWS as u64 })
}

/// Row numbers fit u32: a block never holds more.
pub(crate) fn index(row: usize) -> Option<u32> {
    u32::try_from(row).ok()
}
