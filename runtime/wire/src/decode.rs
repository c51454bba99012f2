//! From a request to one neutral JSON object keyed by the model's member names: dispatch by protocol, then
//! types by shape, then constraints. Knows no operation.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::form::Form;
use crate::model::{Kind, Shape};
use crate::request::{self, Request};
use crate::target::{Protocol, Target};
use crate::{cbor, rest, scalar, validate};

/// Deepest nesting of a request document.
pub const MAX_DEPTH: usize = 64;

/// The shape of operations without input.
pub(crate) static EMPTY: Shape = Shape::structure("Empty", &[]);

/// The input of a served operation, checked against the model. Blobs are base64 texts, timestamps are
/// epoch seconds; members that the model does not know and nulls are dropped, as AWS does.
///
/// # Errors
/// AWS's error for a malformed document, a wrong type, or violated constraints (all of them in one text);
/// [`Fault::not_served`] for an operation without generated shapes.
pub fn decode(target: &Target, request: &Request) -> Result<Value, Fault> {
    let Some(operation) = target.service.model().operation(&target.operation) else {
        return Err(Fault::not_served(target.service, &target.operation));
    };
    let shape = operation.input.unwrap_or(&EMPTY);
    let input = match target.protocol {
        Protocol::Json10 | Protocol::Json11 => conform(shape, json(&request::body(request)?)?)?,
        Protocol::Cbor => conform(shape, cbor::decode(&request::body(request)?)?)?,
        Protocol::RestJson => rest::decode(operation, request)?,
        Protocol::Query => {
            let body = query_body(request)?;
            Form::parse(&body)?.read(shape, "")?.unwrap_or_default()
        }
    };
    validate::check(target.service, &target.operation, shape, &input)?;
    Ok(input)
}

fn query_body(request: &Request) -> Result<Bytes, Fault> {
    if request.method == "GET" {
        return Ok(Bytes::copy_from_slice(request.query().as_bytes()));
    }
    request::body(request)
}

/// Parses a JSON document; an empty one is `{}`.
pub(crate) fn json(body: &[u8]) -> Result<Value, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    if depth(body) > MAX_DEPTH {
        let message = format!("The document is nested deeper than {MAX_DEPTH} levels.");
        return Err(Fault::new("SerializationException", message));
    }
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Fault::new("SerializationException", format!("The JSON document is malformed at {place}."))
    })
}

/// The deepest bracket nesting of a JSON text, counted without parsing it.
fn depth(body: &[u8]) -> usize {
    let (mut deepest, mut now, mut at) = (0_usize, 0_usize, 0);
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'"' => at += string(&body[at..]),
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Bytes of a string behind its opening quote, the closing one included.
fn string(text: &[u8]) -> usize {
    let mut at = 0;
    // Code in base64 is one long string.
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += found + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at = text.len().min(at + 1);
    }
    text.len()
}

/// Brings a parsed document to the types of its shape.
pub(crate) fn conform(shape: &Shape, value: Value) -> Result<Value, Fault> {
    typed(shape, value, &mut String::new())
}

fn typed(shape: &Shape, value: Value, path: &mut String) -> Result<Value, Fault> {
    let length = path.len();
    let result = match (shape.kind, value) {
        (Kind::Structure(members), Value::Object(mut fields)) => {
            let mut object = Map::new();
            for member in members {
                let Some(value) = fields.remove(member.name).filter(|value| !value.is_null()) else {
                    continue;
                };
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(member.name);
                object.insert(member.name.to_owned(), typed(member.shape, value, path)?);
                path.truncate(length);
            }
            Value::Object(object)
        }
        (Kind::List(element), Value::Array(items)) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                path.push_str(&format!(".member.{}", index + 1));
                list.push(if item.is_null() { item } else { typed(element, item, path)? });
                path.truncate(length);
            }
            Value::Array(list)
        }
        (Kind::Map { value: element, .. }, Value::Object(fields)) => {
            let mut object = Map::new();
            for (key, item) in fields {
                path.push_str(&format!(".{key}"));
                object.insert(key, if item.is_null() { item } else { typed(element, item, path)? });
                path.truncate(length);
            }
            Value::Object(object)
        }
        (Kind::List(_), other) if !other.is_object() => {
            return Err(Fault::new("SerializationException", "Expected list or null"));
        }
        (Kind::Structure(_) | Kind::Map { .. }, other) if !other.is_array() => {
            return Err(Fault::new("SerializationException", "Expected structure or null"));
        }
        (Kind::Structure(_) | Kind::Map { .. } | Kind::List(_), other) => {
            return Err(scalar::mismatch(&other, ""));
        }
        (_, other) => scalar::from_value(shape, other, path)?,
    };
    Ok(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::depth;

    /// The same, a byte at a time.
    fn by_bytes(body: &[u8]) -> usize {
        let (mut deepest, mut now, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
        for &byte in body {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => now += 1,
                b'}' | b']' if !quoted => now = now.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(now);
        }
        deepest
    }

    proptest! {
        #[test]
        fn nesting_is_counted_outside_of_strings(body in r#"[\[\]{}"\\ax]{0,40}"#) {
            prop_assert_eq!(depth(body.as_bytes()), by_bytes(body.as_bytes()));
        }
    }
}
