//! One running query: blocks in, partial state, rows out. Executions of the same query on
//! different blocks and threads merge. Knows no thread.

use std::cell::RefCell;

use super::batch::{Batch, Origin, Rows, Table, index};
use super::sink::Sink;
use super::stage::Stage;
use crate::block::Block;
use crate::discover::Layouts;
use crate::error::Error;
use crate::limits::Limits;
use crate::plan::query::{Plan, Query, Window};

/// What the caller should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Push the next block.
    Continue,
    /// No further block can change the rows.
    Stop,
}

/// Rows and counts of a finished query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// Per row: field name and value, absent fields left out; event rows end with `@ptr`.
    pub rows: Vec<Vec<(String, String)>>,
    /// Events that passed the filters, before any limit.
    pub matched: u64,
    /// Events read that lie in the query's window.
    pub scanned: u64,
    /// Bytes of their messages.
    pub bytes: u64,
}

/// A query's state on the blocks pushed so far.
pub struct Execution {
    query: Query,
    sink: Box<dyn Sink>,
    layouts: RefCell<Layouts>,
    matched: u64,
    scanned: u64,
    bytes: u64,
}

impl Execution {
    /// With the default bounds.
    pub fn new(query: &Query) -> Execution {
        Execution::with_limits(query, Limits::default())
    }

    /// With bounds of the caller's choice.
    pub fn with_limits(query: &Query, limits: Limits) -> Execution {
        let query = query.clone().limited(limits);
        let sink = query.plan().stages[0].barrier.open(limits);
        Execution { query, sink, layouts: RefCell::default(), matched: 0, scanned: 0, bytes: 0 }
    }

    /// Runs the query on one block. Events outside the window are ignored.
    pub fn push(&mut self, block: &dyn Block) -> Result<Control, Error> {
        let plan = self.query.plan();
        let stage = &plan.stages[0];
        let rows = in_window(block, self.query.window());
        self.scanned += rows.len() as u64;
        self.bytes += bytes(block, &rows);
        if rows.len() == 0 {
            return Ok(Control::Continue);
        }
        let mut batch = Batch::new(stage, Origin::Block(block, &self.layouts), rows);
        stage.run(&mut batch)?;
        self.matched += batch.origins();
        if batch.is_empty() {
            return Ok(Control::Continue);
        }
        let more = self.sink.push(stage, &mut batch)?;
        Ok(if more { Control::Continue } else { Control::Stop })
    }

    /// Whether events with times in `oldest_ms..=newest_ms` could still change the rows. A caller that
    /// skips a block on this ground gets the right rows, but counts that are lower bounds.
    pub fn wants(&self, oldest_ms: i64, newest_ms: i64) -> bool {
        let window = self.query.window();
        newest_ms >= window.start_ms && oldest_ms <= window.end_ms && self.sink.wants(oldest_ms, newest_ms)
    }

    /// Takes in what another execution of the same query has found.
    pub fn merge(&mut self, other: Execution) -> Result<(), Error> {
        if !self.query.is_same(&other.query) {
            return Err(Error::Mismatch);
        }
        self.matched += other.matched;
        self.scanned += other.scanned;
        self.bytes += other.bytes;
        self.sink.merge(other.sink)
    }

    /// The rows.
    pub fn finish(self) -> Result<Output, Error> {
        let Execution { query, sink, matched, scanned, bytes, .. } = self;
        let plan = query.plan();
        let mut table = sink.finish()?;
        for stage in &plan.stages[1..] {
            table = through(stage, &table, query.limits())?;
        }
        Ok(Output { rows: print(plan, &table), matched, scanned, bytes })
    }
}

/// The visible rows within the window; without reading times where the bounds tell.
fn in_window(block: &dyn Block, window: Window) -> Rows {
    let inside = |ms: i64| (window.start_ms..=window.end_ms).contains(&ms);
    let visible = block.visible().filter(|rows| rows.len() < block.len());
    if let Some((oldest, newest)) = block.time_bounds() {
        if newest < window.start_ms || oldest > window.end_ms {
            return Rows::Some(Vec::new());
        }
        if inside(oldest) && inside(newest) {
            return visible.map_or(Rows::All(block.len()), |rows| Rows::Some(rows.to_vec()));
        }
    }
    let times = block.timestamps();
    let rows: Vec<u32> = match visible {
        Some(rows) => rows.iter().copied().filter(|row| inside(times[*row as usize])).collect(),
        None => (0..block.len()).filter(|row| inside(times[*row])).filter_map(index).collect(),
    };
    if rows.len() == block.len() { Rows::All(rows.len()) } else { Rows::Some(rows) }
}

fn bytes(block: &dyn Block, rows: &Rows) -> u64 {
    match rows {
        Rows::All(_) => block.bytes(),
        Rows::Some(rows) if rows.is_empty() => 0,
        Rows::Some(rows) => block.bytes_of(rows),
    }
}

/// A table through one later stage.
fn through(stage: &Stage, table: &Table, limits: Limits) -> Result<Table, Error> {
    let mut batch = Batch::new(stage, Origin::Table(table), Rows::All(table.rows));
    stage.run(&mut batch)?;
    let mut sink = stage.barrier.open(limits);
    if !batch.is_empty() {
        sink.push(stage, &mut batch)?;
    }
    sink.finish()
}

fn print(plan: &Plan, table: &Table) -> Vec<Vec<(String, String)>> {
    let row = |row: usize| {
        let value = |(name, column): &(String, usize)| {
            Some((name.clone(), table.columns[*column][row].cell().print()?))
        };
        plan.columns.iter().filter_map(value).collect()
    };
    (0..table.rows).map(row).collect()
}
