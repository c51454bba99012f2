//! rest-json (Lambda, EventBridge Scheduler): routes, labels, query parameters, headers, blob payloads. Knows the bindings of the
//! model; refuses to know what a function is.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::decode::{EMPTY, conform, json};
use crate::fault::Fault;
use crate::form::Form;
use crate::model::{Kind, Member, Operation, Place, Service, Shape};
use crate::request::{self, Request};
use crate::scalar;

/// The service whose path this is. Lambda's begin with an API date, Scheduler's with a word; both have tags, which the
/// credential scope tells apart.
pub(crate) fn service(path: &str, scope: Option<Service>) -> Option<Service> {
    if begins_with_date(path) {
        return Some(Service::Lambda);
    }
    let first = path.split('/').nth(1).unwrap_or_default();
    let is_ours = matches!(first, "schedules" | "schedule-groups")
        || (first == "tags" && scope == Some(Service::Scheduler));
    is_ours.then_some(Service::Scheduler)
}

/// Whether a path begins with an API date: `/2015-03-31/...`.
fn begins_with_date(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() > 11
        && bytes[0] == b'/'
        && bytes[11] == b'/'
        && bytes[1..11].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// The operation whose route matches, the most literal one first.
pub(crate) fn operation(service: Service, request: &Request) -> Result<&'static str, Fault> {
    let routes = service.model().routes;
    let fitting = routes.iter().filter(|(method, uri, _)| *method == request.method && fits(uri, request));
    let best = fitting.max_by_key(|(_, uri, _)| literals(uri));
    best.map(|(_, _, operation)| *operation).ok_or_else(|| {
        let message = format!("Unknown operation {} {}", request.method, request.path());
        Fault::new("UnknownOperationException", message).status(404)
    })
}

fn literals(uri: &str) -> usize {
    uri.split(['/', '?', '&']).filter(|part| !part.starts_with('{')).count()
}

fn fits(uri: &'static str, request: &Request) -> bool {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let asked = query.split('&').filter(|part| !part.is_empty());
    labels(path, request.path()).is_some()
        && asked.into_iter().all(|part| request.query().split('&').any(|sent| sent == part))
}

/// The labels of `template` in `path`, still encoded; `None` where the path does not fit. A label takes one
/// segment, a greedy one (`{Name+}`) all that remain. A trailing slash is as good as none.
fn labels<'a>(template: &'static str, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    let mut found = Vec::new();
    let mut rest = path.strip_suffix('/').unwrap_or(path);
    let template = template.strip_suffix('/').unwrap_or(template);
    for part in template.split('/').skip(1) {
        rest = rest.strip_prefix('/')?;
        let label = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        if let Some(label) = label.and_then(|label| label.strip_suffix('+')) {
            found.push((label, rest));
            rest = "";
            continue;
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let segment = &rest[..end];
        match label {
            Some(_) if segment.is_empty() => return None,
            Some(label) => found.push((label, segment)),
            None if segment != part => return None,
            None => {}
        }
        rest = &rest[end..];
    }
    rest.is_empty().then_some(found)
}

/// The input of `operation`: body members, then what labels, parameters and headers say.
pub(crate) fn decode(operation: &Operation, request: &Request) -> Result<Value, Fault> {
    let shape = operation.input.unwrap_or(&EMPTY);
    let payload = shape.members().iter().find(|member| member.place == Place::Payload);
    let mut input = match payload {
        Some(member) => from_payload(member, request)?,
        None if shape.members().iter().any(|member| member.place == Place::Body) => {
            match conform(shape, json(&request::body(request)?)?)? {
                Value::Object(object) => object,
                _ => Map::new(),
            }
        }
        None => Map::new(),
    };
    // A body must not speak for a path label.
    input.retain(|name, _| {
        shape.members().iter().any(|m| m.name == name && matches!(m.place, Place::Body | Place::Payload))
    });
    let labels =
        labels(operation.uri.split('?').next().unwrap_or_default(), request.path()).unwrap_or_default();
    let parameters = Form::parse(request.query().as_bytes())?;
    for member in shape.members() {
        if let (Place::Query, Kind::List(element)) = (member.place, member.shape.kind) {
            let values = Form::values(request.query(), member.place_name)?;
            let values = values.iter().map(|text| scalar::from_text(element, text, member.name));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            if !values.is_empty() {
                input.insert(member.name.to_owned(), Value::Array(values));
            }
            continue;
        }
        let text = match member.place {
            Place::Uri => labels
                .iter()
                .find(|(name, _)| *name == member.place_name)
                .map(|(_, text)| label(text))
                .transpose()?,
            Place::Query => parameters.get(member.place_name).map(Cow::Borrowed),
            Place::Header => request.header(&member.place_name.to_ascii_lowercase()).map(Cow::Borrowed),
            Place::Body | Place::Payload | Place::Status => None,
        };
        if let Some(text) = text {
            input.insert(member.name.to_owned(), bound(member, &text)?);
        }
    }
    Ok(Value::Object(input))
}

fn from_payload(member: &Member, request: &Request) -> Result<Map<String, Value>, Fault> {
    let body = request::body(request)?;
    let value = match member.shape.kind {
        Kind::Blob => Value::String(STANDARD.encode(&body)),
        _ => conform(member.shape, json(&body)?)?,
    };
    Ok(if body.is_empty() { Map::new() } else { Map::from_iter([(member.name.to_owned(), value)]) })
}

fn label(text: &str) -> Result<Cow<'_, str>, Fault> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Fault::new("SerializationException", "The path is not valid UTF-8."))
}

fn bound(member: &Member, text: &str) -> Result<Value, Fault> {
    if let Kind::List(element) = member.shape.kind {
        return Ok(Value::Array(vec![scalar::from_text(element, text, member.name)?]));
    }
    scalar::from_text(member.shape, text, member.name)
}

/// Status, headers and body of an output.
pub(crate) fn encode(operation: &Operation, output: &Value) -> (u16, Vec<(String, String)>, Bytes) {
    let (mut status, mut headers) = (operation.status, Vec::new());
    let Some(shape) = operation.output else { return (status, headers, Bytes::new()) };
    let (mut body, mut payload) = (Map::new(), None);
    for member in shape.members() {
        let Some(value) = output.get(member.name).filter(|value| !value.is_null()) else { continue };
        match member.place {
            Place::Status => status = value.as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(status),
            Place::Header => headers.push((member.place_name.to_owned(), header(value))),
            Place::Payload => payload = Some(raw(member.shape, value)),
            Place::Body | Place::Query | Place::Uri => {
                body.insert(member.name.to_owned(), value.clone());
            }
        }
    }
    let has_payload = shape.members().iter().any(|member| member.place == Place::Payload);
    let has_body = shape.members().iter().any(|member| member.place == Place::Body);
    let bytes = match payload {
        Some(payload) => payload,
        None if has_payload || !has_body || status == 204 => Bytes::new(),
        None => Value::Object(body).to_string().into(),
    };
    (status, headers, bytes)
}

fn header(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace(['\r', '\n', '\0'], " ")
}

fn raw(shape: &Shape, value: &Value) -> Bytes {
    match (shape.kind, value) {
        (Kind::Blob, Value::String(text)) => STANDARD.decode(text).unwrap_or_default().into(),
        (_, Value::String(text)) => text.clone().into(),
        _ => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests;
