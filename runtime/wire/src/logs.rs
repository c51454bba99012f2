//! The fast way in for PutLogEvents: one pass over the body, all messages into one text, as they are to be stored; no
//! allocation per event. Same checks and errors as `decode`, to which everything unusual falls back.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
    pub log_events: LogEvents,
    /// Accepted and ignored, as AWS does.
    #[serde(borrow, default)]
    pub sequence_token: Option<Cow<'a, str>>,
    /// The entity the events belong to.
    #[serde(default)]
    pub entity: Option<Entity>,
}

/// Events: their messages stand one after another in one text.
#[derive(Debug, Default, PartialEq)]
pub struct LogEvents {
    /// Epoch milliseconds, not negative.
    pub timestamps: Vec<i64>,
    /// Where each message ends in `text`; each has at least one character.
    pub ends: Vec<u32>,
    /// The messages.
    pub text: String,
}

impl LogEvents {
    fn push(&mut self, timestamp: i64) {
        self.timestamps.push(timestamp);
        // A body is much smaller than 4 GiB.
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn has_empty_message(&self) -> bool {
        self.ends.first() == Some(&0) || self.ends.windows(2).any(|pair| pair[0] == pair[1])
    }
}

impl<'de> Deserialize<'de> for LogEvents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogEvents, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = LogEvents;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of log events")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<LogEvents, A::Error> {
                let mut events = LogEvents::default();
                while list.next_element_seed(One(&mut events))?.is_some() {}
                Ok(events)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Adds one event to those before it.
struct One<'e>(&'e mut LogEvents);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Member {
    Timestamp,
    Message,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log event")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut timestamp, mut has_message) = (None, false);
        while let Some(member) = map.next_key()? {
            match member {
                Member::Timestamp if timestamp.is_none() => timestamp = Some(map.next_value()?),
                Member::Message if !has_message => {
                    map.next_value_seed(Message(&mut self.0.text))?;
                    has_message = true;
                }
                // The general decoder knows which of two counts.
                Member::Timestamp | Member::Message => return Err(A::Error::custom("a member twice")),
                Member::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match timestamp {
            Some(timestamp) if has_message => self.0.push(timestamp),
            _ => return Err(A::Error::missing_field("timestamp or message")),
        }
        Ok(())
    }
}

/// Appends a message to those before it.
struct Message<'e>(&'e mut String);

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Message<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
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
    let count = input.log_events.timestamps.len() as i64;
    // Entities are rare and have rules of their own.
    input.entity.is_none()
        && text_is_valid(shapes.group, &input.log_group_name)
        && text_is_valid(shapes.stream, &input.log_stream_name)
        && input.sequence_token.as_ref().is_none_or(|token| text_is_valid(shapes.token, token))
        && shapes.events.min.is_none_or(|min| count >= min)
        && shapes.events.max.is_none_or(|max| count <= max)
        && input.log_events.timestamps.iter().all(|timestamp| *timestamp >= 0)
        && !input.log_events.has_empty_message()
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
    let mut log_events = LogEvents::default();
    for event in input.log_events {
        log_events.text.push_str(&event.message);
        log_events.push(event.timestamp);
    }
    Ok(PutLogEvents {
        log_group_name: input.log_group_name.into(),
        log_stream_name: input.log_stream_name.into(),
        log_events,
        sequence_token: input.sequence_token.map(Cow::Owned),
        entity: input.entity,
    })
}

#[cfg(test)]
mod tests;
