//! Owns the step from stored points to the periods a query or an alarm asks for. Refuses to know which series
//! the points belong to.

use crate::fault::Fault;
use crate::point::{Point, StoredPoint, Tier};
use crate::time;
use crate::unit::Unit;
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The most datapoints GetMetricStatistics returns.
pub const STATISTICS_DATAPOINTS_MAX: i64 = 1440;
/// The most datapoints one page of GetMetricData returns.
pub const DATA_DATAPOINTS_MAX: usize = 100_800;

/// A stretch of time cut into periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Start of the first period.
    pub start_ms: i64,
    /// End, exclusive.
    pub end_ms: i64,
    /// Length of a period.
    pub period_ms: i64,
}

impl Window {
    /// The window of a query. Its start is rounded down to a minute, five minutes or an hour by its age (15
    /// and 63 days), or to the period where that is under a minute; periods count from the rounded start.
    pub fn of_query(start_ms: i64, end_ms: i64, period_s: i64, now_ms: i64) -> Window {
        let age_ms = now_ms - start_ms;
        let step_ms = match period_s {
            1 | 5 | 10 | 20 | 30 => period_s * 1000,
            _ if age_ms < 15 * DAY_MS => 60_000,
            _ if age_ms < 63 * DAY_MS => 300_000,
            _ => HOUR_MS,
        };
        Window { start_ms: time::floor(start_ms, step_ms), end_ms, period_ms: period_s * 1000 }
    }

    /// How many periods it has, the last one perhaps cut.
    pub fn periods(&self) -> i64 {
        let length = self.end_ms.saturating_sub(self.start_ms).max(0);
        length / self.period_ms + i64::from(length % self.period_ms != 0)
    }

    /// The start of the period a moment falls into, if it is inside.
    pub fn period_of(&self, ms: i64) -> Option<i64> {
        let inside = ms >= self.start_ms && ms < self.end_ms;
        inside.then(|| self.start_ms + time::floor(ms - self.start_ms, self.period_ms))
    }
}

/// Checks a query's Period: 1, 5, 10, 20, 30 or a multiple of 60.
pub fn check_period(period_s: i64, parameter: &str) -> Result<(), Fault> {
    if matches!(period_s, 1 | 5 | 10 | 20 | 30)
        || (period_s > 0 && period_s % 60 == 0 && period_s <= 315_360_000)
    {
        return Ok(());
    }
    Err(Fault::value(format!("The parameter {parameter} must be 1, 5, 10, 20, 30 or a multiple of 60.")))
}

/// Can points of this width be put into periods of this length? Those of a minute always can (a shorter period
/// sees them at the start of their minute), wider ones only into whole multiples.
fn fits(tier: Tier, period_ms: i64) -> bool {
    tier <= Tier::Minute || period_ms % tier.width_ms() == 0
}

/// The periods of the window that have data, each unit by itself. Order of `points` does not matter.
pub fn periods(points: &[StoredPoint], window: &Window) -> BTreeMap<(i64, Unit), Point> {
    gather(points.iter().filter_map(|point| Some((place(point, window)?, point))))
}

/// The periods of one unit. When none is asked for, of the first, in AWS's order of preference, that has data: units
/// are never mixed.
pub fn periods_of_unit(points: &[StoredPoint], window: &Window, unit: Option<Unit>) -> BTreeMap<i64, Point> {
    let inside = || points.iter().filter_map(|point| Some((place(point, window)?, point)));
    let unit = unit.or_else(|| inside().map(|((_, unit), _)| unit).min());
    let of_unit = inside().filter(|((_, of), _)| Some(*of) == unit);
    gather(of_unit).into_iter().map(|((start_ms, _), point)| (start_ms, point)).collect()
}

/// The period a point counts in, if it counts in any.
fn place(point: &StoredPoint, window: &Window) -> Option<(i64, Unit)> {
    let key = point.key;
    if !fits(key.tier, window.period_ms) {
        return None;
    }
    window.period_of(key.bucket_ms).map(|start_ms| (start_ms, key.unit))
}

fn gather<'a>(points: impl Iterator<Item = ((i64, Unit), &'a StoredPoint)>) -> BTreeMap<(i64, Unit), Point> {
    let mut ordered: Vec<_> = points.collect();
    // Additions round: the same points must give the same sum in whatever order they come.
    ordered.sort_by_key(|(_, point)| point.key);
    let mut periods: BTreeMap<(i64, Unit), Point> = BTreeMap::new();
    for (place, stored) in ordered {
        periods
            .entry(place)
            .and_modify(|point| *point = point.merge(&stored.point))
            .or_insert_with(|| stored.point.clone());
    }
    periods
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::point::PointKey;
    use proptest::prelude::*;

    const DAY_START_MS: i64 = 1_700_006_400_000;

    fn at(tier: Tier, bucket_ms: i64, unit: Unit, value: f64) -> StoredPoint {
        StoredPoint { key: PointKey { bucket_ms, tier, unit }, point: Point::of(Distribution::value(value)) }
    }

    #[test]
    fn rounds_the_start_by_age_and_period() {
        let start = DAY_START_MS + 12 * HOUR_MS + 32 * 60_000 + 34_000;
        let minute = |period, days: i64| {
            let window = Window::of_query(start, start + DAY_MS, period, start + days * DAY_MS);
            window.start_ms - DAY_START_MS - 12 * HOUR_MS
        };
        assert_eq!(minute(60, 1), 32 * 60_000);
        assert_eq!(minute(300, 1), 32 * 60_000);
        assert_eq!(minute(300, 20), 30 * 60_000);
        assert_eq!(minute(3600, 70), 0);
        assert_eq!(minute(10, 0), 32 * 60_000 + 30_000);
    }

    #[test]
    fn periods_count_from_the_start() {
        let window = Window { start_ms: 60_000, end_ms: 60_000 + 601_000, period_ms: 300_000 };
        assert_eq!(window.periods(), 3);
        assert_eq!(window.period_of(59_999), None);
        assert_eq!(window.period_of(60_000), Some(60_000));
        assert_eq!(window.period_of(360_000), Some(360_000));
        assert_eq!(window.period_of(661_000), None);
    }

    #[test]
    fn units_stay_apart_and_wide_points_out_of_narrow_periods() {
        let points = [
            at(Tier::Minute, 0, Unit::Seconds, 1.0),
            at(Tier::Minute, 60_000, Unit::Seconds, 2.0),
            at(Tier::Minute, 0, Unit::Milliseconds, 5.0),
            at(Tier::FiveMinutes, 0, Unit::Seconds, 100.0),
        ];
        let window = |period_ms| Window { start_ms: 0, end_ms: 600_000, period_ms };
        let sums = |period_ms| {
            let periods = periods(&points, &window(period_ms));
            periods.into_iter().map(|((ms, unit), p)| (ms, unit, p.values.sum)).collect::<Vec<_>>()
        };
        assert_eq!(sums(120_000), [(0, Unit::Milliseconds, 5.0), (0, Unit::Seconds, 3.0)]);
        assert_eq!(sums(300_000)[1], (0, Unit::Seconds, 103.0));
        let one = periods_of_unit(&points, &window(300_000), None);
        assert_eq!(one[&0].values.sum, 5.0, "the preferred unit alone");
        assert_eq!(periods_of_unit(&points, &window(300_000), Some(Unit::Bytes)).len(), 0);
    }

    #[test]
    fn periods_of_queries() {
        for good in [1, 5, 10, 20, 30, 60, 120, 86_400] {
            assert!(check_period(good, "Period").is_ok());
        }
        for bad in [0, -60, 2, 15, 45, 61, 90, i64::MAX] {
            assert!(check_period(bad, "Period").is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn order_does_not_matter(values in proptest::collection::vec((0..30i64, -1e3..1e3f64), 1..60), seed in 0..1000usize) {
            let mut unique = BTreeMap::new();
            for (minute, value) in values {
                unique.insert(minute, at(Tier::Minute, minute * 60_000, Unit::None, value));
            }
            let points: Vec<_> = unique.into_values().collect();
            let mut turned = points.clone();
            turned.rotate_left(seed % points.len());
            turned.reverse();
            let window = Window { start_ms: 0, end_ms: 1_800_000, period_ms: 600_000 };
            prop_assert_eq!(periods(&points, &window), periods(&turned, &window));
        }
    }
}
