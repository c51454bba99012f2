//! Owns what becomes of the effects of a call that succeeded: everything is checked, then log events are
//! appended (they cannot be taken back), then metrics, messages and state go in one change. Refuses to know whether the function was allowed to (`wasm` asked the grants).

use std::sync::Arc;

use deliver::Records as _;
use deliver::attribute::MessageAttribute;
use deliver::message::Message;
use metrics::datum::Datum;
use metrics::distribution::Distribution;
use metrics::point::{Point, StoredPoint, Tier};
use metrics::records::Records as _;
use metrics::{Dimension, Metric, Unit};
use store::Events;
use wasm::{
    Effects, InvokeError, MetricDatum, NotifyError, Publish, SinkEvent, SinkWrite, StateRead, StateWrite,
};

use super::state::{self, NotWritten};
use super::{Cause, HOPS_MAX, Place, Ready};
use crate::app::App;
use crate::ingest::accept::{AcceptError, Arrival, accept};
use crate::meta::{Key, MetaError, Span, Table, Tx};
use crate::records::{Scope, groups, streams};

/// (function id, topic and key) -> when a message with it was last sent.
const DEDUP: Table<i64> = Table::new("function_sent_keys");

/// How long a key keeps a message from being sent again.
const DEDUP_MS: i64 = 5 * 60 * 1000;

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

/// Makes the effects of a call durable: check, append, change. Everything that can be known to fail fails the
/// check, before the first log event is written, and no other call of the function commits state between the
/// check and the change. What remains are a crash and a failure of storage or of a transformer after the first
/// append, and a topic that goes or an outbox that fills after the check: then the function runs again with the
/// same delivery id and its log events are written again. Per delivery id they are written at least once.
///
/// # Errors
/// See [`Uncommitted`]; log events may have been written then, but not on [`Uncommitted::Conflict`].
pub(super) async fn commit(
    app: &Arc<App>,
    ready: &Ready,
    place: &Place,
    cause: &Cause,
    effects: Effects,
) -> Result<(), Uncommitted> {
    if effects.is_empty() && effects.state_reads.is_empty() {
        return Ok(());
    }
    let Effects { publishes, metrics, writes, state_reads, state_writes } = effects;
    let hop = cause.hop.saturating_add(1);
    if hop > HOPS_MAX && !(writes.is_empty() && publishes.is_empty()) {
        let reason = format!("what caused this call came through {HOPS_MAX} deliveries in a row: a loop");
        return Err(Uncommitted::Refused(reason));
    }
    let rest = Rest {
        scope: ready.scope.clone(),
        function: ready.record.id,
        now_ms: app.clock.now_ms(),
        metrics,
        publishes,
        hop,
        state_reads,
        state_writes,
    };
    // Commits that append nothing need not wait for each other: the change itself finds their conflicts.
    let (_alone, _among);
    if writes.is_empty() {
        _among = place.commits.read().await;
    } else {
        _alone = place.commits.write().await;
        app.meta.read(|tx| rest.check(app, tx, &writes))?;
    }
    for write in writes {
        store(app, &ready.scope, hop, write).await?;
    }
    let nudged = !rest.publishes.is_empty();
    let shared = Arc::clone(app);
    app.meta.change(move |tx| rest.write(&shared, tx)).await?;
    if nudged {
        app.outbox.nudge();
    }
    Ok(())
}

/// What is written in one change.
struct Rest {
    scope: Scope,
    function: u64,
    now_ms: i64,
    metrics: Vec<MetricDatum>,
    publishes: Vec<Publish>,
    hop: u8,
    state_reads: Vec<StateRead>,
    state_writes: Vec<StateWrite>,
}

impl Rest {
    /// Whether [`Rest::write`] and the appends would succeed now.
    fn check(&self, app: &App, tx: &mut Tx<'_>, writes: &[SinkWrite]) -> Result<(), Uncommitted> {
        state::check(tx, self.function, &self.state_reads, &self.state_writes, self.now_ms)?;
        for write in writes {
            if groups::find(tx, &self.scope, &write.log_group)?.is_none() {
                return Err(no_group(&write.log_group));
            }
        }
        for datum in &self.metrics {
            measured(datum, self.now_ms)?;
        }
        for publish in &self.publishes {
            if tx.topic_by_arn(&publish.topic_arn)?.is_none() {
                return Err(no_topic(&publish.topic_arn));
            }
            app.outbox.check_room(tx).map_err(|error| Uncommitted::Failed(error.to_string()))?;
        }
        Ok(())
    }

    fn write(self, app: &App, tx: &mut Tx<'_>) -> Result<(), Uncommitted> {
        state::commit(tx, self.function, &self.state_reads, self.state_writes, self.now_ms)?;
        for datum in self.metrics {
            measure(tx, &self.scope, &datum, self.now_ms)?;
        }
        for publish in self.publishes {
            send(app, tx, (self.function, self.hop, self.now_ms), publish)?;
        }
        Ok(())
    }
}

fn no_group(name: &str) -> Uncommitted {
    Uncommitted::Failed(format!("the log group {name} does not exist"))
}

fn no_topic(arn: &str) -> Uncommitted {
    Uncommitted::Refused(format!("there is no topic {arn}"))
}

fn measure(tx: &mut Tx<'_>, scope: &Scope, datum: &MetricDatum, now_ms: i64) -> Result<(), Uncommitted> {
    let datum = measured(datum, now_ms)?;
    let series = tx.series_for(&scope.into(), &datum.metric, now_ms)?;
    let key = datum.key(now_ms);
    Ok(tx.merge_point(series.id, &StoredPoint { key, point: Point::of(datum.values) })?)
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

/// Stores events a guest wrote; the stream is made if it is missing.
async fn store(app: &Arc<App>, scope: &Scope, hop: u8, write: SinkWrite) -> Result<(), Uncommitted> {
    let SinkWrite { log_group, log_stream, mut events } = write;
    let (scope, now_ms) = (scope.clone(), app.clock.now_ms());
    let name = log_group.clone();
    let found = app
        .meta
        .change(move |tx| {
            let Some(group) = groups::find(tx, &scope, &name)? else { return Ok(None) };
            let stream = match streams::find(tx, group.id, &log_stream)? {
                Some(stream) => stream,
                None => streams::insert(tx, group.id, &log_stream, now_ms)?,
            };
            Ok::<_, MetaError>(Some((group, stream)))
        })
        .await?;
    let Some((group, stream)) = found else {
        return Err(no_group(&log_group));
    };
    events.sort_by_key(|event| event.timestamp);
    let events: Events =
        events.into_iter().map(|SinkEvent { timestamp, message }| (timestamp, message)).collect();
    // Boxed: what is stored may go through a transformer, which is a call like this one.
    let stored = Box::pin(accept(app, Arrival { group: &group, stream: &stream, hop, events })).await;
    match stored {
        Ok(_) => Ok(()),
        Err(AcceptError::Append(error)) => Err(Uncommitted::Failed(error.to_string())),
        Err(AcceptError::Batch(error)) => Err(Uncommitted::Failed(error.to_string())),
        Err(AcceptError::Transform { function, reason }) => {
            Err(Uncommitted::Failed(format!("the transformer {function} of {log_group} failed: {reason}")))
        }
    }
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

/// Writes a message to the outbox, unless the same key was used in the last five minutes.
fn send(
    app: &App,
    tx: &mut Tx<'_>,
    (function, hop, now_ms): (u64, u8, i64),
    publish: Publish,
) -> Result<(), Uncommitted> {
    let Publish { topic_arn, message_id, notification } = publish;
    if let Some(key) = &notification.dedup_key
        && !first_use(tx, function, &format!("{topic_arn} {key}"), now_ms)?
    {
        return Ok(());
    }
    let Some(topic) = tx.topic_by_arn(&topic_arn)? else {
        return Err(no_topic(&topic_arn));
    };
    let mut message = Message::plain(&message_id, &topic_arn, &notification.message, now_ms);
    message.subject = notification.subject;
    message.hop = u32::from(hop);
    let text = |value| MessageAttribute { data_type: "String".to_owned(), value };
    message.attributes = notification.attributes.into_iter().map(|one| (one.key, text(one.value))).collect();
    app.outbox.fan_out(tx, &topic, &message).map_err(|error| Uncommitted::Failed(error.to_string()))
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
