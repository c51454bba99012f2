//! Owns decimal digits: reading them exactly and writing them. Refuses to know what is counted.

/// The value of 1 to 19 digits and nothing else.
#[inline]
pub(super) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value = 0;
    let mut rest = digits;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        value = value * 100_000_000 + eight(u64::from_le_bytes(*chunk))?;
        rest = tail;
    }
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to the eight.
#[inline]
fn eight(bytes: u64) -> Option<u64> {
    let digits = bytes ^ 0x3030_3030_3030_3030;
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}

/// A whole number in its shortest spelling: no plus sign, no leading zeros, no `-0`.
#[inline]
pub(super) fn parse_canonical(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    let value = parse(digits)?;
    if digits[0] == b'0' && (digits.len() > 1 || negative) {
        return None;
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The number of digits.
pub(super) fn count(value: u64) -> usize {
    value.checked_ilog10().unwrap_or(0) as usize + 1
}

const PAIRS: [u8; 200] = pairs();

const fn pairs() -> [u8; 200] {
    let mut table = [0; 200];
    let mut index = 0;
    while index < 100 {
        table[index * 2] = b'0' + (index / 10) as u8;
        table[index * 2 + 1] = b'0' + (index % 10) as u8;
        index += 1;
    }
    table
}

const MOST_DIGITS: usize = 20;

/// Appends a number with at least `width` digits (at most 20).
#[inline]
pub(super) fn push_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = [b'0'; MOST_DIGITS];
    let mut at = MOST_DIGITS;
    let mut rest = value;
    while rest >= 100 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    let pair = rest as usize * 2;
    if rest >= 10 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = PAIRS[pair + 1];
    }
    out.extend_from_slice(&buffer[at.min(MOST_DIGITS.saturating_sub(width))..]);
}

/// Appends a number in its shortest spelling.
#[inline]
pub(super) fn push_canonical(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    push_padded(value.unsigned_abs(), 1, out);
}

/// Appends the two digits of a number below 100.
#[inline]
pub(super) fn push_two(value: u32, out: &mut Vec<u8>) {
    let pair = value as usize % 100 * 2;
    out.extend_from_slice(&PAIRS[pair..pair + 2]);
}
