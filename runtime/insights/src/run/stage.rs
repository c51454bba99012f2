//! A stage: what happens to rows between two barriers. Columns are numbered slots, each defined
//! once; steps keep, drop or multiply rows; the barrier at its end keeps the partial state.

use std::fmt;
use std::sync::Arc;

use super::batch::Batch;
use super::gather::Source;
use super::node::Node;
use super::sink::Barrier;
use super::vector::Vector;
use crate::discover::Wanted;
use crate::error::Error;
use crate::lend::Templates;

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

    /// One column per target, all of texts.
    fn produce<'b>(&self, input: &Vector<'b>, len: usize) -> Vec<Vector<'b>>;

    /// Where the targets stand in every message of a template, one source each; None if that cannot
    /// be told without the messages.
    fn cut(&self, _templates: &dyn Templates, _template: usize) -> Option<Vec<Source>> {
        None
    }
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
    /// In the order that is cheapest when fields are found in messages.
    pub(crate) steps: Vec<Arc<dyn Step>>,
    /// The order in which they are cheapest when fields are columns of their own.
    pub(crate) typed: Vec<usize>,
    pub(crate) barrier: Barrier,
}

impl Stage {
    /// Runs every step on the batch.
    pub(crate) fn run(&self, batch: &mut Batch<'_>) -> Result<(), Error> {
        let typed = batch.block().is_some_and(|block| block.templates().is_some());
        for at in 0..self.steps.len() {
            if batch.is_empty() {
                return Ok(());
            }
            let step = &self.steps[if typed { self.typed[at] } else { at }];
            step.run(self, batch)?;
        }
        Ok(())
    }
}
