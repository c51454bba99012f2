//! Values of the query language: what they are, how they print, and when they count as a number.
//! Knows nothing of where a value came from; ordering and comparison are in `compare.rs`.

pub(crate) mod compare;
pub(crate) mod json;
pub(crate) mod number;

use std::borrow::Cow;
use std::sync::Arc;

use number::Number;

/// One owned value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absent: a missing field, a failed conversion, JSON `null`.
    Null,
    /// Prints as 1 or 0.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; never NaN or infinite (those become [`Value::Null`]).
    Float(f64),
    /// Milliseconds since the Unix epoch; a number in expressions, a date and time in results.
    Time(i64),
    /// Text.
    Text(Arc<str>),
    /// A list made by jsonParse or split.
    List(Arc<[Value]>),
    /// A map made by jsonParse, in document order; keys are unique.
    Map(Arc<[(Box<str>, Value)]>),
}

/// One borrowed value: what functions and comparisons look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'v> {
    /// See [`Value::Null`].
    Null,
    /// See [`Value::Bool`].
    Bool(bool),
    /// See [`Value::Int`].
    Int(i64),
    /// See [`Value::Float`].
    Float(f64),
    /// See [`Value::Time`].
    Time(i64),
    /// See [`Value::Text`].
    Text(&'v str),
    /// See [`Value::List`].
    List(&'v Arc<[Value]>),
    /// See [`Value::Map`].
    Map(&'v Arc<[(Box<str>, Value)]>),
}

impl Value {
    /// The value, borrowed.
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Value::Null => Cell::Null,
            Value::Bool(b) => Cell::Bool(*b),
            Value::Int(n) => Cell::Int(*n),
            Value::Float(x) => Cell::Float(*x),
            Value::Time(ms) => Cell::Time(*ms),
            Value::Text(s) => Cell::Text(s),
            Value::List(items) => Cell::List(items),
            Value::Map(entries) => Cell::Map(entries),
        }
    }

    /// Text from anything that owns or lends some.
    pub(crate) fn text(s: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(s.as_ref()))
    }

    /// A float, or null when it is not finite.
    pub(crate) fn float(x: f64) -> Value {
        if x.is_finite() { Value::Float(x) } else { Value::Null }
    }

    /// Bytes this value holds, roughly; for the memory bounds.
    pub(crate) fn bytes(&self) -> usize {
        let inner = match self {
            Value::Text(s) => s.len() + 16,
            Value::List(items) => items.iter().map(Value::bytes).sum(),
            Value::Map(entries) => entries.iter().map(|(k, v)| k.len() + v.bytes()).sum(),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Time(_) => 0,
        };
        inner + size_of::<Value>()
    }
}

impl From<Number> for Value {
    fn from(n: Number) -> Value {
        match n {
            Number::Int(n) => Value::Int(n),
            Number::Float(x) => Value::float(x),
        }
    }
}

impl<'v> Cell<'v> {
    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Bool(b) => Value::Bool(b),
            Cell::Int(n) => Value::Int(n),
            Cell::Float(x) => Value::float(x),
            Cell::Time(ms) => Value::Time(ms),
            Cell::Text(s) => Value::text(s),
            Cell::List(items) => Value::List(Arc::clone(items)),
            Cell::Map(entries) => Value::Map(Arc::clone(entries)),
        }
    }

    /// True for an absent value.
    pub fn is_null(self) -> bool {
        matches!(self, Cell::Null)
    }

    /// The value as a number: typed numbers, times as milliseconds, booleans as 1 and 0, and text
    /// that is a decimal number.
    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Cell::Int(n) | Cell::Time(n) => Some(Number::Int(n)),
            Cell::Float(x) => Some(Number::Float(x)),
            Cell::Bool(b) => Some(Number::Int(i64::from(b))),
            Cell::Text(s) => number::parse(s),
            Cell::Null | Cell::List(_) | Cell::Map(_) => None,
        }
    }

    /// The value as text for functions: times are their milliseconds. None for null, lists and maps.
    pub(crate) fn text(self) -> Option<Cow<'v, str>> {
        match self {
            Cell::Text(s) => Some(Cow::Borrowed(s)),
            Cell::Int(n) | Cell::Time(n) => Some(Cow::Owned(n.to_string())),
            Cell::Float(x) => Some(Cow::Owned(number::print(x))),
            Cell::Bool(b) => Some(Cow::Borrowed(if b { "1" } else { "0" })),
            Cell::Null | Cell::List(_) | Cell::Map(_) => None,
        }
    }

    /// The value as it appears in a result row; None leaves the field out.
    pub(crate) fn print(self) -> Option<String> {
        match self {
            Cell::Time(ms) => Some(print_time(ms)),
            Cell::List(_) | Cell::Map(_) => Some(json::stringify(self)),
            Cell::Null => None,
            Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) | Cell::Text(_) => self.text().map(Cow::into_owned),
        }
    }

    /// Whether `filter` keeps a row with this value: true, or a number other than 0.
    pub(crate) fn truthy(self) -> bool {
        match self {
            Cell::Bool(b) => b,
            Cell::Text("true") => true,
            _ => self.number().is_some_and(|n| n.float() != 0.0),
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS.mmm` in UTC; a time outside the calendar prints as its milliseconds.
pub(crate) fn print_time(ms: i64) -> String {
    use chrono::{Datelike, Timelike};
    let Some(t) = chrono::DateTime::from_timestamp_millis(ms) else {
        return ms.to_string();
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.timestamp_subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_results_show_them() {
        let cases = [
            (Value::Null, None),
            (Value::Bool(true), Some("1")),
            (Value::Bool(false), Some("0")),
            (Value::Int(-3), Some("-3")),
            (Value::Float(418.571_428_571_428_56), Some("418.57142857142856")),
            (Value::Float(7.0), Some("7")),
            (Value::Float(1e300), Some("1e300")),
            (Value::Time(0), Some("1970-01-01 00:00:00.000")),
            (Value::Time(1_700_000_000_123), Some("2023-11-14 22:13:20.123")),
            (Value::Time(-1), Some("1969-12-31 23:59:59.999")),
            (Value::text("x"), Some("x")),
            (Value::List(vec![Value::Int(1), Value::Null].into()), Some("[1,null]")),
        ];
        for (value, want) in cases {
            assert_eq!(value.cell().print().as_deref(), want, "{value:?}");
        }
    }

    #[test]
    fn truth_is_true_or_a_number_other_than_zero() {
        for (value, want) in [
            (Value::Null, false),
            (Value::Bool(true), true),
            (Value::Int(0), false),
            (Value::Float(0.5), true),
            (Value::text("0"), false),
            (Value::text("2"), true),
            (Value::text("yes"), false),
            (Value::text("true"), true),
        ] {
            assert_eq!(value.cell().truthy(), want, "{value:?}");
        }
    }
}
