//! The values of a key column as small numbers within one batch, so that groups are found by index.
//! Two numbers may stand for equal values, never one number for two.

use hashbrown::HashMap;

use super::node::write_key;
use super::vector::{ABSENT, CodeList, Vector};

/// A key column of a batch.
pub(super) enum Local<'a> {
    /// One value in all rows.
    Same,
    Lent(&'a CodeList<'a>, usize),
    Made(Vec<u32>, usize),
}

impl<'a> Local<'a> {
    pub(super) fn of(vector: &'a Vector<'_>, len: usize) -> Local<'a> {
        match vector {
            Vector::Constant(_) => Local::Same,
            Vector::Dictionary { codes, values } => Local::Lent(codes, values.len()),
            Vector::Bools(list) => Local::Made(list.iter().map(|b| u32::from(*b)).collect(), 2),
            Vector::Times(list) | Vector::Ints(list) => numbers(list.iter().copied()),
            Vector::Digits(digits) => numbers(digits.values.iter().copied()),
            // Equal bits are equal floats.
            Vector::Floats(list) => numbers(list.iter().map(|x| x.to_bits().cast_signed())),
            Vector::Texts(strings) => encode((0..len).map(|row| strings.get(row))),
            Vector::Sparse(inner, indexes) => sparse(inner, indexes),
            Vector::Lent(_) | Vector::Values(_) => general(vector, len),
        }
    }

    /// How many numbers there may be.
    pub(super) fn count(&self) -> usize {
        match self {
            Local::Same => 1,
            Local::Lent(_, count) | Local::Made(_, count) => *count,
        }
    }

    /// Adds `factor` times the number of every row to `sums`.
    pub(super) fn add_to(&self, sums: &mut [u64], factor: u64) {
        match self {
            Local::Same => {}
            Local::Lent(codes, _) => codes.each(|row, code| sums[row] += code as u64 * factor),
            Local::Made(codes, _) => {
                sums.iter_mut().zip(codes).for_each(|(sum, code)| *sum += u64::from(*code) * factor);
            }
        }
    }
}

fn numbers<'a>(values: impl Iterator<Item = i64>) -> Local<'a> {
    let mut ids: HashMap<i64, u32> = HashMap::new();
    let mut last: Option<(i64, u32)> = None;
    let mut code = |value: i64| match last {
        // Neighbours in time often share their bin.
        Some((before, id)) if before == value => id,
        _ => {
            let next = u32::try_from(ids.len()).unwrap_or(ABSENT);
            let id = *ids.entry(value).or_insert(next);
            last = Some((value, id));
            id
        }
    };
    let codes = values.map(&mut code).collect();
    Local::Made(codes, ids.len())
}

fn encode<'a, 't, T: std::hash::Hash + Eq + Copy + 't>(values: impl Iterator<Item = T>) -> Local<'a> {
    let mut ids: HashMap<T, u32> = HashMap::new();
    let code = |value: T| {
        let next = u32::try_from(ids.len()).unwrap_or(ABSENT);
        *ids.entry(value).or_insert(next)
    };
    let codes = values.map(code).collect();
    Local::Made(codes, ids.len())
}

fn sparse<'a>(inner: &Vector<'_>, indexes: &[u32]) -> Local<'a> {
    let present = indexes.iter().filter(|index| **index != ABSENT);
    let size = present.map(|index| *index as usize + 1).max().unwrap_or(0);
    let within = Local::of(inner, size);
    let mut codes = vec![0; size];
    within.add_to(&mut codes, 1);
    let count = within.count();
    let null = count as u64;
    let code = |index: &u32| if *index == ABSENT { null } else { codes[*index as usize] };
    let list = indexes.iter().map(|index| u32::try_from(code(index)).unwrap_or(ABSENT)).collect();
    Local::Made(list, count + 1)
}

fn general<'a>(vector: &Vector<'_>, len: usize) -> Local<'a> {
    let mut ids: HashMap<Box<[u8]>, u32> = HashMap::new();
    let mut codes = Vec::with_capacity(len);
    let mut key = Vec::new();
    for row in 0..len {
        key.clear();
        write_key(vector.get(row), &mut key);
        let next = u32::try_from(ids.len()).unwrap_or(ABSENT);
        let id = match ids.get(key.as_slice()) {
            Some(id) => *id,
            None => *ids.entry(key.as_slice().into()).or_insert(next),
        };
        codes.push(id);
    }
    Local::Made(codes, ids.len())
}
