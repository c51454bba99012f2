//! Owns time, sleeping, random numbers and ids: the only file that reads them from the system. Refuses to
//! know what anybody waits for.
//!
//! Under `serve --clock virtual` time stands still until somebody advances it. An advance is deterministic:
//! it wakes sleepers one at a time in the order they are due, and between two of them waits until every
//! background worker is at rest, so that what follows from a moment has happened before the next one.
#![allow(clippy::disallowed_methods, reason = "this is the one file that may read time and randomness")]

mod activity;
mod timeline;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use activity::{Busy, Nudge, Worker};

use activity::Activity;
use timeline::{Timeline, Waker};

/// Where virtual time starts unless the command line says otherwise: 2026-01-01T00:00:00Z.
pub(crate) const VIRTUAL_START_MS: i64 = 1_767_225_600_000;

/// How long (in real time) an advance waits for background work before it gives up and says so.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// A real sleep is cut into pieces of this length, so that a wall clock that is set is noticed.
const SLEEP_PIECE: Duration = Duration::from_secs(30);

/// The clock. Cheap to clone; all clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock {
    source: Arc<Source>,
    activity: Arc<Activity>,
}

enum Source {
    Real { started: Instant },
    Virtual { timeline: Mutex<Timeline>, random: Mutex<u64>, advancing: tokio::sync::Mutex<()> },
}

/// Why virtual time did not move.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AdvanceError {
    /// The clock is the real one.
    Real,
    /// The target lies before the present.
    Backwards,
}

/// What an advance did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Advanced {
    /// The time now, epoch milliseconds.
    pub(crate) now_ms: i64,
    /// Sleepers woken on the way.
    pub(crate) woken: usize,
    /// Whether all background work came to rest; `false` after 30 s of waiting.
    pub(crate) settled: bool,
}

impl Clock {
    /// The system's clock and randomness.
    pub(crate) fn real() -> Clock {
        Clock::of(Source::Real { started: Instant::now() })
    }

    /// A clock that stands at `start_ms` until advanced, with ids that follow from `seed`.
    pub(crate) fn standing_at(start_ms: i64, seed: u64) -> Clock {
        let timeline = Mutex::new(Timeline::at(start_ms));
        Clock::of(Source::Virtual {
            timeline,
            random: Mutex::new(seed),
            advancing: tokio::sync::Mutex::default(),
        })
    }

    fn of(source: Source) -> Clock {
        Clock { source: Arc::new(source), activity: Arc::default() }
    }

    /// Whether this is a virtual clock.
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(*self.source, Source::Virtual { .. })
    }

    /// The time, epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        match &*self.source {
            Source::Real { .. } => self.outside_ms(),
            Source::Virtual { timeline, .. } => lock(timeline).now_ms(),
        }
    }

    /// The system's time on every clock, epoch milliseconds: for what programs outside hold against theirs, such as
    /// the dates of a certificate.
    pub(crate) fn outside_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Microseconds from an arbitrary start, never going back: for durations.
    pub(crate) fn monotonic_us(&self) -> u64 {
        match &*self.source {
            Source::Real { started } => u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            Source::Virtual { timeline, .. } => u64::try_from(lock(timeline).now_ms()).unwrap_or(0) * 1000,
        }
    }

    /// Waits until `due_ms`. For something that only this caller waits for; a background loop rests as a
    /// [`Worker`], which an advance of virtual time waits for. Not for I/O time-outs: in virtual time they
    /// would never pass, so those use `tokio::time`.
    pub(crate) async fn sleep_until(&self, due_ms: i64) {
        match &*self.source {
            Source::Real { .. } => self.sleep_until_real(due_ms).await,
            Source::Virtual { timeline, .. } => {
                let (wake, woken) = tokio::sync::oneshot::channel();
                let Some(ticket) = lock(timeline).enter(due_ms, Waker::Once(wake)) else { return };
                let _leave = Leave { clock: self, ticket };
                // The sender is dropped only with the whole timeline.
                let _woken = woken.await;
            }
        }
    }

    /// Waits for `ms` milliseconds; see [`Clock::sleep_until`].
    pub(crate) async fn sleep(&self, ms: u64) {
        let due_ms = self.now_ms().saturating_add_unsigned(ms);
        self.sleep_until(due_ms).await;
    }

    async fn sleep_until_real(&self, due_ms: i64) {
        loop {
            let left_ms = due_ms.saturating_sub(self.now_ms());
            let Ok(left_ms @ 1..) = u64::try_from(left_ms) else { return };
            tokio::time::sleep(Duration::from_millis(left_ms).min(SLEEP_PIECE)).await;
        }
    }

    /// Registers a background loop; it counts as busy until it first rests.
    pub(crate) fn worker(&self, name: &'static str) -> Worker {
        Worker::new(self.clone(), name)
    }

    /// Marks work in flight that an advance of virtual time is to wait for, until the guard is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.activity.enter()
    }

    /// Waits until no worker and no guard is busy, at most 30 s of real time; whether that was reached.
    pub(crate) async fn settle(&self) -> bool {
        tokio::time::timeout(SETTLE_MAX, self.activity.at_rest()).await.is_ok()
    }

    /// Moves virtual time forward by `ms` and lets everything happen that is due on the way.
    ///
    /// # Errors
    /// [`AdvanceError::Real`] on the real clock.
    pub(crate) async fn advance(&self, ms: u64) -> Result<Advanced, AdvanceError> {
        self.advance_to(|now_ms| now_ms.saturating_add_unsigned(ms)).await
    }

    /// Moves virtual time to `target_ms`; see [`Clock::advance`].
    ///
    /// # Errors
    /// [`AdvanceError::Real`], and [`AdvanceError::Backwards`] for a moment that has passed.
    pub(crate) async fn advance_until(&self, target_ms: i64) -> Result<Advanced, AdvanceError> {
        self.advance_to(|_| target_ms).await
    }

    async fn advance_to(&self, target: impl FnOnce(i64) -> i64 + Send) -> Result<Advanced, AdvanceError> {
        let Source::Virtual { timeline, advancing, .. } = &*self.source else {
            return Err(AdvanceError::Real);
        };
        let _one_at_a_time = advancing.lock().await;
        let mut settled = self.settle().await;
        let now_ms = lock(timeline).now_ms();
        let target_ms = target(now_ms);
        if target_ms < now_ms {
            return Err(AdvanceError::Backwards);
        }
        let mut woken = 0;
        while settled {
            let next = lock(timeline).step(target_ms);
            let Some(waker) = next else { break };
            waker.wake();
            woken += 1;
            settled = self.settle().await;
        }
        if settled {
            lock(timeline).arrive(target_ms);
        }
        Ok(Advanced { now_ms: self.now_ms(), woken, settled })
    }

    /// A random version-4 UUID in lower-case text: request ids, query ids, message ids.
    pub(crate) fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.random_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        let hex = u128::from_be_bytes(bytes);
        let hex = format!("{hex:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// A random number; on the virtual clock it follows from the seed.
    pub(crate) fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Fills `out`; on the virtual clock with what follows from the seed, so never for keys.
    pub(crate) fn random_bytes(&self, out: &mut [u8]) {
        match &*self.source {
            Source::Real { .. } => self.secret_bytes(out),
            Source::Virtual { random, .. } => {
                let mut state = lock(random);
                for chunk in out.chunks_mut(8) {
                    let word = split_mix(&mut state).to_le_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
            }
        }
    }

    /// Fills `out` from the operating system on every clock: for key material.
    pub(crate) fn secret_bytes(&self, out: &mut [u8]) {
        // Invariant: a system without randomness cannot make keys, and stopping is the only safe answer.
        getrandom::fill(out).expect("the operating system gives random bytes");
    }

    /// Puts a worker's post on the timeline (virtual) so that an advance nudges it at `due_ms`.
    fn enter_post(&self, due_ms: i64, post: Nudge) -> Option<Leave<'_>> {
        let Source::Virtual { timeline, .. } = &*self.source else { return None };
        let ticket = lock(timeline).enter(due_ms, Waker::Post(post))?;
        Some(Leave { clock: self, ticket })
    }
}

/// Takes a sleeper off the timeline when its future is dropped.
struct Leave<'a> {
    clock: &'a Clock,
    ticket: timeline::Ticket,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Source::Virtual { timeline, .. } = &*self.clock.source {
            lock(timeline).leave(self.ticket);
        }
    }
}

/// SplitMix64: enough for ids that must repeat from run to run.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
