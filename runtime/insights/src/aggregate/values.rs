//! `values(f)`: the distinct values, in natural order, as a list.

use std::collections::BTreeSet;

use super::{Moment, State, usable};
use crate::value::compare::natural_order;
use crate::value::{Cell, Value};

/// The group's share of the memory bound is the only limit.
#[derive(Default)]
pub(super) struct Values {
    texts: BTreeSet<Box<str>>,
    heap: usize,
}

/// One entry of the set, roughly.
const ENTRY: usize = 48;

impl State for Values {
    fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
        let Some(text) = cell.print().filter(|_| usable(cell)) else {
            return 0;
        };
        let bytes = text.len() + ENTRY;
        if !self.texts.insert(text.into_boxed_str()) {
            return 0;
        }
        self.heap += bytes;
        bytes
    }

    fn merge(&mut self, other: Values) {
        for text in other.texts {
            let bytes = text.len() + ENTRY;
            if self.texts.insert(text) {
                self.heap += bytes;
            }
        }
    }

    fn finish(self, _parameter: f64) -> Value {
        let mut list: Vec<Value> = self.texts.into_iter().map(Value::text).collect();
        if list.is_empty() {
            return Value::Null;
        }
        list.sort_by(|a, b| natural_order(a.cell(), b.cell()));
        Value::List(list.into())
    }

    fn heap(&self) -> usize {
        self.heap
    }
}
