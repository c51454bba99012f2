//! Owns AWS's live tail session: what it sends each second, what it leaves out, when it ends. Refuses to know
//! connections.
//!
//! Lossy by contract: an update holds at most 500 events, `sampled` says when there were more, when the session
//! lagged and skipped ahead, and when updates were let go because the client read too slowly.

use std::sync::Arc;

use store::PageLimit;
use wire::event_stream;
use wire::shape::logs::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate,
};

use super::Place;
use super::queue::Queue;
use super::reader::{Reader, Seen, Wanted};
use super::sample::Sample;
use crate::app::App;
use crate::clock::Worker;
use crate::server::Body;

/// The time between two updates.
const UPDATE_MS: i64 = 1_000;

/// How long a session may last.
const SESSION_MS: i64 = 3 * 3_600_000;

/// Events of one update.
const UPDATE_EVENTS: usize = 500;

/// Message bytes of one update (one event may go beyond): clients take 24 MiB, and JSON may need six for one.
const UPDATE_BYTES: u64 = 2 << 20;

/// Updates that wait for a client; then the oldest go.
const UPDATES_WAITING: usize = 10;

/// Bytes that wait for a client.
const BYTES_WAITING: usize = 8 << 20;

/// Events of the log that one update looks at; when there are more, the session skips ahead.
const LOOKED_AT: u64 = 200_000;

const PAGE: PageLimit = PageLimit { events: 2_000, bytes: 2 << 20 };

/// Opens a session: its answer's body, which begins at once. `start` is what the first event says.
///
/// # Errors
/// The events that begin the answer cannot be written.
pub(crate) fn open(
    app: &Arc<App>,
    wanted: Wanted,
    identifiers: Vec<String>,
    start: &LiveTailSessionStart,
    place: Place,
) -> serde_json::Result<Body> {
    let worker = app.clock.worker("a live tail session");
    let (queue, body) = Queue::new(worker.nudge_handle(), BYTES_WAITING, None);
    queue.push(event_stream::initial_response());
    queue.push(event_stream::event("sessionStart", start)?);
    let reader = Reader::new(Arc::clone(app), wanted);
    let session = Session { reader, queue, identifiers, lost: false };
    tokio::spawn(async move {
        session.run(worker).await;
        drop(place);
    });
    Ok(body)
}

struct Session {
    reader: Reader,
    queue: Queue,
    /// How the request named the groups.
    identifiers: Vec<String>,
    /// Something was left out since the last update.
    lost: bool,
}

impl Session {
    async fn run(mut self, mut worker: Worker) {
        let app = Arc::clone(&self.reader.app);
        let mut stopping = app.tails.stopping();
        let started_ms = app.clock.now_ms();
        let mut due_ms = started_ms + UPDATE_MS;
        while !self.queue.is_gone() && !*stopping.borrow() {
            let now_ms = app.clock.now_ms();
            if now_ms < due_ms {
                tokio::select! {
                    () = worker.rest(Some(due_ms)) => {}
                    // An error is a server that is gone, which ends the loop's condition too.
                    changed = stopping.changed() => if changed.is_err() { worker.rest(Some(due_ms)).await },
                }
                continue;
            }
            if now_ms - started_ms >= SESSION_MS {
                let text = "The session was open for three hours, its longest time: start another.";
                self.queue.push(event_stream::exception("SessionTimeoutException", text));
                return;
            }
            if let Err(reason) = self.update().await {
                tracing::warn!(reason, "a live tail session ends");
                self.queue.push(event_stream::exception("SessionStreamingException", &reason));
                return;
            }
            // Updates that are late are not made up for.
            let passed = (app.clock.now_ms() - started_ms) / UPDATE_MS;
            due_ms = started_ms + (passed + 1) * UPDATE_MS;
        }
    }

    /// Sends what came since the last update.
    async fn update(&mut self) -> Result<(), String> {
        let end = self.reader.end();
        let mut sampled = std::mem::take(&mut self.lost);
        if end.seq.saturating_sub(self.reader.next) > LOOKED_AT {
            self.reader.next = end.seq - LOOKED_AT;
            sampled = true;
        }
        let mut sample = Sample::new(UPDATE_EVENTS, UPDATE_BYTES);
        while self.reader.next < end.seq {
            let found = self.reader.page(end, PAGE).await?;
            if let Some(damage) = found.damage {
                tracing::error!(damage, "a live tail session passes over events that cannot be read");
                sampled = true;
            }
            for one in found.events {
                sample.add(one, |one| one.event.message.len() as u64);
            }
        }
        let (kept, is_thinned) = sample.finish();
        let results = kept.into_iter().map(|one| self.shown(one)).collect();
        let update = LiveTailSessionUpdate {
            session_metadata: Some(LiveTailSessionMetadata { sampled: Some(sampled || is_thinned) }),
            session_results: Some(results),
        };
        let frame = event_stream::event("sessionUpdate", &update).map_err(|error| error.to_string())?;
        self.lost = self.queue.push_over(frame, UPDATES_WAITING) > 0;
        Ok(())
    }

    fn shown(&self, one: Seen) -> LiveTailSessionLogEvent {
        let message = String::from_utf8(one.event.message.into());
        // Messages come in as text; what is not UTF-8 was damaged since.
        let message = message.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        LiveTailSessionLogEvent {
            log_stream_name: Some(one.stream.as_ref().to_owned()),
            log_group_identifier: self.identifiers.get(one.group).cloned(),
            message: Some(message),
            timestamp: Some(one.event.timestamp_ms),
            ingestion_time: Some(one.event.ingestion_ms),
        }
    }
}
