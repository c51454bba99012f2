//! Owns the values that a metric filter takes from events until they are published: one place for each minute and
//! dimension set. Refuses to match patterns and to keep anything for an event beyond its value and its place.

use crate::distribution::Distribution;
use crate::filter::{Publication, Transformation};
use crate::name::{Dimension, Metric};
use crate::point::{EVENTS_MAX, EventReference, Point, PointKey, StoredPoint, Tier};
use hashbrown::HashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Values of one place that are kept as they came; more are joined into a distribution.
const VALUES_MAX: usize = 1_024;

/// An event that a value came from. Ordered by time, then by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The event's own time; it says which minute the value belongs to.
    pub timestamp_ms: i64,
    /// Its position in the intake, as one number.
    pub position: u64,
    /// Log stream.
    pub stream_id: u64,
}

/// What the references of all events have in common.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Log group.
    pub group_id: u64,
    /// What took the values: `filter-name@revision`.
    pub source: &'a Arc<str>,
}

/// The values of one filter, by minute and dimension set.
#[derive(Debug, Default)]
pub struct Gathering {
    /// Values of the dimensions, each behind its length -> index of the set.
    sets: HashMap<Box<[u8]>, u32>,
    /// Values of the dimensions by set, in the order of the transformation's names.
    dimensions: Vec<Vec<String>>,
    /// (set, minute) -> index in `places`.
    index: HashMap<(u32, i64), usize>,
    places: Vec<Place>,
    /// Where the last value went: the next one often goes there too.
    last: Option<((u32, i64), usize)>,
    last_set: Option<u32>,
    key: Vec<u8>,
    last_key: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    set: u32,
    minute_ms: i64,
    values: Vec<(f64, f64)>,
    joined: Option<Distribution>,
    /// The newest are among them.
    events: Vec<Seen>,
}

impl Gathering {
    /// Takes a value and the values of the dimensions in the order of the transformation's names. Nothing is taken
    /// when a dimension is missing or the value is none that CloudWatch takes.
    pub fn add<'d>(
        &mut self,
        value: f64,
        dimensions: impl Iterator<Item = Option<Cow<'d, str>>>,
        seen: Seen,
    ) {
        let Ok(value) = crate::number::accept(value, "metricValue") else { return };
        self.key.clear();
        for dimension in dimensions {
            let Some(text) = dimension else { return };
            // Dimension values are short: longer ones are refused when they are published.
            self.key.extend_from_slice(&(text.len() as u64).to_le_bytes());
            self.key.extend_from_slice(text.as_bytes());
        }
        let set = self.set();
        let minute_ms = Tier::Minute.bucket_ms(seen.timestamp_ms);
        let place = self.place(set, minute_ms);
        self.places[place].add(value, seen);
    }

    /// How many places there are: points to come, about.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes everything out: for each dimension set its points, by minute.
    pub fn publish(&mut self, of: &Transformation, origin: Origin<'_>, now_ms: i64) -> Vec<Publication> {
        let mut taken = std::mem::take(self);
        taken.places.sort_unstable_by_key(|place| (place.set, place.minute_ms));
        let mut places = taken.places.into_iter().peekable();
        let publication = |(set, values): (usize, Vec<String>)| {
            let mine = std::iter::from_fn(|| places.next_if(|place| place.set as usize == set));
            let points: Vec<StoredPoint> = mine
                .filter_map(|place| {
                    let tier = crate::retention::tier_at(Tier::Minute, place.minute_ms, now_ms);
                    let key = PointKey { bucket_ms: tier.bucket_ms(place.minute_ms), tier, unit: of.unit };
                    Some(StoredPoint { key, point: place.point(origin)? })
                })
                .collect();
            let pairs = of.dimensions.iter().zip(values);
            let dimensions: Vec<Dimension> = pairs.map(|(name, value)| Dimension::new(name, value)).collect();
            // A dimension value CloudWatch would not take (empty, too long) publishes nothing, like a missing one.
            Some(Publication { metric: Metric::new(&of.namespace, &of.name, &dimensions, "").ok()?, points })
        };
        taken.dimensions.into_iter().enumerate().filter_map(publication).collect()
    }

    /// The set that `key` names.
    fn set(&mut self) -> u32 {
        // Without dimensions there is nothing to compare; to compare nothing costs more than one would think.
        let is_same = || self.key.is_empty() && self.last_key.is_empty() || self.last_key == self.key;
        if let Some(last) = self.last_set.filter(|_| is_same()) {
            return last;
        }
        let set = match self.sets.get(&self.key[..]) {
            Some(set) => *set,
            None => {
                let set = self.dimensions.len() as u32;
                self.sets.insert(self.key.clone().into(), set);
                self.dimensions.push(values(&self.key));
                set
            }
        };
        self.last_set = Some(set);
        std::mem::swap(&mut self.last_key, &mut self.key);
        set
    }

    fn place(&mut self, set: u32, minute_ms: i64) -> usize {
        let key = (set, minute_ms);
        if let Some((last, place)) = self.last
            && last == key
        {
            return place;
        }
        let places = &mut self.places;
        let place = *self.index.entry(key).or_insert_with(|| {
            places.push(Place { set, minute_ms, values: Vec::new(), joined: None, events: Vec::new() });
            places.len() - 1
        });
        self.last = Some((key, place));
        place
    }
}

/// The texts behind their lengths.
fn values(mut key: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    while let Some((length, rest)) = key.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(0).min(rest.len());
        values.push(String::from_utf8_lossy(&rest[..length]).into_owned());
        key = &rest[length..];
    }
    values
}

impl Place {
    fn add(&mut self, value: f64, seen: Seen) {
        match self.values.last_mut() {
            Some((last, count)) if *last == value => *count += 1.0,
            _ => self.values.push((value, 1.0)),
        }
        if self.values.len() == VALUES_MAX {
            self.join();
        }
        self.events.push(seen);
        if self.events.len() == 2 * EVENTS_MAX {
            self.drop_oldest();
        }
    }

    fn join(&mut self) {
        let new = Distribution::values(&self.values);
        self.values.clear();
        self.joined = match (self.joined.take(), new) {
            (Some(before), Some(new)) => Some(before.merge(&new)),
            (before, new) => before.or(new),
        };
    }

    /// Keeps the newest events; their order does not matter yet.
    fn drop_oldest(&mut self) {
        let Some(excess) = self.events.len().checked_sub(EVENTS_MAX).filter(|excess| *excess > 0) else {
            return;
        };
        // Mostly they came in the order of time.
        if !self.events.is_sorted() {
            self.events.select_nth_unstable(excess);
        }
        self.events.drain(..excess);
    }

    fn point(mut self, origin: Origin<'_>) -> Option<Point> {
        self.join();
        self.drop_oldest();
        let reference = |seen: &Seen| EventReference {
            timestamp_ms: seen.timestamp_ms,
            position: seen.position,
            group_id: origin.group_id,
            stream_id: seen.stream_id,
            source: Arc::clone(origin.source),
        };
        Some(Point::with_events(self.joined?, self.events.iter().map(reference).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Unit;
    use proptest::prelude::*;

    const MINUTE_MS: i64 = 60_000;
    fn published(gathering: &mut Gathering, of: &Transformation, now_ms: i64) -> Vec<Publication> {
        gathering.publish(of, Origin { group_id: 1, source: &"errors@1".into() }, now_ms)
    }

    fn transformation(dimensions: &[&str]) -> Transformation {
        Transformation {
            namespace: "MyApplication".into(),
            name: "Errors".into(),
            unit: Unit::None,
            default_value: None,
            dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn seen(timestamp_ms: i64, position: u64) -> Seen {
        Seen { timestamp_ms, position, stream_id: 2 }
    }

    fn plain(values: &[(i64, u64, f64)], now_ms: i64) -> Vec<StoredPoint> {
        let mut gathering = Gathering::default();
        for (timestamp_ms, position, value) in values {
            gathering.add(*value, std::iter::empty(), seen(*timestamp_ms, *position));
        }
        published(&mut gathering, &transformation(&[]), now_ms)
            .into_iter()
            .flat_map(|one| one.points)
            .collect()
    }

    #[test]
    fn values_of_a_minute_become_one_point_with_its_events() {
        let published = plain(&[(1, 1, 2.0), (59_999, 2, 2.0), (MINUTE_MS, 3, 5.0)], MINUTE_MS);
        assert_eq!(published.len(), 2);
        assert_eq!(published[0].key.bucket_ms, 0);
        assert_eq!(published[0].point.values.weighted().unwrap(), [(2.0, 2.0)]);
        let event = crate::point::tests::event;
        assert_eq!(published[0].point.events, [event(59_999, 2), event(1, 1)]);
        assert_eq!(published[1].key.bucket_ms, MINUTE_MS);
    }

    #[test]
    fn no_number_publishes_nothing() {
        assert_eq!(plain(&[(1, 1, f64::NAN), (1, 2, f64::INFINITY)], 0), []);
    }

    #[test]
    fn dimension_sets_are_metrics_of_their_own() {
        let mut gathering = Gathering::default();
        let sets =
            [(["500", "a"], 1), (["404", "a"], 2), (["500", "a"], 3), (["", "a"], 4), (["50", "0a"], 5)];
        for (values, position) in sets {
            gathering.add(1.0, values.into_iter().map(|value| Some(value.into())), seen(1, position));
        }
        gathering.add(1.0, [Some("500".into()), None].into_iter(), seen(1, 6));
        assert_eq!(gathering.len(), 4);
        let published = published(&mut gathering, &transformation(&["Code", "Name"]), 0);
        assert!(gathering.is_empty());
        let count = |one: &Publication| one.points.iter().map(|one| one.point.values.count).sum::<f64>();
        let mut counts: Vec<_> =
            published.iter().map(|one| (one.metric.dimensions[0].value.as_str(), count(one))).collect();
        counts.sort_by(|a, b| a.0.cmp(b.0));
        assert_eq!(counts, [("404", 1.0), ("50", 1.0), ("500", 2.0)], "an empty value publishes nothing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn the_point_is_that_of_all_values_and_the_newest_events(
            values in proptest::collection::vec((0..3 * MINUTE_MS, -5..400i32), 1..6_000),
        ) {
            let rows: Vec<(i64, u64, f64)> = values
                .iter()
                .enumerate()
                .map(|(at, (time, value))| (*time, at as u64, f64::from(*value)))
                .collect();
            let published = plain(&rows, 0);
            let minute_of = |row: &(i64, u64, f64)| row.0 / MINUTE_MS * MINUTE_MS;
            let mut minutes: Vec<i64> = rows.iter().map(minute_of).collect();
            minutes.sort_unstable();
            minutes.dedup();
            prop_assert_eq!(published.iter().map(|one| one.key.bucket_ms).collect::<Vec<_>>(), minutes);
            for StoredPoint { key, point } in published {
                let mine: Vec<_> = rows.iter().filter(|row| minute_of(row) == key.bucket_ms).collect();
                let pairs: Vec<(f64, f64)> = mine.iter().map(|row| (row.2, 1.0)).collect();
                let events = mine.iter().map(|row| crate::point::tests::event(row.0, row.1)).collect();
                let expected = Point::with_events(Distribution::values(&pairs).unwrap(), events);
                prop_assert_eq!(point, expected);
            }
        }
    }
}
