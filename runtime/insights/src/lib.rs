//! The Logs Insights query language, from text to rows.
//!
//! Owns the grammar, the meaning of every command, function and aggregate, field discovery, and
//! block-at-a-time execution with mergeable partial states. Refuses to know where events are stored,
//! which threads run it, what time it is, and what a guest module is: those arrive as a
//! [`Block`], as calls from the root, as arguments and as [`Functions`].
//!
//! Start reading at [`Query::compile`] (`plan/query.rs`), then [`Execution`] (`run/execution.rs`).
//! `command/mod.rs`, `function/mod.rs` and `aggregate/mod.rs` hold the registry tables.

mod aggregate;
mod block;
mod command;
pub mod discover;
mod error;
mod function;
mod guest;
mod lend;
mod limits;
mod memory;
mod plan;
mod run;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use block::{Block, Column};
pub use error::{CompileError, Error};
pub use function::is_built_in;
pub use guest::{Functions, Guest, NoFunctions, Resolution, Signature, Type};
pub use lend::{Codes, Facts, Fraction, Numbers, Templates, Texts, Variable};
pub use limits::Limits;
pub use memory::{MemoryBlock, MemoryEvent};
pub use plan::needs::{Literal, LiteralKind, Needs, Order};
pub use plan::query::{Query, Window};
pub use run::execution::{Control, Execution, Output};
pub use value::{Cell, Value};
