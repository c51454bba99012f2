//! A batch: some rows of one block or table, and the columns computed for them so far.
//! Columns are made when first asked for, so what no surviving row needs is never computed.

use super::node::Node;
use super::rank::Tie;
use super::stage::{Definition, Slot, Stage, System};
use super::vector::{Lent, Vector};
use crate::block::Block;
use crate::discover::Kind;
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
    Block(&'b dyn Block),
    Table(&'b Table),
}

/// Some rows and their columns.
pub(crate) struct Batch<'b> {
    origin: Origin<'b>,
    /// Row numbers in the origin.
    rows: Vec<u32>,
    /// Place among the rows made from one event; empty while no command has made several.
    subs: Vec<u32>,
    slots: Vec<Option<Vector<'b>>>,
}

impl<'b> Batch<'b> {
    pub(crate) fn new(stage: &Stage, origin: Origin<'b>, rows: Vec<u32>) -> Batch<'b> {
        let slots = stage.slots.iter().map(|_| None).collect();
        Batch { origin, rows, subs: Vec::new(), slots }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn block(&self) -> Option<&'b dyn Block> {
        match self.origin {
            Origin::Block(block) => Some(block),
            Origin::Table(_) => None,
        }
    }

    /// The row's number in its block or table.
    pub(crate) fn origin_row(&self, row: usize) -> usize {
        self.rows[row] as usize
    }

    /// Distinct origin rows; rows made from one event stand together.
    pub(crate) fn origins(&self) -> u64 {
        let mut count = 0;
        let mut last = None;
        for row in &self.rows {
            if last != Some(row) {
                count += 1;
                last = Some(row);
            }
        }
        count
    }

    /// What orders the row among its equals.
    pub(crate) fn tie(&self, row: usize) -> Tie {
        let at = self.origin_row(row);
        let sub = self.subs.get(row).copied().unwrap_or(0);
        match self.origin {
            Origin::Block(block) => {
                let (shard, sequence) = block.position(at);
                Tie { time: block.timestamps()[at], shard, sequence, sub }
            }
            Origin::Table(_) => Tie { sequence: at as u64, sub, ..Tie::default() },
        }
    }

    /// A column that was loaded before.
    pub(crate) fn get(&self, slot: Slot) -> &Vector<'b> {
        const ABSENT: &Vector<'static> = &Vector::Constant(Value::Null);
        // Every reader loads its slots first; a missing one reads as absent.
        self.slots[slot].as_ref().unwrap_or(ABSENT)
    }

    /// Puts a column in place; it has one value per row.
    pub(crate) fn put(&mut self, slot: Slot, vector: Vector<'b>) {
        self.slots[slot] = Some(vector);
    }

    /// Makes sure the column is there.
    pub(crate) fn load(&mut self, stage: &Stage, slot: Slot) -> Result<(), Error> {
        if self.slots[slot].is_some() {
            return Ok(());
        }
        match &stage.slots[slot] {
            Definition::System(system) => {
                let vector = self.system(*system);
                self.slots[slot] = Some(vector);
            }
            Definition::Discovered(_) => self.discover(stage),
            Definition::Input(column) => {
                if let Origin::Table(table) = self.origin {
                    let list = &table.columns[*column];
                    let values = self.rows.iter().map(|row| list[*row as usize].clone()).collect();
                    self.slots[slot] = Some(Vector::Values(values));
                }
            }
            Definition::Computed(node) => {
                let vector = self.evaluate(stage, node)?;
                self.slots[slot] = Some(vector);
            }
            Definition::Produced(producer) => {
                let (input, targets) = (producer.input(), producer.targets());
                self.load(stage, input)?;
                let made = producer.produce(self.get(input), self.len());
                for (target, vector) in targets.iter().zip(made) {
                    self.slots[*target] = Some(vector);
                }
            }
            // Filled by the step that makes the rows.
            Definition::Made => {}
        }
        Ok(())
    }

    /// The value of an expression in every row, as a column of its own.
    pub(crate) fn evaluate(&mut self, stage: &Stage, node: &Node) -> Result<Vector<'b>, Error> {
        self.load_all(stage, node)?;
        node.evaluate_owned(self)
    }

    /// Loads every column an expression reads.
    pub(crate) fn load_all(&mut self, stage: &Stage, node: &Node) -> Result<(), Error> {
        let mut slots = Vec::new();
        node.slots(&mut slots);
        slots.into_iter().try_for_each(|slot| self.load(stage, slot))
    }

    fn system(&self, system: System) -> Vector<'b> {
        let Origin::Block(block) = self.origin else {
            return Vector::Constant(Value::Null);
        };
        let rows = self.rows.iter().map(|row| *row as usize);
        match system {
            System::Timestamp => {
                let times = block.timestamps();
                Vector::Times(rows.map(|row| times[row]).collect())
            }
            System::IngestionTime => {
                let times = block.ingestion_times();
                Vector::Times(rows.map(|row| times[row]).collect())
            }
            System::Message => Vector::Lent(rows.map(|row| Lent::Borrowed(block.message(row))).collect()),
            System::LogStream => {
                Vector::Lent(rows.map(|row| Lent::Borrowed(block.stream_name(row))).collect())
            }
            System::Log => Vector::Constant(Value::text(block.log_identifier())),
            System::Account => {
                let account = block.log_identifier().split(':').next().unwrap_or("");
                Vector::Constant(Value::text(account))
            }
            System::Pointer => Vector::Values(rows.map(|row| Value::text(block.pointer(row))).collect()),
        }
    }

    /// Fills every discovered field at once, so that a message is read at most once.
    fn discover(&mut self, stage: &Stage) {
        let Origin::Block(block) = self.origin else {
            return;
        };
        let mut missing = Vec::new();
        for (field, slot) in stage.wanted_slots.iter().enumerate() {
            match block.column(stage.wanted.name(field)) {
                Some(column) => self.slots[*slot] = Some(Vector::from_column(&column, &self.rows)),
                None => missing.push(field),
            }
        }
        if missing.is_empty() {
            return;
        }
        let fields = stage.wanted.names().len();
        let kind = Kind::of_log(block.log_identifier());
        let mut columns: Vec<Vec<Lent<'b>>> = (0..fields).map(|_| Vec::new()).collect();
        let mut row_values: Vec<Lent<'b>> = vec![Lent::Null; fields];
        let mut scratch = stage.wanted.scratch();
        for row in &self.rows {
            stage.wanted.extract(kind, block.message(*row as usize), &mut scratch, &mut row_values);
            for field in &missing {
                columns[*field].push(std::mem::replace(&mut row_values[*field], Lent::Null));
            }
        }
        for field in missing {
            let values = std::mem::take(&mut columns[field]);
            self.slots[stage.wanted_slots[field]] = Some(Vector::Lent(values));
        }
    }

    /// Keeps the rows whose indexes are listed; an index may repeat.
    pub(crate) fn select(&mut self, keep: &[u32]) {
        self.rows = keep.iter().map(|row| self.rows[*row as usize]).collect();
        if !self.subs.is_empty() {
            self.subs = keep.iter().map(|row| self.subs[*row as usize]).collect();
        }
        for vector in self.slots.iter_mut().flatten() {
            vector.select(keep);
        }
    }

    /// Keeps the rows for which the verdict is true.
    pub(crate) fn keep(&mut self, verdict: &Vector<'_>) {
        if let Vector::Constant(value) = verdict {
            if !value.cell().truthy() {
                self.select(&[]);
            }
            return;
        }
        let rows: Vec<u32> =
            (0..self.rows.len()).filter(|row| verdict.get(*row).truthy()).filter_map(index).collect();
        if rows.len() < self.rows.len() {
            self.select(&rows);
        }
    }

    /// Repeats row `i` `counts[i]` times; 0 drops the row.
    pub(crate) fn expand(&mut self, counts: &[usize]) {
        let copies = |(row, count): (usize, &usize)| std::iter::repeat_n(index(row), *count).flatten();
        let keep: Vec<u32> = counts.iter().enumerate().flat_map(copies).collect();
        self.select(&keep);
        // The rows of one event stand together and are numbered in the order they stand in.
        self.subs.clear();
        for row in 0..self.rows.len() {
            let same = row > 0 && self.rows[row - 1] == self.rows[row];
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
