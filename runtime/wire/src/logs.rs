//! The fast way in for PutLogEvents: one pass over the body, messages borrowed from it where they hold no
//! escapes. Same checks and errors as `decode`, to which everything unusual falls back.

use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Deserialize;

use crate::decode::decode;
use crate::fault::Fault;
use crate::model::{Service, Shape};
use crate::request::Request;
use crate::shape::logs::{Entity, PutLogEventsRequest};
use crate::target::{Protocol, Target};
use crate::validate::text_is_valid;

/// A checked PutLogEvents request.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutLogEvents<'a> {
    /// The group's name.
    #[serde(borrow)]
    pub log_group_name: Cow<'a, str>,
    /// The stream's name.
    #[serde(borrow)]
    pub log_stream_name: Cow<'a, str>,
    /// 1 to 10,000 events in the order sent.
    #[serde(borrow)]
    pub log_events: Vec<LogEvent<'a>>,
    /// Accepted and ignored, as AWS does.
    #[serde(borrow, default)]
    pub sequence_token: Option<Cow<'a, str>>,
    /// The entity the events belong to.
    #[serde(default)]
    pub entity: Option<Entity>,
}

/// One event.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub struct LogEvent<'a> {
    /// Epoch milliseconds, not negative.
    pub timestamp: i64,
    /// At least one character.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
}

struct Shapes {
    group: &'static Shape,
    stream: &'static Shape,
    token: &'static Shape,
    events: &'static Shape,
}

fn shapes() -> Option<&'static Shapes> {
    static SHAPES: OnceLock<Option<Shapes>> = OnceLock::new();
    let find = || {
        let input = Service::Logs.model().operation("PutLogEvents")?.input?;
        let member =
            |name| input.members().iter().find(|member| member.name == name).map(|member| member.shape);
        Some(Shapes {
            group: member("logGroupName")?,
            stream: member("logStreamName")?,
            token: member("sequenceToken")?,
            events: member("logEvents")?,
        })
    };
    SHAPES.get_or_init(find).as_ref()
}

/// Parses and checks an awsJson body (already inflated, see [`crate::request::body`]).
///
/// # Errors
/// Those of [`decode`] for the same body.
pub fn put_log_events(body: &[u8]) -> Result<PutLogEvents<'_>, Fault> {
    match serde_json::from_slice::<PutLogEvents<'_>>(body) {
        Ok(input) if is_valid(&input) => Ok(input),
        _ => slow(body),
    }
}

fn is_valid(input: &PutLogEvents<'_>) -> bool {
    let Some(shapes) = shapes() else { return false };
    let count = input.log_events.len() as i64;
    // Entities are rare and have rules of their own.
    input.entity.is_none()
        && text_is_valid(shapes.group, &input.log_group_name)
        && text_is_valid(shapes.stream, &input.log_stream_name)
        && input.sequence_token.as_ref().is_none_or(|token| text_is_valid(shapes.token, token))
        && shapes.events.min.is_none_or(|min| count >= min)
        && shapes.events.max.is_none_or(|max| count <= max)
        && input.log_events.iter().all(|event| event.timestamp >= 0 && !event.message.is_empty())
}

/// The general decoder, for its errors and for what it takes and the fast one does not (nulls, fractions).
fn slow(body: &[u8]) -> Result<PutLogEvents<'static>, Fault> {
    let target = Target {
        service: Service::Logs,
        protocol: Protocol::Json11,
        operation: "PutLogEvents".to_owned(),
        query_mode: false,
        credential: None,
    };
    let request =
        Request { method: "POST".to_owned(), body: Bytes::copy_from_slice(body), ..Request::default() };
    let input: PutLogEventsRequest = serde_json::from_value(decode(&target, &request)?)
        .map_err(|_| Fault::new("SerializationException", "The request does not fit its shape."))?;
    Ok(PutLogEvents {
        log_group_name: input.log_group_name.into(),
        log_stream_name: input.log_stream_name.into(),
        log_events: input
            .log_events
            .into_iter()
            .map(|event| LogEvent { timestamp: event.timestamp, message: event.message.into() })
            .collect(),
        sequence_token: input.sequence_token.map(Cow::Owned),
        entity: input.entity,
    })
}

#[cfg(test)]
mod tests;
