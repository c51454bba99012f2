//! Owns what is written down of events that a subscription gave up: the dead letter, and its entry in the log group
//! `/aws/lambda/NAME/dlq` of the function. Refuses to decide what is given up.

use std::sync::Arc;

use serde_json::{Value, json};
use store::{Event, EventId, Events};

use super::Subscription;
use super::delivery::GivenUp;
use crate::app::App;
use crate::functions::output;
use crate::functions::sink::{self, Intent};
use crate::ingest::guests::Why;
use crate::ingest::matching::text;
use crate::meta::{MetaError, Tx};
use crate::records::Scope;
use crate::records::deliveries::{self, DeadLetter, MESSAGE_BYTES_MAX};

/// Bytes of messages in an entry of the log group; what is beyond is named by id.
const ENTRY_MESSAGE_BYTES_MAX: usize = 128 << 10;

/// What the names of the log groups of dead letters end with.
const SUFFIX: &str = "/dlq";

/// Events that were given up, ready to be written down.
pub(super) struct Letter {
    letter: DeadLetter,
    /// Identity, time, text and hop of each event.
    events: Vec<Told>,
}

struct Told {
    id: String,
    seq: u64,
    timestamp_ms: i64,
    hop: u8,
    message: String,
}

impl Letter {
    /// A letter of what was given up; `delivery` names the delivery, `stream` the stream.
    pub(super) fn of(
        subscription: &Subscription,
        given_up: &GivenUp,
        (delivery, stream): (String, String),
        at_ms: i64,
    ) -> Letter {
        let Why { error, error_type, panic, version, digest } = given_up.why.clone();
        let told = |event: &Event| Told {
            id: event_id(event),
            seq: event.position.seq,
            timestamp_ms: event.timestamp_ms,
            hop: event.hop,
            message: text(event).into_owned(),
        };
        let events: Vec<Told> = given_up.events.iter().map(told).collect();
        let letter = DeadLetter {
            scope: Some(subscription.scope.clone()),
            subscription: subscription.id,
            filter: subscription.name.clone(),
            function: subscription.function.clone(),
            version,
            digest,
            group: subscription.group_name.clone(),
            group_id: subscription.group,
            stream,
            stream_id: given_up.stream.0,
            delivery,
            events: events.iter().map(|event| event.id.clone()).collect(),
            messages: fitting(&events, MESSAGE_BYTES_MAX).map(|event| event.message.clone()).collect(),
            reason: error,
            error_type,
            panic,
            attempts: given_up.attempts,
            at_ms,
            ..DeadLetter::default()
        };
        Letter { letter, events }
    }

    /// Positions of its events, by stream.
    pub(super) fn positions(&self) -> impl Iterator<Item = (u64, u64)> {
        self.events.iter().map(|event| (self.letter.stream_id, event.seq))
    }

    /// The entry of the log group: what failed, why, and the events.
    fn entry(&self) -> String {
        let letter = &self.letter;
        let told = fitting(&self.events, ENTRY_MESSAGE_BYTES_MAX).count();
        let shown = |(index, event): (usize, &Told)| {
            let mut shown = json!({ "id": event.id, "timestamp": event.timestamp_ms });
            if index < told {
                shown["message"] = Value::from(event.message.clone());
            }
            shown
        };
        json!({
            "deadLetter": letter.id,
            "function": letter.function,
            "version": letter.version,
            "digest": letter.digest,
            "subscription": letter.filter,
            "logGroup": letter.group,
            "logStream": letter.stream,
            "deliveryId": letter.delivery,
            "attempts": letter.attempts,
            "errorType": letter.error_type,
            "error": letter.reason,
            "panic": letter.panic,
            "events": self.events.iter().enumerate().map(shown).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// The first events whose messages fit.
fn fitting(events: &[Told], bytes_max: usize) -> impl Iterator<Item = &Told> {
    let mut bytes = 0;
    events.iter().take_while(move |event| {
        bytes += event.message.len();
        bytes <= bytes_max
    })
}

/// Writes letters down in the change that moves past their events, and the entries of the log group as intents.
///
/// # Errors
/// Storage failures.
pub(super) fn write(app: &Arc<App>, tx: &mut Tx<'_>, letters: Vec<Letter>) -> Result<Vec<Intent>, MetaError> {
    let now_ms = app.clock.now_ms();
    let mut entries = Vec::with_capacity(letters.len());
    let (mut whose, mut hop) = (None, 0);
    for mut one in letters {
        one.letter.id = tx.next_id("outbox")?;
        deliveries::bury(tx, &one.letter)?;
        entries.push((now_ms, one.entry()));
        hop = one.events.iter().map(|event| event.hop).max().unwrap_or(0).max(hop);
        whose = one.letter.scope.map(|scope| (scope, one.letter.function));
    }
    let Some((scope, function)) = whose else { return Ok(Vec::new()) };
    intended(app, tx, (&scope, &function), (hop.saturating_add(1), &entries), now_ms)
}

fn intended(
    app: &Arc<App>,
    tx: &mut Tx<'_>,
    (scope, function): (&Scope, &str),
    (hop, entries): (u8, &[(i64, String)]),
    now_ms: i64,
) -> Result<Vec<Intent>, MetaError> {
    if let Err(error) = app.functions.waiting.check_room() {
        tracing::warn!(function, error, "dead letters are kept, but not written to their log group");
        return Ok(Vec::new());
    }
    let group = output::group(app, tx, scope, &format!("{function}{SUFFIX}"), now_ms)?;
    let stream = output::day(now_ms);
    let mut intents = Vec::new();
    for entries in output::batches(entries) {
        let events: Events = entries.iter().map(|(at_ms, entry)| (*at_ms, entry)).collect();
        intents.push(sink::intend(&app.store, tx, &group, &stream, (hop, &events, now_ms))?);
    }
    Ok(intents)
}

fn event_id(event: &Event) -> String {
    EventId::new(event.timestamp_ms, event.position).to_string()
}
