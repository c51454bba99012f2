//! What each function costs: counters by function, version and log group, and what it spends in the minute that
//! runs. Refuses to know functions' names, the clock, and where the counters are kept: the root takes what changed
//! and gives back, at the next start, what it kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{InvokeError, Report};

/// Rows beyond this are counted without their log group: groups are the users' to make.
const ROWS_MAX: usize = 10_000;

const MINUTE_MS: i64 = 60_000;

/// Whose counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerKey {
    /// The id of the function.
    pub function: u64,
    /// `$LATEST` or a number.
    pub version: String,
    /// The log group whose events were handed in; empty where there are none.
    pub group: String,
}

/// The counters of one function, or of a part of its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerRow {
    /// The module that ran last.
    pub digest: String,
    /// Milliseconds since the Unix epoch of the last call.
    pub last_ms: i64,
    /// Calls, all of them.
    pub calls: u64,
    /// Calls that gave no answer, for whatever reason.
    pub errors: u64,
    /// Of these: the guest trapped, or was refused memory.
    pub traps: u64,
    /// Of these: took too long.
    pub timeouts: u64,
    /// Calls that were not made because the function had spent its budget.
    pub throttles: u64,
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
    /// Events handed in.
    pub events: u64,
    /// Events that were handled, or kept by a filter.
    pub events_kept: u64,
    /// Events that a filter dropped.
    pub events_dropped: u64,
    /// Events of calls that failed, or that a handler wants again.
    pub events_failed: u64,
}

impl LedgerRow {
    /// Adds the counters of another part.
    pub fn add(&mut self, other: &Self) {
        if other.last_ms >= self.last_ms {
            other.digest.clone_into(&mut self.digest);
            self.last_ms = other.last_ms;
        }
        let sums: [(&mut u64, u64); 14] = [
            (&mut self.calls, other.calls),
            (&mut self.errors, other.errors),
            (&mut self.traps, other.traps),
            (&mut self.timeouts, other.timeouts),
            (&mut self.throttles, other.throttles),
            (&mut self.duration_us, other.duration_us),
            (&mut self.cpu_us, other.cpu_us),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.log_lines, other.log_lines),
            (&mut self.events, other.events),
            (&mut self.events_kept, other.events_kept),
            (&mut self.events_dropped, other.events_dropped),
            (&mut self.events_failed, other.events_failed),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
    }
}

/// What became of the events of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Handed in.
    pub given: u64,
    /// Handled or kept.
    pub kept: u64,
    /// Dropped by a filter.
    pub dropped: u64,
    /// Not handled.
    pub failed: u64,
}

/// One call, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The module that ran.
    pub digest: &'a str,
    /// Why there was no answer, if so.
    pub error: Option<&'a InvokeError>,
    /// What it cost.
    pub report: &'a Report,
    /// Its events.
    pub events: EventCounts,
    /// When it ended, milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What one function did since it was last looked at, for its metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Calls made.
    pub calls: u64,
    /// Of these without an answer.
    pub errors: u64,
    /// Calls that were not made.
    pub throttles: u64,
    /// Wall time of all calls, of the shortest and of the longest, microseconds.
    pub duration_us: [u64; 3],
    /// Calls that ran at once, at most.
    pub concurrent: u64,
}

/// Counters of all functions.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<LedgerKey, LedgerRow>,
    /// Rows that are not kept as they are now.
    changed: BTreeSet<LedgerKey>,
    functions: BTreeMap<u64, OfFunction>,
}

#[derive(Debug, Default)]
struct OfFunction {
    recent: Recent,
    running: u64,
    /// The minute that `spent_us` belongs to, counted from the Unix epoch.
    minute: i64,
    spent_us: u64,
}

impl Ledger {
    /// Takes back what an earlier start kept.
    pub fn restore(&self, rows: impl IntoIterator<Item = (LedgerKey, LedgerRow)>) {
        let mut inner = self.lock();
        for (key, row) in rows {
            inner.rows.entry(key).or_default().add(&row);
        }
    }

    /// A call begins, unless the function has spent its budget of CPU time for this minute.
    ///
    /// # Errors
    /// [`InvokeError::Throttled`]: it is counted, and there is no end to report.
    pub fn begin(&self, key: &LedgerKey, budget_ms: Option<u64>, now_ms: i64) -> Result<(), InvokeError> {
        let mut inner = self.lock();
        let own = inner.functions.entry(key.function).or_default();
        own.roll(now_ms);
        if let Some(budget_ms) = budget_ms.filter(|budget| own.spent_us >= budget.saturating_mul(1_000)) {
            own.recent.throttles += 1;
            inner.row(key, now_ms).throttles += 1;
            let after_ms = MINUTE_MS - now_ms.rem_euclid(MINUTE_MS);
            let reason = format!(
                "the function has spent its budget of {budget_ms} ms of CPU time for this minute \
                 (tag logboom:budget-cpu-ms-per-minute)"
            );
            return Err(InvokeError::Throttled {
                reason,
                after_ms: u32::try_from(after_ms).unwrap_or(u32::MAX),
            });
        }
        own.running += 1;
        own.recent.concurrent = own.recent.concurrent.max(own.running);
        Ok(())
    }

    /// A call that began is over, however it ended.
    pub fn leave(&self, function: u64) {
        if let Some(own) = self.lock().functions.get_mut(&function) {
            own.running = own.running.saturating_sub(1);
        }
    }

    /// Counts a call that began and was made.
    pub fn end(&self, key: &LedgerKey, call: &Counted<'_>) {
        let Counted { digest, error, report, events, now_ms } = *call;
        let mut inner = self.lock();
        let own = inner.functions.entry(key.function).or_default();
        own.roll(now_ms);
        own.spent_us = own.spent_us.saturating_add(report.cpu_us);
        let recent = &mut own.recent;
        let [sum, least, most] = recent.duration_us;
        let least = if recent.calls == 0 { report.duration_us } else { least.min(report.duration_us) };
        recent.duration_us = [sum + report.duration_us, least, most.max(report.duration_us)];
        recent.calls += 1;
        recent.errors += u64::from(error.is_some());
        let row = inner.row(key, now_ms);
        row.add(&LedgerRow {
            digest: digest.to_owned(),
            last_ms: now_ms,
            calls: 1,
            errors: u64::from(error.is_some()),
            traps: u64::from(matches!(
                error,
                Some(InvokeError::Trap { .. } | InvokeError::OutOfMemory { .. })
            )),
            timeouts: u64::from(matches!(error, Some(InvokeError::Timeout { .. }))),
            throttles: 0,
            duration_us: report.duration_us,
            cpu_us: report.cpu_us,
            bytes_in: report.bytes_in as u64,
            bytes_out: report.bytes_out as u64,
            log_lines: report.log_lines,
            memory_peak_bytes: report.memory_peak_bytes as u64,
            events: events.given,
            events_kept: events.kept,
            events_dropped: events.dropped,
            events_failed: events.failed,
        });
    }

    /// All rows as they stand.
    pub fn snapshot(&self) -> BTreeMap<LedgerKey, LedgerRow> {
        self.lock().rows.clone()
    }

    /// The sum of each function.
    pub fn by_function(&self) -> BTreeMap<u64, LedgerRow> {
        let mut sums: BTreeMap<u64, LedgerRow> = BTreeMap::new();
        for (key, row) in &self.lock().rows {
            sums.entry(key.function).or_default().add(row);
        }
        sums
    }

    /// What each function did since this was last asked.
    pub fn take_recent(&self) -> BTreeMap<u64, Recent> {
        let mut inner = self.lock();
        let mut taken = BTreeMap::new();
        for (function, own) in &mut inner.functions {
            let next = Recent { concurrent: own.running, ..Recent::default() };
            let recent = std::mem::replace(&mut own.recent, next);
            if recent != Recent::default() {
                taken.insert(*function, recent);
            }
        }
        taken
    }

    /// These could not be told: they are news still.
    pub fn give_back_recent(&self, recent: BTreeMap<u64, Recent>) {
        let mut inner = self.lock();
        for (function, old) in recent {
            let recent = &mut inner.functions.entry(function).or_default().recent;
            let [sum, least, most] = recent.duration_us;
            let [old_sum, old_least, old_most] = old.duration_us;
            let least = if recent.calls == 0 { old_least } else { least.min(old_least) };
            recent.duration_us = [sum + old_sum, least, most.max(old_most)];
            recent.calls += old.calls;
            recent.errors += old.errors;
            recent.throttles += old.throttles;
            recent.concurrent = recent.concurrent.max(old.concurrent);
        }
    }

    /// Rows that changed since this was last asked, to be kept.
    pub fn take_changed(&self) -> Vec<(LedgerKey, LedgerRow)> {
        let mut inner = self.lock();
        let changed = std::mem::take(&mut inner.changed);
        changed.into_iter().filter_map(|key| inner.rows.get(&key).cloned().map(|row| (key, row))).collect()
    }

    /// These could not be kept: they are asked for again.
    pub fn give_back(&self, keys: impl IntoIterator<Item = LedgerKey>) {
        self.lock().changed.extend(keys);
    }

    /// Forgets a function that was deleted.
    pub fn forget(&self, function: u64) {
        let mut inner = self.lock();
        inner.rows.retain(|key, _| key.function != function);
        inner.changed.retain(|key| key.function != function);
        inner.functions.remove(&function);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn row(&mut self, key: &LedgerKey, now_ms: i64) -> &mut LedgerRow {
        let mut key = key.clone();
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            key.group = String::new();
        }
        self.changed.insert(key.clone());
        let row = self.rows.entry(key).or_default();
        row.last_ms = row.last_ms.max(now_ms);
        row
    }
}

impl OfFunction {
    /// What was spent in an earlier minute counts no more.
    fn roll(&mut self, now_ms: i64) {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute != self.minute {
            (self.minute, self.spent_us) = (minute, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(function: u64, group: &str) -> LedgerKey {
        LedgerKey { function, version: "$LATEST".to_owned(), group: group.to_owned() }
    }

    fn call(ledger: &Ledger, key: &LedgerKey, cpu_us: u64, error: Option<&InvokeError>, now_ms: i64) {
        let report = Report { cpu_us, duration_us: 2 * cpu_us, memory_peak_bytes: 100, ..Report::default() };
        let events = EventCounts { given: 3, kept: 1, dropped: 2, failed: 0 };
        ledger.end(key, &Counted { digest: "d", error, report: &report, events, now_ms });
    }

    #[test]
    fn calls_add_up_by_group_and_peaks_do_not() {
        let ledger = Ledger::default();
        for (group, error) in [
            ("/a", None),
            ("/a", Some(InvokeError::Timeout { limit_ms: 1 })),
            ("/b", Some(InvokeError::OutOfMemory { limit_bytes: 1 })),
        ] {
            ledger.begin(&key(7, group), None, 0).expect("no budget");
            call(&ledger, &key(7, group), 5, error.as_ref(), 9);
            ledger.leave(7);
        }
        let rows = ledger.snapshot();
        let (a, b) = (&rows[&key(7, "/a")], &rows[&key(7, "/b")]);
        assert_eq!((a.calls, a.errors, a.timeouts, a.traps, b.traps), (2, 1, 1, 0, 1));
        let sum = &ledger.by_function()[&7];
        assert_eq!((sum.calls, sum.cpu_us, sum.memory_peak_bytes, sum.last_ms), (3, 15, 100, 9));
        assert_eq!((sum.events, sum.events_kept, sum.events_dropped), (9, 3, 6));
        let recent = &ledger.take_recent()[&7];
        assert_eq!((recent.calls, recent.errors, recent.concurrent), (3, 2, 1));
        assert_eq!(recent.duration_us, [30, 10, 10]);
        assert!(ledger.take_recent().is_empty(), "nothing happened since");
        ledger.forget(7);
        assert!(ledger.snapshot().is_empty() && ledger.take_changed().is_empty());
    }

    #[test]
    fn what_is_kept_comes_back_and_goes_on() {
        let ledger = Ledger::default();
        ledger.begin(&key(1, "/a"), None, 0).expect("no budget");
        call(&ledger, &key(1, "/a"), 5, None, 0);
        let kept = ledger.take_changed();
        assert_eq!(kept.len(), 1);
        assert!(ledger.take_changed().is_empty());
        ledger.give_back(kept.iter().map(|(key, _)| key.clone()));
        assert_eq!(ledger.take_changed(), kept);
        let next = Ledger::default();
        next.restore(kept);
        call(&next, &key(1, "/a"), 6, None, 0);
        assert_eq!(next.by_function()[&1].cpu_us, 11);
    }

    #[test]
    fn a_budget_holds_for_its_minute() {
        let ledger = Ledger::default();
        let own = key(1, "/a");
        ledger.begin(&own, Some(2), 59_000).expect("nothing was spent");
        call(&ledger, &own, 2_000, None, 59_000);
        let refused = ledger.begin(&own, Some(2), 59_500).expect_err("spent");
        let InvokeError::Throttled { reason, after_ms: 500 } = &refused else { panic!("{refused:?}") };
        assert!(reason.contains("2 ms") && reason.contains("logboom:budget-cpu-ms-per-minute"), "{reason}");
        assert!(refused.may_retry() && !refused.may_be_poison());
        ledger.begin(&own, Some(2), 60_000).expect("a new minute");
        ledger.begin(&key(2, ""), Some(2), 59_500).expect("another function");
        assert_eq!(ledger.by_function()[&1].throttles, 1);
        assert_eq!(ledger.take_recent()[&1].throttles, 1);
    }

    #[test]
    fn groups_without_end_are_counted_together() {
        let ledger = Ledger::default();
        for group in 0..ROWS_MAX + 50 {
            call(&ledger, &key(1, &group.to_string()), 1, None, 0);
        }
        let rows = ledger.snapshot();
        assert!(rows.len() <= ROWS_MAX + 1, "{}", rows.len());
        assert_eq!(ledger.by_function()[&1].calls, (ROWS_MAX + 50) as u64);
    }
}
