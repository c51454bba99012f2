//! Hashes of values that are equal exactly when the values print alike: `7`, `"7"` and the seventh of
//! a column of numbers are one value. A text is hashed as what stands before its last digits and the
//! number these are, so that typed columns need not be written out.

use crate::run::strings::Digits;
use crate::value::compare::write_canonical;
use crate::value::{Cell, json};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const SPREAD: u64 = 0xd6e8_feb8_6659_fd93;
/// Times differ from the numbers that they are in milliseconds.
const TIME: u64 = 0x5851_f42d_4c95_7f2d;
/// Texts that end in no digit.
const PLAIN: u64 = 0x1405_7b7e_f767_814f;
/// Digits that are read as a number.
const DIGITS: usize = 18;

/// For either argument fixed, no two values of the other give the same hash.
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(SPREAD) ^ b;
    x = (x ^ (x >> 32)).wrapping_mul(SPREAD);
    x = (x ^ (x >> 29)).wrapping_mul(SEED);
    x ^ (x >> 32)
}

fn bytes(text: &[u8]) -> u64 {
    let mut hash = SEED ^ (text.len() as u64);
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

/// `prefix` with a number behind it; `width` counts its digits if it starts with a zero that could go.
fn numbered(prefix: u64, width: u64, number: u64) -> u64 {
    mix(prefix.wrapping_add(width.wrapping_mul(TIME)), number)
}

/// The hash of one text.
pub(super) fn text(text: &str) -> u64 {
    let all = text.as_bytes();
    let count = all.iter().rev().take(DIGITS).take_while(|b| b.is_ascii_digit()).count();
    let (prefix, digits) = all.split_at(all.len() - count);
    let number = digits.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    let width = if count > 1 && digits[0] == b'0' { count as u64 } else { 0 };
    // No digits at all is not the number nought.
    if count == 0 { mix(bytes(prefix), PLAIN) } else { numbered(bytes(prefix), width, number) }
}

fn int(n: i64) -> u64 {
    if n.unsigned_abs() >= 10u64.pow(18) {
        return text(&n.to_string());
    }
    numbered(if n < 0 { bytes(b"-") } else { bytes(b"") }, 0, n.unsigned_abs())
}

/// The hash of one value; `scratch` is reused.
pub(super) fn cell(cell: Cell<'_>, scratch: &mut Vec<u8>) -> u64 {
    match cell {
        Cell::Text(s) => text(s),
        Cell::Int(n) => int(n),
        Cell::Time(ms) => mix(int(ms), TIME),
        Cell::List(_) | Cell::Map(_) => text(&json::stringify(cell)),
        Cell::Null | Cell::Bool(_) | Cell::Float(_) => {
            scratch.clear();
            write_canonical(cell, scratch);
            // Written by the lines above as text.
            text(std::str::from_utf8(scratch).unwrap_or_default())
        }
    }
}

/// The hashes of a column of whole numbers.
pub(super) fn ints(list: &[i64]) -> impl Fn(usize) -> u64 {
    let prefix = bytes(b"");
    move |row| {
        let n = list[row];
        match u64::try_from(n) {
            Ok(number) if number < 10u64.pow(18) => numbered(prefix, 0, number),
            _ => int(n),
        }
    }
}

/// The hashes of a column of numbers behind a fixed text, if their texts split just there.
pub(super) fn digits<'a>(digits: &'a Digits<'_>) -> Option<impl Fn(usize) -> u64 + 'a> {
    let split = !digits.prefix.as_bytes().last().is_some_and(u8::is_ascii_digit);
    let width = u32::from(digits.width);
    if !digits.suffix.is_empty() || !split || width > 18 {
        return None;
    }
    let prefix = bytes(digits.prefix.as_bytes());
    // Below this a number is filled up with zeros.
    let filled = if width > 1 { 10u64.pow(width - 1) } else { 0 };
    let values = &digits.values;
    Some(move |row: usize| match u64::try_from(values[row]) {
        Ok(number) if number < 10u64.pow(18) => {
            numbered(prefix, if number < filled { u64::from(width) } else { 0 }, number)
        }
        _ => text(digits.text(row)),
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn hashes_are_equal_exactly_for_what_prints_alike() {
        let mut scratch = Vec::new();
        let mut seen: HashMap<u64, String> = HashMap::new();
        let mut check = |hash: u64, text: String| {
            let first = seen.entry(hash).or_insert_with(|| text.clone());
            assert_eq!(*first, text);
        };
        let numbers =
            [0, 7, 42, 623, 1_000_000, 999_999_999_999_999_999, 1_000_000_000_000_000_000, i64::MAX];
        for n in numbers.into_iter().flat_map(|n| [n, -n]).chain([i64::MIN]) {
            check(cell(Cell::Int(n), &mut scratch), n.to_string());
            check(text(&n.to_string()), n.to_string());
            check(ints(&[n])(0), n.to_string());
        }
        for (prefix, suffix) in [("", ""), ("u-", ""), ("u1", ""), ("u", "x"), ("-", "")] {
            for width in [0, 1, 3, 7, 18] {
                let values = numbers.to_vec();
                let column = Digits::new(prefix, suffix, width, Cow::Owned(values));
                for row in 0..numbers.len() {
                    let written = column.text(row).to_owned();
                    if let Some(hash) = digits(&column) {
                        check(hash(row), written.clone());
                    }
                    check(text(&written), written);
                }
            }
        }
        for float in [7.0, 0.5, 1e300, -2.5, 0.0] {
            check(cell(Cell::Float(float), &mut scratch), crate::value::number::print(float));
        }
        for other in ["", "0", "00", "000", "a", "a0", "a00", "01", "1", "٣"] {
            check(text(other), other.to_owned());
        }
        check(cell(Cell::Time(7), &mut scratch), "the time 7".to_owned());
        check(cell(Cell::Bool(true), &mut scratch), "1".to_owned());
    }
}
