//! Owns circuit breakers: a function that fails batch after batch rests, and is tried with one batch every half
//! minute. Refuses to know what a batch is; whoever delivers one asks first and tells how it went.

use std::collections::HashMap;
use std::sync::Mutex;

use super::lock;

/// Failed batches in a row after which a function rests.
const FAILURES_MAX: u32 = 5;

/// How long it rests before one batch is tried.
const REST_MS: i64 = 30_000;

/// A function that rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// Failed batches in a row.
    pub(crate) failures: u32,
    /// When the next batch is tried, epoch milliseconds.
    pub(crate) until_ms: i64,
    /// Why the last one failed.
    pub(crate) reason: String,
}

/// All functions with failed batches, by id.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<u64, Circuit>>);

impl Breakers {
    /// Whether a batch may be delivered now.
    ///
    /// # Errors
    /// Until when the function rests. After that one caller may: for the others it rests on until that one tells
    /// how it went, or for another half minute.
    pub(crate) fn admit(&self, function: u64, now_ms: i64) -> Result<(), Circuit> {
        let mut circuits = lock(&self.0);
        let Some(circuit) = circuits.get_mut(&function).filter(|circuit| circuit.failures >= FAILURES_MAX)
        else {
            return Ok(());
        };
        if now_ms < circuit.until_ms {
            return Err(circuit.clone());
        }
        circuit.until_ms = now_ms + REST_MS;
        Ok(())
    }

    /// A batch was delivered, or a part of it.
    pub(crate) fn succeeded(&self, function: u64) {
        if lock(&self.0).remove(&function).is_some_and(|circuit| circuit.failures >= FAILURES_MAX) {
            tracing::info!(function, "a function that rested works again");
        }
    }

    /// Nothing of a batch was delivered.
    pub(crate) fn failed(&self, function: u64, reason: &str, now_ms: i64) {
        let mut circuits = lock(&self.0);
        let fresh = || Circuit { failures: 0, until_ms: 0, reason: String::new() };
        let circuit = circuits.entry(function).or_insert_with(fresh);
        circuit.failures = circuit.failures.saturating_add(1);
        reason.clone_into(&mut circuit.reason);
        if circuit.failures >= FAILURES_MAX {
            circuit.until_ms = now_ms + REST_MS;
            if circuit.failures == FAILURES_MAX {
                tracing::warn!(
                    function,
                    reason,
                    "a function failed {FAILURES_MAX} batches in a row and rests"
                );
            }
        }
    }

    /// Forgets a function that was deleted or got other code.
    pub(crate) fn forget(&self, function: u64) {
        lock(&self.0).remove(&function);
    }

    /// The functions that rest.
    pub(crate) fn open(&self) -> Vec<(u64, Circuit)> {
        let circuits = lock(&self.0);
        let open = circuits.iter().filter(|(_, circuit)| circuit.failures >= FAILURES_MAX);
        let mut open: Vec<_> = open.map(|(function, circuit)| (*function, circuit.clone())).collect();
        open.sort_by_key(|(function, _)| *function);
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let breakers = Breakers::default();
        for _ in 0..4 {
            breakers.failed(1, "trap", 0);
            assert!(breakers.admit(1, 0).is_ok());
        }
        breakers.succeeded(1);
        for _ in 0..5 {
            breakers.failed(1, "trap", 1_000);
        }
        let resting = breakers.admit(1, 1_000).unwrap_err();
        assert_eq!((resting.until_ms, resting.reason.as_str()), (31_000, "trap"));
        assert!(breakers.admit(2, 1_000).is_ok(), "another function works");
        assert_eq!(breakers.open(), [(1, resting)]);
        // Half open: one batch, not two.
        assert!(breakers.admit(1, 31_000).is_ok());
        assert!(breakers.admit(1, 31_000).is_err());
        breakers.failed(1, "trap", 32_000);
        assert_eq!(breakers.admit(1, 33_000).unwrap_err().until_ms, 62_000);
        assert!(breakers.admit(1, 62_000).is_ok());
        breakers.succeeded(1);
        assert!(breakers.admit(1, 62_000).is_ok() && breakers.open().is_empty());
    }
}
