//! Owns what the readers of the log share: when definitions changed, how far each reader is, and whom to tell
//! when the metric filters move. Refuses to read events itself: each reader does, from its own cursor.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use store::Position;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::activity::Activity;
use super::followers::Followers;

/// Which metric filters a reader evaluates: a slow function holds up only those that ask one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricReader {
    /// Those that need no function.
    Native,
    /// Those that ask one, for a verdict or a value.
    Guests,
}

impl MetricReader {
    /// Both.
    pub(crate) const ALL: [MetricReader; 2] = [MetricReader::Native, MetricReader::Guests];

    /// Its name among the consumers, and its cursor's. It is on disk and never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            MetricReader::Native => "metric-filters",
            MetricReader::Guests => "metric-filters-with-functions",
        }
    }

    /// The reader with this name.
    pub(crate) fn named(name: &str) -> Option<MetricReader> {
        MetricReader::ALL.into_iter().find(|reader| reader.name() == name)
    }
}

/// What the readers share.
#[derive(Default)]
pub(crate) struct FanOut {
    definitions: AtomicU64,
    readers: Followers,
    metrics: Mutex<[Metrics; MetricReader::ALL.len()]>,
    metric_watchers: Followers,
    consumers: Mutex<BTreeMap<String, Consumer>>,
    activity: Activity,
    /// Read by readers while they read a page and report it, written by retention.
    retaining: RwLock<()>,
    /// Held while a dead letter is handed over again.
    redriving: tokio::sync::Mutex<()>,
}

/// How far metrics from log events are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Everything before it has been counted; `None` until the reader has started.
    pub(crate) next: Option<u64>,
    /// When the first minute ends that may still get a default value.
    pub(crate) open_until_ms: Option<i64>,
}

/// How far one reader is, for people.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Consumer {
    /// `metric-filters` or `subscription`.
    pub(crate) kind: &'static str,
    /// Id of the log group it reads; 0 = several.
    #[serde(skip)]
    pub(crate) group: u64,
    /// What it is: names of group, filter and destination.
    #[serde(flatten)]
    pub(crate) about: BTreeMap<&'static str, String>,
    /// The first position it has not read.
    pub(crate) position: u64,
    /// Events before it that it has not handled are held in memory: retention does not take them from it.
    #[serde(skip)]
    pub(crate) held_to: u64,
    /// Attempts of the delivery that it is stuck at; 0 = none.
    pub(crate) attempts: u32,
    /// Why its last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FanOut {
    /// Waits until no dead letter is being handed over, and keeps it so.
    pub(crate) async fn redriving(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.redriving.lock().await
    }

    /// Readers that are nudged when definitions change.
    pub(crate) fn readers(&self) -> &Followers {
        &self.readers
    }

    /// Those who wait for metrics from log events: nudged whenever [`FanOut::metrics_passed`] may have changed.
    pub(crate) fn metric_watchers(&self) -> &Followers {
        &self.metric_watchers
    }

    /// Counts of what happened to log events.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// A filter was made, changed or removed, or a group went away. Called when that is durable and before it is
    /// answered, so that every event stored after the answer meets the new definition.
    pub(crate) fn definitions_changed(&self) {
        self.definitions.fetch_add(1, Ordering::SeqCst);
        self.readers.wake();
    }

    /// Counts the changes of definitions.
    pub(crate) fn definitions(&self) -> u64 {
        self.definitions.load(Ordering::SeqCst)
    }

    /// Whether every event before `position` has been counted by the metric filters of a reader, and every minute
    /// of theirs that ended at or before `tick_ms` has its default values.
    pub(crate) fn metrics_passed(&self, reader: MetricReader, position: Position, tick_ms: i64) -> bool {
        let metrics = lock(&self.metrics)[reader as usize];
        metrics.next.is_some_and(|next| next >= position.seq)
            && metrics.open_until_ms.is_none_or(|until_ms| until_ms > tick_ms)
    }

    /// A reader of metric filters is there now.
    pub(super) fn metrics_moved(&self, reader: MetricReader, now: Metrics) {
        let before = std::mem::replace(&mut lock(&self.metrics)[reader as usize], now);
        if before != now {
            self.metric_watchers.wake();
        }
    }

    /// While a reader holds this, retention takes nothing away: what it reads and reports is then known to be read.
    pub(crate) async fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.retaining.read().await
    }

    /// While retention holds this, no reader reads: where they are is exactly what they had read before.
    pub(crate) async fn retaining(&self) -> RwLockWriteGuard<'_, ()> {
        self.retaining.write().await
    }

    /// A reader is there now.
    pub(super) fn report(&self, name: &str, consumer: Consumer) {
        lock(&self.consumers).insert(name.to_owned(), consumer);
    }

    /// A reader is gone.
    pub(super) fn leave(&self, name: &str) {
        lock(&self.consumers).remove(name);
    }

    /// Every reader by name.
    pub(crate) fn consumers(&self) -> BTreeMap<String, Consumer> {
        lock(&self.consumers).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_pass_a_position_and_a_tick() {
        let fan_out = FanOut::default();
        let moved = |now| fan_out.metrics_moved(MetricReader::Native, now);
        let passed =
            |position, tick_ms| fan_out.metrics_passed(MetricReader::Native, Position::at(position), tick_ms);
        assert!(!passed(0, 0), "it has not started");
        moved(Metrics { next: Some(5), open_until_ms: Some(120_000) });
        assert!(passed(5, 60_000));
        assert!(!passed(6, 60_000));
        assert!(!passed(5, 120_000), "the minute has no default value yet");
        moved(Metrics { next: Some(5), open_until_ms: None });
        assert!(passed(5, 120_000));
        assert!(!fan_out.metrics_passed(MetricReader::Guests, Position::at(0), 0), "each is where it is");
    }
}
