//! `count_distinct(f)`: exact up to a bound per group, then a HyperLogLog estimate.
//! The state depends only on the set of values seen, never on blocks or merges.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashSet;

use super::{Assigned, Moment, State, hash};
use crate::run::vector::Vector;
use crate::value::{Cell, Value};

/// Distinct values a group counts exactly.
const EXACT: usize = 65_536;
/// 2^14 registers: an error of about 0.8 %.
const PRECISION: u32 = 14;
/// Bytes of one entry of the set, roughly.
const ENTRY: usize = 18;

/// The entries are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Hashes = HashSet<u64, BuildHasherDefault<Identity>>;

enum Seen {
    Exact(Hashes),
    Estimate(Box<[u8]>),
}

pub(super) struct CountDistinct {
    seen: Seen,
    scratch: Vec<u8>,
}

impl Default for CountDistinct {
    fn default() -> Self {
        CountDistinct { seen: Seen::Exact(Hashes::default()), scratch: Vec::new() }
    }
}

impl CountDistinct {
    fn insert(&mut self, hash: u64) -> usize {
        match &mut self.seen {
            Seen::Estimate(registers) => {
                register(registers, hash);
                0
            }
            Seen::Exact(hashes) => {
                let grown = if hashes.insert(hash) { ENTRY } else { 0 };
                if hashes.len() > EXACT {
                    let mut registers = vec![0; 1 << PRECISION].into_boxed_slice();
                    hashes.iter().for_each(|hash| register(&mut registers, *hash));
                    self.seen = Seen::Estimate(registers);
                }
                grown
            }
        }
    }
}

/// The first bits choose a register; it keeps the longest run of zeros after them.
fn register(registers: &mut [u8], hash: u64) {
    let index = usize::try_from(hash >> (64 - PRECISION)).unwrap_or(0);
    let rank = ((hash << PRECISION) | (1 << (PRECISION - 1))).leading_zeros() + 1;
    registers[index] = registers[index].max(u8::try_from(rank).unwrap_or(u8::MAX));
}

/// Ertl's estimator: no bias correction table is needed.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn estimate(registers: &[u8]) -> i64 {
    let bits = 64 - PRECISION as usize;
    let m = registers.len() as f64;
    let mut counts = vec![0u32; bits + 2];
    for rank in registers {
        counts[usize::from(*rank).min(bits + 1)] += 1;
    }
    let mut z = m * tau(1.0 - f64::from(counts[bits + 1]) / m);
    for count in counts[1..=bits].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    let alpha = 1.0 / (2.0 * std::f64::consts::LN_2);
    (alpha * m * m / z).round() as i64
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

impl State for CountDistinct {
    fn add(&mut self, cell: Cell<'_>, _at: &Moment) -> usize {
        if cell.is_null() {
            return 0;
        }
        // The same value has the same hash in every execution that is merged.
        let hash = hash::cell(cell, &mut self.scratch);
        self.insert(hash)
    }

    fn add_all(states: &mut [CountDistinct], groups: &Assigned, values: &Vector<'_>) -> usize {
        let mut grown = 0;
        match values {
            Vector::Ints(list) => {
                let hash = hash::ints(list);
                groups.each(|row, group| grown += states[group].insert(hash(row)));
                return grown;
            }
            Vector::Digits(digits) => {
                if let Some(hash) = hash::digits(digits) {
                    groups.each(|row, group| grown += states[group].insert(hash(row)));
                    return grown;
                }
            }
            Vector::Dictionary { codes, values } => {
                let mut scratch = Vec::new();
                let mut hash =
                    |value: &Value| (*value != Value::Null).then(|| hash::cell(value.cell(), &mut scratch));
                let hashes: Vec<Option<u64>> = values.iter().map(&mut hash).collect();
                if let Assigned::One { group, .. } = groups {
                    let mut used = vec![false; values.len()];
                    codes.each(|_, code| used[code] = true);
                    for hash in hashes.into_iter().zip(used).filter_map(|(hash, used)| hash.filter(|_| used))
                    {
                        grown += states[*group as usize].insert(hash);
                    }
                    return grown;
                }
                groups.each(|row, group| {
                    if let Some(hash) = hashes[codes.get(row)] {
                        grown += states[group].insert(hash);
                    }
                });
                return grown;
            }
            _ => {}
        }
        let now = Moment::default();
        groups.each(|row, group| grown += states[group].add(values.get(row), &now));
        grown
    }

    fn merge(&mut self, other: CountDistinct) {
        match other.seen {
            Seen::Exact(hashes) => {
                for hash in hashes {
                    self.insert(hash);
                }
            }
            Seen::Estimate(theirs) => {
                let mut registers = theirs;
                match &self.seen {
                    Seen::Exact(hashes) => hashes.iter().for_each(|hash| register(&mut registers, *hash)),
                    Seen::Estimate(ours) => {
                        registers.iter_mut().zip(ours).for_each(|(a, b)| *a = (*a).max(*b));
                    }
                }
                self.seen = Seen::Estimate(registers);
            }
        }
    }

    #[allow(clippy::cast_possible_wrap)]
    fn finish(self, _parameter: f64) -> Value {
        match self.seen {
            Seen::Exact(hashes) => Value::Int(hashes.len() as i64),
            Seen::Estimate(registers) => Value::Int(estimate(&registers)),
        }
    }

    fn heap(&self) -> usize {
        match &self.seen {
            Seen::Exact(hashes) => hashes.len() * ENTRY,
            Seen::Estimate(registers) => registers.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(values: impl Iterator<Item = i64>) -> CountDistinct {
        let mut state = CountDistinct::default();
        for n in values {
            state.add(Cell::Int(n), &Moment::default());
        }
        state
    }

    #[test]
    fn exact_below_the_bound_and_close_above_it() {
        assert_eq!(counted((0..1000).map(|n| n % 60)).finish(0.0), Value::Int(60));
        for size in [65_536i64, 200_000, 1_000_000] {
            let Value::Int(got) = counted(0..size).finish(0.0) else { panic!("a number") };
            let allowed = if size <= 65_536 { 0 } else { size / 40 };
            assert!((got - size).abs() <= allowed, "{got} of {size}");
        }
    }

    #[test]
    fn merging_halves_is_counting_the_whole() {
        for size in [10i64, 70_000, 140_000] {
            let mut half = counted(0..size / 2);
            half.merge(counted(size / 3..size));
            assert_eq!(half.finish(0.0), counted(0..size).finish(0.0), "{size}");
        }
    }
}
