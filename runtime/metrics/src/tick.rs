//! Owns when alarms are evaluated: which tick is due, and whether its data are there. Refuses to wait or to look at a
//! clock: it answers questions about given times.

use crate::alarm::spec::AlarmSpec;
use crate::alarm::window;

/// How long a tick waits for events that arrived before it to be read.
pub const WAIT_MAX_MS: i64 = 10_000;

/// The next tick to evaluate, if one is due: the first one of the alarm's cadence after `evaluated_ms` (the last
/// tick evaluated; at first the moment the alarm was made). Ask again after evaluating it.
///
/// After a pause of more than `catch_up_max` ticks those in between are skipped and the newest one is due: the
/// states nobody could be told about in time are not told later.
pub fn due(spec: &AlarmSpec, evaluated_ms: i64, now_ms: i64, catch_up_max: u32) -> Option<i64> {
    let cadence_ms = window::cadence_ms(spec);
    let newest = window::watermark_ms(spec, now_ms);
    let next = window::watermark_ms(spec, evaluated_ms) + cadence_ms;
    if next > newest {
        return None;
    }
    let waiting = (newest - next) / cadence_ms + 1;
    Some(if waiting > i64::from(catch_up_max) { newest } else { next })
}

/// When the alarm is next due after `now_ms`: what a scheduler may sleep until.
pub fn next_ms(spec: &AlarmSpec, now_ms: i64) -> i64 {
    window::watermark_ms(spec, now_ms) + window::cadence_ms(spec)
}

/// May a tick be evaluated?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet: ask again, at the latest at this time.
    Wait {
        /// When waiting ends.
        until_ms: i64,
    },
    /// All events before the tick have been read.
    Go,
    /// Waited long enough: evaluate on what is there, with PARTIAL_DATA.
    GoPartial,
}

/// Decides for the tick at `tick_ms`. `cursors_passed`: have all metric cursors passed the intake position at the
/// tick?
pub fn readiness(now_ms: i64, tick_ms: i64, cursors_passed: bool) -> Readiness {
    let until_ms = tick_ms + WAIT_MAX_MS;
    if now_ms < tick_ms {
        Readiness::Wait { until_ms }
    } else if cursors_passed {
        Readiness::Go
    } else if now_ms >= until_ms {
        Readiness::GoPartial
    } else {
        Readiness::Wait { until_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::spec::tests::spec;
    use proptest::prelude::*;
    use serde_json::json;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn one_tick_after_another() {
        let minute = spec(&json!({"Period": 300}));
        assert_eq!(due(&minute, 90_000, 119_999, 60), None);
        assert_eq!(due(&minute, 90_000, 120_000, 60), Some(2 * MINUTE_MS));
        assert_eq!(due(&minute, 2 * MINUTE_MS, 5 * MINUTE_MS + 1, 60), Some(3 * MINUTE_MS));
        assert_eq!(due(&minute, 5 * MINUTE_MS, 5 * MINUTE_MS + 1, 60), None);
        let fast = spec(&json!({"Period": 10}));
        assert_eq!(due(&fast, 20_000, 31_000, 60), Some(30_000));
        let slow = spec(&json!({"Period": 86_400, "EvaluationPeriods": 2}));
        assert_eq!(due(&slow, 0, 59 * MINUTE_MS, 60), None);
        assert_eq!(due(&slow, 0, 61 * MINUTE_MS, 60), Some(60 * MINUTE_MS));
        assert_eq!(next_ms(&slow, 61 * MINUTE_MS), 120 * MINUTE_MS);
    }

    #[test]
    fn long_pauses_are_skipped() {
        let minute = spec(&json!({}));
        assert_eq!(due(&minute, 0, 60 * MINUTE_MS, 60), Some(MINUTE_MS));
        assert_eq!(due(&minute, 0, 61 * MINUTE_MS, 60), Some(61 * MINUTE_MS));
    }

    #[test]
    fn waits_ten_seconds_for_the_cursors() {
        assert_eq!(readiness(59_000, 60_000, true), Readiness::Wait { until_ms: 70_000 });
        assert_eq!(readiness(60_000, 60_000, true), Readiness::Go);
        assert_eq!(readiness(60_000, 60_000, false), Readiness::Wait { until_ms: 70_000 });
        assert_eq!(readiness(69_999, 60_000, false), Readiness::Wait { until_ms: 70_000 });
        assert_eq!(readiness(70_000, 60_000, false), Readiness::GoPartial);
        assert_eq!(readiness(90_000, 60_000, true), Readiness::Go);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn ends_and_never_goes_back(period in proptest::sample::select(vec![10, 30, 60, 300]), from in 0..10_000_000i64, length in 0..2_000_000i64) {
            let spec = spec(&json!({"Period": period}));
            let (mut at, mut rounds) = (from, 0);
            while let Some(tick) = due(&spec, at, from + length, 1000) {
                prop_assert!(tick > at && tick <= from + length);
                at = tick;
                rounds += 1;
                prop_assert!(rounds <= 201);
            }
        }
    }
}
