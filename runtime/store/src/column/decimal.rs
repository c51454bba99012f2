//! Owns the kind Decimal: decimal fractions, printed in one of three styles. Refuses to know other kinds.

use super::choose::Input;
use super::facts::bounds;
use super::narrow::Narrow;
use super::planes::{put_numbers, put_signed, read_numbers, signed};
use super::{
    ByteSet, EncodedColumn, Facts, Head, Hits, Kind, Rows, Style, Values, Variable, digits, find_rendered,
    start_head,
};
use crate::codec::{Malformed, Reader};
use crate::filter::{Builder, KEY_BYTES};

// Layout.
// Head: u8 style, u8 scale (1 to 18), zigzag varint least mantissa, zigzag varint greatest mantissa.
//   A value is mantissa / 10^scale, printed with `-` if negative, with at least one digit before the point, and by
//   style 0: with `scale` digits behind the point;
//   style 1: without zeros at the end, but at least one digit behind the point (5.0);
//   style 2: without zeros at the end, and without a point if nothing follows it (5).
// Body: the mantissas as numbers (see `planes`).

const FIXED: u8 = 0;
const POINT: u8 = 1;
const SHORT: u8 = 2;
const MAX_SCALE: usize = 18;

/// A fraction: its digits as one number, and how many of them are behind the point.
#[inline]
fn parse(text: &[u8]) -> Option<(i64, usize)> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let point = rest.iter().position(|&byte| byte == b'.').unwrap_or(rest.len());
    let whole = &rest[..point];
    if whole.is_empty() || whole.len() > 1 && whole[0] == b'0' || rest.len() > MAX_SCALE + 1 {
        return None;
    }
    let mut value = digits::parse(whole)?;
    let scale = if point == rest.len() {
        0
    } else {
        let fraction = &rest[point + 1..];
        value = value.checked_mul(POWERS[fraction.len()])?.checked_add(digits::parse(fraction)?)?;
        fraction.len()
    };
    let value = i64::try_from(value).ok()?;
    if negative && value == 0 {
        return None;
    }
    Some((if negative { -value } else { value }, scale))
}

const POWERS: [u64; MAX_SCALE + 1] = powers();

const fn powers() -> [u64; MAX_SCALE + 1] {
    let mut table = [1; MAX_SCALE + 1];
    let mut index = 1;
    while index <= MAX_SCALE {
        table[index] = table[index - 1] * 10;
        index += 1;
    }
    table
}

/// The style that prints all values as they were.
fn style_of(numbers: &[i64], scales: &[u8]) -> Option<(u8, usize)> {
    let scale = usize::from(scales.iter().max().copied()?);
    if scale == 0 {
        return None;
    }
    if scales.iter().all(|&one| usize::from(one) == scale) {
        return Some((FIXED, scale));
    }
    let (mut whole, mut point) = (false, false);
    for (&number, &scale) in numbers.iter().zip(scales) {
        match scale {
            0 => whole = true,
            1 if number % 10 == 0 => point = true,
            _ if number % 10 == 0 => return None,
            _ => {}
        }
    }
    match (whole, point) {
        (true, true) => None,
        (true, false) => Some((SHORT, scale)),
        _ => Some((POINT, scale)),
    }
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let mut rows = input.sample.rows.iter();
    if rows.any(|&row| parse(input.values.get(row as usize)).is_none()) {
        return None;
    }
    let count = input.values.len();
    let (mut numbers, mut scales) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for value in input.values.iter() {
        let (number, scale) = parse(value)?;
        numbers.push(number);
        scales.push(scale as u8);
    }
    let (style, scale) = style_of(&numbers, &scales)?;
    if style != FIXED {
        for (number, &own) in numbers.iter_mut().zip(&scales) {
            *number = number.checked_mul(POWERS[scale - usize::from(own)].cast_signed())?;
        }
    }
    let first = numbers.first().copied()?;
    let (min, max) =
        numbers.iter().fold((first, first), |(min, max), &number| (number.min(min), number.max(max)));
    let largest = min.unsigned_abs().max(max.unsigned_abs());
    if scale >= KEY_BYTES || digits::count(largest / POWERS[scale]) >= KEY_BYTES {
        input.values.iter().for_each(|value| filter.add_keys(value));
    }
    let mut head = start_head(Kind::Decimal, count);
    head.extend([style, scale as u8]);
    put_signed(&mut head, min);
    put_signed(&mut head, max);
    let mut body = Vec::new();
    put_numbers(&numbers, &mut body);
    Some(EncodedColumn { head, body })
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let (style, scale) = (reader.u8()?, reader.u8()?);
    let (min, max) = (signed(reader)?, signed(reader)?);
    if style > SHORT || scale == 0 || usize::from(scale) > MAX_SCALE || min > max {
        return Err(Malformed("unknown style of decimals"));
    }
    Ok(Box::new(DecimalHead { style, scale, min, max }))
}

#[derive(Debug)]
struct DecimalHead {
    style: u8,
    scale: u8,
    min: i64,
    max: i64,
}

impl Head for DecimalHead {
    fn kind(&self) -> Kind {
        Kind::Decimal
    }

    fn facts(&self) -> Facts {
        let (min, max) = bounds(self.min, self.max, self.scale);
        let mut bytes = ByteSet::DIGITS;
        bytes.insert(b'.');
        bytes.insert(b'-');
        let largest = self.min.unsigned_abs().max(self.max.unsigned_abs());
        let longest = digits::count(largest).max(usize::from(self.scale) + 1) + 2;
        Facts { kind: Kind::Decimal, min, max, bytes, longest }
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let mut reader = Reader::new(body);
        let mantissas = read_numbers(&mut reader, times.len())?;
        if reader.left() != 0 {
            return Err(Malformed("bytes behind decimals"));
        }
        let exact = mantissas.iter().all(|mantissa| mantissa.unsigned_abs() <= 1 << 53);
        Ok(Box::new(Decimals {
            style: self.style,
            scale: self.scale,
            mantissas: Narrow::of(mantissas),
            exact,
        }))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct Decimals {
    style: u8,
    scale: u8,
    mantissas: Narrow,
    /// No mantissa is beyond 2^53.
    exact: bool,
}

impl Decimals {
    /// Writes a value to the start of a place that has room, and returns its length.
    #[inline]
    fn write(&self, mantissa: i64, power: u64, place: &mut [u8]) -> usize {
        place[0] = b'-';
        let mut at = usize::from(mantissa < 0);
        let mantissa = mantissa.unsigned_abs();
        at += digits::write(mantissa / power, 1, &mut place[at..]);
        let mut fraction = mantissa % power;
        let mut width = usize::from(self.scale);
        if self.style != FIXED {
            if fraction == 0 {
                let zero = if self.style == POINT { 2 } else { 0 };
                place[at..at + zero].copy_from_slice(&b".0"[..zero]);
                return at + zero;
            }
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                width -= 1;
            }
        }
        place[at] = b'.';
        at += 1;
        at + digits::write(fraction, width, &mut place[at..])
    }
}

impl Values for Decimals {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        let power = POWERS[usize::from(self.scale)];
        rows.write(digits::ROOM * 2, out, ends, |row, place| {
            self.write(self.mantissas.get(row), power, place)
        });
    }

    /// Greater mantissas are not exact as f64, so that dividing them would not give what reading the text gives.
    fn variable(&self) -> Variable<'_> {
        if !self.exact {
            return Variable::Other;
        }
        let style = match self.style {
            FIXED => Style::Fixed,
            POINT => Style::Trimmed,
            _ => Style::Short,
        };
        Variable::Decimals { mantissas: self.mantissas.lend(), scale: self.scale, style }
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.mantissas.memory_bytes()
    }

    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        if !needle.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) {
            return Hits::None;
        }
        find_rendered(self, needle, rows)
    }
}
