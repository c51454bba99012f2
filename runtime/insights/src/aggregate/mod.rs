//! The aggregates of `stats`, one per file, and their table. Each keeps one small state per group,
//! adds a batch at a time, and merges with states from other blocks and threads.
//! Knows no group key and no text.

mod count;
mod count_distinct;
mod deviation;
mod edge;
mod extreme;
mod feed;
mod hash;
mod percentile;
mod sorts;
mod sum;
mod values;

use std::any::Any;

pub(crate) use feed::Assigned;

use crate::run::rank::Tie;
use crate::run::vector::Vector;
use crate::value::{Cell, Value};

/// When an event happened, for earliest and latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moment {
    pub(crate) time: i64,
    pub(crate) tie: Tie,
}

impl Moment {
    /// Earlier in time, or earlier in arrival at the same time.
    fn is_before(&self, other: &Moment) -> bool {
        self.time.cmp(&other.time).then_with(|| self.tie.age(&other.tie)).is_lt()
    }
}

/// The state of one aggregate in one group.
pub(crate) trait State: Default + Send + 'static {
    /// Takes one value in; returns by how many bytes of heap the state grew.
    fn add(&mut self, cell: Cell<'_>, at: &Moment) -> usize;

    /// Takes a batch in, as `add` would row by row; returns by how many bytes of heap the states grew.
    /// `values` is not sparse. Here go the loops over typed values.
    fn add_all(states: &mut [Self], groups: &Assigned, values: &Vector<'_>) -> usize {
        let now = Moment::default();
        let mut grown = 0;
        groups.each(|row, group| grown += states[group].add(values.get(row), &now));
        grown
    }

    /// Takes in what another state has seen.
    fn merge(&mut self, other: Self);

    /// The result. `parameter` is the constant argument, if the aggregate has one.
    fn finish(self, parameter: f64) -> Value;

    /// Bytes of heap held.
    fn heap(&self) -> usize {
        0
    }
}

/// The states of one aggregate for all groups.
pub(crate) trait Accumulator: Send {
    /// Takes in the rows of a batch for their groups, all below `count`; `values` is None for an
    /// aggregate without field.
    fn add(
        &mut self,
        groups: &Assigned,
        count: usize,
        values: Option<&Vector<'_>>,
        moments: Option<&[Moment]>,
    );

    /// Group `i` of `other` is group `into[i]` here. False: `other` is another aggregate.
    fn merge(&mut self, other: Box<dyn Accumulator>, into: &[u32]) -> bool;

    /// The results of groups `0..groups`.
    fn finish(self: Box<Self>, groups: usize) -> Vec<Value>;

    /// Bytes held, roughly.
    fn bytes(&self) -> usize;

    /// For [`Accumulator::merge`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

struct Grouped<S> {
    states: Vec<S>,
    parameter: f64,
    heap: usize,
}

impl<S: State> Grouped<S> {
    fn boxed(parameter: f64) -> Box<dyn Accumulator> {
        Box::new(Grouped::<S> { states: Vec::new(), parameter, heap: 0 })
    }

    fn state(&mut self, group: u32) -> &mut S {
        let group = group as usize;
        if group >= self.states.len() {
            self.states.resize_with(group + 1, S::default);
        }
        &mut self.states[group]
    }
}

impl<S: State> Accumulator for Grouped<S> {
    fn add(
        &mut self,
        groups: &Assigned,
        count: usize,
        values: Option<&Vector<'_>>,
        moments: Option<&[Moment]>,
    ) {
        const ROWS: &Vector<'static> = &Vector::Constant(Value::Int(1));
        if count > self.states.len() {
            self.states.resize_with(count, S::default);
        }
        let states = &mut self.states;
        let mut grown = 0;
        match (values.unwrap_or(ROWS), moments) {
            (values, Some(moments)) => {
                groups.each(|row, group| grown += states[group].add(values.get(row), &moments[row]));
            }
            (Vector::Sparse(inner, indexes), None) => {
                let (groups, dense) = feed::present(groups, inner, indexes);
                grown = S::add_all(states, &groups, &dense);
            }
            (values, None) => grown = S::add_all(states, groups, values),
        }
        self.heap += grown;
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, into: &[u32]) -> bool {
        let Ok(other) = other.into_any().downcast::<Grouped<S>>() else {
            return false;
        };
        for (state, group) in other.states.into_iter().zip(into) {
            self.state(*group).merge(state);
        }
        self.heap = self.states.iter().map(State::heap).sum();
        true
    }

    fn finish(self: Box<Self>, groups: usize) -> Vec<Value> {
        let Grouped { mut states, parameter, .. } = *self;
        states.resize_with(groups, S::default);
        states.into_iter().map(|state| state.finish(parameter)).collect()
    }

    fn bytes(&self) -> usize {
        self.heap + self.states.len() * size_of::<S>()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What an aggregate reads besides its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// `f(*)`, `f()` or `f(field)`.
    RowsOrField,
    /// `f(field)`
    Field,
    /// `f(field, constant)`
    FieldAndConstant,
}

/// One line of the table.
pub(crate) struct Aggregate {
    /// The documented name first, then other spellings.
    pub(crate) names: &'static [&'static str],
    pub(crate) reads: Reads,
    /// Depends on when the event happened.
    pub(crate) timed: bool,
    /// The constant argument's range, and its value where the call has none.
    pub(crate) constant: Option<(f64, f64)>,
    /// The value of the constant when it is not written (median).
    pub(crate) fixed: f64,
    pub(crate) open: fn(parameter: f64) -> Box<dyn Accumulator>,
}

const fn plain(names: &'static [&'static str], open: fn(f64) -> Box<dyn Accumulator>) -> Aggregate {
    Aggregate { names, reads: Reads::Field, timed: false, constant: None, fixed: 0.0, open }
}

/// Every aggregate.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    Aggregate { reads: Reads::RowsOrField, ..plain(&["count"], Grouped::<count::Count>::boxed) },
    plain(
        &["count_distinct", "countDistinct", "count_unique"],
        Grouped::<count_distinct::CountDistinct>::boxed,
    ),
    plain(&["sum"], Grouped::<sum::Sum>::boxed),
    plain(&["avg"], Grouped::<sum::Average>::boxed),
    plain(&["min"], Grouped::<extreme::Least>::boxed),
    plain(&["max"], Grouped::<extreme::Greatest>::boxed),
    Aggregate {
        reads: Reads::FieldAndConstant,
        constant: Some((0.0, 100.0)),
        ..plain(&["pct", "percentile"], Grouped::<percentile::Percentile>::boxed)
    },
    Aggregate { fixed: 50.0, ..plain(&["median"], Grouped::<percentile::Percentile>::boxed) },
    plain(&["stddev"], Grouped::<deviation::Deviation>::boxed),
    plain(&["variance"], Grouped::<deviation::Variance>::boxed),
    Aggregate { timed: true, ..plain(&["earliest"], Grouped::<edge::Earliest>::boxed) },
    Aggregate { timed: true, ..plain(&["latest"], Grouped::<edge::Latest>::boxed) },
    plain(&["sortsFirst"], Grouped::<sorts::First>::boxed),
    plain(&["sortsLast"], Grouped::<sorts::Last>::boxed),
    plain(&["values"], Grouped::<values::Values>::boxed),
];

/// Aggregates of the current language that are not built yet: named in the refusal.
pub(crate) const UNSUPPORTED: &[&str] =
    &["topk", "rate", "countOverTime", "count_over_time", "sumOverTime", "sum_over_time", "histogram"];

/// Looks one up, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Aggregate> {
    AGGREGATES.iter().find(|a| a.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// Times come out of aggregates as epoch milliseconds.
fn untimed(value: Value) -> Value {
    match value {
        Value::Time(ms) => Value::Int(ms),
        value => value,
    }
}

/// Lists and maps are absent to aggregates.
fn usable(cell: Cell<'_>) -> bool {
    !matches!(cell, Cell::Null | Cell::List(_) | Cell::Map(_))
}
