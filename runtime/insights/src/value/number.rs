//! Numbers: reading them from text, printing them, and arithmetic that stays whole while it can.
//! Knows no value but a number.

use std::cmp::Ordering;

/// A number, whole while it can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Whole.
    Int(i64),
    /// Anything else.
    Float(f64),
}

impl Number {
    /// As a float; whole numbers beyond 2^53 are rounded.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn float(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Float(x) => x,
        }
    }

    /// As a whole number, truncated towards zero; None outside i64.
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn whole(self) -> Option<i64> {
        match self {
            Number::Int(n) => Some(n),
            Number::Float(x) if x.abs() < 9.2e18 => Some(x as i64),
            Number::Float(_) => None,
        }
    }

    /// Total order, exact beyond 2^53 too; floats here are never NaN.
    pub(crate) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Int(a), Number::Float(x)) => compare_mixed(a, x),
            (Number::Float(x), Number::Int(b)) => compare_mixed(b, x).reverse(),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn compare_mixed(n: i64, x: f64) -> Ordering {
    // Where they differ as floats they differ; where not, `x` is whole or both are small.
    let order = (n as f64).partial_cmp(&x).unwrap_or(Ordering::Equal);
    order.then_with(|| i128::from(n).cmp(&(x as i128)))
}

/// A decimal number with optional sign, fraction and exponent, and nothing else around it.
pub(crate) fn parse(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    let digits = match bytes.first()? {
        b'+' | b'-' => &bytes[1..],
        _ => bytes,
    };
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole == digits.len() {
        if whole == 0 {
            return None;
        }
        if whole <= 18 {
            let n = digits.iter().fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
            return Some(Number::Int(if bytes[0] == b'-' { -n } else { n }));
        }
        if let Ok(n) = text.parse() {
            return Some(Number::Int(n));
        }
    }
    // The alphabet excludes "inf" and "nan", which Rust would read as floats.
    if !digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let x: f64 = text.parse().ok()?;
    x.is_finite().then_some(Number::Float(x))
}

/// Shortest text that reads back as the same number; whole numbers without a fraction.
pub(crate) fn print(x: f64) -> String {
    let size = x.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e-7..1e21).contains(&size) {
        format!("{x}")
    } else {
        format!("{x:e}")
    }
}

/// The arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Arithmetic {
    /// How the operator is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
            Arithmetic::Power => "^",
        }
    }

    /// The result, or None for a division by zero and for what is no finite number.
    pub(crate) fn apply(self, a: Number, b: Number) -> Option<Number> {
        if let (Number::Int(a), Number::Int(b)) = (a, b)
            && let Some(n) = self.whole(a, b)
        {
            return Some(Number::Int(n));
        }
        let (a, b) = (a.float(), b.float());
        let x = match self {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Remainder => a % b,
            Arithmetic::Power => a.powf(b),
        };
        x.is_finite().then_some(Number::Float(x))
    }

    fn whole(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => (a.checked_rem(b)? == 0).then(|| a / b),
            Arithmetic::Remainder => a.checked_rem(b),
            Arithmetic::Power => a.checked_pow(u32::try_from(b).ok()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_as_a_number_only_when_it_is_one() {
        let cases = [
            ("42", Some(Number::Int(42))),
            ("-5", Some(Number::Int(-5))),
            ("+5", Some(Number::Int(5))),
            ("007", Some(Number::Int(7))),
            ("7.0", Some(Number::Float(7.0))),
            (".5", Some(Number::Float(0.5))),
            ("1e3", Some(Number::Float(1000.0))),
            ("9223372036854775807", Some(Number::Int(i64::MAX))),
            ("-9223372036854775808", Some(Number::Int(i64::MIN))),
            ("9223372036854775808", Some(Number::Float(9_223_372_036_854_775_808.0))),
            ("", None),
            ("-", None),
            (" 1", None),
            ("1 ", None),
            ("inf", None),
            ("nan", None),
            ("1e999", None),
            ("0x10", None),
            ("1-2", None),
            ("e", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }

    #[test]
    fn arithmetic_stays_whole_and_never_leaves_the_numbers() {
        use Arithmetic::{Add, Divide, Multiply, Power, Remainder};
        use Number::{Float, Int};
        let cases = [
            (Add, Int(2), Int(3), Some(Int(5))),
            (Add, Int(i64::MAX), Int(1), Some(Float(9_223_372_036_854_775_808.0))),
            (Divide, Int(404), Int(8), Some(Float(50.5))),
            (Divide, Int(400), Int(8), Some(Int(50))),
            (Divide, Int(1), Int(0), None),
            (Divide, Int(i64::MIN), Int(-1), Some(Float(9_223_372_036_854_775_808.0))),
            (Remainder, Int(-7), Int(3), Some(Int(-1))),
            (Remainder, Int(7), Int(0), None),
            (Power, Int(2), Int(10), Some(Int(1024))),
            (Power, Int(2), Int(-1), Some(Float(0.5))),
            (Power, Float(-1.0), Float(0.5), None),
            (Multiply, Float(1e300), Float(1e300), None),
        ];
        for (op, a, b, want) in cases {
            assert_eq!(op.apply(a, b), want, "{a:?} {} {b:?}", op.symbol());
        }
    }
}
