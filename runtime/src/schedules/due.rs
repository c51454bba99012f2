//! Owns when a schedule is next due, and what of that was missed. Pure. Refuses to write any of it.

use super::expression::Expression;
use super::zone::Zone;
use crate::records::schedules::Schedule;

/// Missed times that are counted one by one; a schedule that missed more has missed "many".
const COUNTED_MAX: u64 = 10_000;

/// A schedule's times.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    expression: Expression,
    zone: Zone,
    from_ms: i64,
    start_ms: i64,
    end_ms: i64,
}

/// What was due up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caught {
    /// The newest due time, if it is not too old to be run.
    pub(crate) run_ms: Option<i64>,
    /// How many passed without a run.
    pub(crate) missed: u64,
}

impl Timetable {
    /// Reads a schedule's expression and zone.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    pub(crate) fn of(schedule: &Schedule) -> Result<Timetable, String> {
        Ok(Timetable {
            expression: Expression::parse(&schedule.expression)?,
            zone: Zone::parse(&schedule.time_zone)?,
            from_ms: schedule.start_ms.unwrap_or(schedule.anchor_ms),
            start_ms: schedule.start_ms.unwrap_or(i64::MIN),
            end_ms: schedule.end_ms.unwrap_or(i64::MAX),
        })
    }

    /// The first due time after `after_ms`.
    pub(crate) fn next(&self, after_ms: i64) -> Option<i64> {
        let after_ms = after_ms.max(self.start_ms.saturating_sub(1));
        self.expression.next(after_ms, self.zone, self.from_ms).filter(|due_ms| *due_ms <= self.end_ms)
    }

    /// What was due after `through_ms`, up to `now_ms`: only the newest is still run, and only if it is at most
    /// `age_ms` old.
    pub(crate) fn catch_up(&self, through_ms: i64, now_ms: i64, age_ms: i64) -> Caught {
        let oldest_ms = now_ms.saturating_sub(age_ms);
        let (mut missed, mut at_ms) = (0, through_ms);
        while let Some(due_ms) = self.next(at_ms).filter(|due_ms| *due_ms < oldest_ms && missed < COUNTED_MAX)
        {
            (missed, at_ms) = (missed + 1, due_ms);
        }
        let (mut run_ms, mut at_ms) = (None, at_ms.max(oldest_ms.saturating_sub(1)));
        while let Some(due_ms) = self.next(at_ms).filter(|due_ms| *due_ms <= now_ms) {
            missed += u64::from(run_ms.is_some());
            (run_ms, at_ms) = (Some(due_ms), due_ms);
        }
        Caught { run_ms, missed }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::Scope;
    use crate::records::schedules::Target;

    const MINUTE_MS: i64 = 60_000;

    pub(crate) fn schedule(expression: &str) -> Schedule {
        Schedule {
            id: 1,
            name: "s".to_owned(),
            scope: Scope { account: "1".to_owned(), region: "r".to_owned() },
            expression: expression.to_owned(),
            time_zone: "UTC".to_owned(),
            start_ms: None,
            end_ms: None,
            enabled: true,
            target: Target::default(),
            description: String::new(),
            delete_when_over: false,
            window_minutes: None,
            created_ms: 0,
            anchor_ms: 0,
            modified_ms: 0,
        }
    }

    #[test]
    fn only_the_newest_of_what_was_missed_is_run_and_only_if_it_is_young() {
        let table = Timetable::of(&schedule("rate(10 minutes)")).unwrap();
        let caught = |through, now, age| {
            let Caught { run_ms, missed } =
                table.catch_up(through * MINUTE_MS, now * MINUTE_MS, age * MINUTE_MS);
            (run_ms.map(|ms| ms / MINUTE_MS), missed)
        };
        assert_eq!(caught(0, 5, 15), (None, 0));
        assert_eq!(caught(0, 10, 15), (Some(10), 0));
        assert_eq!(caught(0, 25, 15), (Some(20), 1));
        assert_eq!(caught(0, 69, 15), (Some(60), 5));
        assert_eq!(caught(0, 69, 5), (None, 6));
        assert_eq!(caught(60, 69, 90), (None, 0));
        assert_eq!(caught(0, 10_000_000, 15), (Some(10_000_000), 10_001));
        let once = Timetable::of(&schedule("at(1970-01-01T00:30:00)")).unwrap();
        assert_eq!(once.catch_up(0, 40 * MINUTE_MS, 15 * MINUTE_MS).run_ms, Some(30 * MINUTE_MS));
        assert_eq!(once.catch_up(0, 46 * MINUTE_MS, 15 * MINUTE_MS), Caught { run_ms: None, missed: 1 });
    }

    #[test]
    fn start_and_end_bound_it_both_included() {
        let bounded = |expression: &str, start, end| {
            let one = Schedule {
                start_ms: Some(start * MINUTE_MS),
                end_ms: Some(end * MINUTE_MS),
                ..schedule(expression)
            };
            let (table, mut at_ms) = (Timetable::of(&one).unwrap(), -1);
            let next = || {
                at_ms = table.next(at_ms)?;
                Some(at_ms / MINUTE_MS)
            };
            std::iter::from_fn(next).collect::<Vec<_>>()
        };
        assert_eq!(bounded("rate(10 minutes)", 7, 27), [7, 17, 27]);
        assert_eq!(bounded("cron(0/10 * * * ? *)", 10, 30), [10, 20, 30]);
        assert_eq!(bounded("cron(0/10 * * * ? *)", 11, 29), [20]);
    }

    proptest! {
        #[test]
        fn every_due_time_is_run_or_missed_once(
            minutes in 1i64..50, age in 1i64..200, mut looks in prop::collection::vec(0i64..2_000, 1..20),
        ) {
            looks.sort_unstable();
            let table = Timetable::of(&schedule(&format!("rate({minutes} minutes)"))).unwrap();
            let (mut through_ms, mut runs, mut missed) = (-1, Vec::new(), 0);
            for look in &looks {
                let now_ms = look * MINUTE_MS;
                let caught = table.catch_up(through_ms, now_ms, age * MINUTE_MS);
                runs.extend(caught.run_ms);
                missed += caught.missed;
                through_ms = now_ms;
            }
            let all = looks.last().unwrap() / minutes + 1;
            prop_assert_eq!(runs.len() as u64 + missed, all as u64);
            prop_assert!(runs.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
