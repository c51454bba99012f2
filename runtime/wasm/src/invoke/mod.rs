//! Calls, one world per file. Owns the order of a call: a place, a fresh instance under limits, the
//! export, the books. Every instance is dropped after its call: nothing leaks from one batch into
//! the next, and a trap harms only its own call.

mod alarm_action;
mod command;
mod extractor;
mod filter;
mod http;
mod lambda;
mod packed_filter;
mod query_functions;
mod run;
mod scheduled;
mod start;
mod subscription;

pub use command::{CommandOutput, Stdout};
pub use subscription::Outcome;

use wasmtime::component::types::{Component, ComponentFunc};

use crate::abi::HandlerError;
use crate::lower::Events;
use crate::{BatchContext, InvokeError, LogEvent, Role};

/// A world this host runs: an interface of `wit/exports.wit` and the shapes of its functions.
pub(crate) struct World {
    pub(crate) role: Role,
    pub(crate) interface: &'static str,
    pub(crate) functions: &'static [(&'static str, Check)],
}

/// Whether an exported function has the shape this host calls.
pub(crate) type Check = fn(&ComponentFunc, &Component) -> wasmtime::Result<()>;

/// Every world, in the order a deploy looks for them.
pub(crate) const WORLDS: &[&World] = &[
    &subscription::WORLD,
    &extractor::WORLD,
    &filter::WORLD,
    &packed_filter::WORLD,
    &alarm_action::WORLD,
    &scheduled::WORLD,
    &query_functions::WORLD,
    &lambda::WORLD,
];

/// What a batch hands in.
type Batch<'a> = (&'a BatchContext, Events<'a>);

fn batch_bytes(events: &[LogEvent<'_>]) -> usize {
    events.iter().map(|e| e.message.len()).sum()
}

/// The clock of a pure call: the newest ingestion time of its batch.
fn newest(events: &[LogEvent<'_>]) -> i64 {
    events.iter().map(|e| e.ingestion_time).max().unwrap_or(0)
}

impl From<HandlerError> for InvokeError {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Retry(retry) => {
                Self::Handler { message: retry.message, retry: true, after_ms: retry.after_ms }
            }
            HandlerError::Permanent(message) => failed(message),
        }
    }
}

/// A handler's own failure that trying again does not cure.
fn failed(message: String) -> InvokeError {
    InvokeError::Handler { message, retry: false, after_ms: 0 }
}
