//! Owns how many lines one place of the code may write to stderr: a client that repeats what is warned of must not
//! fill the disk. Refuses to know what they say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use crate::clock::Clock;

/// Warnings and errors of one place in a window; more are counted and left out.
const LINES_MAX: u64 = 20;
/// Length of a window.
const WINDOW_US: u64 = 10_000_000;

/// Lines left out since the process began.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Lines left out since the process began.
pub(super) fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// What one place wrote.
#[derive(Default)]
struct Place {
    since_us: u64,
    lines: u64,
    left_out: u64,
}

/// Lets lines pass, up to a number for each place. Places are those of the code, so their number is bounded.
#[derive(Clone)]
pub(super) struct Gate {
    /// The system's, whatever the server's clock does.
    clock: Clock,
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
}

impl Gate {
    pub(super) fn new() -> Gate {
        Gate { clock: Clock::real(), places: Arc::default() }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passes(&self, place: Identifier, now_us: u64) -> bool {
        let mut places = self.places();
        let place = places.entry(place).or_default();
        if now_us.saturating_sub(place.since_us) >= WINDOW_US {
            (place.since_us, place.lines) = (now_us, 0);
        }
        place.lines += 1;
        let passes = place.lines <= LINES_MAX;
        if !passes {
            place.left_out += 1;
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// How many lines of this place were left out since it was last asked.
    pub(super) fn take_left_out(&self, metadata: &Metadata<'_>) -> u64 {
        if *metadata.level() > Level::WARN {
            return 0;
        }
        self.places().get_mut(&metadata.callsite()).map_or(0, |place| std::mem::take(&mut place.left_out))
    }
}

impl<S: Subscriber> Filter<S> for Gate {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        // Only what is written by default is bounded: who asks for more gets all of it.
        *event.metadata().level() > Level::WARN
            || self.passes(event.metadata().callsite(), self.clock.monotonic_us())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_bounded_for_a_while_and_what_was_left_out_is_told_once() {
        let gate = Gate::new();
        // Spans have metadata only under a subscriber.
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let here = tracing::warn_span!("here");
            let there = tracing::warn_span!("there");
            let (here, there) = (here.metadata().unwrap(), there.metadata().unwrap());
            let passed = (0..50).filter(|_| gate.passes(here.callsite(), 5)).count();
            assert_eq!(passed as u64, LINES_MAX);
            assert!(gate.passes(there.callsite(), 5), "another place has its own");
            assert!(!gate.passes(here.callsite(), WINDOW_US - 1));
            assert!(gate.passes(here.callsite(), WINDOW_US + 5));
            assert_eq!(gate.take_left_out(here), 51 - LINES_MAX);
            assert_eq!(gate.take_left_out(here), 0);
        });
    }
}
