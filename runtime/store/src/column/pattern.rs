//! Owns the kind Pattern: values that differ in their digits, while their other bytes come from a short list.
//! Refuses to know other kinds.

use super::choose::Input;
use super::planes::{put_numbers, put_plane, put_strings, read_numbers, read_plane, read_strings};
use super::strings::{Strings, rows_containing};
use super::{
    ByteSet, EncodedColumn, Facts, HEAD_VALUES_BYTES, Head, Hits, Kind, Values, Variable, digits, start_head,
};
use crate::codec::{Malformed, Reader, put_varint};
use crate::filter::{self, Builder, KEY_BYTES};

// The skeleton of a value is the value with each number replaced by one `0`. Numbers are the maximal runs of digits;
// of a longer run the first 19 digits if they make an i64, else the first 18, are a number, and the rest again.
//
// Layout.
// Head: varint number of skeletons (1 to 255), varint length of the longest value, u8 1 when the skeletons are in the
//   head (at most 256 bytes with their lengths) or 0; then for each skeleton its varint length, then all skeletons; or
//   the byte set of the values (see `facts`).
// Body: unless they are in the head, the skeletons: their lengths as numbers, then all of them as a text; the number
//   of the skeleton of each row, a plane; then for each skeleton, for each of its numbers: u8 style, the numbers of
//   its rows, and for style 255 the widths, as numbers too (numbers, texts, planes: see `planes`).
//   Style 0: shortest spelling; 1 to 19: with leading zeros to so many digits; 255: each to its own width.

const MAX_SKELETONS: usize = 255;
/// Numbers in one skeleton; bounds what a damaged body can make a reader allocate.
const MAX_NUMBERS: usize = 64;
const MAX_WIDTH: u8 = 19;
const SHORTEST: u8 = 0;
const OWN_WIDTHS: u8 = 255;
/// Rows looked at before all are taken apart.
const TRIED: usize = 64;
const NUMBER: u8 = b'0';

/// Values taken apart.
#[derive(Default)]
struct Apart {
    skeletons: Strings,
    hashes: Vec<u64>,
    /// Numbers in each skeleton.
    counts: Vec<u32>,
    /// Rows of each skeleton.
    rows: Vec<u32>,
    codes: Vec<u8>,
    /// All numbers of all rows, and how many digits each had.
    numbers: Vec<i64>,
    widths: Vec<u8>,
    scratch: Vec<u8>,
}

impl Apart {
    /// False when the value does not belong to so few skeletons.
    fn add(&mut self, value: &[u8], most: usize) -> bool {
        self.scratch.clear();
        let before = self.numbers.len();
        let mut at = 0;
        while at < value.len() {
            if !value[at].is_ascii_digit() {
                self.scratch.push(value[at]);
                at += 1;
                continue;
            }
            let start = at;
            let mut number = 0_u64;
            while at < value.len() && at - start < 18 && value[at].is_ascii_digit() {
                number = number * 10 + u64::from(value[at] - b'0');
                at += 1;
            }
            if at - start == 18 && at < value.len() && value[at].is_ascii_digit() {
                // Nineteen digits are less than 2^64.
                let longer = number * 10 + u64::from(value[at] - b'0');
                if longer <= i64::MAX.cast_unsigned() {
                    number = longer;
                    at += 1;
                }
            }
            self.numbers.push(number.cast_signed());
            self.widths.push((at - start) as u8);
            self.scratch.push(NUMBER);
        }
        let count = self.numbers.len() - before;
        match self.code(count, most) {
            Some(code) => {
                self.codes.push(code);
                true
            }
            None => false,
        }
    }

    fn code(&mut self, count: usize, most: usize) -> Option<u8> {
        let hash = filter::hash(&self.scratch);
        let last = usize::from(self.codes.last().copied().unwrap_or(0));
        let same = |code: usize| {
            self.hashes.get(code) == Some(&hash) && self.skeletons.get(code) == self.scratch.as_slice()
        };
        let code = if same(last) { Some(last) } else { (0..self.hashes.len()).find(|&code| same(code)) };
        if let Some(code) = code {
            self.rows[code] += 1;
            return Some(code as u8);
        }
        if self.hashes.len() == most || count > MAX_NUMBERS {
            return None;
        }
        self.hashes.push(hash);
        self.skeletons.push(&self.scratch);
        self.counts.push(count as u32);
        self.rows.push(1);
        Some((self.hashes.len() - 1) as u8)
    }

    /// For each skeleton, for each of its numbers: the numbers and their widths, in the order of the rows.
    fn slots(&self) -> Vec<Vec<(Vec<i64>, Vec<u8>)>> {
        let empty = |(&count, &rows): (&u32, &u32)| {
            let slot = || (Vec::with_capacity(rows as usize), Vec::with_capacity(rows as usize));
            (0..count).map(|_| slot()).collect::<Vec<_>>()
        };
        let mut all: Vec<Vec<(Vec<i64>, Vec<u8>)>> = self.counts.iter().zip(&self.rows).map(empty).collect();
        let mut at = 0;
        for &code in &self.codes {
            for (numbers, widths) in &mut all[usize::from(code)] {
                numbers.push(self.numbers[at]);
                widths.push(self.widths[at]);
                at += 1;
            }
        }
        all
    }
}

/// How the numbers at one place are printed.
fn style_of(numbers: &[i64], widths: &[u8]) -> u8 {
    let shortest =
        |(&number, &width): (&i64, &u8)| usize::from(width) == digits::count(number.cast_unsigned());
    if numbers.iter().zip(widths).all(shortest) {
        return SHORTEST;
    }
    match widths {
        [first, rest @ ..] if rest.iter().all(|width| width == first) => *first,
        _ => OWN_WIDTHS,
    }
}

fn try_sample(input: &Input<'_>) -> bool {
    let step = input.sample.rows.len().div_ceil(TRIED).max(1);
    let rows = || input.sample.rows.iter().step_by(step);
    let most = (rows().count() / 4).max(1);
    let mut apart = Apart::default();
    rows().all(|&row| apart.add(input.values.get(row as usize), most)) && !apart.numbers.is_empty()
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    if !try_sample(input) {
        return None;
    }
    let values = input.values;
    let most = (values.len() / 8).clamp(4, MAX_SKELETONS);
    let mut apart = Apart::default();
    apart.numbers.reserve(values.len() * 2);
    apart.widths.reserve(values.len() * 2);
    if !values.iter().all(|value| apart.add(value, most)) {
        return None;
    }
    let slots = apart.slots();
    feed(values, &apart, &slots, filter);

    let mut head = start_head(Kind::Pattern, values.len());
    let mut body = Vec::new();
    put_varint(&mut head, apart.counts.len() as u64);
    put_varint(&mut head, values.iter().map(<[u8]>::len).max().unwrap_or(0) as u64);
    let mut inline = Vec::new();
    apart.skeletons.iter().for_each(|skeleton| put_varint(&mut inline, skeleton.len() as u64));
    inline.extend_from_slice(&apart.skeletons.text);
    if inline.len() <= HEAD_VALUES_BYTES {
        head.push(1);
        head.append(&mut inline);
    } else {
        head.push(0);
        bytes_of(&apart.skeletons.text).write(&mut head);
        put_strings((0..apart.counts.len()).map(|index| apart.skeletons.get(index)), &mut body);
    }
    put_plane(&apart.codes, &mut body);
    for (numbers, widths) in slots.iter().flatten() {
        let style = style_of(numbers, widths);
        body.push(style);
        put_numbers(numbers, &mut body);
        if style == OWN_WIDTHS {
            let widths: Vec<i64> = widths.iter().map(|&width| i64::from(width)).collect();
            put_numbers(&widths, &mut body);
        }
    }
    Some(EncodedColumn { head, body, compress: false })
}

/// The words of the skeletons, and the numbers that are long enough to be keys.
fn feed(values: &Strings, apart: &Apart, slots: &[Vec<(Vec<i64>, Vec<u8>)>], filter: &mut Builder) {
    let mut keys = vec![false; slots.len()];
    for (code, slots) in slots.iter().enumerate() {
        let skeleton = apart.skeletons.get(code);
        filter.add_skeleton(skeleton);
        let mut widths =
            slots.iter().map(|(_, widths)| usize::from(widths.iter().copied().max().unwrap_or(0)));
        filter::for_each_word(skeleton, |start, end, _| {
            let word = skeleton[start..end].iter();
            let longest = word.map(|&byte| if byte == NUMBER { widths.next().unwrap_or(0) } else { 1 });
            let numbers = skeleton[start..end].contains(&NUMBER);
            keys[code] |= longest.sum::<usize>() >= KEY_BYTES && numbers;
        });
    }
    if keys.contains(&true) {
        for (value, &code) in values.iter().zip(&apart.codes) {
            if keys[usize::from(code)] {
                filter.add_keys(value);
            }
        }
    }
}

fn bytes_of(skeletons: &[u8]) -> ByteSet {
    let mut bytes = ByteSet::of(skeletons);
    if bytes.has(NUMBER) {
        bytes.union(&ByteSet::DIGITS);
    }
    bytes
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let count = reader.varint()?;
    if count == 0 || count > MAX_SKELETONS as u64 {
        return Err(Malformed("wrong number of skeletons"));
    }
    let longest = reader.varint()? as usize;
    let (skeletons, bytes) = match reader.u8()? {
        0 => (None, ByteSet::read(reader)?),
        1 => {
            let mut ends = Vec::with_capacity(count as usize);
            let mut end = 0_u64;
            for _ in 0..count {
                end = end.saturating_add(reader.varint()?);
                ends.push(u32::try_from(end).map_err(|_| Malformed("skeletons too long"))?);
            }
            let skeletons = Strings { text: reader.bytes(end as usize)?.to_vec(), ends };
            let bytes = bytes_of(&skeletons.text);
            (Some(skeletons), bytes)
        }
        _ => return Err(Malformed("skeletons neither here nor there")),
    };
    let facts = Facts { kind: Kind::Pattern, min: None, max: None, bytes, longest };
    Ok(Box::new(PatternHead { count: count as usize, skeletons, facts }))
}

#[derive(Debug)]
struct PatternHead {
    count: usize,
    skeletons: Option<Strings>,
    facts: Facts,
}

impl Head for PatternHead {
    fn kind(&self) -> Kind {
        Kind::Pattern
    }

    fn facts(&self) -> Facts {
        self.facts
    }

    fn find(&self, needle: &[u8]) -> Option<Hits> {
        let skeletons = self.skeletons.as_ref()?;
        let places = skeletons.iter().map(|skeleton| place(skeleton, needle));
        let (mut never, mut always) = (true, true);
        for place in places {
            never &= place == Place::Nowhere;
            always &= place == Place::Always;
        }
        if never { Some(Hits::None) } else { always.then_some(Hits::All) }
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let mut reader = Reader::new(body);
        let texts = match &self.skeletons {
            Some(skeletons) => skeletons.clone(),
            None => {
                let (text, ends) = read_strings(&mut reader, self.count)?;
                Strings { text, ends }
            }
        };
        let codes = read_plane(&mut reader, times.len())?;
        let mut ranks = Vec::with_capacity(codes.len());
        let mut rows = vec![0_u32; self.count];
        for &code in &codes {
            let rows = rows.get_mut(usize::from(code)).ok_or(Malformed("skeleton out of range"))?;
            ranks.push(*rows);
            *rows += 1;
        }
        let single = self.count == 1;
        if single {
            ranks = Vec::new();
        }
        let mut skeletons = Vec::with_capacity(self.count);
        for (text, rows) in texts.iter().zip(rows) {
            skeletons.push(Skeleton::read(&mut reader, text, rows as usize, single)?);
        }
        if reader.left() != 0 {
            return Err(Malformed("bytes behind patterns"));
        }
        Ok(Box::new(Patterns { codes, ranks, skeletons }))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.skeletons.as_ref().map_or(0, |texts| texts.text.len() + texts.len() * 4)
    }
}

/// What a skeleton says about a needle in its values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Maybe,
    Always,
}

/// A text with each run of digits replaced by one.
fn shape(text: &[u8]) -> Vec<u8> {
    let mut shape: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text {
        let byte = if byte.is_ascii_digit() { NUMBER } else { byte };
        if byte != NUMBER || shape.last() != Some(&NUMBER) {
            shape.push(byte);
        }
    }
    shape
}

fn place(skeleton: &[u8], needle: &[u8]) -> Place {
    let found = memchr::memmem::find(&shape(skeleton), &shape(needle)).is_some();
    match found {
        false => Place::Nowhere,
        true if needle.iter().any(u8::is_ascii_digit) => Place::Maybe,
        true => Place::Always,
    }
}

#[derive(Debug)]
struct Skeleton {
    text: Box<[u8]>,
    /// Where the numbers are in the text.
    places: Vec<u32>,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    style: u8,
    numbers: Numbers,
    /// Of style 255.
    widths: Vec<u8>,
}

/// Numbers none of which is negative, in as little memory as they need.
#[derive(Debug)]
enum Numbers {
    Narrow(Vec<u32>),
    Wide(Vec<i64>),
}

impl Slot {
    /// `wide`: the numbers are lent as `Variable::Numbered`.
    fn read(reader: &mut Reader<'_>, rows: usize, wide: bool) -> Result<Self, Malformed> {
        let style = reader.u8()?;
        if style > MAX_WIDTH && style != OWN_WIDTHS {
            return Err(Malformed("unknown style of numbers"));
        }
        let numbers = read_numbers(reader, rows)?;
        if numbers.iter().any(|&number| number < 0) {
            return Err(Malformed("negative number in a pattern"));
        }
        let widths = if style == OWN_WIDTHS { read_numbers(reader, rows)? } else { Vec::new() };
        if widths.iter().any(|&width| !(1..=i64::from(MAX_WIDTH)).contains(&width)) {
            return Err(Malformed("number too wide"));
        }
        let narrow = !wide && numbers.iter().all(|&number| number <= i64::from(u32::MAX));
        let numbers = if narrow {
            Numbers::Narrow(numbers.iter().map(|&number| number as u32).collect())
        } else {
            Numbers::Wide(numbers)
        };
        Ok(Self { style, numbers, widths: widths.iter().map(|&width| width as u8).collect() })
    }

    #[inline]
    fn push(&self, rank: usize, out: &mut Vec<u8>) {
        let width = if self.style == OWN_WIDTHS { self.widths[rank] } else { self.style };
        let number = match &self.numbers {
            Numbers::Narrow(numbers) => u64::from(numbers[rank]),
            Numbers::Wide(numbers) => numbers[rank].cast_unsigned(),
        };
        digits::push_padded(number, usize::from(width.max(1)), out);
    }
}

impl Skeleton {
    fn read(reader: &mut Reader<'_>, text: &[u8], rows: usize, single: bool) -> Result<Self, Malformed> {
        let numbers = text.iter().enumerate().filter(|(_, byte)| **byte == NUMBER);
        let places: Vec<u32> = numbers.map(|(index, _)| index as u32).collect();
        if places.len() > MAX_NUMBERS {
            return Err(Malformed("too many numbers in a pattern"));
        }
        let wide = single && places.len() == 1;
        let slots = places.iter().map(|_| Slot::read(reader, rows, wide)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), places, slots })
    }

    #[inline]
    fn push(&self, rank: usize, out: &mut Vec<u8>) {
        let mut start = 0;
        for (&place, slot) in self.places.iter().zip(&self.slots) {
            out.extend_from_slice(&self.text[start..place as usize]);
            slot.push(rank, out);
            start = place as usize + 1;
        }
        out.extend_from_slice(&self.text[start..]);
    }
}

#[derive(Debug)]
struct Patterns {
    codes: Vec<u8>,
    /// For each row, how many rows before it have the same skeleton; empty if there is only one.
    ranks: Vec<u32>,
    skeletons: Vec<Skeleton>,
}

impl Values for Patterns {
    fn push_value(&self, row: usize, out: &mut Vec<u8>) {
        let rank = self.ranks.get(row).map_or(row, |&rank| rank as usize);
        self.skeletons[usize::from(self.codes[row])].push(rank, out);
    }

    fn variable(&self) -> Variable<'_> {
        match self.skeletons.as_slice() {
            [Skeleton { text, places, slots }] => match (places.as_slice(), slots.as_slice()) {
                ([place], [Slot { style, numbers: Numbers::Wide(numbers), .. }]) if *style != OWN_WIDTHS => {
                    Variable::Numbered {
                        prefix: &text[..*place as usize],
                        suffix: &text[*place as usize + 1..],
                        width: *style,
                        values: numbers,
                    }
                }
                _ => Variable::Other,
            },
            _ => Variable::Other,
        }
    }

    fn memory_bytes(&self) -> usize {
        let slot = |slot: &Slot| {
            let numbers = match &slot.numbers {
                Numbers::Narrow(numbers) => numbers.len() * 4,
                Numbers::Wide(numbers) => numbers.len() * 8,
            };
            size_of::<Slot>() + numbers + slot.widths.len()
        };
        let skeleton = |skeleton: &Skeleton| {
            let places = skeleton.text.len() + skeleton.places.len() * 4;
            size_of::<Skeleton>() + places + skeleton.slots.iter().map(slot).sum::<usize>()
        };
        let skeletons = self.skeletons.iter().map(skeleton).sum::<usize>();
        size_of::<Self>() + self.codes.len() + self.ranks.len() * 4 + skeletons
    }

    /// Only the rows of skeletons that leave a question are made.
    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        let places: Vec<Place> =
            self.skeletons.iter().map(|skeleton| place(&skeleton.text, needle)).collect();
        if places.iter().all(|&place| place == Place::Nowhere) {
            return Hits::None;
        }
        let mut found = Vec::new();
        let (mut text, mut ends, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &code) in self.codes.iter().enumerate() {
            match places[usize::from(code)] {
                Place::Nowhere => {}
                Place::Always => found.push(row as u32),
                Place::Maybe => {
                    self.push_value(row, &mut text);
                    ends.push(text.len() as u32);
                    made.push(row as u32);
                }
            }
        }
        found.extend(rows_containing(&text, &ends, needle).into_iter().map(|index| made[index as usize]));
        found.sort_unstable();
        Hits::of(found, rows)
    }
}
