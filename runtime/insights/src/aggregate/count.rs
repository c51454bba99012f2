//! `count(*)`, `count()`, `count(f)`: rows, or rows where the field is there.

use super::{Moment, State};
use crate::value::{Cell, Value};

#[derive(Default)]
pub(super) struct Count(i64);

impl State for Count {
    fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
        self.0 += i64::from(!cell.is_null());
        0
    }

    fn merge(&mut self, other: Count) {
        self.0 += other.0;
    }

    fn finish(self, _parameter: f64) -> Value {
        Value::Int(self.0)
    }
}
