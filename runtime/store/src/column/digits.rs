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

/// Eight bytes of a text from `at` on, zeros behind its end.
#[inline]
pub(super) fn load(text: &[u8], at: usize) -> u64 {
    match text[at..].first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => text[at..].iter().rev().fold(0, |bytes, &byte| bytes << 8 | u64::from(byte)),
    }
}

/// How many of eight bytes, from the lowest on, are digits, and how many are none.
#[inline]
pub(super) fn runs(bytes: u64) -> (usize, usize) {
    const UPPER: u64 = 0x8080_8080_8080_8080;
    let digits = bytes ^ 0x3030_3030_3030_3030;
    // The upper bit of each byte that is no digit. No byte carries into the next.
    let others = (((digits & !UPPER) + 0x7676_7676_7676_7676) | digits) & UPPER;
    ((others.trailing_zeros() / 8) as usize, ((!others & UPPER).trailing_zeros() / 8) as usize)
}

/// The value of the lowest `count` (1 to 8) of eight bytes, which are digits.
#[inline]
pub(super) fn value_of(bytes: u64, count: usize) -> u64 {
    join((bytes ^ 0x3030_3030_3030_3030) << (64 - 8 * count))
}

/// Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to the eight.
#[inline]
fn eight(bytes: u64) -> Option<u64> {
    let digits = bytes ^ 0x3030_3030_3030_3030;
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    Some(join(digits))
}

#[inline]
fn join(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff
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

/// Room that `write` needs.
pub(super) const ROOM: usize = 32;

/// The eight digits of a number below 10^8, the first one in the lowest byte: halves, then quarters, then digits are
/// split off in parallel, by multiplications that divide exactly in this range.
#[inline]
fn split(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let upper = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = upper | ((fours - upper * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

/// Writes a number with at least `width` digits (at most 20) to the start of `place`, which has `ROOM`, and returns
/// how many bytes it takes. What follows them is overwritten too.
#[inline]
pub(super) fn write(value: u64, width: usize, place: &mut [u8]) -> usize {
    if value >= 100_000_000 || width > 8 {
        return write_long(value, width, place);
    }
    let digits = split(value);
    let zeros = (digits.trailing_zeros() / 8) as usize;
    let skip = zeros.min(8 - width.max(1));
    let text = (digits | 0x3030_3030_3030_3030) >> (8 * skip);
    place[..8].copy_from_slice(&text.to_le_bytes());
    8 - skip
}

fn write_long(value: u64, width: usize, place: &mut [u8]) -> usize {
    let (upper, lower) = (value / 100_000_000, value % 100_000_000);
    let at = write(upper, width.saturating_sub(8), place);
    at + write(lower, 8, &mut place[at..])
}

/// Writes a number in its shortest spelling to the start of `place`, which has `ROOM`, and returns its length.
#[inline]
pub(super) fn write_canonical(value: i64, place: &mut [u8]) -> usize {
    let sign = usize::from(value < 0);
    place[0] = b'-';
    sign + write(value.unsigned_abs(), 1, &mut place[sign..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read() {
        let mut numbers = vec![0, u64::MAX, i64::MAX.cast_unsigned()];
        (0..20).for_each(|power| {
            numbers.extend([10_u64.pow(power) - 1, 10_u64.pow(power), 10_u64.pow(power) / 10 * 17]);
        });
        (0..20_000).for_each(|number: u64| numbers.push(number * 5003));
        for number in numbers {
            for width in 0..=20 {
                let mut place = [0; ROOM];
                let length = write(number, width, &mut place);
                assert_eq!(&place[..length], format!("{number:0width$}").as_bytes());
            }
            let text = format!("{number}x12345678");
            let (digits, _) = runs(load(text.as_bytes(), 0));
            assert_eq!(digits, count(number).min(8));
            let start: u64 = text[..digits].parse().unwrap();
            assert_eq!(value_of(load(text.as_bytes(), 0), digits), start);
            let signed = number.cast_signed();
            assert_eq!(parse_canonical(signed.to_string().as_bytes()), Some(signed));
        }
        for other in
            ["", "-", "-0", "01", "+1", "1x", "12345678x", "x2345678", "9223372036854775808", "1:345678"]
        {
            assert_eq!(parse_canonical(other.as_bytes()), None, "{other}");
        }
        assert_eq!(runs(u64::from_le_bytes(*b"ab:/7\xff9z")), (0, 4));
    }
}
