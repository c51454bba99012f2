//! Owns DescribeLogStreams. Refuses to know events; times come from the store's statistics.

use std::cmp::Reverse;
use std::sync::Arc;

use store::StreamId;
use wire::Fault;
use wire::shape::logs::{DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream};

use super::lookup;
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::records::groups::GroupRecord;
use crate::records::streams::{self, StreamRecord};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Logs::DescribeLogStreams => describe)];

const NAME: &str = "DescribeLogStreams";

/// Streams on a page when the request does not say.
const PAGE: usize = 50;

async fn describe(
    app: &Arc<App>,
    caller: &Caller,
    request: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, Fault> {
    let by_time = request.order_by.as_deref() == Some("LastEventTime");
    if by_time && request.log_stream_name_prefix.is_some() {
        let text = "Cannot order by LastEventTime with a logStreamNamePrefix.";
        return Err(Fault::new("InvalidParameterException", text));
    }
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let scope = caller.scope();
    let group = app.meta.read(|tx| lookup::group_of(tx, &scope, name, identifier))?;
    let limit = request.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let (found, next_token) = if by_time {
        by_last_event(app, &group, &request, limit)?
    } else {
        by_name(app, &group, &request, limit)?
    };
    let found = found.into_iter().map(|stream| described(app, &group, stream)).collect();
    Ok(DescribeLogStreamsResponse { log_streams: Some(found), next_token })
}

type Page = (Vec<StreamRecord>, Option<String>);

fn by_name(
    app: &App,
    group: &GroupRecord,
    request: &DescribeLogStreamsRequest,
    limit: usize,
) -> Result<Page, Fault> {
    let prefix = request.log_stream_name_prefix.as_deref().unwrap_or("");
    let from = page::position::<String>(NAME, request.next_token.as_deref())?;
    let backwards = request.descending.unwrap_or(false);
    let mut found =
        app.meta.read(|tx| streams::list(tx, group.id, prefix, from.as_deref(), backwards, limit + 1))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| page::token(NAME, &last.name));
    Ok((found, next))
}

/// By the time of the last event, streams without one as if at 0; then by name. A page begins where the
/// (time, name) of the token stands now, so that streams that move meanwhile are at worst shown twice.
fn by_last_event(
    app: &App,
    group: &GroupRecord,
    request: &DescribeLogStreamsRequest,
    limit: usize,
) -> Result<Page, Fault> {
    let from = page::position::<(i64, String)>(NAME, request.next_token.as_deref())?;
    let all = app.meta.read(|tx| streams::list(tx, group.id, "", None, false, usize::MAX))?;
    let placed = all.into_iter().map(|stream| {
        let last_ms = app.store.stream_stats(StreamId(stream.id)).last_event_ms.unwrap_or(0);
        (last_ms, stream)
    });
    let mut placed: Vec<(i64, StreamRecord)> = placed.collect();
    let place = |(last_ms, stream): &(i64, StreamRecord)| (*last_ms, stream.name.clone());
    let backwards = request.descending.unwrap_or(false);
    if backwards {
        placed.sort_by_cached_key(|row| Reverse(place(row)));
    } else {
        placed.sort_by_cached_key(place);
    }
    let passed = |row: &(i64, StreamRecord)| {
        from.as_ref().is_some_and(|from| if backwards { place(row) >= *from } else { place(row) <= *from })
    };
    let mut left: Vec<_> = placed.into_iter().skip_while(passed).take(limit + 1).collect();
    let more = left.len() > limit;
    left.truncate(limit);
    let next = left.last().filter(|_| more).map(|last| page::token(NAME, place(last)));
    Ok((left.into_iter().map(|(_, stream)| stream).collect(), next))
}

fn described(app: &App, group: &GroupRecord, stream: StreamRecord) -> LogStream {
    let stats = app.store.stream_stats(StreamId(stream.id));
    LogStream {
        creation_time: Some(stream.created_ms),
        first_event_timestamp: stats.first_event_ms,
        last_event_timestamp: stats.last_event_ms,
        last_ingestion_time: stats.last_ingestion_ms,
        // AWS accepts any token and ignores it; old clients want one to hand back.
        upload_sequence_token: Some(format!("{:056}", stats.events)),
        arn: Some(format!("{}:log-stream:{}", group.arn(), stream.name)),
        // AWS reports 0 since June 2019.
        stored_bytes: Some(0),
        log_stream_name: Some(stream.name),
    }
}
