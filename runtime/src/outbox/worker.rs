//! Owns the loop that empties the outbox: it takes what is due, a bounded number at once, and writes what
//! became of each. Refuses to know how anything is sent.
//!
//! Rows in flight are known here alone, not marked on disk, so that a restart takes them up at once. A row
//! whose end could not be written is not tried again before a restart: metadata accepts no change until then,
//! and a receiver must not pay for that with a storm of repeats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deliver::outbox::{self, Payload};
use deliver::{OutboxRecord, Records, Sender, Step};
use tokio::sync::watch;

use super::sending::NoFunctions;
use super::whom;
use crate::app::App;
use crate::clock::Worker;
use crate::meta::{MetaError, Tx};
use crate::records::calls;

/// Deliveries at once.
const AT_ONCE: usize = 64;

/// Deliveries at once to one subscriber: a receiver that hangs holds up its own messages alone.
const AT_ONCE_EACH: usize = 4;

/// Pause after metadata or the signing key failed.
const PAUSE_MS: i64 = 10 * 1000;

struct Flight {
    app: Arc<App>,
    sender: Sender,
    /// Rows in flight, and whom each is for.
    rows: Mutex<BTreeMap<u64, String>>,
}

impl Flight {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<u64, String>> {
        // Rows go in and out one by one: there is no half-made state.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is due now.
#[derive(Default)]
struct Due {
    /// To be sent.
    live: Vec<OutboxRecord>,
    /// For subscriptions that ended meanwhile: to be dropped.
    gone: Vec<u64>,
    /// When to look again without being nudged.
    next_ms: Option<i64>,
}

pub(super) async fn run(
    app: Arc<App>,
    sender: Sender,
    mut worker: Worker,
    mut stopping: watch::Receiver<bool>,
) {
    let flight = Arc::new(Flight { app, sender, rows: Mutex::default() });
    let clock = flight.app.clock.clone();
    while !*stopping.borrow() {
        let look_ms = match start_due(&flight).await {
            Ok(next_ms) => next_ms,
            Err(error) => {
                tracing::error!(error, "the outbox waits");
                Some(clock.now_ms().saturating_add(PAUSE_MS))
            }
        };
        tokio::select! {
            // The sender is gone with the process, which is an end too.
            _ = stopping.changed() => break,
            () = worker.rest(look_ms) => {}
        }
    }
}

/// Starts what is due and there is room for; says when the next row is due.
async fn start_due(flight: &Arc<Flight>) -> Result<Option<i64>, String> {
    let due = look(flight).map_err(|error| error.to_string())?;
    if !due.gone.is_empty() {
        let gone = due.gone;
        let dropped = flight.app.meta.change(move |tx| -> Result<(), MetaError> {
            gone.iter().try_for_each(|id| tx.outbox_delete(*id))
        });
        dropped.await.map_err(|error| error.to_string())?;
    }
    if !due.live.is_empty() {
        flight.app.outbox.signing.ready().await?;
    }
    for record in due.live {
        flight.rows().insert(record.id, whom(&record).to_owned());
        // Held until the end is written and the worker is busy again: virtual time stands meanwhile.
        let (busy, flight) = (flight.app.clock.busy(), Arc::clone(flight));
        flight.app.outbox.flying.send_modify(|flying| *flying += 1);
        tokio::spawn(async move {
            deliver_one(&flight, record).await;
            flight.app.outbox.flying.send_modify(|flying| *flying -= 1);
            flight.app.outbox.nudge();
            drop(busy);
        });
    }
    Ok(due.next_ms)
}

fn look(flight: &Flight) -> Result<Due, MetaError> {
    let flying = flight.rows().clone();
    let room = AT_ONCE.saturating_sub(flying.len());
    if room == 0 {
        // Whoever lands nudges.
        return Ok(Due::default());
    }
    let now_ms = flight.app.clock.now_ms();
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for whom in flying.values() {
        *shares.entry(whom.clone()).or_default() += 1;
    }
    let fits = |id: u64, whom: &str| {
        let share = shares.entry(whom.to_owned()).or_default();
        let fits = *share < AT_ONCE_EACH && !flying.contains_key(&id);
        *share += usize::from(fits);
        fits
    };
    flight.app.meta.read(|tx| {
        let mut due = Due { next_ms: tx.outbox_due_after(now_ms)?, ..Due::default() };
        for record in tx.outbox_pick(now_ms, room, fits)? {
            if has_ended(tx, &record)? {
                due.gone.push(record.id);
            } else {
                due.live.push(record);
            }
        }
        // Rows may have been passed over: those in flight nudge when they land, the dropped do not.
        if !due.gone.is_empty() {
            due.next_ms = Some(now_ms);
        }
        Ok(due)
    })
}

/// Whether the subscription that a record is for is no more, or asked for another handshake since. The
/// farewell is for one that is no more.
fn has_ended(tx: &mut Tx<'_>, record: &OutboxRecord) -> Result<bool, MetaError> {
    let Some(arn) = record.subscription_arn() else { return Ok(false) };
    let found = tx.subscription_by_arn(arn)?;
    Ok(match &record.payload {
        Payload::Handshake(handshake) if handshake.leaving => false,
        Payload::Handshake(handshake) => found.is_none_or(|found| found.token != handshake.token),
        Payload::Notification(_) | Payload::Invoke(_) | Payload::Append(_) => found.is_none(),
    })
}

async fn deliver_one(flight: &Flight, mut record: OutboxRecord) {
    let app = &flight.app;
    let (id, clock, call) = (record.id, &app.clock, super::call_of(&record));
    let (result, told) = match app.outbox.functions.get() {
        Some(functions) => {
            let calling = functions.calling(record.created_ms);
            (flight.sender.send(&record, &calling, clock.now_ms()).await, calling.told())
        }
        None => (flight.sender.send(&record, &NoFunctions, clock.now_ms()).await, None),
    };
    if let Some(told) = &told {
        record.patience = told.patience();
    }
    // 53 bits are what a float holds exactly.
    let jitter = (clock.random_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let now_ms = clock.now_ms();
    let step = outbox::next(record.clone(), result, now_ms, jitter);
    let tally = &app.outbox.tally;
    let count = match &step {
        Step::Done => &tally.delivered,
        Step::Retry(_) => &tally.put_off,
        Step::Dead(_) => &tally.given_up,
    };
    count.add(1);
    if let Step::Dead(letter) = &step {
        let to = letter.record.subscription_arn().unwrap_or("a function");
        tracing::warn!(id, to, error = letter.error, "not delivered, and given up");
    }
    let outbox = Arc::clone(&app.outbox);
    let settle = move |tx: &mut Tx<'_>| {
        // Deleted meanwhile: then there is nobody to be told either.
        let told = told.filter(|_| tx.outbox_get(id).is_ok_and(|found| found.is_some()));
        let step = match told {
            Some(told) => told.tell(&outbox, tx, (&record, now_ms), step)?,
            None => step,
        };
        if let (Some(call), Step::Done | Step::Dead(_)) = (&call, &step) {
            calls::forget_single(tx, call)?;
        }
        deliver::records::settle(tx, id, &step)
    };
    match app.meta.change(settle).await {
        Ok(()) => {
            flight.rows().remove(&id);
        }
        Err(error) => tracing::error!(id, %error, "what became of a delivery could not be written"),
    }
}
