//! Owns the kind Dictionary: a list of values and per row the number of one. Refuses to know other kinds.

use std::sync::Arc;

use super::choose::Input;
use super::planes::{put_plane, put_strings, read_plane, read_strings};
use super::strings::get;
use super::{
    Codes, EncodedColumn, Facts, HEAD_VALUES_BYTES, Head, Hits, Kind, Rows, Strings, Values, Variable,
    start_head,
};
use crate::codec::{Malformed, Reader, put_varint};
use crate::column::ByteSet;
use crate::filter::{self, Builder};

// Layout.
// Head: varint number of values, u8 1 when the values are in the head (at most 256 bytes with their lengths) or 0;
//   then for each value its varint length, then all values; or their byte set (see `facts`) and the varint length of
//   the longest.
// Body: unless they are in the head, the values: their lengths as numbers, then all of them as a text. Then the codes
//   as a plane, or with more than 256 values as two planes, the lower bytes first (numbers, texts, planes: `planes`).

/// More values are no dictionary.
const MAX_VALUES: usize = 1 << 16;

/// Gives values numbers in the order in which they come.
struct Numbers<'a> {
    values: &'a Strings,
    /// The row where each value was first seen.
    firsts: Vec<u32>,
    /// Open addressing, 0 = free, else the upper half of a hash and one more than a number.
    table: Vec<(u32, u32)>,
    most: usize,
}

impl<'a> Numbers<'a> {
    fn new(values: &'a Strings, most: usize) -> Self {
        Self { values, firsts: Vec::new(), table: vec![(0, 0); 512], most }
    }

    /// The number of a value; nothing when there are too many.
    #[inline]
    fn number(&mut self, value: &[u8], row: u32) -> Option<u32> {
        let hash = filter::hash(value);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let (upper, number) = self.table[at];
            if number == 0 {
                break;
            }
            if upper == (hash >> 32) as u32
                && self.values.get(self.firsts[number as usize - 1] as usize) == value
            {
                return Some(number - 1);
            }
            at = (at + 1) & mask;
        }
        if self.firsts.len() == self.most {
            return None;
        }
        self.firsts.push(row);
        self.table[at] = ((hash >> 32) as u32, self.firsts.len() as u32);
        if self.firsts.len() * 2 > self.table.len() {
            self.grow();
        }
        Some(self.firsts.len() as u32 - 1)
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 4 - 1;
        self.table = vec![(0, 0); mask + 1];
        for (index, &row) in self.firsts.iter().enumerate() {
            let hash = filter::hash(self.values.get(row as usize));
            let mut at = hash as usize & mask;
            while self.table[at].1 != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = ((hash >> 32) as u32, index as u32 + 1);
        }
    }
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let rows = input.values.len();
    if input.sample.distinct * 2 > input.sample.rows.len() {
        return None;
    }
    // Numbers are better off as numbers, unless they are few.
    let most = if input.sample.is_number(input.values) { 256 } else { MAX_VALUES };
    let mut numbers = Numbers::new(input.values, (rows / 4).max(rows.min(32) / 2).clamp(1, most));
    let mut codes = Vec::with_capacity(rows);
    for (row, value) in input.values.iter().enumerate() {
        codes.push(numbers.number(value, row as u32)? as u16);
    }
    let list = || numbers.firsts.iter().map(|&row| input.values.get(row as usize));
    let mut inline = Vec::new();
    list().for_each(|value| put_varint(&mut inline, value.len() as u64));
    list().for_each(|value| inline.extend_from_slice(value));
    list().for_each(|value| filter.add(value));

    let mut head = start_head(Kind::Dictionary, rows);
    let mut body = Vec::new();
    put_varint(&mut head, numbers.firsts.len() as u64);
    if inline.len() <= HEAD_VALUES_BYTES {
        head.push(1);
        head.append(&mut inline);
    } else {
        head.push(0);
        let mut bytes = ByteSet::default();
        list().for_each(|value| bytes.union(&ByteSet::of(value)));
        bytes.write(&mut head);
        put_varint(&mut head, list().map(<[u8]>::len).max().unwrap_or(0) as u64);
        put_strings(list(), &mut body);
    }
    let lower: Vec<u8> = codes.iter().map(|&code| code as u8).collect();
    put_plane(&lower, &mut body);
    if numbers.firsts.len() > 256 {
        let upper: Vec<u8> = codes.iter().map(|&code| (code >> 8) as u8).collect();
        put_plane(&upper, &mut body);
    }
    Some(EncodedColumn { head, body })
}

fn read_inline(reader: &mut Reader<'_>, count: usize) -> Result<Arc<[Box<[u8]>]>, Malformed> {
    // Each value takes at least the byte of its length, so the list is no longer than what was read.
    let mut lengths = Vec::with_capacity(count.min(reader.left()));
    for _ in 0..count {
        lengths.push(reader.varint()?);
    }
    lengths
        .into_iter()
        .map(|length| {
            let length = usize::try_from(length).map_err(|_| Malformed("value too long"))?;
            Ok(reader.bytes(length)?.into())
        })
        .collect()
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let count = reader.varint()?;
    if count == 0 || count > MAX_VALUES as u64 {
        return Err(Malformed("dictionary of a wrong size"));
    }
    let count = count as usize;
    let (values, bytes, longest) = match reader.u8()? {
        0 => (None, ByteSet::read(reader)?, reader.varint()? as usize),
        1 => {
            let values = read_inline(reader, count)?;
            let mut bytes = ByteSet::default();
            values.iter().for_each(|value| bytes.union(&ByteSet::of(value)));
            let longest = values.iter().map(|value| value.len()).max().unwrap_or(0);
            (Some(values), bytes, longest)
        }
        _ => return Err(Malformed("dictionary neither here nor there")),
    };
    let facts = Facts { kind: Kind::Dictionary, min: None, max: None, bytes, longest };
    Ok(Box::new(DictionaryHead { count, values, facts }))
}

#[derive(Debug)]
struct DictionaryHead {
    count: usize,
    values: Option<Arc<[Box<[u8]>]>>,
    facts: Facts,
}

impl Head for DictionaryHead {
    fn kind(&self) -> Kind {
        Kind::Dictionary
    }

    fn facts(&self) -> Facts {
        self.facts
    }

    fn values(&self) -> &[Box<[u8]>] {
        self.values.as_deref().unwrap_or(&[])
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let mut reader = Reader::new(body);
        let values = match &self.values {
            Some(values) => Arc::clone(values),
            None => {
                let (text, ends) = read_strings(&mut reader, self.count)?;
                (0..ends.len()).map(|index| get(&text, &ends, index).into()).collect()
            }
        };
        let lower = read_plane(&mut reader, times.len())?;
        let codes = if self.count <= 256 {
            OwnCodes::U8(lower)
        } else {
            let upper = read_plane(&mut reader, times.len())?;
            OwnCodes::U16(
                lower.iter().zip(&upper).map(|(&low, &high)| u16::from_le_bytes([low, high])).collect(),
            )
        };
        // Folds, because the compiler makes them wide.
        let highest = match &codes {
            OwnCodes::U8(codes) => usize::from(codes.iter().fold(0, |most, &code| code.max(most))),
            OwnCodes::U16(codes) => usize::from(codes.iter().fold(0, |most, &code| code.max(most))),
        };
        if reader.left() != 0 || highest >= self.count {
            return Err(Malformed("codes of a dictionary do not fit"));
        }
        Ok(Box::new(Dictionary { codes, values }))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.values().iter().map(|value| value.len() + size_of::<Box<[u8]>>()).sum::<usize>()
    }
}

#[derive(Debug)]
enum OwnCodes {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

#[derive(Debug)]
struct Dictionary {
    codes: OwnCodes,
    values: Arc<[Box<[u8]>]>,
}

/// Without a branch for each row: which are wanted is as good as random.
fn rows_with<C: Copy + Into<usize>>(codes: &[C], wanted: &[bool]) -> Vec<u32> {
    let (mut rows, mut count) = (vec![0; codes.len()], 0);
    for (row, &code) in codes.iter().enumerate() {
        rows[count] = row as u32;
        count += usize::from(wanted[code.into()]);
    }
    rows.truncate(count);
    rows
}

impl Values for Dictionary {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        match &self.codes {
            OwnCodes::U8(codes) => rows.copy(out, ends, |row| &self.values[usize::from(codes[row])]),
            OwnCodes::U16(codes) => rows.copy(out, ends, |row| &self.values[usize::from(codes[row])]),
        }
    }

    fn variable(&self) -> Variable<'_> {
        let codes = match &self.codes {
            OwnCodes::U8(codes) => Codes::U8(codes),
            OwnCodes::U16(codes) => Codes::U16(codes),
        };
        Variable::Dictionary { codes, values: &self.values }
    }

    fn memory_bytes(&self) -> usize {
        let codes = match &self.codes {
            OwnCodes::U8(codes) => codes.len(),
            OwnCodes::U16(codes) => codes.len() * 2,
        };
        let values = self.values.iter().map(|value| value.len() + size_of::<Box<[u8]>>()).sum::<usize>();
        size_of::<Self>() + codes + values
    }

    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        let finder = memchr::memmem::Finder::new(needle);
        let wanted: Vec<bool> = self.values.iter().map(|value| finder.find(value).is_some()).collect();
        match wanted.iter().filter(|wanted| **wanted).count() {
            0 => Hits::None,
            all if all == wanted.len() => Hits::All,
            _ => {
                let found = match &self.codes {
                    OwnCodes::U8(codes) => rows_with(codes, &wanted),
                    OwnCodes::U16(codes) => rows_with(codes, &wanted),
                };
                Hits::of(found, rows)
            }
        }
    }
}
