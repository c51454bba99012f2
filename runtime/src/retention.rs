//! Owns the retention sweep: events older than their group keeps them go, and readers that
//! had not come to them yet get a counted gap. Refuses to know when it runs (`sweeps.rs`) and
//! how space is given back (`store`).

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use cron::Schedule;
use store::{GroupId, LostRange};

use crate::app::App;
use crate::ingest::fan_out::{Consumer, MetricReader};
use crate::meta::{MetaError, Tx};
use crate::records::filters::METRIC_FILTERS;
use crate::records::gaps::{self, Gap};
use crate::records::{deliveries, groups};

const DAY_MS: i64 = 86_400_000;

/// How long dead letters of subscriptions are kept.
const DEAD_LETTERS_KEPT_MS: i64 = 14 * DAY_MS;

/// Reads a schedule: seconds, minutes, hours, day of month, month, day of week, and perhaps the year.
///
/// # Errors
/// A sentence that quotes it.
pub(crate) fn schedule(text: &str) -> Result<Schedule, String> {
    Schedule::from_str(text).map_err(|error| format!("the schedule {text:?} is not understood: {error}"))
}

/// One sweep. What it takes is gone for every reader when it returns.
///
/// # Errors
/// A sentence, when storage fails; what was not taken is taken the next time.
pub(crate) async fn sweep(app: Arc<App>) -> Result<(), String> {
    let now_ms = app.clock.now_ms();
    let cutoffs = app.meta.read(|tx| cutoffs(tx, now_ms)).map_err(|error| error.to_string())?;
    let lost = if cutoffs.is_empty() {
        Vec::new()
    } else {
        // What a reader had read before is no gap, what it reads afterwards it does not find.
        let _alone = app.fan_out.retaining().await;
        let consumers = app.fan_out.consumers();
        let store = Arc::clone(&app.store);
        let freed = App::blocking(move || store.retain(&cutoffs)).await.map_err(|error| error.to_string())?;
        let events: u64 = freed.lost.iter().map(|range| range.events).sum();
        if events > 0 {
            tracing::info!(events, freed_bytes = freed.bytes, "retention took events");
        }
        missed(&app, &consumers, &freed.lost, now_ms)?
    };
    let living: Vec<String> = app.fan_out.consumers().into_keys().collect();
    let swept = app.meta.change(move |tx| {
        for (consumer, gap) in lost {
            gaps::add(tx, &consumer, gap)?;
        }
        gaps::keep_only(tx, |name| {
            MetricReader::named(name).is_some() || living.iter().any(|one| one == name)
        })?;
        deliveries::sweep(tx, now_ms - DEAD_LETTERS_KEPT_MS, now_ms)
    });
    swept.await.map(drop).map_err(|error: MetaError| error.to_string())
}

/// What each group does not keep any more.
fn cutoffs(tx: &Tx<'_>, now_ms: i64) -> Result<Vec<(GroupId, i64)>, MetaError> {
    let cutoff = |group: groups::GroupRecord| {
        let days = i64::from(group.retention_days?);
        Some((GroupId(group.id), now_ms.saturating_sub(days * DAY_MS)))
    };
    Ok(groups::every(tx)?.into_iter().filter_map(cutoff).collect())
}

/// The gaps of the readers that had not come to what was taken.
fn missed(
    app: &App,
    consumers: &BTreeMap<String, Consumer>,
    lost: &[LostRange],
    at_ms: i64,
) -> Result<Vec<(String, Gap)>, String> {
    let filtered = app.meta.read(|tx| METRIC_FILTERS.every(tx)).map_err(|error| error.to_string())?;
    let is_filtered = |group: u64| filtered.iter().any(|(owner, _)| *owner == group);
    let mut found = Vec::new();
    for (name, consumer) in consumers {
        let reads =
            |group: u64| if consumer.group == 0 { is_filtered(group) } else { consumer.group == group };
        let mine: Vec<&LostRange> = lost.iter().filter(|range| reads(range.group.0)).collect();
        if let Some(gap) = gap(&mine, consumer.position.max(consumer.held_to), at_ms) {
            tracing::warn!(
                consumer = name,
                missed = gap.events,
                "a reader misses events that retention took"
            );
            found.push((name.clone(), gap));
        }
    }
    Ok(found)
}

/// What was taken from `position` on.
fn gap(lost: &[&LostRange], position: u64, at_ms: i64) -> Option<Gap> {
    let ahead = || lost.iter().filter(|range| range.last.seq >= position);
    let events = |range: &&&LostRange| {
        // Of a range that was read in part it is not known how many were left: at most this many.
        let open = range.last.seq - position.max(range.first.seq) + 1;
        range.events.min(open)
    };
    Some(Gap {
        events: ahead().map(|range| events(&range)).sum(),
        first: ahead().map(|range| range.first.seq.max(position)).min()?,
        last: ahead().map(|range| range.last.seq).max()?,
        reason: "retention took them before they were read".to_owned(),
        at_ms,
    })
}

#[cfg(test)]
mod tests {
    use store::{Position, StreamId};

    use super::*;

    #[test]
    fn a_schedule_that_is_none_is_quoted() {
        assert!(schedule("0 30 3 * * *").is_ok());
        assert!(schedule("every day").unwrap_err().contains("every day"));
    }

    #[test]
    fn only_what_was_not_read_is_a_gap() {
        let range = |first, last, events| LostRange {
            group: GroupId(1),
            stream: StreamId(1),
            first: Position::at(first),
            last: Position::at(last),
            events,
        };
        let lost = [range(0, 9, 10), range(10, 19, 4)];
        let lost: Vec<&LostRange> = lost.iter().collect();
        assert_eq!(gap(&lost, 20, 0), None);
        let seen = gap(&lost, 7, 0).unwrap();
        assert_eq!((seen.events, seen.first, seen.last), (3 + 4, 7, 19));
        assert_eq!(gap(&lost, 18, 0).unwrap().events, 2);
    }
}
