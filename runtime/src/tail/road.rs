//! Owns Logboom's own live tail: events as lines of JSON, as soon as they are durable, none left out in
//! silence. Refuses to know connections.
//!
//! One JSON object a line, told apart by `type`:
//!
//! ```text
//! start      session, position, now (epoch ms), groups; first, and "missing" where `from` is not in the log yet
//! event      group, stream, timestamp, ingestionTime, position, message
//! gap        events: how many were passed over because the reader lagged, first and last position of the stretch;
//!            or damage: why stored events could not be read
//! heartbeat  nothing came for a while, the server is there
//! end        reason: why the server ends the tail; last
//! ```
//!
//! While the client reads slowly, the tail stays where it is and reads on from the log when there is room: it
//! passes over events only when it is further behind than `limits.live_tail_lag_events`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use store::{Direction, Event, GroupId, PageLimit, Position, ReadError, ScanRequest, Selection, Store};
use tokio::sync::{mpsc, watch};

use super::Place;
use super::queue::{Heartbeat, Queue};
use super::reader::{Found, Reader, Seen, Wanted};
use crate::app::App;
use crate::clock::Worker;
use crate::ingest::matching::needles;
use crate::server::Body;

/// How long new events wait for more behind others that were just sent.
const COALESCE_US: u64 = 5_000;

/// A client that hears nothing for longer may take the server for gone.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How often a tail that finds nothing in what is stored already looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(250);

const PAGE: PageLimit = PageLimit { events: 2_000, bytes: 1 << 20 };

/// Pages that count what is passed over.
const COUNTED: PageLimit = PageLimit { events: 10_000, bytes: 4 << 20 };

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With what is stored from now on.
    Now,
    /// With stored events that are no older, in order of time; then as `Now`.
    SinceMs(i64),
    /// With this position.
    At(u64),
}

/// Begins a tail: its answer's body.
pub(crate) fn follow(app: &Arc<App>, wanted: Wanted, begin: Begin, place: Place) -> Body {
    let worker = app.clock.worker("a live tail");
    app.followers.join(worker.nudge_handle());
    let heartbeat = Heartbeat { every: HEARTBEAT, bytes: Bytes::from_static(b"{\"type\":\"heartbeat\"}\n") };
    let waiting = usize::try_from(app.limits.sizes.live_tail_buffer_bytes).unwrap_or(usize::MAX);
    let (queue, body) = Queue::new(worker.nudge_handle(), waiting, Some(heartbeat));
    let road = Road {
        lag_max: app.limits.sizes.live_tail_lag_events,
        stopping: app.tails.stopping(),
        reader: Reader::new(Arc::clone(app), wanted),
        queue,
        worker,
        gap: None,
        sent_us: None,
    };
    tokio::spawn(async move {
        road.run(begin).await;
        drop(place);
    });
    body
}

struct Road {
    reader: Reader,
    queue: Queue,
    worker: Worker,
    stopping: watch::Receiver<bool>,
    lag_max: u64,
    /// Events that were passed over and that the client does not know of yet.
    gap: Option<Gap>,
    /// When events were last sent.
    sent_us: Option<u64>,
}

/// Matching events of a stretch of positions.
struct Gap {
    events: u64,
    first: u64,
    last: u64,
}

impl Road {
    async fn run(mut self, begin: Begin) {
        self.start(begin);
        let outcome = match begin {
            Begin::SinceMs(from_ms) => self.past(from_ms).await,
            Begin::Now | Begin::At(_) => Ok(()),
        };
        let outcome = match outcome {
            Ok(()) => self.present().await,
            Err(reason) => Err(reason),
        };
        let reason = match outcome {
            Ok(()) => "the server is stopping".to_owned(),
            Err(reason) => {
                tracing::warn!(reason, "a live tail ends");
                reason
            }
        };
        self.queue.push(line(&json!({ "type": "end", "reason": reason })));
    }

    fn start(&mut self, begin: Begin) {
        let durable = self.reader.next;
        let mut missing = false;
        if let Begin::At(position) = begin {
            // A position beyond the end is of other data than these.
            missing = position > durable;
            self.reader.next = position.min(durable);
        }
        let wanted = &self.reader.wanted;
        let mut record = json!({
            "type": "start",
            "session": wanted.id,
            "position": self.reader.next,
            "now": self.reader.app.clock.now_ms(),
            "groups": wanted.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(),
        });
        if missing {
            record["missing"] = true.into();
        }
        self.queue.push(line(&record));
    }

    fn is_over(&self) -> bool {
        self.queue.is_gone() || *self.stopping.borrow()
    }

    /// Until there is something new, room, or an end.
    async fn rest(&mut self) {
        tokio::select! {
            () = self.worker.rest(None) => {}
            changed = self.stopping.changed() => if changed.is_err() { self.worker.rest(None).await },
        }
    }

    /// Sends what is stored already; the client's pace is the pace.
    async fn past(&mut self, from_ms: i64) -> Result<(), String> {
        let wanted = &self.reader.wanted;
        let streams = self.reader.stream_ids().map_err(|error| error.to_string())?;
        // Events that a function fails on are shown: those are for the pattern to find.
        let is_plain = wanted.pattern.guests().is_empty();
        let containing = if is_plain { needles(&wanted.pattern) } else { Vec::new() };
        let request = ScanRequest {
            selection: Selection {
                groups: wanted.groups.iter().map(|group| GroupId(group.id)).collect(),
                streams,
            },
            from_ms,
            to_ms: i64::MAX,
            direction: Direction::Forward,
            after: None,
            snapshot: Some(Position::at(self.reader.next)),
            containing,
        };
        let (send, mut scanned) = mpsc::channel(2);
        let store = Arc::clone(&self.reader.app.store);
        tokio::task::spawn_blocking(move || scan(&store, &request, &send));
        // Nothing may come for long: the end of the tail must not wait for it.
        while !self.is_over() {
            let part = tokio::select! {
                part = scanned.recv() => part,
                // Not a rest: the virtual clock waits for what is stored already.
                () = tokio::time::sleep(LOOK) => continue,
            };
            let Some(part) = part else { break };
            let found = match part? {
                Part::Events(events) => Found { events: self.reader.keep(events).await?, damage: None },
                Part::Damage(damage) => Found { events: Vec::new(), damage: Some(damage) },
            };
            while !self.queue.has_room() {
                if self.is_over() {
                    return Ok(());
                }
                self.rest().await;
            }
            self.send(found);
        }
        Ok(())
    }

    /// Sends what is stored from now on.
    async fn present(&mut self) -> Result<(), String> {
        while !self.is_over() {
            let end = self.reader.end();
            if self.reader.next >= end.seq {
                self.rest().await;
                self.coalesce().await;
            } else if self.queue.has_room() {
                let found = self.reader.page(end, PAGE).await?;
                self.send(found);
            } else if end.seq - self.reader.next > self.lag_max {
                self.pass_over(end).await?;
            } else {
                self.rest().await;
            }
        }
        Ok(())
    }

    /// Right after events were sent, others wait a moment for more. Not under the virtual clock, on which
    /// nothing would end the wait.
    async fn coalesce(&self) {
        let clock = &self.reader.app.clock;
        let Some(sent_us) = self.sent_us.filter(|_| !clock.is_virtual()) else { return };
        let passed_us = clock.monotonic_us().saturating_sub(sent_us);
        if passed_us < COALESCE_US {
            clock.sleep((COALESCE_US - passed_us).div_ceil(1_000)).await;
        }
    }

    /// Goes on at `end`, and counts what the client misses.
    async fn pass_over(&mut self, end: Position) -> Result<(), String> {
        let first = self.reader.next;
        let mut events = 0;
        while self.reader.next < end.seq {
            let found = self.reader.page(end, COUNTED).await?;
            events += found.events.len() as u64;
            if self.is_over() {
                return Ok(());
            }
        }
        let gap = self.gap.get_or_insert(Gap { events: 0, first, last: first });
        gap.events += events;
        gap.last = end.seq - 1;
        Ok(())
    }

    fn send(&mut self, found: Found) {
        let mut bytes = Vec::new();
        if let Some(gap) = self.gap.take() {
            let Gap { events, first, last } = gap;
            write_line(&mut bytes, &json!({ "type": "gap", "events": events, "first": first, "last": last }));
        }
        if let Some(damage) = found.damage {
            write_line(&mut bytes, &json!({ "type": "gap", "damage": damage }));
        }
        for one in &found.events {
            write_line(&mut bytes, &Line::of(&self.reader.wanted, one));
        }
        if !bytes.is_empty() {
            self.queue.push(bytes);
            self.sent_us = Some(self.reader.app.clock.monotonic_us());
        }
    }
}

/// A part of what is stored already.
enum Part {
    Events(Vec<Event>),
    Damage(String),
}

/// Reads what is stored already until it ends or the tail does.
fn scan(store: &Store, request: &ScanRequest, send: &mpsc::Sender<Result<Part, String>>) {
    for run in store.scan(request) {
        if send.is_closed() {
            return;
        }
        let run = match run {
            Ok(run) => run,
            // The scan goes on behind what is damaged.
            Err(error @ ReadError::Corrupt { .. }) => {
                if send.blocking_send(Ok(Part::Damage(error.to_string()))).is_err() {
                    return;
                }
                continue;
            }
            Err(error) => return drop(send.blocking_send(Err(error.to_string()))),
        };
        let mut events = run.events().map(|event| event.to_event());
        loop {
            let part: Vec<Event> = events.by_ref().take(PAGE.events).collect();
            if part.is_empty() {
                break;
            }
            if send.blocking_send(Ok(Part::Events(part))).is_err() {
                return;
            }
        }
    }
}

/// An event as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    r#type: &'static str,
    group: &'a str,
    stream: &'a str,
    timestamp: i64,
    ingestion_time: i64,
    position: u64,
    message: std::borrow::Cow<'a, str>,
}

impl<'a> Line<'a> {
    fn of(wanted: &'a Wanted, one: &'a Seen) -> Line<'a> {
        Line {
            r#type: "event",
            group: wanted.groups.get(one.group).map_or("", |group| group.name.as_str()),
            stream: &one.stream,
            timestamp: one.event.timestamp_ms,
            ingestion_time: one.event.ingestion_ms,
            position: one.event.position.seq,
            message: String::from_utf8_lossy(&one.event.message),
        }
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_line(&mut bytes, value);
    bytes
}

fn write_line(bytes: &mut Vec<u8>, value: &impl Serialize) {
    let before = bytes.len();
    if let Err(error) = serde_json::to_writer(&mut *bytes, value) {
        tracing::error!(%error, "a line of a live tail cannot be written");
        bytes.truncate(before);
        return;
    }
    bytes.push(b'\n');
}
