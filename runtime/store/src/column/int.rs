//! Owns the kind Int: whole numbers in their shortest spelling. Refuses to know other kinds.

use super::choose::Input;
use super::facts::bounds;
use super::narrow::Narrow;
use super::planes::{put_numbers, put_signed, read_numbers, signed};
use super::{
    ByteSet, EncodedColumn, Facts, Head, Hits, Kind, Rows, Values, Variable, digits, find_rendered,
    start_head,
};
use crate::codec::{Malformed, Reader};
use crate::filter::{Builder, KEY_BYTES};

// Layout.
// Head: zigzag varint least value, zigzag varint greatest value, u8 what is stored:
//   0 the values, 1 their differences to the event times in ms, 2 to the event times in seconds, rounded down.
// Body: numbers (see `planes`).

const VALUES: u8 = 0;
const TO_MILLISECONDS: u8 = 1;
const TO_SECONDS: u8 = 2;
/// Values this near to the time of their event are stored as differences.
const NEAR_MS: i64 = 3_600_000;

fn unit(stored: u8, time: i64) -> i64 {
    match stored {
        TO_MILLISECONDS => time,
        TO_SECONDS => time.div_euclid(1000),
        _ => 0,
    }
}

/// What the sample suggests to store; nothing if the values are no whole numbers.
fn stored_of(input: &Input<'_>) -> Option<u8> {
    let mut near = [true; 2];
    for &row in &input.sample.rows {
        let value = digits::parse_canonical(input.values.get(row as usize))?;
        let time = input.times[row as usize];
        near[0] &= value.abs_diff(time) < NEAR_MS.unsigned_abs();
        near[1] &= value.abs_diff(time.div_euclid(1000)) < NEAR_MS.unsigned_abs() / 1000;
    }
    Some(match near {
        [true, false] => TO_MILLISECONDS,
        [false, true] => TO_SECONDS,
        _ => VALUES,
    })
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    encode_as(stored_of(input)?, input, filter)
}

/// Times of their events only, which are better off here than in a dictionary.
pub(super) fn encode_times(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let stored = stored_of(input).filter(|&stored| stored != VALUES)?;
    encode_as(stored, input, filter)
}

fn encode_as(stored: u8, input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let mut numbers = Vec::with_capacity(input.values.len());
    for value in input.values.iter() {
        numbers.push(digits::parse_canonical(value)?);
    }
    let first = numbers.first().copied()?;
    let (min, max) =
        numbers.iter().fold((first, first), |(min, max), &number| (number.min(min), number.max(max)));
    if digits::count(min.unsigned_abs().max(max.unsigned_abs())) >= KEY_BYTES {
        for value in input.values.iter() {
            let word = value.strip_prefix(b"-").unwrap_or(value);
            if word.len() >= KEY_BYTES {
                filter.add_key(word);
            }
        }
    }
    if stored != VALUES {
        for (number, &time) in numbers.iter_mut().zip(input.times) {
            *number = number.wrapping_sub(unit(stored, time));
        }
    }
    let mut head = start_head(Kind::Int, numbers.len());
    put_signed(&mut head, min);
    put_signed(&mut head, max);
    head.push(stored);
    let mut body = Vec::new();
    put_numbers(&numbers, &mut body);
    Some(EncodedColumn { head, body })
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let (min, max) = (signed(reader)?, signed(reader)?);
    let stored = reader.u8()?;
    if min > max || stored > TO_SECONDS {
        return Err(Malformed("numbers between nothing"));
    }
    Ok(Box::new(IntHead { min, max, stored }))
}

#[derive(Debug)]
struct IntHead {
    min: i64,
    max: i64,
    stored: u8,
}

impl Head for IntHead {
    fn kind(&self) -> Kind {
        Kind::Int
    }

    fn facts(&self) -> Facts {
        let (min, max) = bounds(self.min, self.max, 0);
        let mut bytes = ByteSet::DIGITS;
        let mut longest = digits::count(self.min.unsigned_abs()).max(digits::count(self.max.unsigned_abs()));
        if self.min < 0 {
            bytes.insert(b'-');
            longest += 1;
        }
        Facts { kind: Kind::Int, min, max, bytes, longest }
    }

    fn needs_times(&self) -> bool {
        self.stored != VALUES
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let mut reader = Reader::new(body);
        let mut numbers = read_numbers(&mut reader, times.len())?;
        if reader.left() != 0 {
            return Err(Malformed("bytes behind numbers"));
        }
        if self.stored != VALUES {
            for (number, &time) in numbers.iter_mut().zip(times) {
                *number = number.wrapping_add(unit(self.stored, time));
            }
        }
        Ok(Box::new(Ints(Narrow::of(numbers))))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct Ints(Narrow);

impl Values for Ints {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        rows.write(digits::ROOM, out, ends, |row, place| digits::write_canonical(self.0.get(row), place));
    }

    fn variable(&self) -> Variable<'_> {
        Variable::Ints(self.0.lend())
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.0.memory_bytes()
    }

    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        if !needle.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
            return Hits::None;
        }
        find_rendered(self, needle, rows)
    }
}
