//! `sum(f)` and `avg(f)` of the values that are numbers; absent when there is none.

use super::feed::each_number;
use super::{Assigned, Moment, State};
use crate::run::vector::Vector;
use crate::value::number::Number;
use crate::value::{Cell, Value};

/// Whole numbers are added exactly, others with compensation, so that the order of blocks shows
/// as little as floating point allows.
#[derive(Default)]
pub(super) struct Sum {
    count: u64,
    whole: i128,
    fraction: f64,
    lost: f64,
}

impl Sum {
    fn add_number(&mut self, n: Number) {
        match n {
            Number::Int(n) => self.whole += i128::from(n),
            Number::Float(x) => self.add_float(x),
        }
        self.count += 1;
    }

    fn add_float(&mut self, x: f64) {
        let sum = self.fraction + x;
        self.lost += if self.fraction.abs() >= x.abs() {
            (self.fraction - sum) + x
        } else {
            (x - sum) + self.fraction
        };
        self.fraction = sum;
    }

    #[allow(clippy::cast_precision_loss)]
    fn float(&self) -> f64 {
        self.whole as f64 + (self.fraction + self.lost)
    }

    fn has_fraction(&self) -> bool {
        self.fraction != 0.0 || self.lost != 0.0
    }
}

impl State for Sum {
    fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
        cell.number().into_iter().for_each(|n| self.add_number(n));
        0
    }

    fn add_all(states: &mut [Sum], groups: &Assigned, values: &Vector<'_>) -> usize {
        each_number(values, groups, |group, n| states[group].add_number(n));
        0
    }

    fn merge(&mut self, other: Sum) {
        self.count += other.count;
        self.whole += other.whole;
        self.add_float(other.fraction);
        self.add_float(other.lost);
    }

    fn finish(self, _parameter: f64) -> Value {
        match i64::try_from(self.whole) {
            _ if self.count == 0 => Value::Null,
            Ok(whole) if !self.has_fraction() => Value::Int(whole),
            _ => Value::float(self.float()),
        }
    }
}

#[derive(Default)]
pub(super) struct Average(Sum);

impl State for Average {
    fn add(&mut self, cell: Cell<'_>, at: &Moment) -> usize {
        self.0.add(cell, at)
    }

    fn add_all(states: &mut [Average], groups: &Assigned, values: &Vector<'_>) -> usize {
        each_number(values, groups, |group, n| states[group].0.add_number(n));
        0
    }

    fn merge(&mut self, other: Average) {
        self.0.merge(other.0);
    }

    #[allow(clippy::cast_precision_loss)]
    fn finish(self, _parameter: f64) -> Value {
        if self.0.count == 0 { Value::Null } else { Value::float(self.0.float() / self.0.count as f64) }
    }
}
