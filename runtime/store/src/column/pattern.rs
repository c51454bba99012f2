//! Owns the kind Pattern: values that differ in their digits, while their other bytes come from a short list.
//! Refuses to know other kinds.

use std::borrow::Cow;

use super::apart::{Apart, MAX_NUMBERS, NUMBER, Print, Slot as Taken};
use super::choose::Input;
use super::narrow::Narrow;
use super::planes::{put_numbers, put_plane, put_strings, read_numbers, read_plane, read_strings};
use super::strings::{Strings, rows_containing};
use super::{
    ByteSet, EncodedColumn, Facts, HEAD_VALUES_BYTES, Head, Hits, Kind, Rows, Values, Variable, digits,
    start_head,
};
use crate::codec::{Malformed, Reader, put_varint};
use crate::filter::{self, Builder, KEY_BYTES};

// Layout. For skeletons and numbers see `apart`.
// Head: varint number of skeletons (1 to 255), varint length of the longest value, u8 1 when the skeletons are in the
//   head (at most 256 bytes with their lengths) or 0; then for each skeleton its varint length, then all skeletons; or
//   the byte set of the values (see `facts`).
// Body: unless they are in the head, the skeletons: their lengths as numbers, then all of them as a text; the number
//   of the skeleton of each row, a plane; then for each skeleton, for each of its numbers: u8 style, the numbers of
//   its rows, and for style 255 the widths, as numbers too (numbers, texts, planes: see `planes`).
//   Style 0: shortest spelling; 1 to 19: with leading zeros to so many digits; 255: each to its own width.

const MAX_SKELETONS: usize = 255;
const MAX_WIDTH: u8 = 19;
const SHORTEST: u8 = 0;
const OWN_WIDTHS: u8 = 255;
/// Rows looked at before all are taken apart.
const TRIED: usize = 64;

fn try_sample(input: &Input<'_>) -> bool {
    let step = input.sample.rows.len().div_ceil(TRIED).max(1);
    let rows = || input.sample.rows.iter().step_by(step);
    let most = (rows().count() / 4).max(1);
    let mut apart = Apart::default();
    let mut add = |row: usize| {
        let start = if row == 0 { 0 } else { input.values.ends[row - 1] };
        apart.add(&input.values.text, start as usize, input.values.ends[row] as usize, most)
    };
    rows().all(|&row| add(row as usize)) && apart.has_numbers()
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    if !try_sample(input) {
        return None;
    }
    let values = input.values;
    let most = (values.len() / 8).clamp(4, MAX_SKELETONS);
    let mut apart = Apart::default();
    apart.reserve(values.len());
    let mut start = 0;
    for &end in &values.ends {
        if !apart.add(&values.text, start, end as usize, most) {
            return None;
        }
        start = end as usize;
    }
    let slots = apart.slots();
    feed(values, &apart, &slots, filter);

    let mut head = start_head(Kind::Pattern, values.len());
    let mut body = Vec::new();
    put_varint(&mut head, apart.skeletons.len() as u64);
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
        put_strings((0..apart.skeletons.len()).map(|index| apart.skeletons.get(index)), &mut body);
    }
    put_plane(&apart.codes, &mut body);
    for slot in slots.iter().flatten() {
        let print = slot.print();
        body.push(match print {
            Print::Shortest => SHORTEST,
            Print::Fixed(width) => width,
            Print::Own(_) => OWN_WIDTHS,
        });
        put_numbers(&slot.numbers, &mut body);
        if let Print::Own(widths) = print {
            let widths: Vec<i64> = widths.iter().map(|&width| i64::from(width)).collect();
            put_numbers(&widths, &mut body);
        }
    }
    Some(EncodedColumn { head, body })
}

/// The words of the skeletons, and the numbers that are long enough to be keys.
fn feed(values: &Strings, apart: &Apart, slots: &[Vec<Taken>], filter: &mut Builder) {
    let mut keys = vec![false; slots.len()];
    for (code, slots) in slots.iter().enumerate() {
        let skeleton = apart.skeletons.get(code);
        filter.add_skeleton(skeleton);
        let mut widths = slots.iter().map(Taken::longest);
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
        let needle = Looked::new(needle);
        let places = skeletons.iter().map(|skeleton| needle.place(skeleton));
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
        let (rows, ranks) = self.ranks(&codes)?;
        let mut skeletons = Vec::with_capacity(self.count);
        for (text, rows) in texts.iter().zip(rows) {
            skeletons.push(Skeleton::read(&mut reader, text, rows as usize)?);
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

impl PatternHead {
    /// How many rows each skeleton has, and for each row how many of them come before it; nothing where all have one.
    fn ranks(&self, codes: &[u8]) -> Result<(Vec<i64>, Option<Narrow>), Malformed> {
        let mut rows = vec![0; self.count];
        if codes.iter().any(|&code| usize::from(code) >= self.count) {
            return Err(Malformed("skeleton out of range"));
        }
        if let [rows] = &mut rows[..] {
            *rows = codes.len() as i64;
            return Ok((vec![*rows], None));
        }
        let mut ranks = Vec::with_capacity(codes.len());
        for &code in codes {
            let rows = &mut rows[usize::from(code)];
            ranks.push(*rows);
            *rows += 1;
        }
        Ok((rows, Some(Narrow::of(ranks))))
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
fn shape(text: &[u8]) -> Cow<'_, [u8]> {
    let run = |pair: &[u8]| pair.iter().all(u8::is_ascii_digit);
    if text.iter().all(|&byte| byte == NUMBER || !byte.is_ascii_digit()) && !text.windows(2).any(run) {
        return Cow::Borrowed(text);
    }
    let mut shape: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text {
        let byte = if byte.is_ascii_digit() { NUMBER } else { byte };
        if byte != NUMBER || shape.last() != Some(&NUMBER) {
            shape.push(byte);
        }
    }
    Cow::Owned(shape)
}

/// A needle that is looked for in skeletons.
struct Looked<'n> {
    shape: Cow<'n, [u8]>,
    has_digits: bool,
}

impl<'n> Looked<'n> {
    fn new(needle: &'n [u8]) -> Self {
        Self { shape: shape(needle), has_digits: needle.iter().any(u8::is_ascii_digit) }
    }

    fn place(&self, skeleton: &[u8]) -> Place {
        match memchr::memmem::find(&shape(skeleton), &self.shape).is_some() {
            false => Place::Nowhere,
            true if self.has_digits => Place::Maybe,
            true => Place::Always,
        }
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
    /// None is negative.
    numbers: Narrow,
    /// Of style 255.
    widths: Vec<u8>,
}

impl Slot {
    fn read(reader: &mut Reader<'_>, rows: usize) -> Result<Self, Malformed> {
        let style = reader.u8()?;
        if style > MAX_WIDTH && style != OWN_WIDTHS {
            return Err(Malformed("unknown style of numbers"));
        }
        let numbers = read_numbers(reader, rows)?;
        let widths = if style == OWN_WIDTHS { read_numbers(reader, rows)? } else { Vec::new() };
        if widths.iter().any(|&width| !(1..=i64::from(MAX_WIDTH)).contains(&width)) {
            return Err(Malformed("number too wide"));
        }
        if numbers.iter().fold(0, |all, number| all | number) < 0 {
            return Err(Malformed("negative number in a pattern"));
        }
        Ok(Self {
            style,
            numbers: Narrow::of(numbers),
            widths: widths.iter().map(|&width| width as u8).collect(),
        })
    }

    /// Writes the number of a row to the start of a place that has room, and returns its length.
    #[inline]
    fn write(&self, rank: usize, place: &mut [u8]) -> usize {
        let width = if self.style == OWN_WIDTHS { self.widths[rank] } else { self.style };
        digits::write(self.numbers.get(rank).cast_unsigned(), usize::from(width), place)
    }
}

impl Skeleton {
    fn read(reader: &mut Reader<'_>, text: &[u8], rows: usize) -> Result<Self, Malformed> {
        let numbers = text.iter().enumerate().filter(|(_, byte)| **byte == NUMBER);
        let places: Vec<u32> = numbers.map(|(index, _)| index as u32).collect();
        if places.len() > MAX_NUMBERS {
            return Err(Malformed("too many numbers in a pattern"));
        }
        let slots = places.iter().map(|_| Slot::read(reader, rows)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), places, slots })
    }

    /// Room that `write` needs.
    fn room(&self) -> usize {
        self.text.len() + SHORT + self.slots.len() * digits::ROOM
    }

    /// Writes the value of a row to the start of the line and returns its length.
    #[inline]
    fn write(&self, rank: usize, line: &mut [u8]) -> usize {
        let mut at = 0;
        let mut start = 0;
        for (&place, slot) in self.places.iter().zip(&self.slots) {
            at += copy(&self.text, start, place as usize, &mut line[at..]);
            at += slot.write(rank, &mut line[at..]);
            start = place as usize + 1;
        }
        at + copy(&self.text, start, self.text.len(), &mut line[at..])
    }
}

/// A short piece is copied as so many bytes, whatever follows it.
const SHORT: usize = 16;

/// Copies a piece of a text to the start of a place that has room for it and more.
#[inline]
fn copy(text: &[u8], start: usize, end: usize, place: &mut [u8]) -> usize {
    let length = end - start;
    match (text[start..].first_chunk::<SHORT>(), place.first_chunk_mut::<SHORT>()) {
        (Some(from), Some(to)) if length <= SHORT => *to = *from,
        _ => place[..length].copy_from_slice(&text[start..end]),
    }
    length
}

#[derive(Debug)]
struct Patterns {
    codes: Vec<u8>,
    /// For each row, how many rows before it have the same skeleton; nothing if there is only one.
    ranks: Option<Narrow>,
    skeletons: Vec<Skeleton>,
}

impl Patterns {
    /// Room for any value.
    fn room(&self) -> usize {
        self.skeletons.iter().map(Skeleton::room).max().unwrap_or(0)
    }

    /// The rows whose skeleton is wanted, without a branch for each.
    fn rows_where(&self, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
        let flags: [bool; 256] = std::array::from_fn(|code| code < self.skeletons.len() && wanted(code));
        let (mut rows, mut count) = (vec![0; self.codes.len()], 0);
        for (row, &code) in self.codes.iter().enumerate() {
            rows[count] = row as u32;
            count += usize::from(flags[usize::from(code)]);
        }
        rows.truncate(count);
        rows
    }

    #[inline]
    fn write(&self, row: usize, line: &mut [u8]) -> usize {
        let rank = self.ranks.as_ref().map_or(row, |ranks| ranks.get(row) as usize);
        self.skeletons[usize::from(self.codes[row])].write(rank, line)
    }
}

impl Values for Patterns {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        rows.write(self.room(), out, ends, |row, place| self.write(row, place));
    }

    fn variable(&self) -> Variable<'_> {
        match self.skeletons.as_slice() {
            [Skeleton { text, places, slots }] => match (places.as_slice(), slots.as_slice()) {
                ([place], [Slot { style, numbers, .. }]) if *style != OWN_WIDTHS => Variable::Numbered {
                    prefix: &text[..*place as usize],
                    suffix: &text[*place as usize + 1..],
                    width: *style,
                    values: numbers.lend(),
                },
                _ => Variable::Other,
            },
            _ => Variable::Other,
        }
    }

    fn memory_bytes(&self) -> usize {
        let slot = |slot: &Slot| size_of::<Slot>() + slot.numbers.memory_bytes() + slot.widths.len();
        let skeleton = |skeleton: &Skeleton| {
            let places = skeleton.text.len() + skeleton.places.len() * 4;
            size_of::<Skeleton>() + places + skeleton.slots.iter().map(slot).sum::<usize>()
        };
        let skeletons = self.skeletons.iter().map(skeleton).sum::<usize>();
        size_of::<Self>() + self.codes.len() + self.ranks.as_ref().map_or(0, Narrow::memory_bytes) + skeletons
    }

    /// Only the rows of skeletons that leave a question are made.
    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        let looked = Looked::new(needle);
        let places: Vec<Place> = self.skeletons.iter().map(|skeleton| looked.place(&skeleton.text)).collect();
        let rows_of = |place: Place| {
            if places.contains(&place) { self.rows_where(|code| places[code] == place) } else { Vec::new() }
        };
        let (mut found, made) = (rows_of(Place::Always), rows_of(Place::Maybe));
        if made.is_empty() {
            return Hits::of(found, rows);
        }
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(made.len()));
        self.push_rows(Rows::These(&made), &mut text, &mut ends);
        found.extend(rows_containing(&text, &ends, needle).into_iter().map(|index| made[index as usize]));
        found.sort_unstable();
        Hits::of(found, rows)
    }
}
