//! Owns how long points are kept and what becomes of them: a plan, as a pure function. Refuses to carry it out.
//!
//! Under 60 s: 3 hours; 60 s: 15 days; 5 minutes: 63 days; 1 hour: 455 days. A point that reaches the end of its
//! time is joined into the next coarser tier, from the last one it is dropped.

use crate::point::{PointKey, StoredPoint, Tier};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How long a tier keeps its points.
pub fn kept_ms(tier: Tier) -> i64 {
    match tier {
        Tier::Second => 3 * HOUR_MS,
        Tier::Minute => 15 * DAY_MS,
        Tier::FiveMinutes => 63 * DAY_MS,
        Tier::Hour => 455 * DAY_MS,
    }
}

fn coarser(tier: Tier) -> Option<Tier> {
    match tier {
        Tier::Second => Some(Tier::Minute),
        Tier::Minute => Some(Tier::FiveMinutes),
        Tier::FiveMinutes => Some(Tier::Hour),
        Tier::Hour => None,
    }
}

/// Has the bucket of width `tier` that starts at `bucket_ms` been kept long enough in the tier `kept`?
fn is_over(kept: Tier, bucket_ms: i64, tier: Tier, now_ms: i64) -> bool {
    bucket_ms + tier.width_ms() <= now_ms - kept_ms(kept)
}

/// The tier a datum of this resolution and time is written to: the finest that still keeps it, so that late
/// data join what was rolled up before them.
pub fn tier_at(resolution: Tier, timestamp_ms: i64, now_ms: i64) -> Tier {
    let mut tier = resolution;
    while let Some(next) = coarser(tier) {
        if !is_over(tier, next.bucket_ms(timestamp_ms), next, now_ms) {
            break;
        }
        tier = next;
    }
    tier
}

/// One bucket to make out of finer ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollup {
    /// The joined point, to be merged into what stands there already.
    pub into: StoredPoint,
    /// The points it is made of, to be deleted in the same transaction.
    pub from: Vec<PointKey>,
}

/// What to do with the points of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Joins, by rising bucket.
    pub rollups: Vec<Rollup>,
    /// Points past every tier.
    pub drops: Vec<PointKey>,
}

impl Plan {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.rollups.is_empty() && self.drops.is_empty()
    }
}

/// The plan for these points of one series. A coarse bucket is made only when all of it is due, so a bucket is
/// never split between tiers by the sweep; each point climbs one tier a sweep.
pub fn plan(points: &[StoredPoint], now_ms: i64) -> Plan {
    let mut joined: BTreeMap<PointKey, Rollup> = BTreeMap::new();
    let mut drops = Vec::new();
    for stored in points {
        let key = stored.key;
        let Some(next) = coarser(key.tier) else {
            if is_over(key.tier, key.bucket_ms, key.tier, now_ms) {
                drops.push(key);
            }
            continue;
        };
        let into = PointKey { bucket_ms: next.bucket_ms(key.bucket_ms), tier: next, unit: key.unit };
        if !is_over(key.tier, into.bucket_ms, next, now_ms) {
            continue;
        }
        joined
            .entry(into)
            .and_modify(|rollup| {
                rollup.into.point = rollup.into.point.merge(&stored.point);
                rollup.from.push(key);
            })
            .or_insert_with(|| Rollup {
                into: StoredPoint { key: into, point: stored.point.clone() },
                from: vec![key],
            });
    }
    Plan { rollups: joined.into_values().collect(), drops }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::point::Point;
    use crate::unit::Unit;
    use proptest::prelude::*;

    const NOW_MS: i64 = 1_700_006_400_000;

    fn at(tier: Tier, bucket_ms: i64, value: f64) -> StoredPoint {
        let key = PointKey { bucket_ms, tier, unit: Unit::None };
        StoredPoint { key, point: Point::of(Distribution::value(value)) }
    }

    #[test]
    fn joins_what_is_old_and_drops_what_is_ancient() {
        let day = |n: i64| NOW_MS - n * DAY_MS;
        let points = [
            at(Tier::Minute, day(16), 1.0),
            at(Tier::Minute, day(16) + 60_000, 2.0),
            at(Tier::Minute, day(1), 4.0),
            at(Tier::Second, NOW_MS - 4 * HOUR_MS, 8.0),
            at(Tier::Second, NOW_MS - 2 * HOUR_MS, 16.0),
            at(Tier::Hour, day(456), 32.0),
            at(Tier::Hour, day(400), 64.0),
        ];
        let plan = plan(&points, NOW_MS);
        assert_eq!(plan.drops, [points[5].key]);
        assert_eq!(plan.rollups.len(), 2);
        assert_eq!(plan.rollups[0].into.key.tier, Tier::FiveMinutes);
        assert_eq!(plan.rollups[0].into.point.values.sum, 3.0);
        assert_eq!(plan.rollups[0].from, [points[0].key, points[1].key]);
        assert_eq!(plan.rollups[1].into.key.tier, Tier::Minute);
    }

    #[test]
    fn waits_for_the_whole_coarse_bucket() {
        let edge = NOW_MS - kept_ms(Tier::Second);
        assert!(plan(&[at(Tier::Second, edge - 60_000, 1.0)], NOW_MS).rollups.len() == 1);
        assert!(plan(&[at(Tier::Second, edge - 60_000, 1.0)], NOW_MS - 1).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn keeps_every_value_until_it_is_dropped(ages in proptest::collection::vec(0..470i64 * 24, 1..60)) {
            let mut points: BTreeMap<PointKey, StoredPoint> = BTreeMap::new();
            for age in ages {
                let ms = NOW_MS - age * HOUR_MS;
                let tier = tier_at(Tier::Second, ms, NOW_MS);
                let point = at(tier, tier.bucket_ms(ms), 1.0);
                // A datum is written where the sweep would leave it.
                prop_assert!(plan(std::slice::from_ref(&point), NOW_MS).rollups.is_empty());
                points.entry(point.key).and_modify(|p| p.point = p.point.merge(&point.point)).or_insert(point);
            }
            let all: Vec<_> = points.into_values().collect();
            let later = plan(&all, NOW_MS + 20 * DAY_MS);
            let before: f64 = all.iter().map(|p| p.point.values.count).sum();
            let moved: f64 = later.rollups.iter().map(|r| r.into.point.values.count).sum();
            let gone: Vec<_> = later.rollups.iter().flat_map(|r| &r.from).chain(&later.drops).collect();
            let left: f64 = all.iter().filter(|p| !gone.contains(&&p.key)).map(|p| p.point.values.count).sum();
            let dropped: f64 = all.iter().filter(|p| later.drops.contains(&p.key)).map(|p| p.point.values.count).sum();
            prop_assert_eq!(before, moved + left + dropped);
        }
    }
}
