//! Owns columns: the values of one variable over the rows of a block, encoded byte for byte by the kind that fits
//! them, and searched without making the values again where the kind allows it.
//! Refuses to know messages, blocks, and where heads and bodies are stored.
//!
//! A column is a head (small, kept in memory) and a body (read when needed). One file per kind; `KINDS` lists them
//! in the order of their numbers. Which kinds are tried for given values, and in which order, says `choose`.

mod apart;
mod choose;
mod constant;
mod decimal;
mod dictionary;
mod digits;
mod facts;
mod hex;
mod int;
mod narrow;
mod pattern;
mod planes;
mod rans;
mod sample;
mod spelling;
mod strings;
mod text;
mod time;

use std::fmt::Debug;

use crate::codec::{Malformed, Reader, put_varint};
use strings::Sheet;

pub(crate) use choose::encode;
pub use facts::{ByteSet, Facts};
pub use narrow::Numbers;
pub(crate) use strings::{Strings, rows_containing};

/// Rows of a column, at most.
pub(crate) const MAX_ROWS: usize = 1 << 20;
/// Values that take no more than this altogether are in the head.
const HEAD_VALUES_BYTES: usize = 256;

/// How the values of a column are stored. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// One value, the same in all rows.
    Constant = 0,
    /// A list of values and the number of one per row.
    Dictionary = 1,
    /// Whole numbers in their shortest spelling.
    Int = 2,
    /// Decimal fractions.
    Decimal = 3,
    /// Hexadecimal digits between bytes that are the same in all rows.
    Hex = 4,
    /// Texts whose digits vary and whose other bytes come from a short list.
    Pattern = 5,
    /// Times near the time of the event.
    Time = 6,
    /// Anything.
    Text = 7,
}

/// A column as it is stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EncodedColumn {
    pub(crate) head: Vec<u8>,
    /// Empty when the head says it all. Already as small as it gets: not to be compressed again.
    pub(crate) body: Vec<u8>,
}

/// Rows of a column whose values contain a needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hits {
    None,
    All,
    /// Ascending, neither none nor all.
    Rows(Vec<u32>),
}

impl Hits {
    fn of(rows: Vec<u32>, len: usize) -> Self {
        match rows.len() {
            0 => Self::None,
            all if all == len => Self::All,
            _ => Self::Rows(rows),
        }
    }
}

/// Codes of a dictionary: per row the number of a value.
#[derive(Clone, Copy, Debug)]
pub enum Codes<'a> {
    /// At most 256 values.
    U8(&'a [u8]),
    /// More.
    U16(&'a [u16]),
}

/// How decimal fractions are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With all digits of the scale: 5.00.
    Fixed,
    /// Without zeros at the end, but with a digit behind the point: 5.0.
    Trimmed,
    /// Without zeros at the end, and without a point if nothing follows it: 5.
    Short,
}

/// The decoded values of a column, in the shape that is the cheapest to work on.
#[derive(Clone, Copy, Debug)]
pub enum Variable<'a> {
    /// The value of all rows.
    Constant(&'a [u8]),
    /// Few values.
    Dictionary {
        /// One per row.
        codes: Codes<'a>,
        /// What the codes mean.
        values: &'a [Box<[u8]>],
    },
    /// Whole numbers, each spelled without plus sign and leading zeros.
    Ints(Numbers<'a>),
    /// Decimal fractions: `mantissa / 10^scale` as f64 is what reading the text gives. Their spelling is the column's
    /// own affair.
    Decimals {
        /// One per row, none beyond 2^53.
        mantissas: Numbers<'a>,
        /// Digits behind the point.
        scale: u8,
        /// How they are spelled.
        style: Style,
    },
    /// A number between two texts that are the same in all rows.
    Numbered {
        /// What precedes the number.
        prefix: &'a [u8],
        /// What follows the number.
        suffix: &'a [u8],
        /// Digits of every number, with leading zeros; 0 = the shortest spelling.
        width: u8,
        /// One per row, none negative.
        values: Numbers<'a>,
    },
    /// Texts: value `i` ends at `ends[i]` and starts where the one before it ends.
    Texts {
        /// All values one behind the other.
        text: &'a [u8],
        /// One per row.
        ends: &'a [u32],
    },
    /// To be written out with [`Column::push_values`].
    Other,
}

/// What a kind keeps of its head.
trait Head: Debug + Send + Sync {
    fn kind(&self) -> Kind;
    fn facts(&self) -> Facts;
    /// All values there are, when the head holds them.
    fn values(&self) -> &[Box<[u8]>] {
        &[]
    }
    /// What is known about the rows that contain the needle, which is not empty.
    fn find(&self, needle: &[u8]) -> Option<Hits> {
        hits_in(self.values(), needle)
    }

    /// Whether the body can only be read together with the times of the events.
    fn needs_times(&self) -> bool {
        false
    }

    /// `times` has as many entries as the column has rows.
    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed>;
    fn memory_bytes(&self) -> usize;
}

/// Decoded values of a kind.
trait Values: Debug + Send + Sync {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>);
    fn variable(&self) -> Variable<'_>;
    fn memory_bytes(&self) -> usize;
    /// Rows whose value contains the needle, which is not empty.
    fn find(&self, needle: &[u8], rows: usize) -> Hits;

    fn push_value(&self, row: usize, out: &mut Vec<u8>) {
        self.push_rows(Rows::One(row), out, &mut Vec::with_capacity(1));
    }
}

/// Some rows of a column.
#[derive(Clone, Copy)]
enum Rows<'a> {
    One(usize),
    First(usize),
    These(&'a [u32]),
}

/// Room made at once for values that are written one by one.
const PAGE: usize = 4096;

impl Rows<'_> {
    /// Writes values of bounded length and notes where each ends.
    #[inline]
    fn write(
        self,
        room: usize,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        mut write: impl FnMut(usize, &mut [u8]) -> usize,
    ) {
        let mut sheet = Sheet::new(out, if matches!(self, Self::One(_)) { room } else { PAGE });
        self.for_each(|row| ends.push(sheet.add(room, |place| write(row, place)) as u32));
    }

    /// Copies values and notes where each ends.
    #[inline]
    fn copy<'v>(self, out: &mut Vec<u8>, ends: &mut Vec<u32>, value: impl Fn(usize) -> &'v [u8]) {
        self.for_each(|row| {
            out.extend_from_slice(value(row));
            ends.push(out.len() as u32);
        });
    }

    #[inline]
    fn for_each(self, mut each: impl FnMut(usize)) {
        match self {
            Self::One(row) => each(row),
            Self::First(count) => (0..count).for_each(each),
            Self::These(rows) => rows.iter().for_each(|&row| each(row as usize)),
        }
    }
}

/// Rows with the needle, when the values that occur leave no question.
fn hits_in(values: &[Box<[u8]>], needle: &[u8]) -> Option<Hits> {
    let finder = memchr::memmem::Finder::new(needle);
    match values.iter().filter(|value| finder.find(value).is_some()).count() {
        _ if values.is_empty() => None,
        0 => Some(Hits::None),
        all if all == values.len() => Some(Hits::All),
        _ => None,
    }
}

/// Writes all values out and searches them at once.
fn find_rendered<V: Values>(values: &V, needle: &[u8], rows: usize) -> Hits {
    let (mut text, mut ends) = (Vec::with_capacity(rows * 8), Vec::with_capacity(rows));
    values.push_rows(Rows::First(rows), &mut text, &mut ends);
    Hits::of(strings::rows_containing(&text, &ends, needle), rows)
}

/// Reads what a kind wrote into the head behind the number of rows.
type ReadHead = fn(&mut Reader<'_>, usize) -> Result<Box<dyn Head>, Malformed>;

/// The kinds by number.
const KINDS: [(Kind, ReadHead); 8] = [
    (Kind::Constant, constant::read),
    (Kind::Dictionary, dictionary::read),
    (Kind::Int, int::read),
    (Kind::Decimal, decimal::read),
    (Kind::Hex, hex::read),
    (Kind::Pattern, pattern::read),
    (Kind::Time, time::read),
    (Kind::Text, text::read),
];

// Layout of a head: u8 kind, varint rows, then what the kind says.

fn start_head(kind: Kind, rows: usize) -> Vec<u8> {
    let mut head = vec![kind as u8];
    put_varint(&mut head, rows as u64);
    head
}

/// The head of a column: what can be said without reading the body.
#[derive(Debug)]
pub(crate) struct ColumnHead {
    rows: usize,
    facts: Facts,
    head: Box<dyn Head>,
}

/// Reads the head of one column; what follows it is left to the reader.
pub(crate) fn read_head(reader: &mut Reader<'_>) -> Result<ColumnHead, Malformed> {
    let number = reader.u8()?;
    let rows = reader.varint()?;
    if rows > MAX_ROWS as u64 {
        return Err(Malformed("too many rows in a column"));
    }
    let (_, read) =
        KINDS.iter().find(|(kind, _)| *kind as u8 == number).ok_or(Malformed("unknown kind of column"))?;
    let head = read(reader, rows as usize)?;
    Ok(ColumnHead { rows: rows as usize, facts: head.facts(), head })
}

impl ColumnHead {
    pub(crate) fn kind(&self) -> Kind {
        self.head.kind()
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the values can only be read together with the times of their events.
    pub(crate) fn needs_times(&self) -> bool {
        self.head.needs_times()
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// All values there are, when they are few and short (constants and small dictionaries); else empty.
    pub(crate) fn values(&self) -> &[Box<[u8]>] {
        self.head.values()
    }

    /// What is known about the rows that contain the needle: nothing when the body must be read.
    pub(crate) fn find(&self, needle: &[u8]) -> Option<Hits> {
        if self.rows == 0 || !self.facts.bytes.has_all(needle) || needle.len() > self.facts.longest {
            return Some(Hits::None);
        }
        if needle.is_empty() {
            return Some(Hits::All);
        }
        self.head.find(needle)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.head.memory_bytes()
    }
}

/// The decoded values of one variable of a block.
#[derive(Debug)]
pub struct Column {
    kind: Kind,
    rows: usize,
    values: Box<dyn Values>,
}

impl Column {
    /// `times`: the event times of the rows of the column, or anything if they are not needed.
    pub(crate) fn decode(head: &ColumnHead, body: &[u8], times: &[i64]) -> Result<Self, Malformed> {
        if times.len() != head.rows {
            return Err(Malformed("column of another number of rows"));
        }
        Ok(Self { kind: head.kind(), rows: head.rows, values: head.head.decode(body, times)? })
    }

    /// How the values are stored.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends the value of a row.
    ///
    /// # Panics
    /// Past the last row.
    pub fn push_value(&self, row: usize, out: &mut Vec<u8>) {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        self.values.push_value(row, out);
    }

    /// Appends the values of some rows, or of all, and for each where it ends in `out`.
    ///
    /// # Panics
    /// Past the last row.
    pub fn push_values(&self, rows: Option<&[u32]>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        match rows {
            Some(rows) => {
                assert!(rows.iter().all(|&row| (row as usize) < self.rows), "rows past {}", self.rows);
                self.values.push_rows(Rows::These(rows), out, ends);
            }
            None => self.values.push_rows(Rows::First(self.rows), out, ends),
        }
    }

    /// The rows whose value contains the needle.
    pub(crate) fn find(&self, needle: &[u8]) -> Hits {
        match (self.rows, needle) {
            (0, _) => Hits::None,
            (_, []) => Hits::All,
            _ => self.values.find(needle, self.rows),
        }
    }

    /// The values in the shape that is the cheapest to work on.
    #[must_use]
    pub fn variable(&self) -> Variable<'_> {
        self.values.variable()
    }

    /// What the column takes in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.values.memory_bytes()
    }
}

#[cfg(test)]
pub(crate) mod tests;
