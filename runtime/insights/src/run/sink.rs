//! The barrier at the end of a stage: it takes batches in and leaves a table. Its state is what
//! blocks and threads merge.

use std::any::Any;

use super::batch::{Batch, Table};
use super::distinct::{Distinct, DistinctSink};
use super::groups::{Groups, GroupsSink};
use super::stage::{Slot, Stage};
use super::top::{Top, TopSink};
use crate::error::Error;
use crate::limits::Limits;

/// Which barrier ends a stage.
#[derive(Debug, Clone)]
pub(crate) enum Barrier {
    /// `sort` and `limit`, and the end of the query.
    Top(Top),
    /// `dedup`
    Distinct(Distinct),
    /// `stats`
    Groups(Groups),
}

/// A barrier's state.
pub(crate) trait Sink: Send {
    /// Takes the rows of a batch that ran through the stage. False: no later row can change the result.
    fn push(&mut self, stage: &Stage, batch: &mut Batch<'_>) -> Result<bool, Error>;

    /// Takes in the state of another execution of the same query.
    fn merge(&mut self, other: Box<dyn Sink>) -> Result<(), Error>;

    /// The rows that leave the barrier, in order.
    fn finish(self: Box<Self>) -> Result<Table, Error>;

    /// Whether events of this age could still change the result.
    fn wants(&self, _oldest: i64, _newest: i64) -> bool {
        true
    }

    /// For [`Sink::merge`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl Barrier {
    /// An empty state.
    pub(crate) fn open(&self, limits: Limits) -> Box<dyn Sink> {
        match self {
            Barrier::Top(top) => Box::new(TopSink::new(top.clone(), limits)),
            Barrier::Distinct(distinct) => Box::new(DistinctSink::new(distinct.clone(), limits)),
            Barrier::Groups(groups) => Box::new(GroupsSink::new(groups.clone(), limits)),
        }
    }

    /// The number under which the next stage finds a column of this one; None if rows are grouped.
    pub(crate) fn export(&mut self, slot: Slot) -> Option<usize> {
        let exports = match self {
            Barrier::Top(top) => &mut top.exports,
            Barrier::Distinct(distinct) => &mut distinct.exports,
            Barrier::Groups(_) => return None,
        };
        Some(exports.iter().position(|s| *s == slot).unwrap_or_else(|| {
            exports.push(slot);
            exports.len() - 1
        }))
    }
}
