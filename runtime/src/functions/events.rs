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
use metrics::point::EventReference;
use serde_json::json;
use store::Held;
use wasm::{BatchContext, InvokeError, LogEvent, Role, Stdout, Verdict, bisect};

use super::breakers::Circuit;
use super::once::Once;
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
    /// Id of the group; 0 when the events are not stored yet.
    pub(crate) group_id: u64,
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

fn cause(app: &App, origin: &Origin, delivery_id: &str, (events, hop): (usize, u8)) -> Cause {
    Cause {
        request_id: app.clock.uuid(),
        delivery_id: delivery_id.to_owned(),
        hop,
        sources: vec![origin.group.clone()],
        events,
        ..Cause::default()
    }
}

/// The newest of events handed over, as the origin of what the function makes of them.
fn newest(ready: &Ready, origin: &Origin, once: &Once, events: &[Given<'_>]) -> Option<EventReference> {
    let Once::Events(handed) = once else { return None };
    let last = events.last()?;
    Some(EventReference {
        timestamp_ms: last.event.timestamp,
        position: last.sequence,
        group_id: origin.group_id,
        stream_id: handed.stream,
        source: ready.module.digest().into(),
    })
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
        Answer::Kept(kept) => {
            let verdict = |kept| if kept { Verdict::Keep } else { Verdict::Drop };
            Ok(kept.into_iter().map(verdict).collect())
        }
        _ => Err(no_verdicts()),
    }
}

/// Whether to keep each of the events.
///
/// # Errors
/// Why that cannot be said.
pub(crate) async fn kept(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    delivery_id: &str,
    events: &[Given<'_>],
) -> Result<Vec<bool>, InvokeError> {
    let (context, cause, typed) = pure(app, ready, origin, delivery_id, events);
    keep(app, ready, &cause, Work::Keep(&context, &typed)).await
}

/// The same, of events that are held.
///
/// # Errors
/// Why that cannot be said.
pub(crate) async fn kept_held(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    delivery_id: &str,
    held: &[Held],
) -> Result<Vec<bool>, InvokeError> {
    let first = held.first().map_or(0, |held| held.lend().seq(0));
    let hop = |held: &Held| {
        let lent = held.lend();
        (0..lent.len()).map(|row| lent.hop(row)).max()
    };
    let count = (held.iter().map(Held::len).sum(), held.iter().filter_map(hop).max().unwrap_or(0));
    let (context, cause) =
        (context(ready, origin, delivery_id, first), cause(app, origin, delivery_id, count));
    keep(app, ready, &cause, Work::KeepHeld(&context, held)).await
}

async fn keep(
    app: &Arc<App>,
    ready: &Ready,
    cause: &Cause,
    work: Work<'_>,
) -> Result<Vec<bool>, InvokeError> {
    match run(app, ready, cause, work).await.result? {
        Answer::Kept(kept) => Ok(kept),
        _ => Err(no_verdicts()),
    }
}

fn no_verdicts() -> InvokeError {
    InvokeError::Refused("a filter gave no verdicts".to_owned())
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
    let hop = events.iter().map(|given| given.hop).max().unwrap_or(0);
    let cause = cause(app, origin, delivery_id, (events.len(), hop));
    (context(ready, origin, delivery_id, first), cause, typed)
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
    pub(crate) why: Why,
}

/// Why an event was not handled, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    /// A sentence for people.
    pub(crate) error: String,
    /// Lambda's `errorType`; empty when the function was not called.
    pub(crate) error_type: String,
    /// What the function said when it panicked.
    pub(crate) panic: Option<String>,
    /// Version of the function; empty when it was not called.
    pub(crate) version: String,
    /// Digest of its module.
    pub(crate) digest: String,
}

impl Why {
    fn of(ready: &Ready, error: &InvokeError) -> Why {
        let panic = match error {
            InvokeError::Trap { panic, .. } => panic.clone(),
            _ => None,
        };
        Why { error_type: error.error_type().to_owned(), panic, ..Why::said(ready, error.to_string()) }
    }

    fn said(ready: &Ready, error: String) -> Why {
        let (version, digest) = (ready.record.version.clone(), ready.module.digest().to_owned());
        Why { error, version, digest, ..Why::default() }
    }
}

impl From<&str> for Why {
    fn from(error: &str) -> Why {
        Why { error: error.to_owned(), ..Why::default() }
    }
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
        let one = |index| Unhandled { index, again: true, kills: false, why: Why::from(reason.as_str()) };
        let after_ms = u64::try_from(until_ms.saturating_sub(now_ms)).unwrap_or(0);
        Handled { left: (0..events).map(one).collect(), after_ms }
    }
}

/// Hands events over, halving the batch to find those that kill the function. `handing` gives the delivery id of
/// a part and how its call is remembered.
pub(crate) async fn deliver(
    app: &Arc<App>,
    ready: &Ready,
    origin: &Origin,
    events: &[Given<'_>],
    handing: impl Fn(Range<usize>) -> (String, Once),
) -> Handled {
    let (breakers, function) = (&app.functions.breakers, ready.record.id);
    if let Err(circuit) = breakers.admit(function, app.clock.now_ms()) {
        return Handled::resting(events.len(), &circuit, app.clock.now_ms());
    }
    let one = |range: Range<usize>| {
        let handing = handing(range.clone());
        let part = &events[range];
        async move { hand_over(app, ready, origin, handing, part).await }
    };
    let done = bisect(events.len(), POISON_MAX, one).await;
    let mut handled = Handled::default();
    let mut leave = |index, again, kills, why: Why| {
        handled.left.push(Unhandled { index, again, kills, why });
    };
    for (range, failed) in done.done {
        for index in failed {
            let why = Why::said(ready, "the function asks for it again".to_owned());
            leave(range.start + index as usize, true, false, why);
        }
    }
    for poison in done.poison {
        let kills = !matches!(poison.error, InvokeError::Handler { .. });
        leave(poison.index, false, kills, Why::of(ready, &poison.error));
    }
    let blameless = matches!(&done.stopped, Some((_, InvokeError::Throttled { .. } | InvokeError::Stopped)));
    if let Some((range, error)) = done.stopped {
        let again = error.may_retry();
        range.for_each(|index| leave(index, again, false, Why::of(ready, &error)));
        if let InvokeError::Handler { after_ms, .. } | InvokeError::Throttled { after_ms, .. } = error {
            handled.after_ms = u64::from(after_ms);
        }
    }
    handled.left.sort_by_key(|one| one.index);
    match handled.left.iter().find(|one| one.again || one.kills) {
        Some(first) if handled.left.len() == events.len() && !blameless => {
            breakers.failed(function, &first.why.error, app.clock.now_ms());
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
    (delivery_id, once): (String, Once),
    events: &[Given<'_>],
) -> Result<Vec<u32>, InvokeError> {
    let (context, cause, typed) = pure(app, ready, origin, &delivery_id, events);
    let cause = Cause { newest: newest(ready, origin, &once, events), once, ..cause };
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
