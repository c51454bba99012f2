//! Owns GetLogEvents: one stream, page by page in both directions. Refuses to know storage.
//!
//! A token is `f/ID/s` or `b/ID/s` as AWS writes them. The id is a place between events: `f` goes on behind
//! it, `b` before it. At an end of the stream the page is empty and its token in that direction is the one
//! that was given, by which clients know.

use std::sync::Arc;

use store::{
    Direction, Event, EventId, GroupId, Position, ReadError, ScanRequest, Selection, Store, StreamId,
};
use wire::Fault;
use wire::shape::logs::{GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent};

use super::{kms, lookup};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[operation!(Logs::GetLogEvents => get)];

/// Most events of a page.
pub(super) const EVENTS_MAX: usize = 10_000;

/// Where a page begins and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    direction: Direction,
    /// Going on behind or before this; `None` from the end of the time range.
    from: Option<EventId>,
}

async fn get(
    app: &Arc<App>,
    caller: &Caller,
    request: GetLogEventsRequest,
) -> Result<GetLogEventsResponse, Fault> {
    lookup::refuse_unmask(request.unmask)?;
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let scope = caller.scope();
    let (group, stream) = app.meta.read(|tx| {
        let group = lookup::group_of(tx, &scope, name, identifier)?;
        let stream = lookup::stream(tx, &group, &request.log_stream_name)?;
        kms::check_readable(app, &group)?;
        Ok::<_, Fault>((GroupId(group.id), StreamId(stream.id)))
    })?;
    let place = place(&request)?;
    let from_ms = request.start_time.unwrap_or(0);
    let scan = ScanRequest {
        selection: Selection { groups: vec![group], streams: Some(vec![stream]) },
        from_ms,
        // AWS leaves the end of the range out here (FilterLogEvents does not).
        to_ms: request.end_time.map_or(i64::MAX, |end_ms| end_ms.saturating_sub(1)),
        direction: place.direction,
        after: place.from,
        snapshot: None,
        containing: Vec::new(),
    };
    let limit = request.limit.map_or(EVENTS_MAX, |limit| usize::try_from(limit).unwrap_or(EVENTS_MAX));
    let bytes_max = app.limits.sizes.events_response_bytes;
    let store = Arc::clone(&app.store);
    let mut found = App::blocking(move || read(&store, &scan, limit, bytes_max)).await.map_err(failed)?;
    if place.direction == Direction::Backward {
        found.reverse();
    }
    let (forward, backward) = around(&found, place, from_ms);
    let events = found.into_iter().map(|event| OutputLogEvent {
        timestamp: Some(event.timestamp_ms),
        message: Some(text(event.message.into())),
        ingestion_time: Some(event.ingestion_ms),
    });
    Ok(GetLogEventsResponse {
        events: Some(events.collect()),
        next_forward_token: Some(forward),
        next_backward_token: Some(backward),
    })
}

fn place(request: &GetLogEventsRequest) -> Result<Place, Fault> {
    let Some(token) = &request.next_token else {
        let head = request.start_from_head.unwrap_or(false);
        let direction = if head { Direction::Forward } else { Direction::Backward };
        return Ok(Place { direction, from: None });
    };
    let mut parts = token.split('/');
    let parts = [(); 4].map(|()| parts.next());
    let (direction, id) = match parts {
        [Some("f"), Some(id), Some("s"), None] => (Direction::Forward, id),
        [Some("b"), Some(id), Some("s"), None] => (Direction::Backward, id),
        _ => return Err(page::invalid()),
    };
    Ok(Place { direction, from: Some(id.parse().map_err(|_| page::invalid())?) })
}

/// The tokens of the page's two ends; of an empty page, those of where it is.
fn around(found: &[Event], place: Place, from_ms: i64) -> (String, String) {
    let token = |letter: char, id: EventId| format!("{letter}/{id}/s");
    if let (Some(first), Some(last)) = (found.first(), found.last()) {
        return (token('f', last.id()), token('b', first.id()));
    }
    match place {
        Place { direction: Direction::Forward, from: Some(id) } => (token('f', id), token('b', behind(id))),
        Place { direction: Direction::Backward, from: Some(id) } => (token('f', before(id)), token('b', id)),
        // Nothing yet: what comes is after, nothing is before.
        Place { from: None, .. } => {
            let start = EventId::new(from_ms.saturating_sub(1), Position { shard: u32::MAX, seq: u64::MAX });
            (token('f', start), token('b', start))
        }
    }
}

/// The place right behind the event at `id`, so that going back finds it.
fn behind(id: EventId) -> EventId {
    EventId::new(id.timestamp_ms, Position { seq: id.position.seq.saturating_add(1), ..id.position })
}

/// The place right before the event at `id`, so that going on finds it.
fn before(id: EventId) -> EventId {
    match id.position.seq.checked_sub(1) {
        Some(seq) => EventId::new(id.timestamp_ms, Position { seq, ..id.position }),
        None => EventId::new(id.timestamp_ms.saturating_sub(1), Position { shard: u32::MAX, seq: u64::MAX }),
    }
}

/// The first events of a scan that fit a page; at least one if there is one.
fn read(store: &Store, scan: &ScanRequest, limit: usize, bytes_max: u64) -> Result<Vec<Event>, ReadError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for run in store.scan(scan) {
        for event in run?.events() {
            bytes += event.message.len() as u64 + store::EVENT_OVERHEAD_BYTES;
            if found.len() == limit || (bytes > bytes_max && !found.is_empty()) {
                return Ok(found);
            }
            found.push(event.to_event());
        }
    }
    Ok(found)
}

/// A message as text; it came in as text, so nothing is lost.
pub(super) fn text(message: Vec<u8>) -> String {
    String::from_utf8(message).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The answer when stored events cannot be read; the log says why.
#[allow(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub(super) fn failed(error: ReadError) -> Fault {
    if let ReadError::Key(error) = &error {
        return kms::no_key(error);
    }
    tracing::error!(%error, "stored events could not be read");
    Fault::new("ServiceUnavailableException", "The service cannot complete the request.")
        .status(503)
        .receiver()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_directions_and_places() {
        let id = EventId::new(1_700_000_000_000, Position::at(7));
        let with =
            |token: String| GetLogEventsRequest { next_token: Some(token), ..GetLogEventsRequest::default() };
        let forward = Place { direction: Direction::Forward, from: Some(id) };
        assert_eq!(place(&with(format!("f/{id}/s"))).unwrap(), forward);
        assert_eq!(around(&[], forward, 0).0, format!("f/{id}/s"), "the same token at the end");
        let backward = Place { direction: Direction::Backward, from: Some(id) };
        assert_eq!(place(&with(format!("b/{id}/s"))).unwrap(), backward);
        assert_eq!(around(&[], backward, 0).1, format!("b/{id}/s"), "the same token at the beginning");
        for bad in
            ["", "f", "f/1/s", "x/1/s", &format!("f/{id}"), &format!("f/{id}/s/"), &format!("f/{id}/t")]
        {
            assert!(place(&with((*bad).to_owned())).is_err(), "{bad}");
        }
        assert!(before(id) < id && id < behind(id));
        assert!(before(EventId::new(5, Position::at(0))) < EventId::new(5, Position::at(0)));
    }
}
