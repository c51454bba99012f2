//! Owns the one way in for events: AWS's batch rules, the intake log, the answer once they are durable.
//! Refuses to know who sends them; nothing that reads events hooks in here.

use std::sync::Arc;

use store::batch::{self, BatchError, Rejected};
use store::{Ack, AppendError, Batch, Events, GroupId, StreamId};
use tokio::sync::oneshot;

use super::makers::{self, OnTheWay};
use super::transform::{self, Transformer};
use crate::app::App;
use crate::meta::MetaError;
use crate::records::groups::GroupRecord;
use crate::records::makers::Maker;
use crate::records::streams::StreamRecord;

/// A batch on its way in.
pub(crate) struct Arrival<'a> {
    /// The group.
    pub(crate) group: &'a GroupRecord,
    /// The stream of it.
    pub(crate) stream: &'a StreamRecord,
    /// Deliveries between the first cause and these events; 0 = a client wrote them.
    pub(crate) hop: u8,
    /// The events in the order given; their messages are UTF-8.
    pub(crate) events: Events,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Where its events are; `None` when every one was rejected.
    pub(crate) ack: Option<Ack>,
    /// Which were rejected, by index.
    pub(crate) rejected: Rejected,
}

/// Why a batch was not accepted.
#[derive(Debug)]
pub(crate) enum AcceptError {
    /// It breaks a rule of AWS's: nothing was stored.
    Batch(BatchError),
    /// It could not be stored.
    Append(AppendError),
    /// The group's transformer failed, and its group says that nothing is stored then.
    Transform {
        /// Its name.
        function: String,
        /// Why.
        reason: String,
    },
    /// It could not be written down which module it went through.
    Unrecorded(MetaError),
}

/// What of a batch is to be stored.
pub(crate) struct Admitted {
    /// These events.
    pub(crate) events: Events,
    /// Which were rejected, by index.
    pub(crate) rejected: Rejected,
    /// Kept until they are in the log, where it is recorded what they went through.
    pub(crate) on_the_way: Option<OnTheWay>,
}

/// Stores a batch; when this returns `Ok`, its events are durable and readable.
///
/// # Errors
/// See [`AcceptError`].
pub(crate) async fn accept(app: &Arc<App>, arrival: Arrival<'_>) -> Result<Accepted, AcceptError> {
    let Arrival { group, stream, hop, events } = arrival;
    let now_ms = app.clock.now_ms();
    let admitted = admit(app, group, &stream.name, (hop, events), now_ms).await?;
    let Admitted { events: stored, rejected, on_the_way } = admitted;
    if stored.is_empty() {
        return Ok(Accepted { ack: None, rejected });
    }
    let (group, stream) = (GroupId(group.id), StreamId(stream.id));
    let batch = Batch { group, stream, ingestion_ms: now_ms, hop, events: stored };
    let ack = append(app, batch, on_the_way).await.map_err(AcceptError::Append)?;
    Ok(Accepted { ack: Some(ack), rejected })
}

/// What of a batch is to be stored, by AWS's rules and the group's transformer; nothing is stored yet.
///
/// # Errors
/// See [`AcceptError`].
pub(crate) async fn admit(
    app: &Arc<App>,
    group: &GroupRecord,
    stream: &str,
    (hop, events): (u8, Events),
    now_ms: i64,
) -> Result<Admitted, AcceptError> {
    let sizes = events.iter().map(|(timestamp_ms, message)| (timestamp_ms, message.len()));
    let checked = batch::check(now_ms, group.retention_days, sizes).map_err(AcceptError::Batch)?;
    let taken = events.only(checked.range);
    let rejected = checked.rejected;
    if taken.is_empty() {
        return Ok(Admitted { events: taken, rejected, on_the_way: None });
    }
    let (events, maker) = match Transformer::of(group) {
        None => (taken, app.makers.knows(group.id).then(Maker::default)),
        // Boxed: a call of a guest is large, and most groups have none.
        Some(transformer) => {
            let made = Box::pin(transform::transform(app, group, stream, &transformer, (hop, taken)));
            let (events, maker) = made.await?;
            (events, Some(maker))
        }
    };
    let on_the_way = match maker.filter(|_| !events.is_empty()) {
        Some(maker) => Some(makers::enter(app, group.id, maker).await.map_err(AcceptError::Unrecorded)?),
        None => None,
    };
    Ok(Admitted { events, rejected, on_the_way })
}

/// Stores events that were admitted, and counts them.
///
/// # Errors
/// Why they are not stored, any of them.
pub(crate) async fn append(
    app: &Arc<App>,
    batch: Batch,
    on_the_way: Option<OnTheWay>,
) -> Result<Ack, AppendError> {
    let counts = app.fan_out.activity().group(batch.group.0);
    let bytes = batch.events.stored_bytes();
    let ack = durable(app, batch, on_the_way).await;
    if let Err(AppendError::Full { .. }) = &ack {
        counts.throttled.add(1);
    }
    let ack = ack?;
    counts.incoming_events.add(ack.count);
    counts.incoming_bytes.add(bytes);
    Ok(ack)
}

async fn durable(app: &Arc<App>, batch: Batch, on_the_way: Option<OnTheWay>) -> Result<Ack, AppendError> {
    let (answer, answered) = oneshot::channel();
    // The client goes first, but for the virtual clock: see `Followers::wake`.
    let (followers, wakes_first) = (Arc::clone(&app.followers), app.clock.is_virtual());
    let on_durable = move |outcome: Result<Ack, AppendError>| {
        if let (Err(AppendError::SyncFailed(_)), Some(batch)) = (&outcome, on_the_way) {
            // The next start may find it in the log.
            batch.stays();
        }
        let is_stored = outcome.is_ok();
        if is_stored && wakes_first {
            followers.wake();
        }
        // The client may have gone; its events are stored.
        let _gone = answer.send(outcome);
        if is_stored && !wakes_first {
            followers.wake();
        }
    };
    app.store.append(batch, Box::new(on_durable));
    answered.await.unwrap_or(Err(AppendError::Closed))
}
