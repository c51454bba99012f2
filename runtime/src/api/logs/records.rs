//! Owns GetLogRecord and GetLogGroupFields: single events whole, and which fields a group has. Refuses to know how
//! fields are found (`insights`) and storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{Direction, GroupId, ReadError, ScanRequest, Selection, Store};
use wire::Fault;
use wire::shape::logs::{
    GetLogGroupFieldsRequest, GetLogGroupFieldsResponse, GetLogRecordRequest, GetLogRecordResponse,
    LogGroupField,
};

use super::get_events::{failed, text};
use super::{kms, lookup};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::query;
use crate::records::{groups, streams};
use crate::utf8::repaired;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Logs::GetLogRecord => record), operation!(Logs::GetLogGroupFields => fields)];

/// Half the window around a given time, as AWS has it: 8 minutes before and after.
const AROUND_MS: i64 = 8 * 60_000;
/// The window without a given time: the last 15 minutes.
const RECENT_MS: i64 = 15 * 60_000;
/// Events looked at for the fields of a group.
const SAMPLE_MAX: usize = 10_000;

async fn record(
    app: &Arc<App>,
    caller: &Caller,
    request: GetLogRecordRequest,
) -> Result<GetLogRecordResponse, Fault> {
    lookup::refuse_unmask(request.unmask)?;
    let missing = || Fault::new("ResourceNotFoundException", "The specified log record does not exist.");
    let Some(pointer) = query::pointer(&request.log_record_pointer) else {
        return Err(Fault::new("InvalidParameterException", "The specified log record pointer is invalid."));
    };
    let (scope, group_id, stream_id) = (caller.scope(), pointer.group.0, pointer.stream.0);
    let (group, stream) = app.meta.read(|tx| {
        let group = groups::by_id(tx, group_id)?.filter(|group| group.scope == scope);
        let stream = streams::by_id(tx, stream_id)?;
        Ok::<_, Fault>((group, stream))
    })?;
    let (Some(group), Some((_, stream))) = (group, stream) else { return Err(missing()) };
    kms::check_readable(app, &group)?;
    let store = Arc::clone(&app.store);
    let found = App::blocking(move || store.event(pointer.group, Some(pointer.stream), pointer.id)).await;
    let event = found.map_err(failed)?.ok_or_else(missing)?;
    let (time, ingested) = (event.timestamp_ms, event.ingestion_ms);
    let message = text(event.message.into());
    let log = format!("{}:{}", scope.account, group.name);
    let mut all: BTreeMap<String, String> =
        insights::discover::fields_in(&log, &message).into_iter().collect();
    let system = [
        ("@ptr", request.log_record_pointer),
        ("@timestamp", time.to_string()),
        ("@ingestionTime", ingested.to_string()),
        ("@message", message),
        ("@logStream", stream.name),
        ("@log", log),
    ];
    all.extend(system.map(|(name, value)| (name.to_owned(), value)));
    Ok(GetLogRecordResponse { log_record: Some(all) })
}

async fn fields(
    app: &Arc<App>,
    caller: &Caller,
    request: GetLogGroupFieldsRequest,
) -> Result<GetLogGroupFieldsResponse, Fault> {
    let scope = caller.scope();
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let group = app.meta.read(|tx| lookup::group_of(tx, &scope, name, identifier))?;
    kms::check_readable(app, &group)?;
    let (from_ms, to_ms) = match request.time {
        Some(seconds) => {
            let at_ms = seconds.saturating_mul(1000);
            (at_ms.saturating_sub(AROUND_MS), at_ms.saturating_add(AROUND_MS))
        }
        None => (app.clock.now_ms() - RECENT_MS, app.clock.now_ms()),
    };
    let log = format!("{}:{}", scope.account, group.name);
    let scan = ScanRequest {
        selection: Selection { groups: vec![GroupId(group.id)], streams: None },
        from_ms,
        to_ms,
        direction: Direction::Backward,
        after: None,
        snapshot: None,
        containing: Vec::new(),
    };
    let store = Arc::clone(&app.store);
    let (events, counts) = App::blocking(move || count(&store, &scan, &log)).await.map_err(failed)?;
    let percent = |n: usize| i32::try_from(n * 100 / events.max(1)).ok();
    let mut fields: Vec<LogGroupField> =
        counts.into_iter().map(|(name, n)| LogGroupField { name: Some(name), percent: percent(n) }).collect();
    fields.sort_by(|a, b| b.percent.cmp(&a.percent).then_with(|| a.name.cmp(&b.name)));
    Ok(GetLogGroupFieldsResponse { log_group_fields: Some(fields) })
}

/// In how many of the newest events each field is.
fn count(
    store: &Store,
    scan: &ScanRequest,
    log: &str,
) -> Result<(usize, BTreeMap<String, usize>), ReadError> {
    let (mut events, mut counts) = (0, BTreeMap::new());
    for run in store.scan(scan) {
        for event in run?.events() {
            if events == SAMPLE_MAX {
                return Ok((events, counts));
            }
            events += 1;
            let message = repaired(event.message);
            let found = insights::discover::fields_in(log, &message).into_iter().map(|(name, _)| name);
            let system = ["@timestamp", "@message", "@logStream", "@log", "@ingestionTime"];
            for name in found.chain(system.map(str::to_owned)) {
                *counts.entry(name).or_insert(0) += 1;
            }
        }
    }
    Ok((events, counts))
}
