//! Owns a stored point: the values of one series in one bucket and unit, with the events they came from.
//! Refuses to know the series and the table it is kept in.

use crate::distribution::Distribution;
use crate::unit::Unit;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// How many events a point refers to at most: the newest.
pub const EVENTS_MAX: usize = 50;

/// A log event that contributed to a point. A point has up to [`EVENTS_MAX`] of them, so they are kept as
/// `[timestamp, position, group, stream, source]`. Without that form, the names would be most of a point; a reference
/// with names is read too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct EventReference {
    /// The event's own time.
    pub timestamp_ms: i64,
    /// Its position in the intake, as one number.
    pub position: u64,
    /// Log group.
    pub group_id: u64,
    /// Log stream.
    pub stream_id: u64,
    /// What took the value from the event: `filter-name@revision`, or the digest of a module. Shared: most events of
    /// a point have the same.
    #[serde(deserialize_with = "shared")]
    pub source: Arc<str>,
}

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    String::deserialize(deserializer).map(Arc::from)
}

impl Serialize for EventReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let source: &str = &self.source;
        (self.timestamp_ms, self.position, self.group_id, self.stream_id, source).serialize(serializer)
    }
}

/// Values and the events behind them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The values.
    pub values: Distribution,
    /// The newest events, newest first, at most [`EVENTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventReference>,
}

impl Point {
    /// Values that came from no log event.
    pub fn of(values: Distribution) -> Point {
        Point { values, events: Vec::new() }
    }

    /// Values and their events; the newest [`EVENTS_MAX`] stay.
    pub fn with_events(values: Distribution, events: Vec<EventReference>) -> Point {
        Point { values, events: newest(events) }
    }

    /// Both together. Associative and commutative (sums up to rounding).
    pub fn merge(&self, other: &Point) -> Point {
        let events = [&self.events[..], &other.events[..]].concat();
        Point { values: self.values.merge(&other.values), events: newest(events) }
    }
}

fn newest(mut events: Vec<EventReference>) -> Vec<EventReference> {
    events.sort_by(|a, b| b.cmp(a));
    events.dedup();
    events.truncate(EVENTS_MAX);
    events
}

/// The width of a bucket. Finer points are joined into coarser ones as they age, see [`crate::retention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// High resolution: StorageResolution 1.
    Second,
    /// Standard resolution.
    Minute,
    /// After 15 days.
    FiveMinutes,
    /// After 63 days.
    Hour,
}

impl Tier {
    /// Every tier, finest first.
    pub const ALL: [Tier; 4] = [Tier::Second, Tier::Minute, Tier::FiveMinutes, Tier::Hour];

    /// The bucket width.
    pub fn width_ms(self) -> i64 {
        match self {
            Tier::Second => 1_000,
            Tier::Minute => 60_000,
            Tier::FiveMinutes => 300_000,
            Tier::Hour => 3_600_000,
        }
    }

    /// The start of the bucket a moment falls into.
    pub fn bucket_ms(self, timestamp_ms: i64) -> i64 {
        crate::time::floor(timestamp_ms, self.width_ms())
    }
}

/// Where a point stands within its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PointKey {
    /// Start of the bucket, epoch milliseconds.
    pub bucket_ms: i64,
    /// Width of the bucket.
    pub tier: Tier,
    /// Unit.
    pub unit: Unit,
}

/// A point and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPoint {
    /// Where.
    pub key: PointKey,
    /// What.
    pub point: Point,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn event(timestamp_ms: i64, position: u64) -> EventReference {
        EventReference { timestamp_ms, position, group_id: 1, stream_id: 2, source: "errors@1".into() }
    }

    #[test]
    fn keeps_the_newest_events() {
        let events: Vec<_> = (0..80).map(|i| event(i, i as u64)).collect();
        let point = Point::with_events(Distribution::value(1.0), events.clone());
        assert_eq!(point.events.len(), EVENTS_MAX);
        assert_eq!((point.events[0].timestamp_ms, point.events[49].timestamp_ms), (79, 30));
        let twice = point.merge(&point);
        assert_eq!((twice.events, twice.values.count), (point.events, 2.0));
    }

    #[test]
    fn references_are_kept_short_and_read_with_names_too() {
        let short = serde_json::to_string(&event(5, 7)).unwrap();
        assert_eq!(short, r#"[5,7,1,2,"errors@1"]"#);
        let long = r#"{"timestamp_ms":5,"position":7,"group_id":1,"stream_id":2,"source":"errors@1"}"#;
        for text in [short.as_str(), long] {
            assert_eq!(serde_json::from_str::<EventReference>(text).unwrap(), event(5, 7));
        }
    }

    fn points() -> impl Strategy<Value = Point> {
        (1..9i32, proptest::collection::vec((0..40i64, 0..9u64), 0..70)).prop_map(|(value, events)| {
            let events = events.into_iter().map(|(t, p)| event(t, p)).collect();
            Point::with_events(Distribution::value(f64::from(value)), events)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn merge_laws(a in points(), b in points(), c in points()) {
            prop_assert_eq!(a.merge(&b), b.merge(&a));
            prop_assert_eq!(a.merge(&b).merge(&c), a.merge(&b.merge(&c)));
            let text = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<Point>(&text).unwrap(), a);
        }

        #[test]
        fn buckets_hold_their_moment(ms in -4_000_000_000_000i64..4_000_000_000_000, tier in 0..4usize) {
            let tier = Tier::ALL[tier];
            let bucket = tier.bucket_ms(ms);
            prop_assert!(bucket <= ms && ms < bucket + tier.width_ms() && bucket % tier.width_ms() == 0);
        }
    }
}
