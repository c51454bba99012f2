//! Owns how numbers enter (JSON numbers and the strings NaN, Infinity) and how AWS prints them in sentences.
//! Refuses to know what a number means.

use crate::fault::Fault;
use serde::{Deserialize, Deserializer, de};

/// A double as a request carries it. JSON has no NaN or infinities: they arrive as strings, and are refused
/// later with a text that names them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
                match value {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    other => other.parse().map(Number).map_err(|_| E::custom("not a number")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The largest magnitude CloudWatch accepts: 2^360.
pub const MAGNITUDE_MAX: f64 = 2.348_542_582_773_833_3e108;

/// The value, if it is finite and within -2^360..2^360; `parameter` is the member to name in the error.
pub fn accept(value: f64, parameter: &str) -> Result<f64, Fault> {
    if value.is_finite() && value.abs() <= MAGNITUDE_MAX {
        // One zero: -0.0 would be a second distinct value.
        Ok(value + 0.0)
    } else {
        Err(Fault::value(format!("The value {} for parameter {parameter} is invalid.", text(value))))
    }
}

/// A double as AWS prints it in sentences (Java's rule): `21.0`, `0.001`, `1.0E7`, `NaN`, `Infinity`.
pub fn text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&magnitude) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_java_does() {
        for (value, expected) in [
            (21.0, "21.0"),
            (21.5, "21.5"),
            (0.0, "0.0"),
            (-3.0, "-3.0"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (5e9, "5.0E9"),
            (-1.25e-9, "-1.25E-9"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn reads_numbers_and_the_three_words() {
        let numbers: Vec<Number> = serde_json::from_str(r#"[1, 2.5, -3, "Infinity", "NaN"]"#).unwrap();
        assert_eq!(numbers[..4], [Number(1.0), Number(2.5), Number(-3.0), Number(f64::INFINITY)]);
        assert!(numbers[4].0.is_nan());
        assert!(serde_json::from_str::<Number>("\"x\"").is_err());
        assert!(serde_json::from_str::<Number>("true").is_err());
    }

    #[test]
    fn refuses_what_cloudwatch_refuses() {
        assert!(accept(MAGNITUDE_MAX, "Value").is_ok());
        assert_eq!(MAGNITUDE_MAX, 2f64.powi(360));
        let fault = accept(f64::NAN, "MetricData.member.1.Value").unwrap_err();
        assert_eq!(fault.message, "The value NaN for parameter MetricData.member.1.Value is invalid.");
        assert!(accept(-1e109, "Value").is_err());
        assert!(accept(-0.0, "Value").unwrap().is_sign_positive());
    }
}
