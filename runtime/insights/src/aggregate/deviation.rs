//! `stddev(f)` and `variance(f)` of the population of numbers; absent when there is none.

use super::feed::each_number;
use super::{Assigned, Moment, State};
use crate::run::vector::Vector;
use crate::value::number::Number;
use crate::value::{Cell, Value};

/// Larger whole numbers are treated as floats. Times in milliseconds are well below.
const EXACT: i64 = 1 << 45;

/// Whole numbers are summed exactly, so that the order of blocks does not show; others keep count,
/// mean and sum of squared distances from it.
#[derive(Default)]
struct Spread {
    whole: Whole,
    others: Moments,
}

#[derive(Default)]
struct Whole {
    count: i128,
    sum: i128,
    squares: i128,
}

#[derive(Default, Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Whole {
    #[allow(clippy::cast_precision_loss)]
    fn moments(&self) -> Moments {
        if self.count == 0 {
            return Moments::default();
        }
        let count = self.count as f64;
        // Squared distances from the whole number below the mean: exact, for what overflows on the way
        // comes back. Then from the mean itself.
        let near = self.sum.div_euclid(self.count);
        let rest = self.sum - near * self.count;
        let around = self
            .squares
            .wrapping_sub(near.wrapping_mul(self.sum).wrapping_mul(2))
            .wrapping_add(near.wrapping_mul(near).wrapping_mul(self.count));
        let squares = around as f64 - rest as f64 * (rest as f64 / count);
        Moments { count, mean: self.sum as f64 / count, squares }
    }
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let from_old = x - self.mean;
        self.mean += from_old / self.count;
        self.squares += from_old * (x - self.mean);
    }

    fn merge(&mut self, other: Moments) {
        if other.count == 0.0 {
            return;
        }
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        self.squares += other.squares + apart * apart * self.count * other.count / count;
        self.mean += apart * other.count / count;
        self.count = count;
    }
}

impl Spread {
    fn add(&mut self, n: Number) {
        match n {
            Number::Int(n) if n.abs_diff(0) <= EXACT.unsigned_abs() => {
                self.whole.count += 1;
                self.whole.sum += i128::from(n);
                self.whole.squares = self.whole.squares.wrapping_add(i128::from(n) * i128::from(n));
            }
            n => self.others.add(n.float()),
        }
    }

    fn merge(&mut self, other: &Spread) {
        self.whole.count += other.whole.count;
        self.whole.sum += other.whole.sum;
        self.whole.squares = self.whole.squares.wrapping_add(other.whole.squares);
        self.others.merge(other.others);
    }

    fn variance(&self) -> Option<f64> {
        let mut all = self.whole.moments();
        all.merge(self.others);
        (all.count > 0.0).then(|| all.squares / all.count)
    }
}

macro_rules! spread {
    ($name:ident, $result:expr) => {
        #[derive(Default)]
        pub(super) struct $name(Spread);

        impl State for $name {
            fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
                if let Some(n) = cell.number() {
                    self.0.add(n);
                }
                0
            }

            fn add_all(states: &mut [$name], groups: &Assigned, values: &Vector<'_>) -> usize {
                each_number(values, groups, |group, n| states[group].0.add(n));
                0
            }

            fn merge(&mut self, other: $name) {
                self.0.merge(&other.0);
            }

            fn finish(self, _parameter: f64) -> Value {
                self.0.variance().map($result).map_or(Value::Null, Value::float)
            }
        }
    };
}

spread!(Deviation, f64::sqrt);
spread!(Variance, |variance: f64| variance);
