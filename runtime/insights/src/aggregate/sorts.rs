//! `sortsFirst(f)` and `sortsLast(f)`: the value that `sort f` would put first or last.

use std::cmp::Ordering;

use super::{Moment, State, untimed, usable};
use crate::value::compare::natural_order;
use crate::value::{Cell, Value};

struct Sorted<const LAST: bool>(Value);

impl<const LAST: bool> Default for Sorted<LAST> {
    fn default() -> Self {
        Sorted(Value::Null)
    }
}

impl<const LAST: bool> Sorted<LAST> {
    fn offer(&mut self, cell: Cell<'_>) -> usize {
        let better = if LAST { Ordering::Greater } else { Ordering::Less };
        let held = self.0.cell();
        if !usable(cell) || !(held.is_null() || natural_order(cell, held) == better) {
            return 0;
        }
        let before = self.0.bytes();
        self.0 = cell.to_value();
        self.0.bytes().saturating_sub(before)
    }
}

macro_rules! sorted {
    ($name:ident, $last:literal) => {
        #[derive(Default)]
        pub(super) struct $name(Sorted<$last>);

        impl State for $name {
            fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
                self.0.offer(cell)
            }

            fn merge(&mut self, other: $name) {
                self.0.offer(other.0.0.cell());
            }

            fn finish(self, _parameter: f64) -> Value {
                untimed(self.0.0)
            }

            fn heap(&self) -> usize {
                self.0.0.bytes() - size_of::<Value>()
            }
        }
    };
}

sorted!(First, false);
sorted!(Last, true);
