//! Owns log events that calls leave behind, each batch exactly once: it is written as an intent in the change of
//! the call's other effects, appended to the log after it, and then the intent is removed. What a crash or a full
//! disk leaves is settled at the next start, or as soon as the log takes it. Refuses to know who wrote them.
//!
//! An intent is found again in the log by its stream, ingestion time and events, from the position on that was
//! durable when it was written. No two intents of a stream that wait at the same time have the same ingestion
//! time, so equal batches of two calls are never taken for each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use serde::{Deserialize, Serialize};
use store::{AppendError, Batch, Events, GroupId, PageLimit, Position, Store, StreamId};
use tokio::sync::watch;

use super::lock;
use crate::app::App;
use crate::clock::{Nudge, Worker};
use crate::ingest::accept;
use crate::meta::{Key, Meta, MetaError, Span, Table, Tx};
use crate::records::groups::{self, GroupRecord};
use crate::records::streams;

/// (group id, stream id, ingestion time) -> events that are to be in the log.
const INTENTS: Table<Intent> = Table::new("log_intents");

/// Bytes of events that may wait for the log to take them; beyond it no call may write events.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// Pause before what the log did not take is tried again.
const PAUSE_MS: i64 = 1_000;

/// What is read of the log at once while an intent is looked for.
const PAGE: PageLimit = PageLimit { events: 10_000, bytes: 4 << 20 };

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Events that are to be in the log, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    group: u64,
    stream: u64,
    ingestion_ms: i64,
    hop: u8,
    /// What was durable when it was written: the events are not before it.
    after: u64,
    /// By rising time.
    events: Vec<(i64, String)>,
}

/// An intent's key.
type Which = (u64, u64, i64);

impl Intent {
    fn which(&self) -> Which {
        (self.group, self.stream, self.ingestion_ms)
    }

    fn bytes(&self) -> u64 {
        self.events.iter().map(|(_, message)| message.len() as u64).sum()
    }

    fn batch(&self, since_ms: i64) -> Batch {
        let kept = self.events.iter().filter(|(timestamp_ms, _)| *timestamp_ms >= since_ms);
        Batch {
            group: GroupId(self.group),
            stream: StreamId(self.stream),
            ingestion_ms: self.ingestion_ms,
            hop: self.hop,
            events: kept.map(|(timestamp_ms, message)| (*timestamp_ms, message)).collect(),
        }
    }
}

/// Intents that the log did not take yet, and their bytes.
#[derive(Default)]
pub(crate) struct Waiting {
    rows: Mutex<BTreeMap<Which, u64>>,
    nudge: OnceLock<Nudge>,
}

impl Waiting {
    /// Whether the log took everything.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.rows).is_empty()
    }

    /// Whether calls may write events now.
    ///
    /// # Errors
    /// A sentence, when too many bytes wait.
    pub(crate) fn check_room(&self) -> Result<(), String> {
        let bytes: u64 = lock(&self.rows).values().sum();
        if bytes < WAITING_BYTES_MAX {
            return Ok(());
        }
        Err(format!("{bytes} bytes of events of functions wait for the log to take them"))
    }
}

/// Writes down, in the change of the caller's other effects, that events are to be in the log. The stream is made
/// if it is missing. What is returned is for [`append`].
///
/// # Errors
/// Storage failures.
pub(crate) fn intend(
    store: &Store,
    tx: &mut Tx<'_>,
    group: &GroupRecord,
    stream: &str,
    (hop, events, now_ms): (u8, &Events, i64),
) -> Result<Intent, MetaError> {
    let stream = match streams::find(tx, group.id, stream)? {
        Some(stream) => stream,
        None => streams::insert(tx, group.id, stream, now_ms)?,
    };
    // A millisecond for each that waits.
    let mut ingestion_ms = now_ms;
    while tx.get(&INTENTS, &Key::of((group.id, stream.id, ingestion_ms)))?.is_some() {
        ingestion_ms += 1;
    }
    let text = |message: &[u8]| String::from_utf8_lossy(message).into_owned();
    let mut rows: Vec<(i64, String)> = events.iter().map(|(at_ms, message)| (at_ms, text(message))).collect();
    rows.sort_by_key(|(timestamp_ms, _)| *timestamp_ms);
    let intent = Intent {
        group: group.id,
        stream: stream.id,
        ingestion_ms,
        hop,
        after: store.durable_position().seq,
        events: rows,
    };
    tx.put(&INTENTS, &Key::of(intent.which()), &intent)?;
    Ok(intent)
}

/// Appends what was intended, after the change that says so. What the log does not take now waits for it.
pub(crate) async fn append(app: &Arc<App>, intents: Vec<Intent>) {
    let mut done = Vec::with_capacity(intents.len());
    for intent in intents {
        match put(app, &intent, i64::MIN).await {
            Ok(()) => done.push(intent.which()),
            Err(error) => {
                tracing::warn!(%error, "events of a function wait for the log to take them");
                lock(&app.functions.waiting.rows).insert(intent.which(), intent.bytes());
                app.functions.waiting.nudge.get().into_iter().for_each(Nudge::nudge);
            }
        }
    }
    if done.is_empty() {
        return;
    }
    // Not waited for: what a crash leaves of it is found to be in the log.
    let (busy, app) = (app.clock.busy(), Arc::clone(app));
    tokio::spawn(async move {
        if let Err(error) = app.meta.change(move |tx| forget(tx, &done)).await {
            tracing::warn!(%error, "intents that are done were not removed; the next start does it");
        }
        drop(busy);
    });
}

/// Events of a group or stream that is gone are gone with it.
async fn put(app: &Arc<App>, intent: &Intent, since_ms: i64) -> Result<(), AppendError> {
    let batch = intent.batch(since_ms);
    if batch.events.is_empty() {
        return Ok(());
    }
    match accept::append(app, batch, None).await {
        Ok(_) | Err(AppendError::Deleted) => Ok(()),
        Err(error) => Err(error),
    }
}

fn forget(tx: &mut Tx<'_>, done: &[Which]) -> Result<(), MetaError> {
    done.iter().try_for_each(|which| tx.delete(&INTENTS, &Key::of(*which)))
}

/// Settles what an earlier process left. Before anything runs that may write events.
///
/// # Errors
/// A sentence, when metadata cannot be read or written.
pub(super) async fn settle_left(app: &Arc<App>) -> Result<(), String> {
    let left = app.meta.read(|tx| -> Result<BTreeMap<Which, u64>, MetaError> {
        let rows = tx.scan(&INTENTS, &Span::all())?;
        rows.map(|row| row.map(|(_, intent)| (intent.which(), intent.bytes()))).collect()
    });
    *lock(&app.functions.waiting.rows) = left.map_err(|error| error.to_string())?;
    settle(app).await
}

/// Keeps on settling what waits, until the process stops.
pub(super) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    let worker = app.clock.worker("events of functions");
    // Once: there is one worker.
    let _first = app.functions.waiting.nudge.set(worker.nudge_handle());
    tokio::spawn(run(Arc::clone(app), worker, stopping.clone()));
}

async fn run(app: Arc<App>, mut worker: Worker, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(error) = settle(&app).await {
            tracing::error!(error, "events of functions wait");
        }
        let waits = !lock(&app.functions.waiting.rows).is_empty();
        tokio::select! {
            () = worker.rest(waits.then(|| app.clock.now_ms() + PAUSE_MS)) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// One try at everything that waits. What the log does not take waits on.
async fn settle(app: &Arc<App>) -> Result<(), String> {
    let waiting: Vec<Which> = lock(&app.functions.waiting.rows).keys().copied().collect();
    for which in waiting {
        if let Some((intent, since_ms)) = missing(&app.meta, &app.store, which, app.clock.now_ms()).await?
            && let Err(error) = put(app, &intent, since_ms).await
        {
            tracing::debug!(%error, "events of a function wait");
            continue;
        }
        let forgotten = app.meta.change(move |tx| forget(tx, &[which])).await;
        forgotten.map_err(|error: MetaError| error.to_string())?;
        lock(&app.functions.waiting.rows).remove(&which);
    }
    Ok(())
}

/// The intent and the time from which its events count, unless the log has them, or nobody wants them any more.
async fn missing(
    meta: &Meta,
    store: &Arc<Store>,
    which: Which,
    now_ms: i64,
) -> Result<Option<(Intent, i64)>, String> {
    let found = meta.read(|tx| {
        let Some(intent) = tx.get(&INTENTS, &Key::of(which))? else { return Ok(None) };
        Ok(groups::by_id(tx, intent.group)?.map(|group| (intent, group)))
    });
    let Some((intent, group)) = found.map_err(|error: MetaError| error.to_string())? else { return Ok(None) };
    // Retention may have taken some of a batch: what it takes is not looked for and not written again.
    let kept_ms = group.retention_days.map(|days| i64::from(days).saturating_mul(DAY_MS));
    let since_ms = kept_ms.map_or(i64::MIN, |kept_ms| now_ms.saturating_sub(kept_ms));
    let (shared, sought) = (Arc::clone(store), intent.clone());
    let is_there = App::blocking(move || is_stored(&shared, &sought, since_ms)).await?;
    Ok((!is_there).then_some((intent, since_ms)))
}

/// Whether the log has the events of an intent; a batch is wholly there or not at all.
fn is_stored(store: &Store, intent: &Intent, since_ms: i64) -> Result<bool, String> {
    let sought: Vec<(i64, &[u8])> = intent
        .events
        .iter()
        .filter(|(timestamp_ms, _)| *timestamp_ms >= since_ms)
        .map(|(timestamp_ms, message)| (*timestamp_ms, message.as_bytes()))
        .collect();
    if sought.is_empty() {
        return Ok(true);
    }
    let (mut next, end) = (Position::at(intent.after), store.durable_position());
    let mut found = Vec::new();
    while next.seq < end.seq {
        let page = store.scan_by_position(next, end, PAGE, Some(&[GroupId(intent.group)]));
        let page = page.map_err(|error| error.to_string())?;
        found.extend(page.events().into_iter().filter(|event| {
            event.stream.0 == intent.stream
                && event.ingestion_ms == intent.ingestion_ms
                && event.timestamp_ms >= since_ms
        }));
        next = page.next;
    }
    let same =
        |(event, sought): (&store::Event, &(i64, &[u8]))| (event.timestamp_ms, &event.message[..]) == *sought;
    Ok(found.windows(sought.len()).any(|run| run.iter().zip(&sought).all(same)))
}

#[cfg(test)]
mod tests;
