//! Owns what the threads of the store share: the view, the queue, the seams and the counters.
//! Refuses to know the public doors (see `store`).

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::cipher::Ciphers;
use crate::disk::Disk;
use crate::id::{Position, SegmentId};
use crate::intake::queue::Queue;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::memtable::{Chunk, Generation};
use crate::segment::Backing;
use crate::view::View;

/// Called by the intake thread after each commit with the new [`crate::Store::durable_position`].
/// It must not block.
pub type OnAdvance = Arc<dyn Fn(Position) + Send + Sync>;

/// Ticks for which one follower counts.
const FOLLOWED_TICKS: u32 = 10;

pub(crate) struct Engine {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) manifest: Arc<dyn Manifest>,
    pub(crate) limits: Limits,
    pub(crate) backing: Backing,
    pub(crate) ciphers: Arc<Ciphers>,
    pub(crate) on_advance: Option<OnAdvance>,
    pub(crate) queue: Queue,
    pub(crate) counters: Tallies,
    /// Set once a write left the intake log in an unknown state.
    pub(crate) refused: AtomicBool,
    pub(crate) next_segment: AtomicU64,
    view: RwLock<View>,
    durable_seq: AtomicU64,
    /// The memtable the last tick met, by its first seq, and when it was met first.
    met: Mutex<Option<(u64, i64)>>,
    /// Ticks for which memtables that were sealed still stay in memory.
    followed: AtomicU32,
    /// Held while segments are merged; always taken before `maintenance`.
    merging: Mutex<()>,
    /// Held while segments and the manifest change; always taken before `view`.
    maintenance: Mutex<()>,
    sealer: Sealer,
}

/// Counts since the store was opened.
#[derive(Default)]
pub(crate) struct Tallies {
    pub(crate) appended_events: AtomicU64,
    pub(crate) appended_bytes: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) failed_commits: AtomicU64,
    pub(crate) sealed_segments: AtomicU64,
    pub(crate) failed_seals: AtomicU64,
    pub(crate) rewritten_segments: AtomicU64,
    pub(crate) dropped_segments: AtomicU64,
    pub(crate) merged_segments: AtomicU64,
}

#[derive(Default)]
struct Sealer {
    state: Mutex<SealerState>,
    changed: Condvar,
}

#[derive(Default)]
struct SealerState {
    wanted: bool,
    stop: bool,
    /// The last attempt failed: commits do not wait for it.
    failing: bool,
}

pub(crate) struct Parts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) manifest: Arc<dyn Manifest>,
    pub(crate) limits: Limits,
    pub(crate) backing: Backing,
    pub(crate) on_advance: Option<OnAdvance>,
}

impl Engine {
    pub(crate) fn new(parts: Parts, view: View, durable_seq: u64, next_segment: u64) -> Self {
        Self {
            disk: parts.disk,
            manifest: parts.manifest,
            limits: parts.limits,
            ciphers: Arc::clone(&parts.backing.ciphers),
            backing: parts.backing,
            on_advance: parts.on_advance,
            queue: Queue::default(),
            counters: Tallies::default(),
            refused: AtomicBool::new(false),
            next_segment: AtomicU64::new(next_segment),
            view: RwLock::new(view),
            durable_seq: AtomicU64::new(durable_seq),
            met: Mutex::default(),
            followed: AtomicU32::new(0),
            merging: Mutex::new(()),
            maintenance: Mutex::new(()),
            sealer: Sealer::default(),
        }
    }

    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn maintain(&self) -> MutexGuard<'_, ()> {
        lock(&self.maintenance)
    }

    pub(crate) fn one_merge(&self) -> MutexGuard<'_, ()> {
        lock(&self.merging)
    }

    pub(crate) fn durable_seq(&self) -> u64 {
        self.durable_seq.load(Ordering::Acquire)
    }

    pub(crate) fn follow(&self) {
        self.followed.store(FOLLOWED_TICKS, Ordering::Relaxed);
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Relaxed) > 0
    }

    /// A tick went by.
    pub(crate) fn follow_less(&self) {
        let less =
            self.followed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ticks| ticks.checked_sub(1));
        if less == Ok(1) {
            let forgotten = self.view_mut().forget_recent();
            drop(forgotten);
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    pub(crate) fn new_segment_id(&self) -> SegmentId {
        SegmentId(self.next_segment.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn active_cost(&self) -> u64 {
        self.view().active.cost
    }

    /// Whether the active memtable has held events for too long. The age counts from the first call that met
    /// them, since the store has no clock.
    pub(crate) fn is_overdue(&self, now_ms: i64) -> bool {
        let (first_seq, empty) = {
            let view = self.view();
            (view.active.first_seq, view.active.is_empty())
        };
        let mut met = lock(&self.met);
        if empty {
            *met = None;
            return false;
        }
        let since_ms = match *met {
            Some((known, since_ms)) if known == first_seq => since_ms.min(now_ms),
            _ => now_ms,
        };
        *met = Some((first_seq, since_ms));
        now_ms - since_ms >= self.limits.seal_age_ms
    }

    /// Acknowledged data that is not sealed.
    pub(crate) fn intake_cost(&self) -> u64 {
        self.view().generations().map(|generation| generation.cost).sum()
    }

    /// Shows durable batches to readers.
    pub(crate) fn make_readable(&self, chunks: Vec<Arc<Chunk>>, durable_seq: u64) {
        let mut view = self.view_mut();
        for chunk in chunks {
            view.insert(chunk);
        }
        self.durable_seq.store(durable_seq, Ordering::Release);
    }

    /// Hands the active memtable to the sealer.
    pub(crate) fn start_generation(&self, next: Generation) {
        let mut view = self.view_mut();
        let full = std::mem::replace(&mut view.active, next);
        view.sealing.push_back(Arc::new(full));
        drop(view);
        self.call_sealer();
    }

    /// Asks the sealer thread to seal and to reclaim space.
    pub(crate) fn call_sealer(&self) {
        lock(&self.sealer.state).wanted = true;
        self.sealer.changed.notify_all();
    }

    /// Whether the sealer's background work should make way.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.sealer.state).stop
    }

    pub(crate) fn stop_sealer(&self) {
        lock(&self.sealer.state).stop = true;
        self.sealer.changed.notify_all();
    }

    /// A memtable was sealed, or could not be: commits that wait look again.
    pub(crate) fn sealer_progress(&self, failing: bool) {
        lock(&self.sealer.state).failing = failing;
        self.sealer.changed.notify_all();
    }

    /// Without its thread nothing is sealed: commits go on until `intake_bytes` is reached.
    pub(crate) fn sealer_died(&self) {
        self.sealer_progress(true);
    }

    /// Without its thread nothing can be made durable.
    pub(crate) fn intake_died(&self) {
        self.refused.store(true, Ordering::Release);
        self.queue.abandon();
    }

    /// Holds the intake back while the sealer is behind, so that memory stays bounded; the queue then
    /// holds back the callers. Does not wait for a sealer that fails.
    pub(crate) fn await_sealer(&self) {
        let mut state = lock(&self.sealer.state);
        // The view is asked under this lock, and progress is told under it after the view changed:
        // nothing can slip in between. Nobody takes this lock while holding the view.
        let is_behind = || self.view().sealing.len() > self.limits.sealing_generations;
        while is_behind() && !state.failing && !state.stop {
            state = self.sealer.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the sealer thread has something to do, or, after a failure, for the time to try again.
    /// `false` = stop.
    pub(crate) fn await_work(&self, retry: Option<std::time::Duration>) -> bool {
        let mut state = lock(&self.sealer.state);
        while !state.wanted && !state.stop {
            match retry {
                None => state = self.sealer.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(pause) => {
                    let waited = self.sealer.changed.wait_timeout(state, pause);
                    let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    state = after;
                    if timeout.timed_out() {
                        break;
                    }
                }
            }
        }
        state.wanted = false;
        !state.stop
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
