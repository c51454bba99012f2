//! `stats`: groups by key, one state per group and aggregate, within a budget.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::HashMap;

use super::batch::{Batch, Table};
use super::node::write_key;
use super::sink::Sink;
use super::stage::{Slot, Stage};
use crate::aggregate::{Accumulator, Aggregate, Moment};
use crate::error::Error;
use crate::limits::Limits;
use crate::value::Value;
use crate::value::compare::natural_order;

/// One aggregate of a `stats`.
#[derive(Clone)]
pub(crate) struct Measure {
    pub(crate) aggregate: &'static Aggregate,
    pub(crate) field: Option<Slot>,
    pub(crate) parameter: f64,
}

impl std::fmt::Debug for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?}, {})", self.aggregate.names[0], self.field, self.parameter)
    }
}

/// Keys and aggregates; the table that leaves has the keys first.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    pub(crate) keys: Vec<Slot>,
    pub(crate) measures: Vec<Measure>,
    /// The event's time, for aggregates that depend on it.
    pub(crate) time: Option<Slot>,
}

pub(super) struct GroupsSink {
    spec: Groups,
    limits: Limits,
    ids: HashMap<Box<[u8]>, u32>,
    keys: Vec<Vec<Value>>,
    key_bytes: usize,
    accumulators: Vec<Box<dyn Accumulator>>,
}

/// Bytes of one entry of the group map besides its key, roughly.
const ENTRY: usize = 48;

impl GroupsSink {
    pub(super) fn new(spec: Groups, limits: Limits) -> GroupsSink {
        let accumulators = spec.measures.iter().map(|m| (m.aggregate.open)(m.parameter)).collect();
        GroupsSink { spec, limits, ids: HashMap::new(), keys: Vec::new(), key_bytes: 0, accumulators }
    }

    fn group(&mut self, key: &[u8], values: impl FnOnce() -> Vec<Value>) -> Result<u32, Error> {
        if let Some(id) = self.ids.get(key) {
            return Ok(*id);
        }
        let maximum = self.limits.groups;
        let id = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        if self.keys.len() >= maximum || id == u32::MAX {
            return Err(Error::LimitExceeded {
                limit: "groups of one stats command",
                maximum: maximum as u64,
            });
        }
        let values = values();
        self.key_bytes += key.len() + ENTRY + values.iter().map(Value::bytes).sum::<usize>();
        self.ids.insert(key.into(), id);
        self.keys.push(values);
        Ok(id)
    }

    fn check(&self) -> Result<(), Error> {
        let bytes = self.key_bytes + self.accumulators.iter().map(|a| a.bytes()).sum::<usize>();
        let maximum = self.limits.group_bytes;
        if bytes > maximum {
            return Err(Error::LimitExceeded {
                limit: "bytes of groups of one stats command",
                maximum: maximum as u64,
            });
        }
        Ok(())
    }

    fn assign(&mut self, batch: &Batch<'_>) -> Result<Vec<u32>, Error> {
        let keys = self.spec.keys.clone();
        let mut key = Vec::new();
        let mut groups = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            key.clear();
            for slot in &keys {
                write_key(batch.cell(*slot, row), &mut key);
            }
            groups.push(self.group(&key, || batch.row(&keys, row))?);
        }
        Ok(groups)
    }
}

fn moments(batch: &Batch<'_>, time: Option<Slot>) -> Option<Vec<Moment>> {
    let slot = time?;
    let one = |row| {
        let time = batch.cell(slot, row).number().and_then(crate::value::number::Number::whole);
        let mut tie = batch.tie(row);
        if batch.block().is_none() {
            // Rows of a table stand newest first.
            tie.sequence = u64::MAX - tie.sequence;
        }
        Moment { time: time.unwrap_or(i64::MIN), tie }
    };
    Some((0..batch.len()).map(one).collect())
}

impl Sink for GroupsSink {
    fn push(&mut self, stage: &Stage, batch: &mut Batch<'_>) -> Result<bool, Error> {
        let fields = self.spec.measures.iter().filter_map(|m| m.field);
        for slot in self.spec.keys.iter().copied().chain(fields).chain(self.spec.time) {
            batch.load(stage, slot)?;
        }
        let groups = self.assign(batch)?;
        let moments = moments(batch, self.spec.time);
        for (measure, accumulator) in self.spec.measures.iter().zip(&mut self.accumulators) {
            let values = measure.field.map(|slot| batch.get(slot));
            let moments = moments.as_deref().filter(|_| measure.aggregate.timed);
            accumulator.add(&groups, values, moments);
        }
        self.check()?;
        Ok(true)
    }

    fn merge(&mut self, other: Box<dyn Sink>) -> Result<(), Error> {
        let Ok(other) = other.into_any().downcast::<GroupsSink>() else {
            return Err(Error::Mismatch);
        };
        let GroupsSink { ids, mut keys, accumulators, .. } = *other;
        let mut into = vec![0; keys.len()];
        for (key, id) in ids {
            let values = std::mem::take(&mut keys[id as usize]);
            into[id as usize] = self.group(&key, || values)?;
        }
        if accumulators.len() != self.accumulators.len() {
            return Err(Error::Mismatch);
        }
        for (ours, theirs) in self.accumulators.iter_mut().zip(accumulators) {
            if !ours.merge(theirs, &into) {
                return Err(Error::Mismatch);
            }
        }
        self.check()
    }

    fn finish(self: Box<Self>) -> Result<Table, Error> {
        let GroupsSink { spec, keys, accumulators, .. } = *self;
        let groups = keys.len();
        let mut order: Vec<usize> = (0..groups).collect();
        order.sort_by(|a, b| compare_keys(&keys[*a], &keys[*b]));
        let key_columns = (0..spec.keys.len())
            .map(|column| order.iter().map(|group| keys[*group][column].clone()).collect());
        let mut columns: Vec<Vec<Value>> = key_columns.collect();
        for accumulator in accumulators {
            let results = accumulator.finish(groups);
            columns.push(order.iter().map(|group| results[*group].clone()).collect());
        }
        Ok(Table { columns, rows: groups })
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn compare_keys(a: &[Value], b: &[Value]) -> Ordering {
    // Groups whose keys sort alike (1 and 1.0) are told apart by their text, so that the order of
    // blocks never shows.
    let print = |list: &[Value]| list.iter().map(|v| v.cell().print()).collect::<Vec<_>>();
    let differing =
        a.iter().zip(b).map(|(a, b)| natural_order(a.cell(), b.cell())).find(|order| order.is_ne());
    differing.unwrap_or_else(|| print(a).cmp(&print(b)))
}
