//! Numbers as patterns and messages write them. Owns parsing and comparison; integers stay
//! exact, so that 64-bit ids one apart are different.

use std::cmp::Ordering;

/// A finite number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i128),
    Float(f64),
}

/// Digits that always fit an i128.
const EXACT_DIGITS: usize = 38;

impl Number {
    /// Reads `[+-] digits [. digits] [e [+-] digits]`, and nothing else: no blanks, no `inf`,
    /// no hexadecimal, nothing that overflows to infinity.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        let bytes = text.as_bytes();
        let unsigned = match bytes.first()? {
            b'+' | b'-' => &bytes[1..],
            _ => bytes,
        };
        let digits = leading_digits(unsigned);
        if digits == unsigned.len() {
            return integer(unsigned, bytes[0] == b'-').or_else(|| float(text, digits));
        }
        let mut rest = &unsigned[digits..];
        let mut seen = digits;
        if rest[0] == b'.' {
            let fraction = leading_digits(&rest[1..]);
            seen += fraction;
            rest = &rest[1 + fraction..];
        }
        if let Some(b'e' | b'E') = rest.first() {
            let sign = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
            let exponent = leading_digits(&rest[1 + sign..]);
            if exponent == 0 {
                return None;
            }
            rest = &rest[1 + sign + exponent..];
        }
        if rest.is_empty() { float(text, seen) } else { None }
    }

    pub(crate) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
            // Both are finite, so the comparison is total.
            (a, b) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        }
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Float(value) => value,
        }
    }
}

fn leading_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn integer(digits: &[u8], negative: bool) -> Option<Number> {
    if digits.is_empty() || digits.len() > EXACT_DIGITS {
        return None;
    }
    let value = if digits.len() <= 18 {
        i128::from(digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0')))
    } else {
        digits.iter().fold(0i128, |value, digit| value * 10 + i128::from(digit - b'0'))
    };
    Some(Number::Integer(if negative { -value } else { value }))
}

fn float(text: &str, digits: usize) -> Option<Number> {
    if digits == 0 {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    value.is_finite().then_some(Number::Float(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_documented_forms_only() {
        for good in ["0", "75", "+999", "-5", "1e3", "1E-3", "55.5", "007", ".5", "5.", "1.5e+10"] {
            let number = Number::parse(good).unwrap_or_else(|| panic!("{good}"));
            assert_eq!(number.as_f64(), good.parse::<f64>().unwrap(), "{good}");
        }
        for bad in
            ["", "+", "-", ".", "e5", "1e", "1e+", "--1", "1.2.3", "0x1f", "inf", "NaN", " 1", "1 ", "1e999"]
        {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn integers_compare_exactly() {
        let ordering = |a: &str, b: &str| Number::parse(a).unwrap().compare(Number::parse(b).unwrap());
        assert_eq!(ordering("9007199254740993", "9007199254740992"), Ordering::Greater);
        assert_eq!(ordering("1234567890123456789", "1234567890123456789"), Ordering::Equal);
        assert_eq!(ordering("1e3", "1000"), Ordering::Equal);
        assert_eq!(ordering("-0", "0"), Ordering::Equal);
        assert_eq!(ordering(&"9".repeat(60), &"9".repeat(59)), Ordering::Greater);
    }
}
