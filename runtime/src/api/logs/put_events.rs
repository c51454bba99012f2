//! Owns PutLogEvents on the wire. Refuses to know batch rules and storage: `ingest::accept` does.

use std::sync::Arc;

use serde_json::json;
use store::batch::Rejected;
use store::{AppendError, Events};
use wire::logs::{LogEvents, put_log_events};
use wire::shape::logs::{PutLogEventsResponse, RejectedEntityInfo, RejectedLogEventsInfo};
use wire::{Fault, Response};

use super::{kms, lookup};
use crate::api::table::{Operation, operation};
use crate::api::{Call, Caller};
use crate::app::App;
use crate::ingest::accept::{AcceptError, Accepted, Arrival, accept};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Logs::PutLogEvents raw => put)];

async fn put(app: &Arc<App>, caller: &Caller, call: &Call) -> Response {
    call.answer(caller, store(app, caller, call).await)
}

async fn store(app: &Arc<App>, caller: &Caller, call: &Call) -> Result<PutLogEventsResponse, Fault> {
    let body = wire::body(call.request())?;
    let request = put_log_events(&body)?;
    let (group, stream) = (request.log_group_name.as_ref(), request.log_stream_name.as_ref());
    // Entities are not kept: the client is told in AWS's way, and its events are stored.
    let rejected_entity_info = request
        .entity
        .is_some()
        .then(|| RejectedEntityInfo { error_type: "UnsupportedLogGroupType".to_owned() });
    call.authorize(caller, &json!({ "logGroupName": group, "logStreamName": stream }))?;
    let scope = caller.scope();
    let (group, stream) = app.meta.read(|tx| {
        let group = lookup::group(tx, &scope, group)?;
        let stream = lookup::stream(tx, &group, stream)?;
        kms::check_readable(app, &group)?;
        Ok::<_, Fault>((group, stream))
    })?;
    let LogEvents { timestamps, ends, text } = request.log_events;
    let events = Events::from_parts(timestamps, ends, text.into_bytes())
        .ok_or_else(|| Fault::internal("The events do not fit their text."))?;
    let arrival = Arrival { group: &group, stream: &stream, hop: caller.hop, events };
    let accepted = accept(app, arrival).await?;
    Ok(PutLogEventsResponse { rejected_entity_info, ..answer(&accepted) })
}

fn answer(accepted: &Accepted) -> PutLogEventsResponse {
    let index = |index: usize| i32::try_from(index).ok();
    let Rejected { too_new_start, too_old_end, expired_end } = accepted.rejected;
    let rejected = (!accepted.rejected.is_empty()).then(|| RejectedLogEventsInfo {
        too_new_log_event_start_index: too_new_start.and_then(index),
        too_old_log_event_end_index: too_old_end.and_then(index),
        expired_log_event_end_index: expired_end.and_then(index),
    });
    // AWS ignores sequence tokens since 2023 and still gives them; some clients hand them back.
    let next = accepted.ack.as_ref().map_or(0, |ack| ack.first.seq + ack.count);
    PutLogEventsResponse {
        next_sequence_token: Some(format!("{next:056}")),
        rejected_log_events_info: rejected,
        rejected_entity_info: None,
    }
}

impl From<AcceptError> for Fault {
    fn from(error: AcceptError) -> Fault {
        match error {
            AcceptError::Batch(error) => Fault::new(error.code(), error.to_string()),
            AcceptError::Transform { function, reason } => {
                let text =
                    format!("Nothing was stored: the log group's transformer {function} failed: {reason}");
                Fault::new("ServiceUnavailableException", text).status(503).receiver()
            }
            AcceptError::Unrecorded(error) => error.into(),
            AcceptError::Append(AppendError::Deleted) => lookup::no_stream(),
            AcceptError::Append(AppendError::TooLarge { .. } | AppendError::Empty) => {
                Fault::new("InvalidParameterException", "The batch of log events does not fit the limits.")
            }
            AcceptError::Append(AppendError::Full { limit }) => Fault::new(
                "ThrottlingException",
                format!("Rate exceeded: events arrive faster than they can be stored ({limit} is reached)."),
            ),
            AcceptError::Append(AppendError::Key(error)) => kms::no_key(&error),
            AcceptError::Append(AppendError::DiskFull) => {
                let text = "The events were not stored: the disk is full.";
                Fault::new("ServiceUnavailableException", text).status(503).receiver()
            }
            AcceptError::Append(error) => {
                tracing::error!(%error, "events could not be stored");
                let text = "The service cannot complete the request.";
                Fault::new("ServiceUnavailableException", text).status(503).receiver()
            }
        }
    }
}
