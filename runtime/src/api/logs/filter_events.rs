//! Owns FilterLogEvents: several streams in order of time, through a filter pattern. Refuses to know the
//! pattern language and storage.

mod asking;
mod columns;

use std::collections::HashMap;
use std::sync::Arc;

use pattern::{Document, NoGuests, Options, Pattern};
use serde::{Deserialize, Serialize};
use store::{Direction, EventId, EventRef, GroupId, ReadError, ScanRequest, Selection, Store, StreamId};
use tokio::runtime::Handle;
use wire::Fault;
use wire::shape::logs::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent};

use super::get_events::{EVENTS_MAX, failed, text};
use super::metric_filters::check_guests;
use super::{kms, lookup};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::functions::attach::Purpose;
use crate::ingest::matching::needles;
use crate::meta::{MetaError, Tx};
use crate::records::groups::GroupRecord;
use crate::records::streams;
use crate::utf8::repaired;

pub(super) const OPERATIONS: &[Operation] = &[operation!(Logs::FilterLogEvents => filter)];

const NAME: &str = "FilterLogEvents";

/// Message bytes looked at for one page; a page that ends here may be empty and has a token.
const SCANNED_BYTES_MAX: u64 = 512 << 20;

/// Where the next page begins.
#[derive(Serialize, Deserialize)]
struct Place {
    /// The last event looked at.
    after: String,
    /// Newest first.
    backwards: bool,
}

async fn filter(
    app: &Arc<App>,
    caller: &Caller,
    request: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, Fault> {
    if request.log_stream_names.is_some() && request.log_stream_name_prefix.is_some() {
        let text = "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.";
        return Err(Fault::new("InvalidParameterException", text));
    }
    let pattern = parse(app, caller, request.filter_pattern.as_deref().unwrap_or(""))?;
    lookup::refuse_unmask(request.unmask)?;
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let scope = caller.scope();
    let (group, chosen) = app.meta.read(|tx| {
        let group = lookup::group_of(tx, &scope, name, identifier)?;
        kms::check_readable(app, &group)?;
        let chosen = choose(tx, &group, &request)?;
        Ok::<_, Fault>((group, chosen))
    })?;
    let scan = ScanRequest { containing: needles(&pattern), ..scan_of(&request, &group, chosen)? };
    let backwards = scan.direction == Direction::Backward;
    let limit = request.limit.map_or(EVENTS_MAX, |limit| usize::try_from(limit).unwrap_or(EVENTS_MAX));
    let bounds = Bounds { events: limit, bytes: app.limits.sizes.events_response_bytes };
    let (shared, runtime) = (Arc::clone(app), Handle::current());
    let place = if pattern.guests().is_empty() { None } else { Some(app.in_flight.search().await?) };
    let found = App::blocking(move || {
        let _held = place;
        if pattern.guests().is_empty() {
            return search(&shared.store, &scan, &pattern, bounds).map_err(failed);
        }
        asking::search(&shared, &runtime, &group, &scan, &pattern, bounds)
    });
    let found = found.await?;
    let events = app.meta.read(|tx| {
        let mut names = HashMap::new();
        found.events.into_iter().map(|event| shown(tx, &mut names, event)).collect::<Result<_, _>>()
    });
    let next_token = found.more.map(|after| page::token(NAME, Place { after: after.to_string(), backwards }));
    // AWS lists no searched streams any more.
    let searched = Some(Vec::new());
    Ok(FilterLogEventsResponse { events: Some(events?), searched_log_streams: searched, next_token })
}

fn parse(app: &App, caller: &Caller, text: &str) -> Result<Pattern, Fault> {
    let options = Options { strict: app.config.strict_patterns };
    let pattern = Pattern::parse(text, options);
    let pattern = pattern.map_err(|error| Fault::new("InvalidParameterException", error.message))?;
    check_guests(app, caller, pattern.guests().iter().map(String::as_str), Purpose::Filter)?;
    Ok(pattern)
}

/// The streams that are named; `None` for all.
fn choose(
    tx: &Tx<'_>,
    group: &GroupRecord,
    request: &FilterLogEventsRequest,
) -> Result<Option<Vec<StreamId>>, Fault> {
    if let Some(names) = &request.log_stream_names {
        let chosen = names.iter().map(|name| Ok(StreamId(lookup::stream(tx, group, name)?.id)));
        return chosen.collect::<Result<_, Fault>>().map(Some);
    }
    let Some(prefix) = &request.log_stream_name_prefix else { return Ok(None) };
    let found = streams::list(tx, group.id, prefix, None, false, usize::MAX)?;
    Ok(Some(found.into_iter().map(|stream| StreamId(stream.id)).collect()))
}

fn scan_of(
    request: &FilterLogEventsRequest,
    group: &GroupRecord,
    streams: Option<Vec<StreamId>>,
) -> Result<ScanRequest, Fault> {
    let place = page::position::<Place>(NAME, request.next_token.as_deref())?;
    let after = place
        .as_ref()
        .map(|place| place.after.parse::<EventId>().map_err(|_| page::invalid()))
        .transpose()?;
    // The first request sets the direction, the token keeps it.
    let backwards = place.map_or(request.start_from_head == Some(false), |place| place.backwards);
    Ok(ScanRequest {
        selection: Selection { groups: vec![GroupId(group.id)], streams },
        from_ms: request.start_time.unwrap_or(0),
        to_ms: request.end_time.unwrap_or(i64::MAX),
        direction: if backwards { Direction::Backward } else { Direction::Forward },
        after,
        snapshot: None,
        containing: Vec::new(),
    })
}

#[derive(Clone, Copy)]
struct Bounds {
    events: usize,
    bytes: u64,
}

struct Found {
    events: Vec<store::Event>,
    /// The last event looked at, when there may be more.
    more: Option<EventId>,
}

/// The first matches of a scan that fit a page.
fn search(store: &Store, scan: &ScanRequest, pattern: &Pattern, bounds: Bounds) -> Result<Found, ReadError> {
    let mut events = Vec::new();
    let (mut bytes, mut scanned, mut last) = (0, 0, None);
    let mut scan = store.scan(scan);
    if let Some(choose) = columns::choice(pattern) {
        scan = scan.choosing(choose);
    }
    loop {
        if scan.searched_bytes() > SCANNED_BYTES_MAX {
            return Ok(Found { events, more: scan.reached() });
        }
        let Some(run) = scan.next() else { break };
        for event in run?.events() {
            if events.len() == bounds.events || scanned > SCANNED_BYTES_MAX {
                return Ok(Found { events, more: last });
            }
            scanned += event.message.len() as u64;
            if matches(pattern, &event) {
                bytes += event.message.len() as u64 + store::EVENT_OVERHEAD_BYTES;
                if bytes > bounds.bytes && !events.is_empty() {
                    return Ok(Found { events, more: last });
                }
                events.push(event.to_event());
            }
            last = Some(event.id());
        }
    }
    Ok(Found { events, more: None })
}

fn matches(pattern: &Pattern, event: &EventRef<'_>) -> bool {
    let text = repaired(event.message);
    pattern.matches(&Document::new(&text), &mut NoGuests)
}

/// `names` keeps what was looked up: a page has many events of few streams.
fn shown(
    tx: &Tx<'_>,
    names: &mut HashMap<StreamId, Option<String>>,
    event: store::Event,
) -> Result<FilteredLogEvent, MetaError> {
    let name = match names.get(&event.stream) {
        Some(name) => name.clone(),
        None => {
            let name = streams::by_id(tx, event.stream.0)?.map(|(_, stream)| stream.name);
            names.insert(event.stream, name.clone());
            name
        }
    };
    Ok(FilteredLogEvent {
        event_id: Some(event.id().to_string()),
        log_stream_name: name,
        timestamp: Some(event.timestamp_ms),
        ingestion_time: Some(event.ingestion_ms),
        message: Some(text(event.message.into())),
    })
}
