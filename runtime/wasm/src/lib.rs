//! Guests: user code in WebAssembly. Owns packages, compilation, the worlds of `wit/`, limits,
//! capabilities, calls and what they cost. The only crate that names wasmtime.
//! Refuses to know stores, records on disk, AWS encodings, the clock: the root lends those through
//! [`Services`], [`Clock`] and [`Records`]. Start with [`Host`]; a call is [`Call`] in,
//! [`Invoked`] out.

mod abi;
mod alias;
mod bindings;
mod bisect;
mod call;
mod clock;
mod compile;
mod compiled;
mod effect;
mod egress;
mod error;
mod function;
mod grant;
mod guest;
mod host;
mod invoke;
mod ledger;
mod limits;
mod logtext;
mod lower;
mod memory;
mod meter;
mod module;
mod outline;
mod output;
mod package;
mod pure;
mod secret;
mod service;
mod services;
mod target;
mod trap;

pub use abi::{
    AlarmEvent, AlarmState, Attribute, BatchContext, Extracted, LogEvent, MetricDatum, MetricUnit,
    PackedBatch, Scalar, ScalarType, Signature, Tick, Verdict,
};
pub use alias::{AliasRecord, EventInvokeRecord};
pub use bisect::{Bisected, Poison, bisect};
pub use call::{Call, Invoked, Report};
pub use clock::Clock;
pub use compiled::CompiledKey;
pub use effect::{Effects, Notification, Publish, SinkEvent, SinkWrite, StateOp, StateRead, StateWrite};
pub use egress::{BoxFuture, Egress, Secret, Unanswered};
pub use error::{CompileError, InvokeError};
pub use function::{FunctionRecord, LATEST, Records, Staged, State, Statement, code_sha256};
pub use grant::Grants;
pub use host::{Host, HostOptions};
pub use invoke::{CommandOutput, Outcome, Stdout};
pub use ledger::{Counted, EventCounts, Ledger, LedgerKey, LedgerRow, Recent};
pub use limits::Limits;
pub use logtext::{LogLevel, LogLine, LogSource, end_line, report_line, start_line};
pub use lower::Pieces;
pub use module::{Module, Role};
pub use outline::{MAX_IMPORTS, check_outline};
pub use package::{MAX_WASM_BYTES, Package, unpack};
pub use services::{NotifyError, Services, SinkError, StateEntry, StateError};
