//! Owns the `AWS/Logs` metrics: once a minute what happened to log events becomes points, by difference. They, those of
//! functions and the books of functions are one change: a minute costs one commit. Refuses to count
//! (`ingest::activity` does) and to decide anything by it.
//!
//! Each event counts once in the life of a process: in the minute in which it was counted, or at the end. What was
//! counted since the last full minute is lost with a process that is killed; the events are not.
//!
//! Each account and region has a series without dimensions for what comes in, and one for each of its log groups, of
//! which only so many as `limits.vended_metric_groups` says get their own in the life of a process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use metrics::datum::{self, Datum, MetricDatum};
use metrics::number::Number;
use metrics::operation::put_metric_data::apply;
use metrics::{Dimension, Scope};
use tokio::sync::{Mutex, watch};

use super::vended_functions;
use crate::app::App;
use crate::functions::ledger;
use crate::ingest::activity::{OfGroup, OfSubscription};
use crate::meta::MetaError;
use crate::records::groups::{self, GroupRecord};

/// The namespace. Users cannot write into it.
pub(crate) const NAMESPACE: &str = "AWS/Logs";

const MINUTE_MS: i64 = 60_000;

/// Under the virtual clock, minutes without news after which nothing is looked for until something is stored: an
/// advance over days must not stop at each minute.
const QUIET_MINUTES: u32 = 15;

/// A metric, its unit, its count.
type Line<T> = (&'static str, &'static str, fn(&T) -> u64);

const OF_GROUP: [Line<OfGroup>; 5] = [
    ("IncomingBytes", "Bytes", |group| group.incoming_bytes.get()),
    ("IncomingLogEvents", "None", |group| group.incoming_events.get()),
    ("EMFParsingErrors", "None", |group| group.emf_parsing_errors.get()),
    ("EMFValidationErrors", "None", |group| group.emf_validation_errors.get()),
    ("ThrottleCount", "None", |group| group.throttled.get()),
];

/// Those of [`OF_GROUP`] that an account and region has without dimensions too.
const TOTALS: [&str; 2] = ["IncomingBytes", "IncomingLogEvents"];

/// One that has the dimensions of an operation, not of a group.
const THROTTLED: &str = "ThrottleCount";

const OF_SUBSCRIPTION: [Line<OfSubscription>; 3] = [
    ("ForwardedBytes", "Bytes", |one| one.forwarded_bytes.get()),
    ("ForwardedLogEvents", "None", |one| one.forwarded_events.get()),
    ("DeliveryErrors", "None", |one| one.delivery_errors.get()),
];

/// What has become points.
pub(crate) struct Vended(Mutex<Written>);

struct Written {
    /// Everything up to here was looked at.
    tick_ms: i64,
    /// Counts that are in points, by id.
    groups: BTreeMap<u64, [u64; OF_GROUP.len()]>,
    subscriptions: BTreeMap<u64, [u64; OF_SUBSCRIPTION.len()]>,
    /// Groups that have series of their own.
    shown: BTreeSet<u64>,
}

/// What happened since the last look.
#[derive(Default)]
struct News {
    /// By id of the group.
    groups: BTreeMap<u64, [u64; OF_GROUP.len()]>,
    /// With the id of the group and the name of the filter.
    subscriptions: Vec<(u64, String, [u64; OF_SUBSCRIPTION.len()])>,
}

impl Vended {
    pub(super) fn new(now_ms: i64) -> Vended {
        let written = Written {
            tick_ms: now_ms - now_ms.rem_euclid(MINUTE_MS),
            groups: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            shown: BTreeSet::new(),
        };
        Vended(Mutex::new(written))
    }
}

/// Writes the points of the minute that ended at `tick_ms`, unless they are written; whether there were any.
///
/// # Errors
/// Metadata failed: what was not written is news still.
pub(crate) async fn write(app: &Arc<App>, tick_ms: i64) -> Result<bool, MetaError> {
    let mut written = app.telemetry.vended.0.lock().await;
    if tick_ms <= written.tick_ms {
        return Ok(false);
    }
    let wrote = written.take(app, tick_ms - MINUTE_MS).await?;
    written.tick_ms = tick_ms;
    Ok(wrote)
}

/// Writes what is left at the end, in the minute that has begun.
pub(crate) async fn finish(app: &Arc<App>) {
    let now_ms = app.clock.now_ms();
    let mut written = app.telemetry.vended.0.lock().await;
    if let Err(error) = written.take(app, now_ms).await {
        tracing::warn!(%error, "the last metrics of log groups and functions, and their books, could not be written");
    }
}

impl Written {
    /// Writes what is news; whether anything was.
    async fn take(&mut self, app: &Arc<App>, at_ms: i64) -> Result<bool, MetaError> {
        let activity = app.fan_out.activity();
        let (counted, forwarded) = (activity.groups(), activity.subscriptions());
        let mut after = Written {
            tick_ms: self.tick_ms,
            groups: counted
                .iter()
                .map(|(id, group)| (*id, OF_GROUP.map(|(_, _, read)| read(group))))
                .collect(),
            subscriptions: forwarded
                .iter()
                .map(|(id, one)| (*id, OF_SUBSCRIPTION.map(|(_, _, read)| read(one))))
                .collect(),
            shown: std::mem::take(&mut self.shown),
        };
        let mut news = News::default();
        for (id, counts) in &after.groups {
            news.groups.extend(risen(self.groups.get(id), counts).map(|risen| (*id, risen)));
        }
        for ((id, counts), (_, one)) in after.subscriptions.iter().zip(&forwarded) {
            let risen = risen(self.subscriptions.get(id), counts);
            news.subscriptions.extend(risen.map(|risen| (one.group, one.filter.clone(), risen)));
        }
        // Those that are gone lose their place.
        after.shown.retain(|id| after.groups.contains_key(id));
        let room = usize::try_from(app.limits.sizes.vended_metric_groups).unwrap_or(usize::MAX);
        for id in news.groups.keys().chain(news.subscriptions.iter().map(|(group, _, _)| group)) {
            if after.shown.len() < room {
                after.shown.insert(*id);
            }
        }
        let outcome = match points(app, &news, &after.shown, at_ms).await {
            Ok(points) => write_all(app, points, at_ms).await,
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            self.shown = after.shown;
            return outcome;
        }
        *self = after;
        outcome
    }
}

/// By how much counts rose; `None` if they did not.
fn risen<const N: usize>(before: Option<&[u64; N]>, now: &[u64; N]) -> Option<[u64; N]> {
    let before = before.copied().unwrap_or([0; N]);
    let risen = std::array::from_fn(|at| now[at].saturating_sub(before[at]));
    (risen != [0; N]).then_some(risen)
}

/// Writes points of log groups together with what functions did.
async fn write_all(
    app: &Arc<App>,
    mut points: Vec<(Scope, Vec<Datum>)>,
    at_ms: i64,
) -> Result<bool, MetaError> {
    let books = &app.functions.ledger;
    let (recent, of_functions) = vended_functions::take(app, at_ms)?;
    points.extend(of_functions);
    let (changed, now_ms) = (books.take_changed(), app.clock.now_ms());
    let is_news = !points.is_empty() || !recent.is_empty();
    if !is_news && changed.is_empty() {
        return Ok(false);
    }
    let rows: Vec<_> = changed.iter().map(|(row, _)| row.clone()).collect();
    // One change: were a part written and the rest not, that part would count again.
    let change = app.meta.change(move |tx| {
        points.iter().try_for_each(|(scope, data)| apply(tx, scope, data, now_ms))?;
        ledger::keep(tx, &changed)
    });
    let written: Result<(), MetaError> = change.await;
    if written.is_err() {
        books.give_back_recent(recent);
        books.give_back(rows);
    }
    written.map(|()| is_news)
}

/// The points of what happened to log events.
async fn points(
    app: &Arc<App>,
    news: &News,
    shown: &BTreeSet<u64>,
    at_ms: i64,
) -> Result<Vec<(Scope, Vec<Datum>)>, MetaError> {
    if news.groups.is_empty() && news.subscriptions.is_empty() {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<u64> =
        news.groups.keys().copied().chain(news.subscriptions.iter().map(|(group, _, _)| *group)).collect();
    let meta = app.meta.clone();
    let records = App::blocking(move || {
        meta.read(|tx| {
            let found = ids.iter().map(|id| Ok(groups::by_id(tx, *id)?.map(|record| (*id, record))));
            found.filter_map(Result::transpose).collect::<Result<HashMap<u64, GroupRecord>, MetaError>>()
        })
    });
    let now_ms = app.clock.now_ms();
    let data = data(news, shown, &records.await?, at_ms);
    Ok(data.into_iter().map(|(scope, data)| (scope, checked(data, now_ms))).collect())
}

/// What an account and region gets.
struct Pending {
    scope: Scope,
    data: Vec<MetricDatum>,
    /// By metric and unit.
    totals: BTreeMap<(&'static str, &'static str), u64>,
}

/// Those of all accounts and regions.
#[derive(Default)]
struct AllPending(BTreeMap<(String, String), Pending>);

impl AllPending {
    fn of(&mut self, record: &GroupRecord) -> &mut Pending {
        let at = (record.scope.account.clone(), record.scope.region.clone());
        let empty =
            || Pending { scope: Scope::from(&record.scope), data: Vec::new(), totals: BTreeMap::new() };
        self.0.entry(at).or_insert_with(empty)
    }
}

/// The data of each account and region. A group that is gone by now has no name to count under.
fn data(
    news: &News,
    shown: &BTreeSet<u64>,
    records: &HashMap<u64, GroupRecord>,
    at_ms: i64,
) -> Vec<(Scope, Vec<MetricDatum>)> {
    let mut all = AllPending::default();
    for (id, risen) in &news.groups {
        let Some(record) = records.get(id) else { continue };
        let dimensions = [("LogGroupName", record.name.as_str())];
        for ((name, unit, _), count) in OF_GROUP.iter().zip(risen).filter(|(_, count)| **count > 0) {
            let pending = all.of(record);
            if TOTALS.contains(name) || *name == THROTTLED {
                *pending.totals.entry((name, unit)).or_default() += count;
            }
            if *name != THROTTLED && shown.contains(id) {
                pending.data.push(one(name, unit, *count, &dimensions, at_ms));
            }
        }
    }
    for (group, filter, risen) in &news.subscriptions {
        let Some(record) = records.get(group).filter(|_| shown.contains(group)) else { continue };
        let dimensions =
            [("LogGroupName", record.name.as_str()), ("DestinationType", "Lambda"), ("FilterName", filter)];
        for ((name, unit, _), count) in OF_SUBSCRIPTION.iter().zip(risen).filter(|(_, count)| **count > 0) {
            all.of(record).data.push(one(name, unit, *count, &dimensions, at_ms));
        }
    }
    all.0.into_values().map(|pending| pending.finish(at_ms)).collect()
}

impl Pending {
    fn finish(mut self, at_ms: i64) -> (Scope, Vec<MetricDatum>) {
        let operation = [
            ("Class", "None"),
            ("Resource", "PutLogEvents"),
            ("Service", "CloudWatch Logs"),
            ("Type", "API"),
        ];
        for ((name, unit), count) in self.totals {
            let dimensions = if name == THROTTLED { &operation[..] } else { &[] };
            self.data.push(one(name, unit, count, dimensions, at_ms));
        }
        (self.scope, self.data)
    }
}

fn one(name: &str, unit: &str, count: u64, dimensions: &[(&str, &str)], at_ms: i64) -> MetricDatum {
    let dimension =
        |(name, value): &(&str, &str)| Dimension { name: (*name).to_owned(), value: (*value).to_owned() };
    MetricDatum {
        metric_name: name.to_owned(),
        dimensions: dimensions.iter().map(dimension).collect(),
        timestamp: Some(Number(at_ms as f64 / 1e3)),
        value: Some(Number(count as f64)),
        unit: Some(unit.to_owned()),
        ..MetricDatum::default()
    }
}

/// What the metrics room makes of it; names that it refuses are left out.
fn checked(data: Vec<MetricDatum>, now_ms: i64) -> Vec<Datum> {
    let checked = data.into_iter().filter_map(|one| {
        let name = one.metric_name.clone();
        datum::check(NAMESPACE, &[one], now_ms)
            .inspect_err(|error| tracing::warn!(name, %error, "an AWS/Logs metric was not written"))
            .ok()
    });
    checked.flatten().collect()
}

/// Starts the worker; it ends when `stopping` changes.
pub(crate) fn start(app: &Arc<App>, mut stopping: watch::Receiver<bool>) {
    let app = Arc::clone(app);
    let mut worker = app.clock.worker("AWS/Logs metrics");
    if app.clock.is_virtual() {
        app.followers.join(worker.nudge_handle());
    }
    tokio::spawn(async move {
        let (mut due_ms, mut quiet) = (next_ms(app.clock.now_ms()), 0);
        while !*stopping.borrow() {
            let rests = app.clock.is_virtual() && quiet > QUIET_MINUTES;
            tokio::select! {
                () = worker.rest((!rests).then_some(due_ms)) => {}
                _ = stopping.changed() => return,
            }
            let now_ms = app.clock.now_ms();
            if rests {
                // Something was stored.
                (due_ms, quiet) = (next_ms(now_ms), 0);
            }
            if now_ms < due_ms {
                continue;
            }
            let tick_ms = next_ms(now_ms) - MINUTE_MS;
            match write(&app, tick_ms).await {
                Ok(true) => quiet = 0,
                Ok(false) => quiet = u32::saturating_add(quiet, 1),
                Err(error) => tracing::error!(%error, "AWS/Logs metrics are not written"),
            }
            due_ms = tick_ms + MINUTE_MS;
        }
    });
}

/// The first full minute after a moment.
fn next_ms(now_ms: i64) -> i64 {
    now_ms - now_ms.rem_euclid(MINUTE_MS) + MINUTE_MS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Tags;

    use super::*;

    fn group(id: u64, name: &str, region: &str) -> (u64, GroupRecord) {
        let scope = crate::records::Scope { account: "000000000000".to_owned(), region: region.to_owned() };
        let (class, tags) = ("STANDARD".to_owned(), Tags::new());
        let name = name.to_owned();
        (id, GroupRecord { id, name, scope, created_ms: 0, retention_days: None, class, tags, kms_key: None })
    }

    #[test]
    fn counts_become_one_datum_each_and_totals_by_account_and_region() {
        let records: HashMap<u64, GroupRecord> =
            [group(1, "a", "eu-west-1"), group(2, "b", "eu-west-1"), group(3, "c", "us-east-1")].into();
        let news = News {
            groups: [(1, [100, 2, 0, 1, 0]), (2, [50, 1, 0, 0, 3]), (3, [7, 1, 0, 0, 0]), (9, [1; 5])].into(),
            subscriptions: vec![(1, "f".to_owned(), [10, 1, 0]), (2, "g".to_owned(), [10, 1, 0])],
        };
        let shown = [1, 3].into();
        let mut seen = Vec::new();
        for (scope, data) in data(&news, &shown, &records, 60_000) {
            for datum in checked(data, 60_000) {
                let values: Vec<&str> = datum.metric.dimensions.iter().map(|d| d.value.as_str()).collect();
                let sum = datum
                    .values
                    .weighted()
                    .unwrap()
                    .iter()
                    .map(|(value, weight)| value * weight)
                    .sum::<f64>();
                seen.push(format!("{} {}[{}] {sum}", scope.region, datum.metric.name, values.join(",")));
            }
        }
        seen.sort();
        let expected = "eu-west-1 EMFValidationErrors[a] 1
            eu-west-1 ForwardedBytes[Lambda,f,a] 10
            eu-west-1 ForwardedLogEvents[Lambda,f,a] 1
            eu-west-1 IncomingBytes[] 150
            eu-west-1 IncomingBytes[a] 100
            eu-west-1 IncomingLogEvents[] 3
            eu-west-1 IncomingLogEvents[a] 2
            eu-west-1 ThrottleCount[None,PutLogEvents,CloudWatch Logs,API] 3
            us-east-1 IncomingBytes[] 7
            us-east-1 IncomingBytes[c] 7
            us-east-1 IncomingLogEvents[] 1
            us-east-1 IncomingLogEvents[c] 1";
        assert_eq!(seen, expected.lines().map(str::trim).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_rose_is_news() {
        assert_eq!(risen(None, &[0, 0]), None);
        assert_eq!(risen(None, &[2, 0]), Some([2, 0]));
        assert_eq!(risen(Some(&[2, 1]), &[2, 4]), Some([0, 3]));
        assert_eq!(risen(Some(&[2, 1]), &[2, 1]), None);
    }
}
