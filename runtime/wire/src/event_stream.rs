//! The framing of `application/vnd.amazon.eventstream`: how an operation answers with events one after the
//! other. Knows bytes, headers and checksums; refuses to know what an event means and where the bytes go.
//!
//! A message, all integers big-endian:
//!
//! ```text
//! u32 length of everything, this field and the last checksum included
//! u32 length of the headers
//! u32 CRC-32 of the eight bytes before            (prelude)
//! headers: u8 length of the name, name, u8 type, value
//! payload
//! u32 CRC-32 of everything before
//! ```
//!
//! The first message of an answer is `initial-response`; clients raise an error without it.

use std::fmt;

use serde::Serialize;

/// The content type of such an answer.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The longest message that clients take (botocore's bound is the tightest: 24 MiB of payload).
pub const MESSAGE_BYTES_MAX: usize = 24 << 20;

/// The longest headers that clients take.
pub const HEADERS_BYTES_MAX: usize = 128 << 10;

const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
/// The type of a header's value that is a text.
const TEXT: u8 = 7;

/// A header's value. Events use texts alone; the others are read so that no message is misread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Types 0 and 1.
    Bool(bool),
    /// Types 2 to 5: 1, 2, 4 and 8 bytes.
    Integer(i64),
    /// Type 6.
    Bytes(Vec<u8>),
    /// Type 7.
    Text(String),
    /// Type 8, epoch milliseconds.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Names and values, in order.
    pub headers: Vec<(String, Value)>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Message {
    /// The text of a header.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(key, value)| match value {
            Value::Text(text) if key == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// `:event-type`, or `:exception-type` of an exception.
    pub fn kind(&self) -> Option<&str> {
        self.text(":event-type").or_else(|| self.text(":exception-type"))
    }
}

/// The message that begins an answer.
pub fn initial_response() -> Vec<u8> {
    framed(&[(":event-type", "initial-response"), JSON, (":message-type", "event")], b"{}")
}

/// An event of the union, with its structure as JSON.
///
/// # Errors
/// The structure cannot be written as JSON.
pub fn event<T: Serialize>(kind: &str, event: &T) -> serde_json::Result<Vec<u8>> {
    Ok(event_of(kind, &serde_json::to_vec(event)?))
}

/// As [`event`], of a structure that is written already.
pub fn event_of(kind: &str, json: &[u8]) -> Vec<u8> {
    framed(&[(":event-type", kind), JSON, (":message-type", "event")], json)
}

/// An exception of the union, which ends the stream.
pub fn exception(kind: &str, message: &str) -> Vec<u8> {
    let payload = serde_json::json!({ "message": message }).to_string();
    framed(&[(":exception-type", kind), JSON, (":message-type", "exception")], payload.as_bytes())
}

const JSON: (&str, &str) = (":content-type", "application/json");

fn framed(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut coded = Vec::with_capacity(128);
    for (name, value) in headers {
        // Names and values are this file's own: a few dozen bytes.
        coded.push(name.len() as u8);
        coded.extend_from_slice(name.as_bytes());
        coded.push(TEXT);
        coded.extend_from_slice(&(value.len() as u16).to_be_bytes());
        coded.extend_from_slice(value.as_bytes());
    }
    let total = PRELUDE + coded.len() + payload.len() + CHECKSUM;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(&(coded.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&coded);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

/// Why bytes are not a stream of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event stream is malformed: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Takes messages out of bytes as they come, in pieces of any length.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes in what came next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until the rest of it has come.
    ///
    /// # Errors
    /// The bytes are no message. Nothing after it can be read.
    pub fn next_message(&mut self) -> Result<Option<Message>, Malformed> {
        if self.buffer.len() < PRELUDE {
            return Ok(None);
        }
        let total = integer(&self.buffer, 0) as usize;
        let headers = integer(&self.buffer, 4) as usize;
        if integer(&self.buffer, 8) != crc32fast::hash(&self.buffer[..8]) {
            return Err(Malformed("the checksum of a prelude is wrong"));
        }
        if total > MESSAGE_BYTES_MAX || headers > HEADERS_BYTES_MAX {
            return Err(Malformed("a message is too long"));
        }
        if total < PRELUDE + headers + CHECKSUM {
            return Err(Malformed("a message is shorter than its headers"));
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let body = total - CHECKSUM;
        if integer(&self.buffer, body) != crc32fast::hash(&self.buffer[..body]) {
            return Err(Malformed("the checksum of a message is wrong"));
        }
        let message = Message {
            headers: read_headers(&self.buffer[PRELUDE..PRELUDE + headers])?,
            payload: self.buffer[PRELUDE + headers..body].to_vec(),
        };
        self.buffer.drain(..total);
        Ok(Some(message))
    }

    /// Whether bytes of an unfinished message are left, which at the end of a stream means that it was cut.
    pub fn is_in_a_message(&self) -> bool {
        !self.buffer.is_empty()
    }
}

/// The caller has checked that four bytes are there.
fn integer(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn read_headers(mut bytes: &[u8]) -> Result<Vec<(String, Value)>, Malformed> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let name = usize::from(take(&mut bytes, 1)?[0]);
        let name = text(take(&mut bytes, name)?)?;
        headers.push((name, read_value(&mut bytes)?));
    }
    Ok(headers)
}

fn read_value(bytes: &mut &[u8]) -> Result<Value, Malformed> {
    let signed = |bytes: &[u8]| {
        let first = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        bytes.iter().fold(first, |value: i64, byte| value << 8 | i64::from(*byte))
    };
    Ok(match take(bytes, 1)?[0] {
        0 => Value::Bool(true),
        1 => Value::Bool(false),
        width @ 2..=5 => Value::Integer(signed(take(bytes, 1 << (width - 2))?)),
        kind @ (6 | TEXT) => {
            let length = take(bytes, 2)?;
            let value = take(bytes, usize::from(length[0]) << 8 | usize::from(length[1]))?;
            if kind == TEXT { Value::Text(text(value)?) } else { Value::Bytes(value.to_vec()) }
        }
        8 => Value::Timestamp(signed(take(bytes, 8)?)),
        9 => {
            let mut uuid = [0; 16];
            uuid.copy_from_slice(take(bytes, 16)?);
            Value::Uuid(uuid)
        }
        _ => return Err(Malformed("a header has a value of an unknown type")),
    })
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Malformed("a header is cut off"))?;
    *bytes = rest;
    Ok(taken)
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a header is not UTF-8"))
}

#[cfg(test)]
mod tests;
