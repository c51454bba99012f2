//! `stats`: groups by key, one state per group and aggregate, within a budget.

use std::any::Any;
use std::cmp::Ordering;

use hashbrown::HashMap;

use super::batch::{Batch, Table};
use super::keys::Local;
use super::node::write_key;
use super::sink::Sink;
use super::stage::{Slot, Stage};
use super::vector::{CodeList, Vector};
use crate::aggregate::{Accumulator, Aggregate, Assigned, Moment};
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

    /// The group of every row. Each combination of key values is looked up once per batch.
    fn assign(&mut self, batch: &Batch<'_>) -> Result<Assigned, Error> {
        let slots = self.spec.keys.clone();
        let rows = batch.len();
        let locals: Vec<Local<'_>> = slots.iter().map(|slot| Local::of(batch.get(*slot), rows)).collect();
        if locals.iter().all(|local| matches!(local, Local::Same)) {
            return Ok(Assigned::One { group: self.group_of(batch, &slots, 0)?, rows });
        }
        let mut combined = vec![0u64; rows];
        let mut size = Some(1u64);
        for local in &locals {
            // Where the combinations cannot be numbered, each row is looked up by itself.
            let Some(factor) = size else { break };
            local.add_to(&mut combined, factor);
            size = factor.checked_mul(local.count() as u64);
        }
        let mut groups = Vec::with_capacity(rows);
        match size.and_then(|size| usize::try_from(size).ok()) {
            Some(size) if size <= rows.saturating_mul(4).max(256) => {
                let mut known = vec![u32::MAX; size];
                for (row, key) in combined.iter().enumerate() {
                    // Below `size`, which is a usize.
                    let known = &mut known[usize::try_from(*key).unwrap_or(0)];
                    if *known == u32::MAX {
                        *known = self.group_of(batch, &slots, row)?;
                    }
                    groups.push(*known);
                }
            }
            Some(_) => {
                let mut known: HashMap<u64, u32> = HashMap::new();
                for (row, key) in combined.iter().enumerate() {
                    groups.push(match known.get(key) {
                        Some(group) => *group,
                        None => {
                            let group = self.group_of(batch, &slots, row)?;
                            known.insert(*key, group);
                            group
                        }
                    });
                }
            }
            None => {
                for row in 0..rows {
                    groups.push(self.group_of(batch, &slots, row)?);
                }
            }
        }
        Ok(Assigned::Each(groups))
    }

    /// Counts rows by one key without a look at each row's group, if that is all that is asked; false if not.
    fn count(&mut self, batch: &Batch<'_>) -> Result<bool, Error> {
        let [slot] = self.spec.keys[..] else { return Ok(false) };
        let Vector::Dictionary { codes: CodeList::U8(codes), values } = batch.get(slot) else {
            return Ok(false);
        };
        if self.spec.measures.iter().any(|measure| measure.field.is_some() || measure.aggregate.timed) {
            return Ok(false);
        }
        for (value, rows) in values.iter().zip(histogram(codes)).filter(|(_, rows)| *rows > 0) {
            let mut key = Vec::new();
            write_key(value.cell(), &mut key);
            let group = self.group(&key, || vec![value.clone()])?;
            let count = self.keys.len();
            for accumulator in &mut self.accumulators {
                accumulator.add(&Assigned::One { group, rows }, count, None, None);
            }
        }
        Ok(true)
    }

    fn group_of(&mut self, batch: &Batch<'_>, slots: &[Slot], row: usize) -> Result<u32, Error> {
        let mut key = Vec::new();
        for slot in slots {
            write_key(batch.cell(*slot, row), &mut key);
        }
        self.group(&key, || batch.row(slots, row))
    }
}

/// How often each code occurs. Four lists, so that equal neighbours do not wait for each other.
fn histogram(codes: &[u8]) -> [usize; 256] {
    let mut counts = [[0u32; 256]; 4];
    let (chunks, rest) = codes.as_chunks::<4>();
    for chunk in chunks {
        for (counts, code) in counts.iter_mut().zip(chunk) {
            counts[usize::from(*code)] += 1;
        }
    }
    rest.iter().for_each(|code| counts[0][usize::from(*code)] += 1);
    std::array::from_fn(|code| counts.iter().map(|counts| counts[code] as usize).sum())
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
        if self.count(batch)? {
            self.check()?;
            return Ok(true);
        }
        let groups = self.assign(batch)?;
        let moments = moments(batch, self.spec.time);
        for (measure, accumulator) in self.spec.measures.iter().zip(&mut self.accumulators) {
            let values = measure.field.map(|slot| batch.get(slot));
            let moments = moments.as_deref().filter(|_| measure.aggregate.timed);
            accumulator.add(&groups, self.keys.len(), values, moments);
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
