//! One call of a guest: what it is given, and what comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Effects, Grants, InvokeError, Services};

/// The facts and rights of one call. Cheap to clone.
#[derive(Clone)]
pub struct Call {
    /// The id in the START and END lines.
    pub request_id: String,
    /// Stable over retries of the same work; ids of notifications come from it. Often the request id.
    pub delivery_id: String,
    /// The function's name.
    pub function_name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// The account, 12 digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// Wall time the call may take, milliseconds; host calls count.
    pub timeout_ms: u64,
    /// Memory the instance may hold, bytes; at most `Limits::memory_bytes`.
    pub memory_bytes: usize,
    /// The environment of the function: environment variables and `config`.
    pub config: Arc<BTreeMap<String, String>>,
    /// What the function may touch.
    pub grants: Arc<Grants>,
    /// The product behind the host functions.
    pub services: Arc<dyn Services>,
    /// Log groups whose events feed this call; writing to them is refused.
    pub sources: Vec<String>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_id, function_name, version, .. } = self;
        write!(f, "Call({function_name}:{version} {request_id})")
    }
}

/// What a call cost and wrote, whether it succeeded or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Wall time from instantiation to the end, microseconds; waiting for a free slot is not in it.
    pub duration_us: u64,
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Fuel used, about one for each instruction; 0 where it is not counted (`Limits::counts_fuel`).
    pub fuel: u64,
    /// The most memory the instance held, bytes.
    pub memory_peak_bytes: usize,
    /// Bytes of events or payload handed in.
    pub bytes_in: usize,
    /// Bytes of the answer.
    pub bytes_out: usize,
    /// Lines handed to `Services::log`.
    pub log_lines: u64,
    /// Whether output was dropped because the call wrote more than it may.
    pub log_truncated: bool,
    /// The last 4 KiB of stderr.
    pub stderr_tail: String,
}

/// What comes back from a call.
#[derive(Debug)]
pub struct Invoked<T> {
    /// The answer, or why there is none.
    pub result: Result<T, InvokeError>,
    /// What the call wants to change; empty unless `result` is `Ok`.
    pub effects: Effects,
    /// What it cost.
    pub report: Report,
}

impl<T> Invoked<T> {
    /// The same call with another form of answer.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Invoked<U> {
        Invoked { result: self.result.map(convert), effects: self.effects, report: self.report }
    }

    /// A call that was not made.
    pub fn refused(error: InvokeError) -> Self {
        Invoked { result: Err(error), effects: Effects::default(), report: Report::default() }
    }
}
