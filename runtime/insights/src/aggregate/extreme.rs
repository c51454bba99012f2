//! `min(f)` and `max(f)`: over the numbers if there are any, else over the texts by bytes.

use std::cmp::Ordering;

use super::{Assigned, Moment, State, usable};
use crate::run::vector::Vector;
use crate::value::{Cell, Value};

/// The value furthest in one direction.
struct Extreme<const GREATEST: bool>(Value);

impl<const GREATEST: bool> Default for Extreme<GREATEST> {
    fn default() -> Self {
        Extreme(Value::Null)
    }
}

impl<const GREATEST: bool> Extreme<GREATEST> {
    fn beats(&self, cell: Cell<'_>) -> bool {
        let held = self.0.cell();
        let order = match (cell.number(), held.number()) {
            _ if held.is_null() => return true,
            (Some(a), Some(b)) => a.compare(b),
            (Some(_), None) => return true,
            (None, Some(_)) => return false,
            (None, None) => match (cell, held) {
                (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
                _ => Ordering::Equal,
            },
        };
        order == if GREATEST { Ordering::Greater } else { Ordering::Less }
    }

    fn offer(&mut self, cell: Cell<'_>) -> usize {
        if !usable(cell) || !self.beats(cell) {
            return 0;
        }
        let before = self.0.bytes();
        self.0 = cell.to_value();
        self.0.bytes().saturating_sub(before)
    }
}

fn wins<const GREATEST: bool, T: PartialOrd>(a: &T, b: &T) -> bool {
    if GREATEST { a > b } else { a < b }
}

macro_rules! extreme {
    ($name:ident, $greatest:literal) => {
        #[derive(Default)]
        pub(super) struct $name(Extreme<$greatest>);

        impl State for $name {
            fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
                self.0.offer(cell)
            }

            fn add_all(states: &mut [$name], groups: &Assigned, values: &Vector<'_>) -> usize {
                let mut grown = 0;
                // Most values lose against one of their own kind: that needs one comparison.
                match values {
                    Vector::Ints(list) => groups.each(|row, group| {
                        let held = &mut states[group].0;
                        if !matches!(held.0, Value::Int(n) if !wins::<$greatest, _>(&list[row], &n)) {
                            grown += held.offer(Cell::Int(list[row]));
                        }
                    }),
                    Vector::Floats(list) => groups.each(|row, group| {
                        let held = &mut states[group].0;
                        if !matches!(held.0, Value::Float(x) if !wins::<$greatest, _>(&list[row], &x)) {
                            grown += held.offer(Cell::Float(list[row]));
                        }
                    }),
                    values => groups.each(|row, group| grown += states[group].0.offer(values.get(row))),
                }
                grown
            }

            fn merge(&mut self, other: $name) {
                self.0.offer(other.0.0.cell());
            }

            fn finish(self, _parameter: f64) -> Value {
                // A number in whatever spelling, so that the result does not depend on block order.
                self.0.0.cell().number().map_or(self.0.0, Value::from)
            }

            fn heap(&self) -> usize {
                self.0.0.bytes() - size_of::<Value>()
            }
        }
    };
}

extreme!(Least, false);
extreme!(Greatest, true);
