//! Periods such as `5m` or `1mo`: their units, their caps, and rounding times to them.
//! Knows no time zone but UTC.

use std::fmt;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};

/// A unit with its spellings and its cap.
struct Unit {
    names: &'static [&'static str],
    /// Larger counts act as this one.
    cap: u32,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Millis(i64),
    Months(u32),
}

const UNITS: &[Unit] = &[
    Unit { names: &["ms", "msec", "msecs", "millisecond", "milliseconds"], cap: 1000, step: Step::Millis(1) },
    Unit { names: &["s", "sec", "secs", "second", "seconds"], cap: 60, step: Step::Millis(1000) },
    Unit { names: &["m", "min", "mins", "minute", "minutes"], cap: 60, step: Step::Millis(60_000) },
    Unit { names: &["h", "hr", "hrs", "hour", "hours"], cap: 24, step: Step::Millis(3_600_000) },
    Unit { names: &["d", "day", "days"], cap: 36_500, step: Step::Millis(86_400_000) },
    Unit { names: &["w", "wk", "week", "weeks"], cap: 5_200, step: Step::Millis(604_800_000) },
    Unit { names: &["mo", "mon", "month", "months"], cap: 1_200, step: Step::Months(1) },
    Unit { names: &["q", "qtr", "quarter", "quarters"], cap: 400, step: Step::Months(3) },
    Unit { names: &["y", "yr", "yrs", "year", "years"], cap: 100, step: Step::Months(12) },
];

/// A positive count of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    count: u32,
    unit: usize,
}

impl Period {
    /// None for a unit that does not exist and for a count of zero.
    pub(crate) fn new(count: u32, unit: &str) -> Option<Period> {
        let unit = UNITS.iter().position(|u| u.names.iter().any(|n| n.eq_ignore_ascii_case(unit)))?;
        (count > 0).then_some(Period { count, unit })
    }

    /// Whether `word` names a unit.
    pub(crate) fn is_unit(word: &str) -> bool {
        UNITS.iter().any(|u| u.names.iter().any(|n| n.eq_ignore_ascii_case(word)))
    }

    /// The start of the period that holds `ms`; None outside the calendar.
    pub(crate) fn floor(self, ms: i64) -> Option<i64> {
        let unit = &UNITS[self.unit];
        let count = self.count.min(unit.cap);
        match unit.step {
            Step::Millis(step) => {
                let width = step * i64::from(count);
                ms.checked_sub(ms.rem_euclid(width))
            }
            Step::Months(step) => floor_months(ms, step * count),
        }
    }

    /// `ms` itself if a period starts there, else the start of the next one.
    pub(crate) fn ceil(self, ms: i64) -> Option<i64> {
        let floor = self.floor(ms)?;
        if floor == ms {
            return Some(ms);
        }
        let unit = &UNITS[self.unit];
        let count = self.count.min(unit.cap);
        match unit.step {
            Step::Millis(step) => floor.checked_add(step * i64::from(count)),
            Step::Months(step) => {
                let next =
                    DateTime::from_timestamp_millis(floor)?.checked_add_months(Months::new(step * count))?;
                Some(next.timestamp_millis())
            }
        }
    }
}

/// Months are counted from January 1970, so that one month, quarter or year starts on its calendar day.
fn floor_months(ms: i64, months: u32) -> Option<i64> {
    let date = DateTime::from_timestamp_millis(ms)?;
    let index = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month0());
    let start = index - index.rem_euclid(i64::from(months));
    let year = i32::try_from(1970 + start.div_euclid(12)).ok()?;
    let month = u32::try_from(start.rem_euclid(12)).ok()? + 1;
    let day = NaiveDate::from_ymd_opt(year, month, 1)?;
    Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, UNITS[self.unit].names[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::print_time;

    #[test]
    fn times_round_to_periods() {
        let t = 1_700_000_123_456; // 2023-11-14 22:15:23.456
        let cases = [
            (5, "m", "2023-11-14 22:15:00.000", "2023-11-14 22:20:00.000"),
            (10, "Mins", "2023-11-14 22:10:00.000", "2023-11-14 22:20:00.000"),
            (300, "s", "2023-11-14 22:15:00.000", "2023-11-14 22:16:00.000"),
            (90, "m", "2023-11-14 22:00:00.000", "2023-11-14 23:00:00.000"),
            (48, "h", "2023-11-14 00:00:00.000", "2023-11-15 00:00:00.000"),
            (1, "w", "2023-11-09 00:00:00.000", "2023-11-16 00:00:00.000"),
            (1, "mo", "2023-11-01 00:00:00.000", "2023-12-01 00:00:00.000"),
            (1, "quarter", "2023-10-01 00:00:00.000", "2024-01-01 00:00:00.000"),
            (1, "y", "2023-01-01 00:00:00.000", "2024-01-01 00:00:00.000"),
            (100, "ms", "2023-11-14 22:15:23.400", "2023-11-14 22:15:23.500"),
        ];
        for (count, unit, floor, ceil) in cases {
            let period = Period::new(count, unit).expect("a period");
            assert_eq!(period.floor(t).map(print_time).as_deref(), Some(floor), "{period}");
            assert_eq!(period.ceil(t).map(print_time).as_deref(), Some(ceil), "{period}");
            assert_eq!(period.ceil(period.floor(t).expect("in range")), period.floor(t));
        }
        assert_eq!(Period::new(0, "m"), None);
        assert_eq!(Period::new(1, "fortnight"), None);
        assert_eq!(Period::new(1, "y").and_then(|p| p.floor(i64::MAX)), None);
    }
}
