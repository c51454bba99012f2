//! Owns the mergeable quantile sketch that replaces exact values beyond 150 distinct ones. Refuses to know
//! statistics: it lends values with counts, as the exact form does.
//!
//! Log buckets: at level 0, bucket `i` holds the magnitudes in `(g^(i-1), g^i]` with
//! `g = (1 + e) / (1 - e)`, `e` = [`RELATIVE_ERROR`]. When more than [`BUCKETS_MAX`] buckets are in use, every
//! two neighbours become one and the level rises by one: `g` is squared, the error about doubles. The level is
//! the smallest at which the buckets of *all* values fit, so it depends on the values alone: merging is
//! associative and commutative, in buckets and level exactly, in counts up to the rounding of additions.

use serde::{Deserialize, Serialize};

/// A value read from a level-0 sketch is within this fraction of the true one. 1,024 buckets at level 0 span
/// a factor of 28,000 without gaps; level 1 (error 1 %) spans 8 * 10^8.
pub const RELATIVE_ERROR: f64 = 0.005;

/// The most buckets in use, negative and positive together.
pub const BUCKETS_MAX: usize = 1024;

/// Magnitudes below 2^-360 count as zero.
const SMALLEST: f64 = 4.257_959_840_008_151e-109;

/// Values by magnitude bucket. Counts may be fractions, as PutMetricData allows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    /// How often neighbours were joined.
    pub(crate) level: u8,
    /// Count of zeros.
    pub(crate) zero: f64,
    /// Bucket index and count, by rising index.
    pub(crate) positive: Vec<(i32, f64)>,
    /// The same for magnitudes of negative values.
    pub(crate) negative: Vec<(i32, f64)>,
}

impl Sketch {
    /// The sketch of these values and counts.
    pub fn of(values: &[(f64, f64)]) -> Sketch {
        let mut sketch = Sketch::default();
        let (mut positive, mut negative) = (Vec::new(), Vec::new());
        for &(value, count) in values {
            if value.abs() < SMALLEST {
                sketch.zero += count;
            } else if value > 0.0 {
                positive.push((index(value), count));
            } else {
                negative.push((index(-value), count));
            }
        }
        sketch.positive = gather(positive);
        sketch.negative = gather(negative);
        sketch.fit();
        sketch
    }

    /// The sketch of both.
    pub fn merge(&self, other: &Sketch) -> Sketch {
        let level = self.level.max(other.level);
        let join = |a: &[(i32, f64)], b: &[(i32, f64)]| {
            let mut all: Vec<_> = a.iter().map(|&(i, c)| (raise(i, level - self.level), c)).collect();
            all.extend(b.iter().map(|&(i, c)| (raise(i, level - other.level), c)));
            gather(all)
        };
        let mut merged = Sketch {
            level,
            zero: self.zero + other.zero,
            positive: join(&self.positive, &other.positive),
            negative: join(&self.negative, &other.negative),
        };
        merged.fit();
        merged
    }

    /// The bound on the relative error of a value read from this sketch.
    pub fn relative_error(&self) -> f64 {
        let base = self.base();
        (base - 1.0) / (base + 1.0)
    }

    /// How many buckets are in use.
    pub fn buckets(&self) -> usize {
        self.positive.len() + self.negative.len() + usize::from(self.zero > 0.0)
    }

    /// One value per bucket with its count, by rising value, held within `min..=max`.
    pub fn values(&self, min: f64, max: f64) -> Vec<(f64, f64)> {
        let base = self.base();
        let magnitude = |i: i32| 2.0 * base.powi(i) / (base + 1.0);
        let negative = self.negative.iter().rev().map(|&(i, c)| (-magnitude(i), c));
        let zero = (self.zero > 0.0).then_some((0.0, self.zero));
        let positive = self.positive.iter().map(|&(i, c)| (magnitude(i), c));
        negative.chain(zero).chain(positive).map(|(v, c)| (v.clamp(min, max), c)).collect()
    }

    fn base(&self) -> f64 {
        base().powf(f64::from(1u32 << self.level))
    }

    fn fit(&mut self) {
        while self.positive.len() + self.negative.len() > BUCKETS_MAX {
            self.level += 1;
            for side in [&mut self.positive, &mut self.negative] {
                let raised = side.iter().map(|&(i, c)| (raise(i, 1), c)).collect();
                *side = gather(raised);
            }
        }
    }
}

fn base() -> f64 {
    (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
}

fn index(magnitude: f64) -> i32 {
    (magnitude.ln() / base().ln()).ceil() as i32
}

/// The bucket of a bucket after `levels` joinings.
fn raise(index: i32, levels: u8) -> i32 {
    (0..levels).fold(index, |i, _| (i + 1).div_euclid(2))
}

fn gather(mut buckets: Vec<(i32, f64)>) -> Vec<(i32, f64)> {
    // Also by count: the order of additions, and with it their rounding, must not depend on who came first.
    buckets.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut gathered: Vec<(i32, f64)> = Vec::with_capacity(buckets.len());
    for (index, count) in buckets {
        match gathered.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => gathered.push((index, count)),
        }
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stays_within_its_error_and_its_size() {
        let few: Vec<_> = (1..=20_000).map(|i| (f64::from(i), 1.0)).collect();
        let sketch = Sketch::of(&few);
        assert_eq!(sketch.level, 0);
        assert!(sketch.relative_error() <= RELATIVE_ERROR + 1e-12);
        let wide: Vec<_> = (0..4000).map(|i| (1.07f64.powi(i % 2000), 1.0)).collect();
        let sketch = Sketch::of(&wide);
        assert!(sketch.level > 0 && sketch.buckets() <= BUCKETS_MAX);
        let error = sketch.relative_error();
        let seen = sketch.values(0.0, f64::MAX);
        for (value, _) in wide {
            let near = seen.iter().any(|(v, _)| (v - value).abs() <= value * error * 1.000_001);
            assert!(near, "{value} has no bucket within {error}");
        }
    }

    #[test]
    fn keeps_signs_zeros_and_extremes() {
        let sketch = Sketch::of(&[(-5.0, 1.0), (0.0, 2.0), (1e-300, 1.0), (5.0, 0.5), (2f64.powi(360), 1.0)]);
        let values = sketch.values(-5.0, 2f64.powi(360));
        let counts: Vec<f64> = values.iter().map(|(_, c)| *c).collect();
        assert_eq!(counts, [1.0, 3.0, 0.5, 1.0]);
        assert!(values.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn smallest_is_two_to_the_minus_360() {
        assert_eq!(SMALLEST, 2f64.powi(-360));
    }

    fn values() -> impl Strategy<Value = Vec<(f64, f64)>> {
        let value = prop_oneof![-1e6..1e6f64, Just(0.0), (-200..200i32).prop_map(|e| 2f64.powi(e))];
        proptest::collection::vec((value, (1..5u32).prop_map(f64::from)), 0..800)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(16)))]
        #[test]
        fn merging_is_sketching_the_union(a in values(), b in values(), c in values()) {
            let all: Vec<_> = [a.clone(), b.clone(), c.clone()].concat();
            let (a, b, c) = (Sketch::of(&a), Sketch::of(&b), Sketch::of(&c));
            prop_assert_eq!(a.merge(&b), b.merge(&a));
            let left = a.merge(&b).merge(&c);
            prop_assert_eq!(&left, &a.merge(&b.merge(&c)));
            prop_assert_eq!(&left, &Sketch::of(&all));
            let back: Sketch = serde_json::from_str(&serde_json::to_string(&left).unwrap()).unwrap();
            prop_assert_eq!(back, left);
        }
    }
}
