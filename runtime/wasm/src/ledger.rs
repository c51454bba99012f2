//! What each function costs: counters since the process started. Refuses to know functions' names.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{InvokeError, Report};

/// The counters of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerRow {
    /// The module that ran last.
    pub digest: String,
    /// Calls, all of them.
    pub calls: u64,
    /// Calls that gave no answer, for whatever reason.
    pub errors: u64,
    /// Of these: the guest trapped, or was refused memory.
    pub traps: u64,
    /// Of these: took too long.
    pub timeouts: u64,
    /// Wall time, microseconds.
    pub duration_us: u64,
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Bytes handed in.
    pub bytes_in: u64,
    /// Bytes of answers.
    pub bytes_out: u64,
    /// Lines of output.
    pub log_lines: u64,
    /// The most memory an instance held, bytes.
    pub memory_peak_bytes: u64,
}

/// Counters by function id.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<u64, LedgerRow>>);

impl Ledger {
    /// Counts one call.
    pub fn record(&self, function: u64, digest: &str, error: Option<&InvokeError>, report: &Report) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.entry(function).or_default();
        if row.digest != digest {
            digest.clone_into(&mut row.digest);
        }
        row.calls += 1;
        row.errors += u64::from(error.is_some());
        row.traps +=
            u64::from(matches!(error, Some(InvokeError::Trap { .. } | InvokeError::OutOfMemory { .. })));
        row.timeouts += u64::from(matches!(error, Some(InvokeError::Timeout { .. })));
        row.duration_us += report.duration_us;
        row.cpu_us += report.cpu_us;
        row.bytes_in += report.bytes_in as u64;
        row.bytes_out += report.bytes_out as u64;
        row.log_lines += report.log_lines;
        row.memory_peak_bytes = row.memory_peak_bytes.max(report.memory_peak_bytes as u64);
    }

    /// All rows as they stand.
    pub fn snapshot(&self) -> BTreeMap<u64, LedgerRow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets a function that was deleted.
    pub fn forget(&self, function: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_and_peaks_do_not() {
        let ledger = Ledger::default();
        let report = |cpu_us, memory_peak_bytes| Report { cpu_us, memory_peak_bytes, ..Report::default() };
        ledger.record(7, "a", None, &report(5, 100));
        ledger.record(7, "b", Some(&InvokeError::Timeout { limit_ms: 1 }), &report(6, 50));
        ledger.record(7, "b", Some(&InvokeError::OutOfMemory { limit_bytes: 1 }), &report(1, 0));
        let row = &ledger.snapshot()[&7];
        assert_eq!((row.calls, row.errors, row.traps, row.timeouts), (3, 2, 1, 1));
        assert_eq!((row.cpu_us, row.memory_peak_bytes, row.digest.as_str()), (12, 100, "b"));
        ledger.forget(7);
        assert!(ledger.snapshot().is_empty());
    }
}
