//! Owns the log groups of functions: made at first use, one stream per version and day of this process, a
//! few appends per call. Refuses to know what the lines say. They go in as any events do, one hop further.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use chrono::DateTime;
use store::batch;

use super::{Ready, lock};
use crate::app::App;
use crate::ingest::accept::{AcceptError, Arrival, accept};
use crate::meta::{MetaError, Tx};
use crate::records::Scope;
use crate::records::groups::{self, GroupRecord};
use crate::records::streams::{self, StreamRecord};

/// What the names of the groups begin with.
pub(crate) const PREFIX: &str = "/aws/lambda/";

/// What AWS counts per event beside its text.
const EVENT_OVERHEAD: u64 = 26;

/// Bytes that are stored at once. Small, so that clients whose events are stored meanwhile wait little.
const PIECE_BYTES: u64 = batch::BYTES_MAX / 16;

/// The streams this process writes to, by function id and version: the day, and the group and stream of that day.
#[derive(Default)]
pub(super) struct Streams(Mutex<HashMap<(u64, String), OfDay>>);

/// The day, and its group and stream.
type OfDay = (String, GroupRecord, StreamRecord);

/// Stores the lines of a call. What cannot be stored is said in the process's own log: the call is over, and
/// its effects are durable.
pub(super) async fn append(app: &Arc<App>, ready: &Ready, hop: u8, lines: Vec<(i64, String)>) {
    let events: Vec<(i64, String)> = lines.into_iter().filter(|(_, line)| !line.is_empty()).collect();
    for events in batches(&events) {
        // The group may have been deleted since its stream was made: then both are made once more.
        for again in [true, false] {
            match store(app, ready, hop, events).await {
                Err(error) if again => {
                    tracing::debug!(function = ready.record.name, error, "its stream is made again");
                    lock(&app.functions.streams.0).remove(&(ready.record.id, ready.record.version.clone()));
                }
                Err(error) => {
                    tracing::error!(
                        function = ready.record.name,
                        error,
                        "lines of a function were not stored"
                    );
                }
                Ok(()) => break,
            }
        }
    }
}

async fn store(app: &Arc<App>, ready: &Ready, hop: u8, events: &[(i64, String)]) -> Result<(), String> {
    let (group, stream) = destination(app, ready).await.map_err(|error| error.to_string())?;
    let stored = events.iter().map(|(timestamp_ms, line)| (*timestamp_ms, line)).collect();
    let arrival = Arrival { group: &group, stream: &stream, hop: hop.saturating_add(1), events: stored };
    match accept(app, arrival).await {
        Ok(_) => Ok(()),
        Err(AcceptError::Append(error)) => Err(error.to_string()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// Pieces of some size, that AWS's batch rules allow.
pub(crate) fn batches(events: &[(i64, String)]) -> impl Iterator<Item = &[(i64, String)]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(_, line): &&(i64, String)| {
            bytes += line.len() as u64 + EVENT_OVERHEAD;
            bytes <= PIECE_BYTES
        };
        // A line that is larger goes alone: it is bounded below the size of an event.
        let count = rest.iter().take(batch::EVENTS_MAX).take_while(fits).count().max(1).min(rest.len());
        let (piece, left) = rest.split_at(count);
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

async fn destination(app: &Arc<App>, ready: &Ready) -> Result<(GroupRecord, StreamRecord), MetaError> {
    let now_ms = app.clock.now_ms();
    let day = day(now_ms);
    let id = (ready.record.id, ready.record.version.clone());
    if let Some((of, group, stream)) = lock(&app.functions.streams.0).get(&id)
        && *of == day
    {
        return Ok((group.clone(), stream.clone()));
    }
    let unique = app.clock.uuid().replace('-', "");
    let stream = format!("{day}/[{}]{unique}", ready.record.version);
    let (scope, name, shared) = (ready.scope.clone(), ready.record.name.clone(), Arc::clone(app));
    let change = move |tx: &mut Tx<'_>| {
        let group = group(&shared, tx, &scope, &name, now_ms)?;
        let stream = streams::insert(tx, group.id, &stream, now_ms)?;
        Ok::<_, MetaError>((group, stream))
    };
    let (group, stream) = app.meta.change(change).await?;
    let made = (day, group.clone(), stream.clone());
    lock(&app.functions.streams.0).insert(id, made);
    Ok((group, stream))
}

/// The day of a moment, as the names of streams begin.
pub(crate) fn day(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default().format("%Y/%m/%d").to_string()
}

/// The log group of what comes behind [`PREFIX`]; it is made if it is missing.
///
/// # Errors
/// Storage failures.
pub(crate) fn group(
    app: &App,
    tx: &mut Tx<'_>,
    scope: &Scope,
    name: &str,
    now_ms: i64,
) -> Result<GroupRecord, MetaError> {
    let name = format!("{PREFIX}{name}");
    match groups::find(tx, scope, &name)? {
        Some(group) => Ok(group),
        None => Ok(groups::insert(tx, new_group(scope.clone(), name, now_ms), &app.keyring.wrapping())?),
    }
}

fn new_group(scope: Scope, name: String, created_ms: i64) -> GroupRecord {
    GroupRecord {
        id: 0,
        name,
        scope,
        created_ms,
        retention_days: None,
        class: "STANDARD".to_owned(),
        tags: BTreeMap::new(),
        kms_key: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_or_long_lines_go_in_several_batches() {
        let lines = |count: usize, length: usize| vec![(0, "x".repeat(length)); count];
        let sizes = |lines: &[(i64, String)]| batches(lines).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(&lines(3, 1)), [3]);
        assert_eq!(sizes(&lines(10_001, 1)), [2_427, 2_427, 2_427, 2_427, 293]);
        assert_eq!(sizes(&lines(5, 30_000)), [2, 2, 1]);
        assert_eq!(sizes(&lines(2, 500_000)), [1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
