//! Owns which stretch of time an evaluation looks at, and the datapoints in it. Refuses to judge them.

use crate::alarm::spec::AlarmSpec;
use crate::point::{Point, StoredPoint};
use crate::rollup::{self, Window};
use crate::time;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// More datapoints than N are fetched, so that one that came late still counts.
pub const RANGE_EXTRA: usize = 2;

/// One period of the evaluation range.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Start of the period.
    pub start_ms: i64,
    /// Its datapoint, if there is one.
    pub datapoint: Option<Datapoint>,
}

/// A datapoint: the statistic of one period.
#[derive(Clone, Debug, PartialEq)]
pub struct Datapoint {
    /// The statistic.
    pub value: f64,
    /// Of how many samples.
    pub sample_count: f64,
    /// Is it beyond the threshold?
    pub breaching: bool,
    /// The point it was computed from, with the events behind it.
    pub point: Point,
}

/// How often an alarm is evaluated: every minute for periods from 60 s on, every 10 s for shorter ones, and
/// hourly when it looks back over more than a day.
pub fn cadence_ms(spec: &AlarmSpec) -> i64 {
    if spec.period_ms() * spec.n() as i64 > DAY_MS {
        HOUR_MS
    } else if spec.period_ms() < MINUTE_MS {
        10_000
    } else {
        MINUTE_MS
    }
}

/// The end of the newest period of an evaluation at `now_ms`: only complete minutes (10 s, hours) count.
pub fn watermark_ms(spec: &AlarmSpec, now_ms: i64) -> i64 {
    time::floor(now_ms, cadence_ms(spec))
}

/// The evaluation range that ends at the watermark: N + 2 periods, sliding with the watermark.
pub fn range(spec: &AlarmSpec, watermark_ms: i64) -> Window {
    let period_ms = spec.period_ms();
    let periods = (spec.n() + RANGE_EXTRA) as i64;
    Window { start_ms: watermark_ms - periods * period_ms, end_ms: watermark_ms, period_ms }
}

/// The slots of the range, newest first. Points outside it are passed over; their order does not matter.
pub fn slots(spec: &AlarmSpec, points: &[StoredPoint], watermark_ms: i64) -> Vec<Slot> {
    let window = range(spec, watermark_ms);
    let mut periods = rollup::periods_of_unit(points, &window, spec.unit);
    (1..=window.periods())
        .map(|back| {
            let start_ms = watermark_ms - back * window.period_ms;
            let datapoint = periods.remove(&start_ms).and_then(|point| datapoint(spec, point));
            Slot { start_ms, datapoint }
        })
        .collect()
}

/// `None` when the statistic needs values that are not known: as good as no datapoint.
fn datapoint(spec: &AlarmSpec, point: Point) -> Option<Datapoint> {
    let value = spec.statistic.compute(&point.values)?;
    let breaching = spec.comparison.breaches(value, spec.threshold);
    Some(Datapoint { value, sample_count: point.values.count, breaching, point })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::spec::tests::spec;
    use crate::distribution::Distribution;
    use crate::point::{PointKey, Tier};
    use crate::unit::Unit;
    use serde_json::json;

    #[test]
    fn cadence_follows_period_and_length() {
        for (period, n, expected) in [
            (10, 1, 10_000),
            (30, 5, 10_000),
            (60, 1440, MINUTE_MS),
            (300, 3, MINUTE_MS),
            (3600, 25, HOUR_MS),
            (86_400, 2, HOUR_MS),
        ] {
            let spec = spec(&json!({"Period": period, "EvaluationPeriods": n}));
            assert_eq!(cadence_ms(&spec), expected, "{period} x {n}");
        }
    }

    #[test]
    fn slides_by_minutes_over_complete_ones() {
        let spec = spec(&json!({"Period": 300, "EvaluationPeriods": 1}));
        let at = |minute: i64, value| StoredPoint {
            key: PointKey { bucket_ms: minute * MINUTE_MS, tier: Tier::Minute, unit: Unit::None },
            point: Point::of(Distribution::value(value)),
        };
        let points = [at(2, 1.0), at(6, 2.0), at(7, 4.0)];
        let sums = |now_ms| {
            let slots = slots(&spec, &points, watermark_ms(&spec, now_ms));
            slots.iter().map(|s| s.datapoint.as_ref().map(|d| d.value)).collect::<Vec<_>>()
        };
        assert_eq!(sums(7 * MINUTE_MS + 59_999), [Some(3.0), None, None]);
        assert_eq!(sums(8 * MINUTE_MS), [Some(6.0), Some(1.0), None]);
    }
}
