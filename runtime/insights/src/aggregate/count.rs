//! `count(*)`, `count()`, `count(f)`: rows, or rows where the field is there.

use super::{Assigned, Moment, State};
use crate::run::vector::Vector;
use crate::value::{Cell, Value};

#[derive(Default)]
pub(super) struct Count(i64);

impl State for Count {
    fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
        self.0 += i64::from(!cell.is_null());
        0
    }

    fn add_all(states: &mut [Count], groups: &Assigned, values: &Vector<'_>) -> usize {
        let there = match values {
            Vector::Constant(Value::Null) => return 0,
            Vector::Dictionary { values, .. } => !values.contains(&Value::Null),
            Vector::Texts(_) | Vector::Sparse(..) | Vector::Lent(_) | Vector::Values(_) => false,
            Vector::Constant(_)
            | Vector::Ints(_)
            | Vector::Floats(_)
            | Vector::Times(_)
            | Vector::Bools(_)
            | Vector::Digits(_) => true,
        };
        match groups {
            Assigned::One { group, rows } if there => {
                states[*group as usize].0 += i64::try_from(*rows).unwrap_or(i64::MAX);
            }
            groups if there => groups.each(|_, group| states[group].0 += 1),
            groups => groups.each(|row, group| states[group].0 += i64::from(!values.get(row).is_null())),
        }
        0
    }

    fn merge(&mut self, other: Count) {
        self.0 += other.0;
    }

    fn finish(self, _parameter: f64) -> Value {
        Value::Int(self.0)
    }
}
