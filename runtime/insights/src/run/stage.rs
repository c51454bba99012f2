//! A stage: what happens to rows between two barriers. Columns are numbered slots, each defined
//! once; steps keep, drop or multiply rows; the barrier at its end keeps the partial state.

use std::fmt;
use std::sync::Arc;

use super::batch::Batch;
use super::node::Node;
use super::sink::Barrier;
use super::vector::Vector;
use crate::discover::Wanted;
use crate::error::Error;

/// The number of a column within its stage.
pub(crate) type Slot = usize;

/// Fields that every event has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Timestamp,
    IngestionTime,
    Message,
    LogStream,
    Log,
    Account,
    Pointer,
}

/// Their names.
pub(crate) const SYSTEM_FIELDS: &[(&str, System)] = &[
    ("@timestamp", System::Timestamp),
    ("@ingestionTime", System::IngestionTime),
    ("@message", System::Message),
    ("@logStream", System::LogStream),
    ("@log", System::Log),
    ("@aws.account", System::Account),
    ("@ptr", System::Pointer),
];

/// How a column comes to be.
#[derive(Debug, Clone)]
pub(crate) enum Definition {
    /// From the block.
    System(System),
    /// From the message; the index into the wanted names.
    Discovered(usize),
    /// From the table the previous barrier left.
    Input(usize),
    /// From other columns.
    Computed(Node),
    /// One of several columns made together.
    Produced(Arc<dyn Producer>),
    /// By a step that also makes rows.
    Made,
}

/// Makes several columns from one, without changing rows (`parse`).
pub(crate) trait Producer: fmt::Debug + Send + Sync {
    /// The column it reads.
    fn input(&self) -> Slot;

    /// The columns it makes, in order.
    fn targets(&self) -> &[Slot];

    /// One column per target.
    fn produce<'b>(&self, input: &Vector<'b>, len: usize) -> Vec<Vector<'b>>;
}

/// Something that happens to rows in order: keep, drop, multiply.
pub(crate) trait Step: fmt::Debug + Send + Sync {
    /// Changes the batch.
    fn run(&self, stage: &Stage, batch: &mut Batch<'_>) -> Result<(), Error>;
}

/// Everything between two barriers.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) slots: Vec<Definition>,
    /// Names of the fields to look for in messages.
    pub(crate) wanted: Wanted,
    /// Their slots, in the same order.
    pub(crate) wanted_slots: Vec<Slot>,
    pub(crate) steps: Vec<Arc<dyn Step>>,
    pub(crate) barrier: Barrier,
}

impl Stage {
    /// Runs every step on the batch.
    pub(crate) fn run(&self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for step in &self.steps {
            if batch.is_empty() {
                return Ok(());
            }
            step.run(self, batch)?;
        }
        Ok(())
    }
}
