//! Owns which alarm is due at which tick. Refuses to know what a tick does.

use std::collections::{BTreeMap, BTreeSet};

/// Alarms by the tick they are next due at.
#[derive(Default)]
pub(super) struct Schedule {
    by_tick: BTreeSet<(i64, u64)>,
    by_id: BTreeMap<u64, i64>,
}

impl Schedule {
    /// The alarm is next due at `tick_ms`, and no more at the tick it was due at before.
    pub(super) fn set(&mut self, id: u64, tick_ms: i64) {
        if let Some(before_ms) = self.by_id.insert(id, tick_ms) {
            self.by_tick.remove(&(before_ms, id));
        }
        self.by_tick.insert((tick_ms, id));
    }

    /// The earliest tick that any alarm is due at.
    pub(super) fn first_tick(&self) -> Option<i64> {
        self.by_tick.first().map(|(tick_ms, _)| *tick_ms)
    }

    /// Takes out the alarms due at `tick_ms`, by rising id.
    pub(super) fn take(&mut self, tick_ms: i64) -> Vec<u64> {
        let due: Vec<u64> =
            self.by_tick.range((tick_ms, 0)..=(tick_ms, u64::MAX)).map(|(_, id)| *id).collect();
        for id in &due {
            self.by_tick.remove(&(tick_ms, *id));
            self.by_id.remove(id);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_due_once_and_ticks_come_in_order() {
        let mut schedule = Schedule::default();
        for (id, tick_ms) in [(3, 60), (1, 60), (2, 10), (1, 120), (1, 60)] {
            schedule.set(id, tick_ms);
        }
        assert_eq!(schedule.first_tick(), Some(10));
        assert_eq!(schedule.take(10), [2]);
        assert_eq!(schedule.take(10), [0u64; 0]);
        assert_eq!(schedule.take(60), [1, 3]);
        assert_eq!(schedule.first_tick(), None);
        schedule.set(1, 70);
        assert_eq!(schedule.first_tick(), Some(70));
    }
}
