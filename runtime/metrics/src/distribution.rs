//! Owns what is kept of the values of one period: count, sum, minimum and maximum exactly, and the values
//! themselves as far as they are known. Refuses to know time, units and which statistic is wanted.

use crate::sketch::Sketch;
use serde::{Deserialize, Serialize};

/// Up to this many distinct values are kept exactly, as many as one datum may carry.
pub const EXACT_MAX: usize = 150;

/// The values of a period. There is at least one: a distribution of nothing is the absence of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// SampleCount. A fraction where Counts held fractions.
    pub count: f64,
    /// Sum of the values.
    pub sum: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    pub(crate) samples: Samples,
}

/// How much is known of the values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Samples {
    /// All of them: distinct values with counts, by rising value.
    Exact(Vec<(f64, f64)>),
    /// Their buckets.
    Sketch(Sketch),
    /// Nothing but the four numbers: a statistic set of unequal values came in.
    Opaque,
}

impl Distribution {
    /// One value, once.
    pub fn value(value: f64) -> Distribution {
        Distribution {
            count: 1.0,
            sum: value,
            min: value,
            max: value,
            samples: Samples::Exact(vec![(value, 1.0)]),
        }
    }

    /// Values with counts; counts of zero and less are left out. `None` if nothing remains.
    pub fn values(values: &[(f64, f64)]) -> Option<Distribution> {
        let exact = gather(values.iter().copied().filter(|(_, count)| *count > 0.0).collect());
        let (min, max) = (exact.first()?.0, exact.last()?.0);
        let count = exact.iter().map(|(_, c)| c).sum();
        let sum = exact.iter().map(|(v, c)| v * c).sum();
        Some(Distribution { count, sum, min, max, samples: exact_or_sketch(exact) })
    }

    /// A statistic set. Its values are known only if there was one, or all were equal (CloudWatch's rule).
    pub fn statistic_set(count: f64, sum: f64, min: f64, max: f64) -> Distribution {
        let known = count == 1.0 || min == max;
        let samples = if known { Samples::Exact(vec![(min, count)]) } else { Samples::Opaque };
        Distribution { count, sum, min, max, samples }
    }

    /// Both together.
    pub fn merge(&self, other: &Distribution) -> Distribution {
        let samples = match (&self.samples, &other.samples) {
            (Samples::Opaque, _) | (_, Samples::Opaque) => Samples::Opaque,
            (Samples::Exact(a), Samples::Exact(b)) => exact_or_sketch(gather([&a[..], &b[..]].concat())),
            (a, b) => Samples::Sketch(a.sketch().merge(&b.sketch())),
        };
        Distribution {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            samples,
        }
    }

    /// Are the values known, so that percentiles and the like can be computed?
    pub fn has_values(&self) -> bool {
        self.samples != Samples::Opaque
    }

    /// The values with their counts by rising value: exact up to [`EXACT_MAX`] distinct ones, else one per
    /// bucket. `None` when they are not known.
    pub fn weighted(&self) -> Option<Vec<(f64, f64)>> {
        match &self.samples {
            Samples::Exact(values) => Some(values.clone()),
            Samples::Sketch(sketch) => Some(sketch.values(self.min, self.max)),
            Samples::Opaque => None,
        }
    }

    /// The relative error of [`Distribution::weighted`]: 0 while exact.
    pub fn relative_error(&self) -> f64 {
        match &self.samples {
            Samples::Sketch(sketch) => sketch.relative_error(),
            Samples::Exact(_) | Samples::Opaque => 0.0,
        }
    }
}

impl Samples {
    fn sketch(&self) -> Sketch {
        match self {
            Samples::Exact(values) => Sketch::of(values),
            Samples::Sketch(sketch) => sketch.clone(),
            Samples::Opaque => Sketch::default(),
        }
    }
}

fn exact_or_sketch(exact: Vec<(f64, f64)>) -> Samples {
    if exact.len() > EXACT_MAX { Samples::Sketch(Sketch::of(&exact)) } else { Samples::Exact(exact) }
}

fn gather(mut values: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    // What is equal in both is the same.
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut gathered: Vec<(f64, f64)> = Vec::with_capacity(values.len());
    for (value, count) in values {
        match gathered.last_mut() {
            Some(last) if last.0 == value => last.1 += count,
            _ => gathered.push((value, count)),
        }
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exact_until_151_distinct_values() {
        let values: Vec<_> = (0..150).map(|i| (f64::from(i), 2.0)).collect();
        let mut d = Distribution::values(&values).unwrap();
        assert_eq!(d.weighted().unwrap(), values);
        d = d.merge(&Distribution::value(7.0));
        assert_eq!((d.weighted().unwrap()[7], d.relative_error()), ((7.0, 3.0), 0.0));
        d = d.merge(&Distribution::value(150.0));
        assert!(d.relative_error() > 0.0);
        assert_eq!((d.count, d.sum, d.min, d.max), (302.0, 2.0 * 11_175.0 + 157.0, 0.0, 150.0));
    }

    #[test]
    fn statistic_sets_hide_their_values_unless_these_are_plain() {
        assert!(Distribution::statistic_set(1.0, 5.0, 5.0, 5.0).has_values());
        assert!(Distribution::statistic_set(4.0, 20.0, 5.0, 5.0).has_values());
        let opaque = Distribution::statistic_set(4.0, 20.0, 2.0, 9.0);
        assert!(!opaque.has_values());
        assert!(!opaque.merge(&Distribution::value(1.0)).has_values());
        assert_eq!(opaque.merge(&Distribution::value(1.0)).min, 1.0);
    }

    #[test]
    fn nothing_is_no_distribution() {
        assert_eq!(Distribution::values(&[]), None);
        assert_eq!(Distribution::values(&[(1.0, 0.0)]), None);
    }

    fn some() -> impl Strategy<Value = Distribution> {
        // Whole numbers, so that sums do not depend on the order of additions.
        let value = (-500..500i32).prop_map(f64::from);
        prop_oneof![
            8 => proptest::collection::vec((value.clone(), (1..4i32).prop_map(f64::from)), 1..120)
                .prop_map(|v| Distribution::values(&v).unwrap()),
            1 => (value, 1..9i32).prop_map(|(v, n)| Distribution::statistic_set(f64::from(n), v, v - 1.0, v + 1.0)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(48)))]
        #[test]
        fn merge_laws(a in some(), b in some(), c in some()) {
            prop_assert_eq!(a.merge(&b), b.merge(&a));
            prop_assert_eq!(a.merge(&b).merge(&c), a.merge(&b.merge(&c)));
            let text = serde_json::to_string(&a.merge(&b)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Distribution>(&text).unwrap(), a.merge(&b));
        }

        #[test]
        fn counts_are_kept(a in some(), b in some()) {
            let both = a.merge(&b);
            prop_assert_eq!(both.count, a.count + b.count);
            if let Some(values) = both.weighted() {
                prop_assert_eq!(values.iter().map(|(_, c)| c).sum::<f64>(), both.count);
                prop_assert!(values.iter().all(|(v, _)| (both.min..=both.max).contains(v)));
            }
        }
    }
}
