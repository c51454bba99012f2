//! Owns how an event looks: as plain text, as JSON, as coloured pieces. Refuses to know where it is shown.

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::Format;
use super::cells::tame;
use super::feed::Event;
use super::level::{self, Level};

/// How events are to look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) format: Format,
    /// Members of JSON messages that are shown instead of the message.
    pub(super) fields: Vec<String>,
    pub(super) with_group: bool,
    pub(super) has_colour: bool,
}

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tint {
    Plain,
    Dim,
    Red,
    Yellow,
    /// One of six colours, always the same for a name.
    Name(u8),
    /// Found by a search.
    Found,
    /// The line of the screen itself, and what it says of the connection.
    Status,
}

/// A piece of text of one colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) tint: Tint,
}

impl Span {
    pub(super) fn new(text: impl Into<String>, tint: Tint) -> Span {
        Span { text: text.into(), tint }
    }
}

/// Codes of `Tint::Name`: no red, yellow or white, which mean something else.
const NAME_CODES: [&str; 6] = ["32", "34", "35", "36", "92", "96"];

impl Tint {
    /// The parameters of the terminal's colour sequence; empty for none.
    pub(super) fn code(self) -> &'static str {
        match self {
            Tint::Plain => "",
            Tint::Dim => "2",
            Tint::Red => "31",
            Tint::Yellow => "33",
            Tint::Name(index) => NAME_CODES[usize::from(index) % NAME_CODES.len()],
            Tint::Found => "30;43",
            Tint::Status => "7",
        }
    }

    fn of_name(name: &str) -> Tint {
        let sum = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        Tint::Name((sum % NAME_CODES.len() as u32) as u8)
    }

    fn of_level(level: Option<Level>) -> Tint {
        match level {
            Some(Level::Error) => Tint::Red,
            Some(Level::Warning) => Tint::Yellow,
            Some(Level::Debug) => Tint::Dim,
            Some(Level::Info) | None => Tint::Plain,
        }
    }
}

/// Pieces with their colours for a terminal.
pub(super) fn painted(spans: &[Span], out: &mut String) {
    for span in spans {
        match span.tint.code() {
            "" => out.push_str(&span.text),
            code => {
                out.push_str("\x1b[");
                out.push_str(code);
                out.push('m');
                out.push_str(&span.text);
                out.push_str("\x1b[0m");
            }
        }
    }
}

impl Look {
    /// The event as lines of coloured pieces, safe for a terminal.
    pub(super) fn spans(&self, event: &Event) -> Vec<Vec<Span>> {
        let parsed = parse(&event.message);
        let tint = Tint::of_level(level::of(&event.message, parsed.as_ref()));
        let body = self.body(event, parsed.as_ref());
        let mut lines = Vec::new();
        for (index, text) in body.trim_end_matches(['\n', '\r']).split('\n').enumerate() {
            let mut spans = if index == 0 { self.front(event) } else { Vec::new() };
            spans.push(Span::new(tame(text.trim_end_matches('\r')), tint));
            lines.push(spans);
        }
        lines
    }

    /// The event as it is printed in a pipe, or with colours.
    pub(super) fn text(&self, event: &Event) -> String {
        if self.format == Format::Json {
            return self.json(event).to_string();
        }
        if self.has_colour {
            let mut out = String::new();
            for (index, line) in self.spans(event).iter().enumerate() {
                if index > 0 {
                    out.push('\n');
                }
                painted(line, &mut out);
            }
            return out;
        }
        let parsed = if self.fields.is_empty() { None } else { parse(&event.message) };
        let mut out: String = self.front(event).into_iter().map(|span| span.text).collect();
        out.push_str(&self.body(event, parsed.as_ref()));
        out
    }

    fn front(&self, event: &Event) -> Vec<Span> {
        if self.format == Format::Message {
            return Vec::new();
        }
        let time = DateTime::from_timestamp_millis(event.timestamp);
        let time = time.map_or_else(String::new, |time| time.format("%Y-%m-%dT%H:%M:%S%.3fZ ").to_string());
        let mut spans = vec![Span::new(time, Tint::Dim)];
        if self.with_group {
            spans.push(Span::new(format!("{} ", event.group), Tint::of_name(&event.group)));
        }
        spans.push(Span::new(format!("{} ", tame(&event.stream)), Tint::of_name(&event.stream)));
        spans
    }

    /// The message, or what was asked for of it. A message that has none of it is shown whole.
    fn body(&self, event: &Event, parsed: Option<&Value>) -> String {
        let chosen = parsed.map(|parsed| self.chosen(parsed)).unwrap_or_default();
        if chosen.is_empty() {
            return event.message.clone();
        }
        let shown = chosen.into_iter().map(|(name, value)| match value {
            Value::String(text) if !text.contains([' ', '"', '\n', '\t']) && !text.is_empty() => {
                format!("{name}={text}")
            }
            other => format!("{name}={other}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn chosen<'a>(&'a self, parsed: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let found = self.fields.iter().map(|field| (field.as_str(), member(parsed, field)));
        found.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn json(&self, event: &Event) -> Value {
        let id = store::EventId::new(event.timestamp, store::Position::at(event.position));
        let mut shown = json!({
            "eventId": id.to_string(),
            "logGroupName": event.group,
            "logStreamName": event.stream,
            "timestamp": event.timestamp,
            "ingestionTime": event.ingestion_time,
        });
        let parsed = if self.fields.is_empty() { None } else { parse(&event.message) };
        let chosen = parsed.as_ref().map(|parsed| self.chosen(parsed)).unwrap_or_default();
        if chosen.is_empty() {
            shown["message"] = event.message.as_str().into();
        } else {
            let fields: Map<String, Value> =
                chosen.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
            shown["fields"] = fields.into();
        }
        shown
    }
}

/// A message that is a JSON object.
fn parse(message: &str) -> Option<Value> {
    let is_object = message.trim_start().starts_with('{');
    is_object.then(|| serde_json::from_str(message).ok()).flatten()
}

/// The member that `path` names; a name that holds dots itself is found too.
fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let direct = match value {
        Value::Object(members) => members.get(path),
        Value::Array(items) => path.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    };
    direct.or_else(|| {
        let splits = path.match_indices('.');
        splits.into_iter().find_map(|(at, _)| {
            let inner = match value {
                Value::Object(members) => members.get(&path[..at]),
                Value::Array(items) => path[..at].parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            member(inner?, &path[at + 1..])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        Event {
            group: "/a".to_owned(),
            stream: "s".to_owned(),
            timestamp: 1_767_225_600_123,
            ingestion_time: 1_767_225_600_200,
            position: 7,
            message: message.to_owned(),
        }
    }

    fn look(format: Format, fields: &[&str]) -> Look {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Look { format, fields, with_group: false, has_colour: false }
    }

    #[test]
    fn plain_lines_have_time_stream_and_message() {
        let full = look(Format::Full, &[]);
        assert_eq!(full.text(&event("ERROR a\nb")), "2026-01-01T00:00:00.123Z s ERROR a\nb");
        let both = Look { with_group: true, ..full };
        assert_eq!(both.text(&event("x")), "2026-01-01T00:00:00.123Z /a s x");
        assert_eq!(look(Format::Message, &[]).text(&event("raw \x1b[1m")), "raw \x1b[1m");
    }

    #[test]
    fn members_of_json_messages_are_chosen() {
        let message = r#"{"level":"info","a.b":1,"c":{"d":[10,{"e":"two words"}]},"n":null,"s":"x"}"#;
        let text = |fields: &[&str]| look(Format::Message, fields).text(&event(message));
        assert_eq!(text(&["s", "a.b"]), "s=x a.b=1");
        assert_eq!(text(&["c.d.1.e", "c.d.0", "n"]), r#"c.d.1.e="two words" c.d.0=10 n=null"#);
        assert_eq!(text(&["none"]), message, "a message without any of them is shown whole");
        assert_eq!(look(Format::Message, &["a"]).text(&event("not json")), "not json");
        let json: Value = serde_json::from_str(&look(Format::Json, &["s"]).text(&event(message))).unwrap();
        assert_eq!((&json["fields"], &json["message"]), (&json!({"s": "x"}), &Value::Null));
        let json: Value = serde_json::from_str(&look(Format::Json, &[]).text(&event(message))).unwrap();
        assert_eq!((&json["message"], &json["logStreamName"]), (&json!(message), &json!("s")));
    }

    #[test]
    fn colours_follow_level_and_stream_and_nothing_commands_the_terminal() {
        let colours = Look { has_colour: true, ..look(Format::Full, &[]) };
        let shown = colours.text(&event("ERROR \x1b[2J\nmore"));
        assert!(shown.contains("\x1b[31mERROR \\x1b[2J\x1b[0m\n\x1b[31mmore\x1b[0m"), "{shown:?}");
        assert_eq!(Tint::of_name("web-1"), Tint::of_name("web-1"));
        let spans = colours.spans(&event(r#"{"level":"warn"}"#));
        assert_eq!(spans[0].last().unwrap().tint, Tint::Yellow);
    }
}
