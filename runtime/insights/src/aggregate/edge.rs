//! `earliest(f)` and `latest(f)`: the field's value in the first or last event that has it.

use super::{Moment, State, untimed, usable};
use crate::value::{Cell, Value};

struct Edge<const LATEST: bool>(Option<(Moment, Value)>);

impl<const LATEST: bool> Default for Edge<LATEST> {
    fn default() -> Self {
        Edge(None)
    }
}

impl<const LATEST: bool> Edge<LATEST> {
    fn wants(&self, at: &Moment) -> bool {
        match &self.0 {
            None => true,
            Some((held, _)) if LATEST => held.is_before(at),
            Some((held, _)) => at.is_before(held),
        }
    }

    fn offer(&mut self, cell: Cell<'_>, at: &Moment) -> usize {
        if !usable(cell) || !self.wants(at) {
            return 0;
        }
        let before = self.heap();
        self.0 = Some((*at, cell.to_value()));
        self.heap().saturating_sub(before)
    }

    fn heap(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, value)| value.bytes() - size_of::<Value>())
    }
}

macro_rules! edge {
    ($name:ident, $latest:literal) => {
        #[derive(Default)]
        pub(super) struct $name(Edge<$latest>);

        impl State for $name {
            fn add(&mut self, cell: Cell<'_>, at: &Moment) -> usize {
                self.0.offer(cell, at)
            }

            fn merge(&mut self, other: $name) {
                if let Some((at, value)) = other.0.0 {
                    self.0.offer(value.cell(), &at);
                }
            }

            fn finish(self, _parameter: f64) -> Value {
                self.0.0.map_or(Value::Null, |(_, value)| untimed(value))
            }

            fn heap(&self) -> usize {
                self.0.heap()
            }
        }
    };
}

edge!(Earliest, false);
edge!(Latest, true);
