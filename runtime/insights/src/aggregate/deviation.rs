//! `stddev(f)` and `variance(f)` of the population of numbers; absent when there is none.

use super::{Moment, State};
use crate::value::{Cell, Value};

/// Count, mean and sum of squared distances from it.
#[derive(Default, Clone, Copy)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let from_old = x - self.mean;
        self.mean += from_old / self.count;
        self.squares += from_old * (x - self.mean);
    }

    fn merge(&mut self, other: Spread) {
        if other.count == 0.0 {
            return;
        }
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        self.squares += other.squares + apart * apart * self.count * other.count / count;
        self.mean += apart * other.count / count;
        self.count = count;
    }

    fn variance(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.squares / self.count)
    }
}

macro_rules! spread {
    ($name:ident, $result:expr) => {
        #[derive(Default)]
        pub(super) struct $name(Spread);

        impl State for $name {
            fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
                if let Some(n) = cell.number() {
                    self.0.add(n.float());
                }
                0
            }

            fn merge(&mut self, other: $name) {
                self.0.merge(other.0);
            }

            fn finish(self, _parameter: f64) -> Value {
                self.0.variance().map($result).map_or(Value::Null, Value::float)
            }
        }
    };
}

spread!(Deviation, f64::sqrt);
spread!(Variance, |variance: f64| variance);
