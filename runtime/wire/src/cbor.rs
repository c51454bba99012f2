//! Smithy RPC v2 CBOR documents: to neutral JSON values and back by shape. Byte strings become base64,
//! tag 1 a number of seconds, non-finite floats the texts `NaN`, `Infinity`, `-Infinity`.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbor4ii::core::Value as Item;
use cbor4ii::core::dec::{Decode as _, Read, Reference};
use cbor4ii::core::enc::Encode as _;
use cbor4ii::core::utils::BufWriter;
use serde_json::{Map, Number, Value};

use crate::decode::MAX_DEPTH;
use crate::fault::Fault;
use crate::model::{Kind, Shape};

/// Parses one CBOR item that fills `body`; an empty body is an empty structure.
pub(crate) fn decode(body: &[u8]) -> Result<Value, Fault> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut reader = Reader { rest: body, depth: 0 };
    let item = Item::decode(&mut reader)
        .map_err(|_| malformed("The CBOR document is malformed or nested too deep."))?;
    if !reader.rest.is_empty() {
        return Err(malformed("The CBOR document is followed by further bytes."));
    }
    neutral(item)
}

fn malformed(message: &str) -> Fault {
    Fault::new("SerializationException", message)
}

/// A slice reader that counts nesting. The decoder steps in more than once per level.
struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

const STEPS: usize = MAX_DEPTH * 2;

impl<'a> Read<'a> for Reader<'a> {
    type Error = Infallible;

    fn fill<'short>(&'short mut self, want: usize) -> Result<Reference<'a, 'short>, Infallible> {
        Ok(Reference::Long(&self.rest[..want.min(self.rest.len())]))
    }

    fn advance(&mut self, count: usize) {
        self.rest = &self.rest[count.min(self.rest.len())..];
    }

    fn step_in(&mut self) -> bool {
        self.depth += 1;
        self.depth <= STEPS
    }

    fn step_out(&mut self) {
        self.depth -= 1;
    }
}

fn neutral(item: Item) -> Result<Value, Fault> {
    Ok(match item {
        Item::Null => Value::Null,
        Item::Bool(value) => Value::Bool(value),
        Item::Integer(value) => i64::try_from(value)
            .map(Number::from)
            .or_else(|_| u64::try_from(value).map(Number::from))
            .map(Value::Number)
            .map_err(|_| malformed("An integer is out of range."))?,
        Item::Float(value) => float(value),
        Item::Bytes(value) => Value::String(STANDARD.encode(value)),
        Item::Text(value) => Value::String(value),
        Item::Array(items) => Value::Array(items.into_iter().map(neutral).collect::<Result<_, _>>()?),
        Item::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let Item::Text(key) = key else { return Err(malformed("A map key is not a text.")) };
                object.insert(key, neutral(value)?);
            }
            Value::Object(object)
        }
        Item::Tag(1, value) => match *value {
            value @ (Item::Integer(_) | Item::Float(_)) => neutral(value)?,
            _ => return Err(malformed("A timestamp is not a number.")),
        },
        Item::Tag(tag, _) => return Err(malformed(&format!("CBOR tag {tag} is not supported."))),
        _ => return Err(malformed("The CBOR document holds an unknown item.")),
    })
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(
        || {
            Value::from(if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            })
        },
        Value::Number,
    )
}

/// Writes `value` as its shape wants it: timestamps with tag 1, doubles always as 64-bit floats, blobs as
/// byte strings. Members that the shape does not have are left out.
pub(crate) fn encode(shape: Option<&Shape>, value: &Value) -> Vec<u8> {
    let mut writer = BufWriter::new(Vec::new());
    // Invariant: writing into a Vec cannot fail but for memory.
    let _ = item(shape, value).encode(&mut writer);
    writer.into_inner()
}

fn item(shape: Option<&Shape>, value: &Value) -> Item {
    let kind = shape.map(|shape| shape.kind);
    match (kind, value) {
        (_, Value::Null) => Item::Null,
        (_, Value::Bool(value)) => Item::Bool(*value),
        (Some(Kind::Double), Value::Number(number)) => Item::Float(number.as_f64().unwrap_or(f64::NAN)),
        (Some(Kind::Timestamp), Value::Number(number)) => {
            Item::Tag(1, Box::new(Item::Float(number.as_f64().unwrap_or(f64::NAN))))
        }
        (_, Value::Number(number)) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Item::Integer(whole.into()),
            (None, Some(whole)) => Item::Integer(whole.into()),
            (None, None) => Item::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        (Some(Kind::Blob), Value::String(text)) => Item::Bytes(STANDARD.decode(text).unwrap_or_default()),
        (_, Value::String(text)) => Item::Text(text.clone()),
        (Some(Kind::List(element)), Value::Array(items)) => {
            Item::Array(items.iter().map(|value| item(Some(element), value)).collect())
        }
        (_, Value::Array(items)) => Item::Array(items.iter().map(|value| item(None, value)).collect()),
        (Some(Kind::Structure(members)), Value::Object(fields)) => Item::Map(
            members
                .iter()
                .filter_map(|member| {
                    Some((member, fields.get(member.name).filter(|value| !value.is_null())?))
                })
                .map(|(member, value)| (Item::Text(member.name.to_owned()), item(Some(member.shape), value)))
                .collect(),
        ),
        (kind, Value::Object(fields)) => {
            let element = if let Some(Kind::Map { value, .. }) = kind { Some(value) } else { None };
            Item::Map(
                fields.iter().map(|(key, value)| (Item::Text(key.clone()), item(element, value))).collect(),
            )
        }
    }
}

#[cfg(test)]
mod tests;
