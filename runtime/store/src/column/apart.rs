//! Owns taking values apart: into skeletons, which few values differ in, and the numbers between.
//! Refuses to know how either is stored.

use super::digits;
use super::strings::Strings;
use crate::filter;

// The skeleton of a value is the value with each number replaced by one `0`. Numbers are the maximal runs of digits;
// of a longer run the first 19 digits if they make an i64, else the first 18, are a number, and the rest again.

/// What stands for a number in a skeleton.
pub(super) const NUMBER: u8 = b'0';
/// Numbers in one skeleton; bounds what a damaged body can make a reader allocate.
pub(super) const MAX_NUMBERS: usize = 64;
/// Longer values are not taken apart.
const MAX_VALUE: usize = 500;
/// Digits that always make an i64.
const SURE_DIGITS: usize = 18;
const POWERS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// The table of skeletons: at most 255 of them in 1024 places.
const PLACES: usize = 1024;

/// Set in the width of a number that has leading zeros.
const LEADING: u8 = 0x80;

/// What was at one place of a skeleton, in the order of the rows.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) numbers: Vec<i64>,
    /// How many digits each had, with `LEADING`; empty if no number of the column has leading zeros.
    widths: Vec<u8>,
}

/// How the numbers of a slot are printed.
pub(super) enum Print {
    Shortest,
    /// With leading zeros to so many digits.
    Fixed(u8),
    /// Each with so many digits.
    Own(Vec<u8>),
}

impl Slot {
    fn with_capacity(rows: usize, leading: bool) -> Self {
        Self { numbers: Vec::with_capacity(rows), widths: Vec::with_capacity(if leading { rows } else { 0 }) }
    }

    pub(super) fn print(&self) -> Print {
        if self.widths.iter().fold(0, |all, width| all | width) & LEADING == 0 {
            return Print::Shortest;
        }
        let widths: Vec<u8> = self.widths.iter().map(|width| width & !LEADING).collect();
        let first = widths[0];
        if widths.iter().all(|&width| width == first) { Print::Fixed(first) } else { Print::Own(widths) }
    }

    /// Digits of the longest number.
    pub(super) fn longest(&self) -> usize {
        let widths = self.widths.iter().fold(0, |most, width| most.max(width & !LEADING));
        let greatest = self.numbers.iter().fold(0, |most, &number| number.max(most));
        digits::count(greatest.cast_unsigned()).max(usize::from(widths))
    }
}

/// Values taken apart.
pub(super) struct Apart {
    pub(super) skeletons: Strings,
    pub(super) codes: Vec<u8>,
    /// Open addressing over the skeletons: 0 = free, else one more than a code.
    table: [u8; PLACES],
    /// Numbers in each skeleton.
    counts: Vec<u32>,
    /// Rows of each skeleton.
    rows: Vec<u32>,
    /// All numbers of all rows, and how many digits each had, with `LEADING`.
    numbers: Vec<i64>,
    widths: Vec<u8>,
    /// Whether any number has leading zeros.
    leading: bool,
    scratch: [u8; MAX_VALUE + 8],
}

impl Default for Apart {
    fn default() -> Self {
        Self {
            skeletons: Strings::default(),
            codes: Vec::new(),
            table: [0; PLACES],
            counts: Vec::new(),
            rows: Vec::new(),
            numbers: Vec::new(),
            widths: Vec::new(),
            leading: false,
            scratch: [0; MAX_VALUE + 8],
        }
    }
}

impl Apart {
    pub(super) fn reserve(&mut self, rows: usize) {
        self.codes.reserve(rows);
        self.numbers.reserve(rows * 2);
        self.widths.reserve(rows * 2);
    }

    pub(super) fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// Takes apart the value at `start..end` of a text. False when it does not belong to so few skeletons.
    pub(super) fn add(&mut self, text: &[u8], start: usize, end: usize, most: usize) -> bool {
        if end - start > MAX_VALUE {
            return false;
        }
        let before = self.numbers.len();
        let (mut at, mut length) = (start, 0);
        while at < end {
            let bytes = digits::load(text, at);
            let (digits, others) = digits::runs(bytes);
            if digits == 0 {
                let others = others.min(end - at);
                self.scratch[length..length + 8].copy_from_slice(&bytes.to_le_bytes());
                length += others;
                at += others;
            } else {
                at += self.number(&text[..end], at, bytes, digits.min(end - at));
                self.scratch[length] = NUMBER;
                length += 1;
            }
        }
        match self.code(length, self.numbers.len() - before, most) {
            Some(code) => {
                self.codes.push(code);
                true
            }
            None => false,
        }
    }

    /// Takes a number, whose first digits are in `bytes`, and returns how many digits it has.
    #[inline]
    fn number(&mut self, text: &[u8], at: usize, bytes: u64, digits: usize) -> usize {
        let mut number = digits::value_of(bytes, digits);
        let mut width = digits;
        if digits == 8 {
            (number, width) = longer(text, at, number);
        }
        self.numbers.push(number.cast_signed());
        let leading = bytes as u8 == b'0' && width > 1;
        self.leading |= leading;
        self.widths.push(width as u8 | if leading { LEADING } else { 0 });
        width
    }

    fn code(&mut self, length: usize, count: usize, most: usize) -> Option<u8> {
        let skeleton = &self.scratch[..length];
        let mut place = filter::hash(skeleton) as usize % PLACES;
        loop {
            match usize::from(self.table[place]) {
                0 => break,
                known if self.skeletons.get(known - 1) == skeleton => {
                    self.rows[known - 1] += 1;
                    return Some(known as u8 - 1);
                }
                _ => place = (place + 1) % PLACES,
            }
        }
        let code = self.counts.len();
        if code == most || count > MAX_NUMBERS {
            return None;
        }
        self.skeletons.push(skeleton);
        self.counts.push(count as u32);
        self.rows.push(1);
        self.table[place] = code as u8 + 1;
        Some(code as u8)
    }

    /// For each skeleton, for each of its numbers, what it is in its rows.
    pub(super) fn slots(&mut self) -> Vec<Vec<Slot>> {
        if let [1] = self.counts[..] {
            let widths = if self.leading { std::mem::take(&mut self.widths) } else { Vec::new() };
            return vec![vec![Slot { numbers: std::mem::take(&mut self.numbers), widths }]];
        }
        let empty = |(&count, &rows): (&u32, &u32)| {
            (0..count).map(|_| Slot::with_capacity(rows as usize, self.leading)).collect::<Vec<_>>()
        };
        let mut all: Vec<Vec<Slot>> = self.counts.iter().zip(&self.rows).map(empty).collect();
        let mut at = 0;
        for &code in &self.codes {
            for slot in &mut all[usize::from(code)] {
                slot.numbers.push(self.numbers[at]);
                if self.leading {
                    slot.widths.push(self.widths[at]);
                }
                at += 1;
            }
        }
        all
    }
}

/// The whole of a number that starts with these eight digits, and how many digits it has.
#[cold]
fn longer(text: &[u8], start: usize, eight: u64) -> (u64, usize) {
    let (mut number, mut at) = (eight, start + 8);
    while at < text.len() && at - start < SURE_DIGITS {
        let bytes = digits::load(text, at);
        let digits = digits::runs(bytes).0.min(text.len() - at).min(SURE_DIGITS - (at - start));
        if digits == 0 {
            return (number, at - start);
        }
        number = number * POWERS[digits] + digits::value_of(bytes, digits);
        at += digits;
    }
    if let Some(digit) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
        // Nineteen digits are less than 2^64.
        let with = number * 10 + u64::from(digit - b'0');
        if with <= i64::MAX.cast_unsigned() {
            return (with, at + 1 - start);
        }
    }
    (number, at - start)
}
