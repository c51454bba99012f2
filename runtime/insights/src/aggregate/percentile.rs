//! `pct(f, p)` and `median(f)`: exact, with linear interpolation between ranks, up to a bound per
//! group; then a logarithmic histogram within half a percent of the true value.
//! The state depends only on the values seen, never on blocks or merges.

use std::collections::BTreeMap;

use super::feed::each_number;
use super::{Assigned, Moment, State};
use crate::run::vector::Vector;
use crate::value::number::Number;
use crate::value::{Cell, Value};

/// Values a group keeps exactly.
const EXACT: usize = 16_384;
/// Buckets of the histogram grow by 1 %, so a bucket's middle is within 0.5 % of what it holds.
const GROWTH: f64 = 1.01;
/// Bytes of one bucket, roughly.
const BUCKET: usize = 24;

enum Seen {
    Exact(Vec<f64>),
    Histogram(Histogram),
}

#[derive(Default)]
struct Histogram {
    /// Negative, zero and positive values by sign and magnitude.
    buckets: BTreeMap<(i8, i32), u64>,
    count: u64,
    least: f64,
    greatest: f64,
}

pub(super) struct Percentile(Seen);

impl Default for Percentile {
    fn default() -> Self {
        Percentile(Seen::Exact(Vec::new()))
    }
}

impl Histogram {
    #[allow(clippy::cast_possible_truncation)]
    fn add(&mut self, x: f64) {
        if self.count == 0 {
            (self.least, self.greatest) = (x, x);
        }
        self.least = self.least.min(x);
        self.greatest = self.greatest.max(x);
        self.count += 1;
        let magnitude = (x.abs().ln() / GROWTH.ln()).ceil() as i32;
        let bucket = if x == 0.0 {
            (0, 0)
        } else if x > 0.0 {
            (1, magnitude)
        } else {
            // The most negative values come first.
            (-1, -magnitude)
        };
        *self.buckets.entry(bucket).or_default() += 1;
    }

    fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            (self.least, self.greatest) = (other.least, other.greatest);
        }
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.count += other.count;
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn at(&self, fraction: f64) -> f64 {
        let rank = (fraction * (self.count - 1) as f64).round() as u64;
        let mut below = 0;
        for ((sign, magnitude), count) in &self.buckets {
            below += count;
            if below > rank {
                let middle = |m: i32| 2.0 * GROWTH.powi(m) / (1.0 + GROWTH);
                let value = match sign {
                    0 => 0.0,
                    1 => middle(*magnitude),
                    _ => -middle(-*magnitude),
                };
                return value.clamp(self.least, self.greatest);
            }
        }
        self.greatest
    }
}

impl Percentile {
    /// Returns by how many bytes it grew.
    fn add_number(&mut self, n: Number) -> usize {
        self.insert(n.float());
        if matches!(self.0, Seen::Exact(_)) { size_of::<f64>() } else { 0 }
    }

    fn insert(&mut self, x: f64) {
        match &mut self.0 {
            Seen::Histogram(histogram) => histogram.add(x),
            Seen::Exact(list) => {
                list.push(x);
                if list.len() > EXACT {
                    let mut histogram = Histogram::default();
                    list.iter().for_each(|x| histogram.add(*x));
                    self.0 = Seen::Histogram(histogram);
                }
            }
        }
    }
}

impl State for Percentile {
    fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
        cell.number().map_or(0, |n| self.add_number(n))
    }

    fn add_all(states: &mut [Percentile], groups: &Assigned, values: &Vector<'_>) -> usize {
        let mut grown = 0;
        each_number(values, groups, |group, n| grown += states[group].add_number(n));
        grown
    }

    fn merge(&mut self, other: Percentile) {
        match other.0 {
            Seen::Exact(list) => list.into_iter().for_each(|x| self.insert(x)),
            Seen::Histogram(mut theirs) => {
                match &self.0 {
                    Seen::Exact(list) => list.iter().for_each(|x| theirs.add(*x)),
                    Seen::Histogram(ours) => theirs.merge(ours),
                }
                self.0 = Seen::Histogram(theirs);
            }
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn finish(self, parameter: f64) -> Value {
        let fraction = parameter / 100.0;
        let mut list = match self.0 {
            Seen::Histogram(histogram) => return Value::float(histogram.at(fraction)),
            Seen::Exact(list) => list,
        };
        if list.is_empty() {
            return Value::Null;
        }
        list.sort_by(f64::total_cmp);
        let rank = fraction * (list.len() - 1) as f64;
        let below = rank.floor() as usize;
        let above = (below + 1).min(list.len() - 1);
        Value::float(list[below] + (list[above] - list[below]) * rank.fract())
    }

    fn heap(&self) -> usize {
        match &self.0 {
            Seen::Exact(list) => list.len() * size_of::<f64>(),
            Seen::Histogram(histogram) => histogram.buckets.len() * BUCKET,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = f64>) -> Percentile {
        let mut state = Percentile::default();
        for x in values {
            state.add(Cell::Float(x), &Moment::default());
        }
        state
    }

    fn at(state: Percentile, p: f64) -> f64 {
        match state.finish(p) {
            Value::Float(x) => x,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn exact_while_few() {
        assert!((at(of([4.0, 1.0, 3.0, 2.0].into_iter()), 50.0) - 2.5).abs() < 1e-12);
        assert!((at(of((1..=100).map(f64::from)), 99.0) - 99.01).abs() < 1e-9);
        assert_eq!(of(std::iter::empty()).finish(50.0), Value::Null);
    }

    #[test]
    fn close_when_many_and_the_same_by_halves() {
        let value = |n: i32| f64::from(n - 20_000) / 7.0;
        for p in [0.0, 1.0, 25.0, 50.0, 90.0, 99.9, 100.0] {
            let whole = at(of((0..50_000).map(value)), p);
            let exact = value(0) + (value(49_999) - value(0)) * p / 100.0;
            assert!((whole - exact).abs() <= exact.abs() * 0.006 + 0.2, "{p}: {whole} for {exact}");
            let mut half = of((0..10_000).map(value));
            half.merge(of((10_000..50_000).map(value)));
            assert!((at(half, p) - whole).abs() < 1e-9);
        }
    }
}
