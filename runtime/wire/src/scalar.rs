//! Scalar values of requests: from text (forms, headers, labels) and from JSON or CBOR values, by shape.
//! Checks types only; constraints are `validate`'s.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

use crate::fault::Fault;
use crate::model::{Kind, Shape};
use crate::timestamp;

/// The value that `text` spells; `path` is for the error.
pub(crate) fn from_text(shape: &Shape, text: &str, path: &str) -> Result<Value, Fault> {
    let malformed = |what: &str| Fault::new("MalformedInput", format!("{path}: '{text}' is not {what}."));
    match shape.kind {
        Kind::Boolean => match text {
            "true" | "True" => Ok(Value::Bool(true)),
            "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(malformed("true or false")),
        },
        Kind::Integer | Kind::Long => text
            .trim()
            .parse::<i64>()
            .ok()
            .and_then(|number| fits(shape, number))
            .ok_or_else(|| malformed("an integer")),
        Kind::Double => {
            let number = text.trim().parse::<f64>().map_err(|_| malformed("a number"))?;
            finite(number, path)
        }
        Kind::Timestamp => {
            let seconds = timestamp::parse(text).ok_or_else(|| malformed("a timestamp"))?;
            finite(seconds, path)
        }
        Kind::Blob if STANDARD.decode(text).is_err() => Err(malformed("base64")),
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn fits(shape: &Shape, number: i64) -> Option<Value> {
    let small = !matches!(shape.kind, Kind::Integer) || i32::try_from(number).is_ok();
    small.then(|| Value::from(number))
}

fn finite(number: f64, path: &str) -> Result<Value, Fault> {
    Number::from_f64(number).map(Value::Number).ok_or_else(|| {
        let message = format!("The value {number} for parameter {path} is invalid.");
        Fault::new("InvalidParameterValue", message)
    })
}

/// The scalar `value` as `shape` wants it; AWS's texts for the wrong JSON type.
pub(crate) fn from_value(shape: &Shape, value: Value, path: &str) -> Result<Value, Fault> {
    match (shape.kind, &value) {
        (Kind::String, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => Ok(value),
        (Kind::Blob, Value::String(text)) => match STANDARD.decode(text) {
            Ok(_) => Ok(value),
            Err(_) => Err(Fault::new("SerializationException", format!("{path}: the blob is not base64"))),
        },
        (Kind::Integer | Kind::Long, Value::Number(number)) => {
            let whole = number.as_i64().or_else(|| {
                // AWS truncates fractions; beyond 2^63 there is nothing to truncate to.
                number.as_f64().filter(|float| float.abs() < 9.2e18).map(|float| float as i64)
            });
            whole.and_then(|whole| fits(shape, whole)).ok_or_else(|| {
                Fault::new("SerializationException", format!("{path}: {number} is out of range"))
            })
        }
        (Kind::Double | Kind::Timestamp, Value::Number(number)) => {
            finite(number.as_f64().unwrap_or(f64::NAN), path)
        }
        (Kind::Double, Value::String(text)) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
            Err(Fault::new(
                "InvalidParameterValue",
                format!("The value {text} for parameter {path} is invalid."),
            ))
        }
        (Kind::Timestamp, Value::String(text)) => match timestamp::parse(text) {
            Some(seconds) => finite(seconds, path),
            None => Err(mismatch(&value, "a Timestamp")),
        },
        (Kind::String | Kind::Blob, _) => Err(mismatch(&value, "a String")),
        (Kind::Boolean, _) => Err(mismatch(&value, "a Boolean")),
        (Kind::Integer, _) => Err(mismatch(&value, "an Integer")),
        (Kind::Long, _) => Err(mismatch(&value, "a Long")),
        _ => Err(mismatch(&value, "a Double")),
    }
}

/// AWS's error for a value of the wrong type.
pub(crate) fn mismatch(value: &Value, wanted: &str) -> Fault {
    let found = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => {
            return Fault::new("SerializationException", "Start of list found where not expected");
        }
        Value::Object(_) => {
            let message = "Start of structure or map found where not expected.";
            return Fault::new("SerializationException", message);
        }
    };
    Fault::new("SerializationException", format!("{found} can not be converted to {wanted}"))
}
