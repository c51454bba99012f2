//! Owns the connection to the server's tail: reading its lines, and coming back where it was when the connection
//! breaks. Refuses to know what becomes of the events.

use std::borrow::Cow;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::client::{Client, ClientError};
use crate::clock::Clock;

/// The server breaks its silence every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// The pause before the first attempt to come back, and the longest.
const PAUSE_MS: u64 = 200;
const PAUSE_MS_MAX: u64 = 5_000;

/// The longest line: a message of 1 MiB that JSON writes six times as long, and its names.
const LINE_BYTES_MAX: usize = 8 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) group: String,
    pub(super) stream: String,
    pub(super) timestamp: i64,
    pub(super) ingestion_time: i64,
    pub(super) position: u64,
    pub(super) message: String,
}

/// What the server or the connection has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Event(Event),
    /// For the reader: what is missing, what became of the connection.
    Notice(String),
}

/// A line as the server writes it; what is not there is empty.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    timestamp: i64,
    ingestion_time: i64,
    position: u64,
    #[serde(borrow)]
    message: Cow<'a, str>,
    missing: bool,
    events: u64,
    #[serde(borrow)]
    damage: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// The tail of one server.
pub(super) struct Feed {
    client: Client,
    clock: Clock,
    asked: Value,
    incoming: Option<Incoming>,
    lines: Lines,
    pause_ms: u64,
}

impl Feed {
    /// Connects for the first time.
    ///
    /// # Errors
    /// The server is not there, or refuses.
    pub(super) async fn open(client: Client, clock: Clock, asked: Value) -> Result<Feed, ClientError> {
        let mut feed =
            Feed { client, clock, asked, incoming: None, lines: Lines::default(), pause_ms: PAUSE_MS };
        feed.connect().await?;
        Ok(feed)
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let body = self.asked.to_string();
        self.incoming = Some(self.client.stream("/_logboom/tail", body.into()).await?);
        Ok(())
    }

    /// What came, at least one piece of news; waits for it and reconnects for it.
    ///
    /// # Errors
    /// The server is back and refuses: the group is gone, say.
    pub(super) async fn next(&mut self) -> Result<Vec<News>, ClientError> {
        let mut news = Vec::new();
        while news.is_empty() {
            if self.incoming.is_none() {
                self.come_back().await?;
                news.push(News::Notice("connected again".to_owned()));
            }
            match self.receive().await {
                Ok(bytes) => {
                    self.pause_ms = PAUSE_MS;
                    self.lines.take(&bytes, &mut news);
                }
                Err(why) => {
                    self.incoming = None;
                    let lost =
                        if self.lines.is_in_the_past() { ", some of the past may be missing" } else { "" };
                    news.push(News::Notice(format!("connection lost ({why}){lost}; reconnecting")));
                }
            }
        }
        Ok(news)
    }

    /// Tries until the server is there again.
    async fn come_back(&mut self) -> Result<(), ClientError> {
        if let Some(next) = self.lines.next
            && let Some(asked) = self.asked.as_object_mut()
        {
            asked.insert("from".to_owned(), next.into());
            asked.remove("sinceMs");
        }
        self.lines = Lines { next: self.lines.next, ..Lines::default() };
        loop {
            self.clock.sleep(self.pause_ms).await;
            self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
            match self.connect().await {
                // A server that is starting, stopping or full may serve the next attempt.
                Err(ClientError::Unreachable(_)) => {}
                Err(error) if error.is("LimitExceededException") => {}
                other => return other,
            }
        }
    }

    async fn receive(&mut self) -> Result<bytes::Bytes, String> {
        let Some(incoming) = &mut self.incoming else { return Err("it is closed".to_owned()) };
        match tokio::time::timeout(SILENCE_MAX, incoming.frame()).await {
            Ok(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) => Err(error.to_string()),
            Ok(None) => Err(self.lines.reason.take().unwrap_or_else(|| "the server ended it".to_owned())),
            Err(_) => Err(format!("nothing came for {} s", SILENCE_MAX.as_secs())),
        }
    }
}

/// Takes lines out of bytes, and remembers where the tail is.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    /// The position to go on at.
    next: Option<u64>,
    /// Where the present begins; events before it are of the past that `--since` asked for.
    present: Option<u64>,
    saw_past: bool,
    /// Why the server ends the tail.
    reason: Option<String>,
}

impl Lines {
    fn is_in_the_past(&self) -> bool {
        self.saw_past && self.next == self.present
    }

    fn take(&mut self, bytes: &[u8], news: &mut Vec<News>) {
        self.buffer.extend_from_slice(bytes);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut start = 0;
        while let Some(length) = newline(&buffer[start..]) {
            self.line(&buffer[start..start + length], news);
            start += length + 1;
        }
        buffer.drain(..start);
        if buffer.len() > LINE_BYTES_MAX {
            buffer.clear();
            news.push(News::Notice("a line of the server is too long and was passed over".to_owned()));
        }
        self.buffer = buffer;
    }

    fn line(&mut self, bytes: &[u8], news: &mut Vec<News>) {
        let line: Line<'_> = match serde_json::from_slice(bytes) {
            Ok(line) => line,
            Err(error) => {
                return news.push(News::Notice(format!("a line of the server is not understood: {error}")));
            }
        };
        match &*line.r#type {
            "event" => {
                if self.present.is_some_and(|present| line.position < present) {
                    self.saw_past = true;
                } else {
                    self.next = Some(line.position + 1);
                }
                news.push(News::Event(Event {
                    group: line.group.into_owned(),
                    stream: line.stream.into_owned(),
                    timestamp: line.timestamp,
                    ingestion_time: line.ingestion_time,
                    position: line.position,
                    message: line.message.into_owned(),
                }));
            }
            "start" => {
                self.next = Some(line.position);
                self.present = Some(line.position);
                if line.missing {
                    let text = "the server's log is shorter than it was: other data, or data that were lost";
                    news.push(News::Notice(text.to_owned()));
                }
            }
            "gap" => news.push(News::Notice(match line.damage {
                Some(damage) => format!("events that cannot be read were passed over: {damage}"),
                None => format!("{} events were passed over: this reader was too slow", line.events),
            })),
            "end" => self.reason = Some(line.reason.into_owned()),
            // A newer server may have more to say.
            _ => {}
        }
    }
}

fn newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &mut Lines, pieces: &[&str]) -> Vec<String> {
        let mut news = Vec::new();
        pieces.iter().for_each(|piece| lines.take(piece.as_bytes(), &mut news));
        let shown = |one| match one {
            News::Event(event) => format!("{}@{} {}", event.stream, event.position, event.message),
            News::Notice(text) => format!("! {text}"),
        };
        news.into_iter().map(shown).collect()
    }

    #[test]
    fn lines_come_in_pieces_and_the_position_follows_them() {
        let mut lines = Lines::default();
        let shown = taken(
            &mut lines,
            &[
                "{\"type\":\"start\",\"position\":5,\"groups\":[\"/a\"]}\n{\"type\":\"heart",
                "beat\"}\n{\"type\":\"event\",\"stream\":\"s\",\"position\":7,\"message\":\"a\\nb\"}",
                "\n",
            ],
        );
        assert_eq!((shown, lines.next), (vec!["s@7 a\nb".to_owned()], Some(8)));
        let shown = taken(&mut lines, &["{\"type\":\"gap\",\"events\":3}\nnonsense\n{\"type\":\"new\"}\n"]);
        assert!(shown[0].starts_with("! 3 events were passed over"), "{shown:?}");
        assert!(shown[1].starts_with("! a line of the server is not understood"), "{shown:?}");
        assert_eq!(shown.len(), 2);
        taken(&mut lines, &["{\"type\":\"end\",\"reason\":\"because\"}\n"]);
        assert_eq!(lines.reason.as_deref(), Some("because"));
    }

    #[test]
    fn the_past_does_not_move_the_position() {
        let mut lines = Lines::default();
        taken(&mut lines, &["{\"type\":\"start\",\"position\":5}\n{\"type\":\"event\",\"position\":2}\n"]);
        assert_eq!((lines.next, lines.is_in_the_past()), (Some(5), true));
        taken(&mut lines, &["{\"type\":\"event\",\"position\":5}\n"]);
        assert_eq!((lines.next, lines.is_in_the_past()), (Some(6), false));
    }
}
