//! Owns what a metric filter publishes and when its default value counts. Refuses to match patterns: values come in
//! extracted (`gather`).

use crate::distribution::Distribution;
use crate::fault::Fault;
use crate::name::Metric;
use crate::point::{Point, PointKey, StoredPoint, Tier};
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most dimensions a metric transformation may have.
pub const DIMENSIONS_MAX: usize = 3;

/// The transformation of a metric filter, as far as publication needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transformation {
    /// Namespace of the metric.
    pub namespace: String,
    /// Name of the metric.
    pub name: String,
    /// Unit of its points.
    #[serde(default)]
    pub unit: Unit,
    /// Published for a minute in which events arrived and none matched. Not together with dimensions.
    #[serde(default)]
    pub default_value: Option<f64>,
    /// Names of the dimensions its matches carry.
    #[serde(default)]
    pub dimensions: Vec<String>,
}

impl Transformation {
    /// Checks what PutMetricFilter must refuse beyond lengths and patterns.
    pub fn check(&self) -> Result<(), Fault> {
        if self.dimensions.len() > DIMENSIONS_MAX {
            return Err(Fault::value(format!(
                "A metric transformation has at most {DIMENSIONS_MAX} dimensions."
            )));
        }
        if self.default_value.is_some() && !self.dimensions.is_empty() {
            return Err(Fault::combination(
                "A metric transformation has either a default value or dimensions.",
            ));
        }
        if let Some(value) = self.default_value {
            crate::number::accept(value, "defaultValue")?;
        }
        Ok(())
    }
}

/// Points to merge into the series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Of which metric.
    pub metric: Metric,
    /// Minute and unit; the values with their events.
    pub points: Vec<StoredPoint>,
}

/// The minutes of a filter that are not closed: kept with its cursor, in the same transaction as the points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Start of the minute; did an event match?
    minutes: BTreeMap<i64, bool>,
}

fn key(of: &Transformation, timestamp_ms: i64, now_ms: i64) -> PointKey {
    let tier = crate::retention::tier_at(Tier::Minute, timestamp_ms, now_ms);
    PointKey { bucket_ms: tier.bucket_ms(timestamp_ms), tier, unit: of.unit }
}

impl Tally {
    /// Counts an event that arrived, matching or not.
    pub fn saw(&mut self, timestamp_ms: i64, matched: bool) {
        *self.minutes.entry(Tier::Minute.bucket_ms(timestamp_ms)).or_default() |= matched;
    }

    /// Counts what another tally counted.
    pub fn add(&mut self, other: &Tally) {
        for (minute_ms, matched) in &other.minutes {
            *self.minutes.entry(*minute_ms).or_default() |= matched;
        }
    }

    /// Closes the minutes that end at or before `until_ms`: the default value for each in which events arrived and
    /// none matched. A minute is closed once the cursor has passed it; events that come for it later open it
    /// again, and then only their matches are published.
    pub fn close(&mut self, of: &Transformation, until_ms: i64, now_ms: i64) -> Option<Publication> {
        let open = self.minutes.split_off(&(Tier::Minute.bucket_ms(until_ms)));
        let closed = std::mem::replace(&mut self.minutes, open);
        let value = of.default_value?;
        let metric = Metric::new(&of.namespace, &of.name, &[], "").ok()?;
        let unmatched = closed.into_iter().filter(|(_, matched)| !matched);
        let point = |(minute_ms, _)| StoredPoint {
            key: key(of, minute_ms, now_ms),
            point: Point::of(Distribution::value(value)),
        };
        let points: Vec<StoredPoint> = unmatched.map(point).collect();
        (!points.is_empty()).then_some(Publication { metric, points })
    }

    /// When the first open minute ends, epoch milliseconds.
    pub fn first_end_ms(&self) -> Option<i64> {
        self.minutes.keys().next().map(|start_ms| start_ms + Tier::Minute.width_ms())
    }

    /// How many minutes are open.
    pub fn open(&self) -> usize {
        self.minutes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn transformation() -> Transformation {
        Transformation {
            namespace: "MyApplication".into(),
            name: "Errors".into(),
            unit: Unit::None,
            default_value: None,
            dimensions: vec![],
        }
    }

    #[test]
    fn default_value_for_minutes_with_events_and_no_match() {
        let of = Transformation { default_value: Some(0.0), ..transformation() };
        let mut tally = Tally::default();
        tally.saw(5, false);
        tally.saw(MINUTE_MS + 5, false);
        tally.saw(3 * MINUTE_MS, false);
        tally.saw(MINUTE_MS + 9, true);
        let mut tally: Tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
        let closed = tally.close(&of, 3 * MINUTE_MS + 59_999, 4 * MINUTE_MS);
        let closed = closed.unwrap().points;
        let minutes: Vec<_> = closed.iter().map(|one| one.key.bucket_ms).collect();
        assert_eq!((minutes, tally.open()), (vec![0], 1), "minute 2 had no events, minute 3 is not over");
        assert_eq!(closed[0].point.values.weighted().unwrap(), [(0.0, 1.0)]);
        assert_eq!(tally.first_end_ms(), Some(4 * MINUTE_MS));
        assert_eq!(tally.close(&of, 4 * MINUTE_MS, 4 * MINUTE_MS).unwrap().points.len(), 1);
        assert_eq!(tally.close(&of, 4 * MINUTE_MS, 4 * MINUTE_MS), None);
    }

    #[test]
    fn default_value_excludes_dimensions() {
        let of =
            Transformation { default_value: Some(0.0), dimensions: vec!["a".into()], ..transformation() };
        assert!(of.check().is_err());
        assert!(transformation().check().is_ok());
    }
}
