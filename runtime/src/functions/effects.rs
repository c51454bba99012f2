//! Owns what becomes of the effects of a call that succeeded: log events are admitted to their groups, then state,
//! metrics, messages, log events to come and the memory that the call was made go in one change. Refuses to know
//! whether the function was allowed to (`wasm` asked the grants) and how events come into the log (`sink`).

use std::sync::Arc;

use deliver::Records as _;
use deliver::attribute::MessageAttribute;
use deliver::message::Message;
use metrics::datum::Datum;
use metrics::distribution::Distribution;
use metrics::point::{EventReference, Point, StoredPoint, Tier};
use metrics::records::Records as _;
use metrics::{Dimension, Metric, Unit};
use store::Events;
use wasm::{
    Effects, InvokeError, MetricDatum, NotifyError, Publish, SinkEvent, SinkWrite, StateRead, StateWrite,
};

use super::once::Once;
use super::sink::{self, Intent};
use super::state::{self, NotWritten};
use super::writes;
use super::{Cause, HOPS_MAX, Ready};
use crate::app::App;
use crate::ingest::accept::{self, AcceptError};
use crate::ingest::makers::OnTheWay;
use crate::meta::{Key, MetaError, Span, Table, Tx};
use crate::records::Scope;
use crate::records::calls::Made;
use crate::records::groups::{self, GroupRecord};

/// (function id, topic and key) -> when a message with it was last sent.
const DEDUP: Table<i64> = Table::new("function_sent_keys");

/// How long a key keeps a message from being sent again.
const DEDUP_MS: i64 = 5 * 60 * 1000;

/// Batches that are admitted without letting anybody else on the thread.
const ADMITTED_AT_ONCE: usize = 64;

/// Rows looked at for keys that no longer count.
const DEDUP_SWEPT: usize = 100;

/// Why the effects of a call are not durable.
#[derive(Debug)]
pub(super) enum Uncommitted {
    /// Another call changed the state that this one had read: it has to run again.
    Conflict,
    /// It would fail again, a sentence.
    Refused(String),
    /// Anything else, a sentence.
    Failed(String),
}

impl From<Uncommitted> for InvokeError {
    fn from(error: Uncommitted) -> InvokeError {
        let retry = !matches!(error, Uncommitted::Refused(_));
        let message = match error {
            Uncommitted::Conflict => "its state was changed by other calls again and again".to_owned(),
            Uncommitted::Refused(reason) | Uncommitted::Failed(reason) => {
                format!("its effects could not be stored: {reason}")
            }
        };
        InvokeError::Handler { message, retry, after_ms: 0 }
    }
}

impl From<MetaError> for Uncommitted {
    fn from(error: MetaError) -> Uncommitted {
        Uncommitted::Failed(error.to_string())
    }
}

impl From<NotWritten> for Uncommitted {
    fn from(error: NotWritten) -> Uncommitted {
        match error {
            NotWritten::Conflict => Uncommitted::Conflict,
            NotWritten::Full => {
                Uncommitted::Refused(format!("it keeps more than {} bytes", state::BYTES_MAX))
            }
            NotWritten::Meta(error) => error.into(),
        }
    }
}

/// Makes the effects of a call durable, all in one change: state, metrics, messages, the log events it is to
/// leave (`sink` brings them into the log) and that the call was made, so that it is not made again. `again` are
/// the events that the function wants again, by index.
///
/// # Errors
/// See [`Uncommitted`]; nothing was written then.
pub(super) async fn commit(
    app: &Arc<App>,
    ready: &Ready,
    cause: &Cause,
    effects: Effects,
    again: &[u32],
) -> Result<(), Uncommitted> {
    // A call that changed nothing may be made again; events that are wanted again must not be.
    let leaves_nothing = effects.is_empty() && again.is_empty();
    if leaves_nothing && effects.state_reads.is_empty() {
        return Ok(());
    }
    let Effects { publishes, metrics, writes, state_reads, state_writes } = effects;
    let hop = cause.hop.saturating_add(1);
    if hop > HOPS_MAX && !(writes.is_empty() && publishes.is_empty()) {
        let reason = format!("what caused this call came through {HOPS_MAX} deliveries in a row: a loop");
        return Err(Uncommitted::Refused(reason));
    }
    let writes = writes::together(writes);
    let (mut admitted, mut rejected) = (Vec::with_capacity(writes.len()), 0);
    for (index, write) in writes.into_iter().enumerate() {
        if index % ADMITTED_AT_ONCE == ADMITTED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let (taken, left) = admit(app, &ready.scope, hop, write).await?;
        admitted.extend(taken);
        rejected += left;
    }
    if rejected > 0 {
        let function = ready.record.name.as_str();
        tracing::warn!(function, rejected, "events of a function are too old or too new");
    }
    let on_the_way: Vec<_> =
        admitted.iter_mut().filter_map(|one: &mut Admitted| one.on_the_way.take()).collect();
    let digest = ready.module.digest().to_owned();
    let rest = Rest {
        scope: ready.scope.clone(),
        function: ready.record.id,
        name: ready.record.name.clone(),
        made: Made { version: ready.record.version.clone(), digest, at_ms: app.clock.now_ms() },
        newest: cause.newest.clone(),
        metrics,
        publishes,
        hop,
        state_reads,
        state_writes,
        admitted,
        done: (!leaves_nothing).then(|| (cause.once.clone(), again.to_vec())),
    };
    let (shared, nudged) = (Arc::clone(app), !rest.publishes.is_empty());
    // A task of its own: a caller that goes away must not leave events between the change and the log.
    let busy = app.clock.busy();
    let written = tokio::spawn(async move {
        let app = Arc::clone(&shared);
        let intents = shared.meta.change(move |tx| rest.write(&app, tx)).await?;
        sink::append(&shared, intents).await;
        drop((busy, on_the_way));
        Ok::<_, Uncommitted>(())
    });
    written.await.unwrap_or_else(|error| Err(Uncommitted::Failed(error.to_string())))?;
    if nudged {
        app.outbox.nudge();
    }
    Ok(())
}

/// Events that were admitted to a group.
struct Admitted {
    group: GroupRecord,
    stream: String,
    events: Events,
    on_the_way: Option<OnTheWay>,
}

/// What of a write is to be stored, by the rules of its group, and how many events are not.
async fn admit(
    app: &Arc<App>,
    scope: &Scope,
    hop: u8,
    write: SinkWrite,
) -> Result<(Option<Admitted>, usize), Uncommitted> {
    let SinkWrite { log_group, log_stream, mut events } = write;
    app.functions.waiting.check_room().map_err(Uncommitted::Failed)?;
    let group = app.meta.read(|tx| groups::find(tx, scope, &log_group))?;
    let group = group.ok_or_else(|| no_group(&log_group))?;
    events.sort_by_key(|event| event.timestamp);
    let given = events.len();
    let events: Events =
        events.into_iter().map(|SinkEvent { timestamp, message }| (timestamp, message)).collect();
    // Boxed: what is stored may go through a transformer, which is a call like this one.
    let admitted = Box::pin(accept::admit(app, &group, &log_stream, (hop, events), app.clock.now_ms()));
    match admitted.await {
        Ok(accept::Admitted { events, rejected, on_the_way }) => {
            // Old ones are at the front, new ones at the end.
            let old = rejected.too_old_end.max(rejected.expired_end).unwrap_or(0);
            let left = old + given - rejected.too_new_start.unwrap_or(given);
            let taken = Admitted { group, stream: log_stream, events, on_the_way };
            Ok(((!taken.events.is_empty()).then_some(taken), left))
        }
        Err(AcceptError::Append(error)) => Err(Uncommitted::Failed(error.to_string())),
        Err(AcceptError::Batch(error)) => Err(Uncommitted::Failed(error.to_string())),
        Err(AcceptError::Unrecorded(error)) => Err(error.into()),
        Err(AcceptError::Transform { function, reason }) => {
            Err(Uncommitted::Failed(format!("the transformer {function} of {log_group} failed: {reason}")))
        }
    }
}

/// What is written in one change.
struct Rest {
    scope: Scope,
    function: u64,
    name: String,
    made: Made,
    /// The newest event that was handed in.
    newest: Option<EventReference>,
    metrics: Vec<MetricDatum>,
    publishes: Vec<Publish>,
    hop: u8,
    state_reads: Vec<StateRead>,
    state_writes: Vec<StateWrite>,
    admitted: Vec<Admitted>,
    /// How the call is remembered, and the events that are wanted again.
    done: Option<(Once, Vec<u32>)>,
}

impl Rest {
    fn write(mut self, app: &App, tx: &mut Tx<'_>) -> Result<Vec<Intent>, Uncommitted> {
        let now_ms = self.made.at_ms;
        state::commit(tx, self.function, &self.state_reads, std::mem::take(&mut self.state_writes), now_ms)?;
        let events: Vec<EventReference> = self.newest.take().into_iter().collect();
        for datum in &self.metrics {
            measure(tx, &self.scope, datum, &events, now_ms)?;
        }
        for publish in std::mem::take(&mut self.publishes) {
            self.send(app, tx, publish)?;
        }
        let mut intents = Vec::with_capacity(self.admitted.len());
        for Admitted { group, stream, events, .. } in &self.admitted {
            let found = groups::by_id(tx, group.id)?.ok_or_else(|| no_group(&group.name))?;
            intents.push(sink::intend(&app.store, tx, &found, stream, (self.hop, events, now_ms))?);
        }
        if let Some((once, again)) = self.done {
            once.remember(tx, &again, self.made)?;
        }
        Ok(intents)
    }

    /// Writes a message to the outbox, unless the same key was used in the last five minutes.
    fn send(&self, app: &App, tx: &mut Tx<'_>, publish: Publish) -> Result<(), Uncommitted> {
        let Publish { topic_arn, message_id, notification } = publish;
        let now_ms = self.made.at_ms;
        if let Some(key) = &notification.dedup_key
            && !first_use(tx, self.function, &format!("{topic_arn} {key}"), now_ms)?
        {
            return Ok(());
        }
        let Some(topic) = tx.topic_by_arn(&topic_arn)? else {
            return Err(no_topic(&topic_arn));
        };
        let mut message = Message::plain(&message_id, &topic_arn, &notification.message, now_ms);
        message.subject = notification.subject;
        message.hop = u32::from(self.hop);
        let text = |value| MessageAttribute { data_type: "String".to_owned(), value };
        // Who says it; a function may say it otherwise.
        let made = [("logboom.function", &self.name), ("logboom.digest", &self.made.digest)];
        message.attributes = made.map(|(key, value)| (key.to_owned(), text(value.clone()))).into();
        message.attributes.extend(notification.attributes.into_iter().map(|one| (one.key, text(one.value))));
        app.outbox.fan_out(tx, &topic, &message).map_err(|error| Uncommitted::Failed(error.to_string()))
    }
}

fn no_group(name: &str) -> Uncommitted {
    Uncommitted::Failed(format!("the log group {name} does not exist"))
}

fn no_topic(arn: &str) -> Uncommitted {
    Uncommitted::Refused(format!("there is no topic {arn}"))
}

fn measure(
    tx: &mut Tx<'_>,
    scope: &Scope,
    datum: &MetricDatum,
    events: &[EventReference],
    now_ms: i64,
) -> Result<(), Uncommitted> {
    let datum = measured(datum, now_ms)?;
    let series = tx.series_for(&scope.into(), &datum.metric, now_ms)?;
    let key = datum.key(now_ms);
    let point = Point::with_events(datum.values, events.to_vec());
    Ok(tx.merge_point(series.id, &StoredPoint { key, point })?)
}

fn measured(datum: &MetricDatum, now_ms: i64) -> Result<Datum, Uncommitted> {
    let dimensions: Vec<Dimension> =
        datum.dimensions.iter().map(|one| Dimension::new(&one.key, &one.value)).collect();
    let refused = |fault: metrics::Fault| Uncommitted::Refused(fault.to_string());
    let metric = Metric::new(&datum.namespace, &datum.name, &dimensions, "").map_err(refused)?;
    let unit = Unit::parse(datum.unit.name(), "unit").map_err(refused)?;
    let timestamp_ms = datum.timestamp.unwrap_or(now_ms);
    let values = Distribution::value(datum.value);
    Ok(Datum { metric, timestamp_ms, tier: Tier::Minute, unit, values })
}

/// The ARN of a topic given by name or ARN.
pub(super) fn topic_arn(app: &App, scope: &Scope, topic: &str) -> Result<String, NotifyError> {
    let Scope { account, region } = scope;
    let arn = if topic.starts_with("arn:") {
        topic.to_owned()
    } else {
        format!("arn:aws:sns:{region}:{account}:{topic}")
    };
    match app.meta.read(|tx| tx.topic_by_arn(&arn)) {
        // Another account's topics are as if they were not there.
        Ok(Some(found)) if found.account == *account => Ok(arn),
        Ok(_) => Err(NotifyError::NoSuchTopic(topic.to_owned())),
        Err(error) => {
            let error: MetaError = error;
            Err(NotifyError::Other(error.to_string()))
        }
    }
}

/// Forgets the keys of a function that is gone.
pub(super) fn remove_all(tx: &mut Tx<'_>, function: u64) -> Result<(), MetaError> {
    tx.delete_span(&DEDUP, &Span::prefix(&Key::of(function))).map(drop)
}

/// Whether a key was not used in the last five minutes; from now on it was.
fn first_use(tx: &mut Tx<'_>, function: u64, key: &str, now_ms: i64) -> Result<bool, MetaError> {
    let since_ms = now_ms.saturating_sub(DEDUP_MS);
    let row = Key::of((function, key));
    if tx.get(&DEDUP, &row)?.is_some_and(|used_ms| used_ms > since_ms) {
        return Ok(false);
    }
    // Keys that no longer count go when others come, a few at a time.
    let mut old = Vec::new();
    for row in tx.scan(&DEDUP, &Span::prefix(&Key::of(function)))?.take(DEDUP_SWEPT) {
        let (key, used_ms) = row?;
        if used_ms <= since_ms {
            old.push(key);
        }
    }
    old.iter().try_for_each(|key| tx.delete(&DEDUP, key))?;
    tx.put(&DEDUP, &row, &now_ms)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fail_again_is_not_retried() {
        let retried = |error: Uncommitted| InvokeError::from(error).may_retry();
        assert!(!retried(NotWritten::Full.into()));
        assert!(!retried(no_topic("arn:aws:sns:us-east-1:000000000000:gone")));
        assert!(retried(NotWritten::Conflict.into()));
        assert!(retried(no_group("/gone")), "the function is told when it runs again");
    }
}
