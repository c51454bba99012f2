//! Owns the alarms at work: when they are looked at, which log lines stand behind them, and what they cause.
//! Refuses to know how a state is decided (`metrics`) and how messages leave (the outbox).

pub(crate) mod actions;
mod evidence;
pub(crate) mod explain;
mod guest_metrics;
mod schedule;
pub(crate) mod ticker;

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::clock::Nudge;

/// What the operations tell the ticker.
#[derive(Default)]
pub(crate) struct Alarms {
    changed: Mutex<BTreeSet<u64>>,
    nudge: OnceLock<Nudge>,
}

impl Alarms {
    /// The alarm with this id was made or has another definition, durably: it is evaluated at once.
    pub(crate) fn changed(&self, id: u64) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        if let Some(nudge) = self.nudge.get() {
            nudge.nudge();
        }
    }

    fn take_changed(&self) -> BTreeSet<u64> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
