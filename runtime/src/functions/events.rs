//! Owns handing log events to functions: verdicts, values, deliveries, in the shape each kind of function
//! takes. Refuses to know who asks and when it is tried again.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use wasm::{BatchContext, InvokeError, LogEvent, Role, Stdout, Verdict, bisect};

use super::breakers::Circuit;
use super::{Answer, Cause, Ready, Work, run};
use crate::app::App;

/// Events that kill their function, in one delivery; more, and the function is broken, not the events.
const POISON_MAX: usize = 10;

/// Where events come from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Name of the group.
    pub(crate) group: String,
    /// Name of the stream; empty when they are of several.
    pub(crate) stream: String,
    /// Name of the filter.
    pub(crate) filter: String,
    /// 1 on the first attempt.
    pub(crate) attempt: u32,
}

/// Events with what a payload needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// The event as typed functions get it.
    pub(crate) event: LogEvent<'a>,
    /// Its sequence number.
    pub(crate) sequence: u64,
    /// Its hop.
    pub(crate) hop: u8,
}

fn context(ready: &Ready, origin: &Origin, delivery_id: &str, first_sequence: u64) -> BatchContext {
    BatchContext {
        account_id: ready.scope.account.clone(),
        region: ready.scope.region.clone(),
        log_group: origin.group.clone(),
        log_stream: origin.stream.clone(),
        binding: origin.filter.clone(),
        delivery_id: delivery_id.to_owned(),
        attempt: origin.attempt,
        first_sequence,
        attributes: Vec::new(),
    }
}

fn cause(app: &App, origin: &Origin, delivery_id: &str, events: &[Given<'_>]) -> Cause {
    Cause {
        request_id: app.clock.uuid(),
        delivery_id: delivery_id.to_owned(),
        hop: events.iter().map(|given| given.hop).max().unwrap_or(0),
        sources: vec![origin.group.clone()],
        events: events.len(),
    }
}

/// A verdict per event.
///
/// # Errors
/// Why there is none.
pub(crate) async fn verdicts(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    delivery_id: &str,
    events: &[Given<'_>],
) -> Result<Vec<Verdict>, InvokeError> {
    let (context, cause, typed) = pure(app, ready, origin, delivery_id, events);
    match run(app, ready, &cause, Work::Filter(&context, &typed)).await.result? {
        Answer::Verdicts(verdicts) => Ok(verdicts),
        _ => Err(InvokeError::Refused("a filter gave no verdicts".to_owned())),
    }
}

/// The values found in each event.
///
/// # Errors
/// Why there are none.
pub(crate) async fn values(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    delivery_id: &str,
    events: &[Given<'_>],
) -> Result<Vec<Vec<f64>>, InvokeError> {
    let (context, cause, typed) = pure(app, ready, origin, delivery_id, events);
    let mut values = vec![Vec::new(); events.len()];
    if let Answer::Extracted(found) = run(app, ready, &cause, Work::Extract(&context, &typed)).await.result? {
        for one in found {
            if let Some(values) = values.get_mut(one.event as usize) {
                values.push(one.datum.value);
            }
        }
    }
    Ok(values)
}

fn pure<'a>(
    app: &App,
    ready: &Ready,
    origin: &Origin,
    delivery_id: &str,
    events: &[Given<'a>],
) -> (BatchContext, Cause, Vec<LogEvent<'a>>) {
    let first = events.first().map_or(0, |given| given.sequence);
    let typed = events.iter().map(|given| given.event).collect();
    (context(ready, origin, delivery_id, first), cause(app, origin, delivery_id, events), typed)
}

/// An event that was not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unhandled {
    /// Its index.
    pub(crate) index: usize,
    /// Whether it is to be handed over again.
    pub(crate) again: bool,
    /// Whether it killed the function, alone in its batch.
    pub(crate) kills: bool,
    /// Why.
    pub(crate) reason: String,
}

/// What became of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handled {
    /// By rising index; everything else was handled.
    pub(crate) left: Vec<Unhandled>,
    /// Milliseconds the function asks to wait; 0 = it does not say.
    pub(crate) after_ms: u64,
}

impl Handled {
    /// Nothing is handed over while the function rests: all of it comes again.
    fn resting(events: usize, circuit: &Circuit, now_ms: i64) -> Handled {
        let Circuit { failures, until_ms, reason } = circuit;
        let reason =
            format!("the function rests after {failures} failed batches in a row (the last: {reason})");
        let one = |index| Unhandled { index, again: true, kills: false, reason: reason.clone() };
        let after_ms = u64::try_from(until_ms.saturating_sub(now_ms)).unwrap_or(0);
        Handled { left: (0..events).map(one).collect(), after_ms }
    }
}

/// Hands events over, halving the batch to find those that kill the function. `id_of` gives the delivery id of
/// a part.
pub(crate) async fn deliver(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    events: &[Given<'_>],
    id_of: impl Fn(Range<usize>) -> String,
) -> Handled {
    let (breakers, function) = (&app.functions.breakers, ready.record.id);
    if let Err(circuit) = breakers.admit(function, app.clock.now_ms()) {
        return Handled::resting(events.len(), &circuit, app.clock.now_ms());
    }
    let one = |range: Range<usize>| {
        let id = id_of(range.clone());
        let part = &events[range];
        async move { hand_over(app, ready, origin, &id, part).await }
    };
    let done = bisect(events.len(), POISON_MAX, one).await;
    let mut handled = Handled::default();
    let mut leave = |index, again, kills, reason: String| {
        handled.left.push(Unhandled { index, again, kills, reason });
    };
    for (range, failed) in done.done {
        for index in failed {
            leave(range.start + index as usize, true, false, "the function asks for it again".to_owned());
        }
    }
    for poison in done.poison {
        let kills = !matches!(poison.error, InvokeError::Handler { .. });
        leave(poison.index, false, kills, poison.error.to_string());
    }
    let blameless = matches!(&done.stopped, Some((_, InvokeError::Throttled { .. } | InvokeError::Stopped)));
    if let Some((range, error)) = done.stopped {
        let again = error.may_retry();
        range.for_each(|index| leave(index, again, false, error.to_string()));
        if let InvokeError::Handler { after_ms, .. } | InvokeError::Throttled { after_ms, .. } = error {
            handled.after_ms = u64::from(after_ms);
        }
    }
    handled.left.sort_by_key(|one| one.index);
    match handled.left.iter().find(|one| one.again || one.kills) {
        Some(first) if handled.left.len() == events.len() && !blameless => {
            breakers.failed(function, &first.reason, app.clock.now_ms());
        }
        Some(_) if blameless => {}
        _ => breakers.succeeded(function),
    }
    handled
}

/// One call; the indexes of events that the function wants again.
async fn hand_over(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    delivery_id: &str,
    events: &[Given<'_>],
) -> Result<Vec<u32>, InvokeError> {
    let (context, cause, typed) = pure(app, ready, origin, delivery_id, events);
    let ran = if ready.module.has(Role::Subscription) {
        run(app, ready, &cause, Work::Subscription(&context, &typed)).await
    } else {
        let payload = payload(&ready.scope.account, origin, events).map_err(InvokeError::Refused)?;
        if ready.module.has(Role::Lambda) {
            run(app, ready, &cause, Work::Lambda(&payload)).await
        } else if ready.module.has(Role::Command) {
            run(app, ready, &cause, Work::Command(Bytes::from(payload), Stdout::Lines)).await
        } else {
            run(app, ready, &cause, Work::Http(Bytes::from(payload), origin.attempt)).await
        }
    };
    match ran.result? {
        Answer::Outcome(outcome) => Ok(outcome.failed),
        _ => Ok(Vec::new()),
    }
}

/// AWS's event of a subscription: base64 of gzip of JSON.
///
/// # Errors
/// It cannot be packed.
pub(crate) fn payload(account: &str, origin: &Origin, events: &[Given<'_>]) -> Result<Vec<u8>, String> {
    let events: Vec<serde_json::Value> = events
        .iter()
        .map(|given| {
            let id = store::EventId::new(given.event.timestamp, store::Position::at(given.sequence));
            json!({ "id": id.to_string(), "timestamp": given.event.timestamp, "message": given.event.message })
        })
        .collect();
    let data = json!({
        "messageType": "DATA_MESSAGE",
        "owner": account,
        "logGroup": origin.group,
        "logStream": origin.stream,
        "subscriptionFilters": [origin.filter],
        "logEvents": events,
    });
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packed.write_all(data.to_string().as_bytes()).and_then(|()| packed.finish());
    let packed = packed.map_err(|error| format!("its payload could not be packed: {error}"))?;
    Ok(json!({ "awslogs": { "data": BASE64_STANDARD.encode(packed) } }).to_string().into_bytes())
}
