//! Owns the readers behind metric filters: events by position, points out of those that match, both committed
//! with the cursor in one change, so that each event counts exactly once. Refuses to know alarms.
//!
//! There are two, so that a slow function holds up only the filters that ask one; each has its own cursor,
//! and every event meets each filter in one of them. A cursor is written when something came of the events, and otherwise now and then: reading events again
//! of which nothing came changes nothing.

mod compiled;
mod evaluate;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use metrics::filter::{Publication, Tally};
use metrics::records::{Reads, Records};
use store::{Event, GroupId, PageLimit, Position};
use tokio::sync::watch;

use super::fan_out::{Consumer, MetricReader, Metrics};
use super::guests::Batch;
use super::matching::{in_parts, matching};
use super::{guests, reading};
use crate::app::App;
use crate::clock::Worker;
use crate::functions::HOPS_MAX;
use crate::meta::{Key, MetaError, Span, Table, Tx};
use crate::records::{cursors, gaps};

use compiled::{Compiled, Filters};
use evaluate::Taken;

/// (reader, filter id) -> its minutes that are not closed, for filters with a default value.
const TALLIES: Table<Tally> = Table::new("metric_filter_tallies");

/// Events read at once.
const PAGE: PageLimit = PageLimit { events: 10_000, bytes: 4 << 20 };

/// The cursor is written after so many events even when nothing came of them.
const CURSOR_EVENTS: u64 = 50_000;

/// Pause after a failure of storage.
const FAILED_PAUSE_MS: i64 = 1_000;

/// Pause between commits under a steady stream, so that they are not one per batch of a client.
const COMMIT_PAUSE_MS: u64 = 50;

/// Starts the readers.
pub(crate) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    for which in MetricReader::ALL {
        let worker = app.clock.worker(which.name());
        app.followers.join(worker.nudge_handle());
        app.fan_out.readers().join(worker.nudge_handle());
        tokio::spawn(run(Arc::clone(app), which, worker, stopping.clone()));
    }
}

async fn run(app: Arc<App>, which: MetricReader, mut worker: Worker, mut stopping: watch::Receiver<bool>) {
    let mut reader = loop {
        match Reader::open(&app, which) {
            Ok(reader) => break reader,
            Err(error) => {
                tracing::error!(%error, "the metric filters cannot start yet");
                worker.rest(Some(app.clock.now_ms() + FAILED_PAUSE_MS)).await;
            }
        }
        if *stopping.borrow() {
            return;
        }
    };
    while !*stopping.borrow() {
        let rest = match reader.step().await {
            Ok(Step::More) => continue,
            Ok(Step::Rest { until_ms }) => until_ms,
            Err(error) => {
                tracing::error!(error, "the metric filters stand still");
                Some(app.clock.now_ms() + FAILED_PAUSE_MS)
            }
        };
        tokio::select! {
            () = worker.rest(rest) => {}
            _ = stopping.changed() => {}
        }
    }
    if let Err(error) = reader.write_cursor().await {
        tracing::warn!(%error, "the metric filters' cursor was not written at the end; it is only behind");
    }
}

enum Step {
    More,
    Rest { until_ms: Option<i64> },
}

struct Reader {
    app: Arc<App>,
    which: MetricReader,
    /// The first position not read.
    next: u64,
    /// The cursor as it is on disk.
    written: u64,
    /// [`super::fan_out::FanOut::definitions`] when `filters` were read.
    seen: Option<u64>,
    filters: Arc<Filters>,
    tallies: BTreeMap<u64, Tally>,
}

impl Reader {
    fn open(app: &Arc<App>, which: MetricReader) -> Result<Reader, MetaError> {
        let read = |tx: &mut Tx<'_>| -> Result<_, MetaError> {
            let mut tallies = BTreeMap::new();
            for row in tx.scan(&TALLIES, &Span::prefix(&Key::of(which.name())))? {
                let (key, tally) = row?;
                let mut parts = key.reader();
                let (_, id) = (parts.text()?, parts.u64()?);
                tallies.insert(id, tally);
            }
            Ok((cursors::get(tx, which.name(), 0)?.unwrap_or(0), tallies))
        };
        let (next, tallies) = app.meta.read(read)?;
        let filters = Arc::default();
        Ok(Reader { app: Arc::clone(app), which, next, written: next, seen: None, filters, tallies })
    }

    /// Reads one page and commits what comes of it.
    async fn step(&mut self) -> Result<Step, String> {
        // The order matters: events before `end` were stored before `now_ms` was over, and every filter that
        // was answered before one of them was stored is in the definitions read after it.
        let now_ms = self.app.clock.now_ms();
        let end = self.app.store.durable_position();
        self.refresh().map_err(|error| error.to_string())?;
        if self.filters.is_empty() {
            self.next = end.seq;
            self.tallies.clear();
            self.moved();
            return Ok(Step::Rest { until_ms: None });
        }
        let page = self.read(end).await?;
        let reached = page.next.seq;
        let taken = self.take(page.events, now_ms).await?;
        let caught_up = reached >= end.seq;
        let committed =
            self.commit(reached, taken, now_ms, caught_up).await.map_err(|error| error.to_string())?;
        self.moved();
        if caught_up && committed && !self.app.clock.is_virtual() {
            self.app.clock.sleep(COMMIT_PAUSE_MS).await;
        }
        if self.app.store.durable_position().seq > self.next {
            return Ok(Step::More);
        }
        Ok(Step::Rest { until_ms: self.open_until_ms() })
    }

    /// Reads the definitions again if they changed.
    fn refresh(&mut self) -> Result<(), MetaError> {
        let definitions = self.app.fan_out.definitions();
        if self.seen == Some(definitions) {
            return Ok(());
        }
        let (which, strict, next) = (self.which, self.app.config.strict_patterns, self.next);
        let known = &self.filters;
        self.filters = Arc::new(self.app.meta.read(|tx| Filters::load(tx, which, known, strict, next))?);
        self.tallies.retain(|id, _| self.filters.has(*id));
        self.seen = Some(definitions);
        Ok(())
    }

    async fn read(&self, end: Position) -> Result<store::Page, String> {
        let groups: Vec<GroupId> = self.filters.groups().map(GroupId).collect();
        let page = reading::page(&self.app, self.next, end, PAGE, groups).await?;
        for damage in &page.damaged {
            tracing::error!(%damage, "the metric filters pass over events that cannot be read");
        }
        Ok(page)
    }

    /// What the filters take from events: the native ones together, those that ask functions one by one.
    async fn take(&self, events: Vec<Event>, now_ms: i64) -> Result<Vec<Taken>, String> {
        let filters = Arc::clone(&self.filters);
        let events = Arc::new(events);
        let lent = Arc::clone(&events);
        if self.which == MetricReader::Native {
            return Ok(App::blocking(move || evaluate::native(&filters, &lent)).await);
        }
        let mut taken = Vec::new();
        for filter in self.filters.all() {
            let (mine, looping) = filter.share(&events);
            let reason = format!("they come from {HOPS_MAX} deliveries in a row: a loop");
            self.note_gap(filter, &looping, reason, now_ms).await;
            // One function must not hold up the rest: what it does not answer for is a gap.
            match self.ask(filter, &mine).await {
                Ok((found, missed, reason)) => {
                    taken.push(found);
                    self.note_gap(filter, &missed, reason.unwrap_or_default(), now_ms).await;
                }
                Err(reason) => self.note_gap(filter, &mine, reason, now_ms).await,
            }
        }
        Ok(taken)
    }

    /// What a filter that asks functions takes, the events that they failed on, and why.
    async fn ask<'e>(
        &self,
        filter: &Arc<Compiled>,
        mine: &[&'e Event],
    ) -> Result<(Taken, Vec<&'e Event>, Option<String>), String> {
        let source = format!("metric-filter-{}", filter.id);
        let batch = Batch {
            scope: &filter.scope,
            function: filter.value.guest().unwrap_or_default(),
            group: &filter.group_name,
            stream: "",
            filter: &filter.name,
            source: &source,
            attempt: 1,
            events: mine,
        };
        let matched = matching(&self.app, &filter.pattern, &batch).await?;
        let mut missed: Vec<&Event> = matched.unknown.iter().map(|&index| mine[index]).collect();
        let mut reason = matched.reason;
        let events: Vec<&Event> = matched.yes.into_iter().map(|index| mine[index]).collect();
        if filter.value.guest().is_none() || events.is_empty() {
            return Ok((evaluate::with_answers(filter, mine, &events, None), missed, reason));
        }
        let call = |part: Range<usize>| {
            let events = &events[part];
            async move { guests::extract(&self.app, &Batch { events, ..batch }).await }
        };
        let answers = in_parts(events.len(), call).await?;
        reason = reason.or(answers.reason);
        let failed = events.iter().zip(&answers.values).filter(|(_, value)| value.is_none());
        missed.extend(failed.map(|(event, _)| *event));
        let values: Vec<Vec<f64>> = answers.values.into_iter().map(Option::unwrap_or_default).collect();
        Ok((evaluate::with_answers(filter, mine, &events, Some(&values)), missed, reason))
    }

    async fn note_gap(&self, filter: &Compiled, missed: &[&Event], reason: String, now_ms: i64) {
        let seqs = || missed.iter().map(|event| event.position.seq);
        let (Some(first), Some(last)) = (seqs().min(), seqs().max()) else { return };
        let count = missed.len() as u64;
        let (name, group) = (&filter.name, &filter.group_name);
        tracing::warn!(filter = name, group, missed = count, reason, "a metric filter missed events");
        let gap = gaps::Gap { events: count, first, last, reason, at_ms: now_ms };
        let consumer = self.which.name();
        if let Err(error) = self.app.meta.change(move |tx| gaps::add(tx, consumer, gap)).await {
            tracing::error!(%error, "a gap of the metric filters was not kept");
        }
    }

    /// Commits points, tallies and the cursor together; says whether there was anything to commit.
    async fn commit(
        &mut self,
        reached: u64,
        taken: Vec<Taken>,
        now_ms: i64,
        caught_up: bool,
    ) -> Result<bool, MetaError> {
        let mut change = Changes::of(self.which);
        let mut tallies = self.tallies.clone();
        for taken in taken {
            let of = &taken.filter.transformation;
            let points = metrics::filter::publish(of, &taken.matches, now_ms);
            change.points.extend(points.into_iter().map(|point| (taken.filter.metric_scope(), point)));
            if of.default_value.is_some() {
                let tally = tallies.entry(taken.filter.id).or_default();
                taken.saw.iter().for_each(|(timestamp_ms, matched)| tally.saw(*timestamp_ms, *matched));
            }
        }
        if caught_up {
            for filter in self.filters.current() {
                let Some(tally) = tallies.get_mut(&filter.id) else { continue };
                let defaults = tally.close(&filter.transformation, now_ms, now_ms);
                change.defaults.extend(defaults.into_iter().map(|point| (filter.metric_scope(), point)));
            }
            tallies.retain(|_, tally| tally.open() > 0);
        }
        change.tallies = difference(&self.tallies, &tallies);
        change.cursor = reached;
        if change.is_empty() && reached.saturating_sub(self.written) < CURSOR_EVENTS {
            self.next = reached;
            return Ok(false);
        }
        self.app.meta.change(move |tx| change.write(tx, now_ms)).await?;
        (self.next, self.written, self.tallies) = (reached, reached, tallies);
        Ok(true)
    }

    async fn write_cursor(&mut self) -> Result<(), MetaError> {
        let (consumer, next) = (self.which.name(), self.next);
        if next == self.written {
            return Ok(());
        }
        self.app.meta.change(move |tx| cursors::set(tx, consumer, 0, next)).await
    }

    fn open_until_ms(&self) -> Option<i64> {
        self.tallies.values().filter_map(Tally::first_end_ms).min()
    }

    fn moved(&self) {
        let consumer = Consumer { kind: "metric-filters", position: self.next, ..Consumer::default() };
        self.app.fan_out.report(self.which.name(), consumer);
        let metrics = Metrics { next: Some(self.next), open_until_ms: self.open_until_ms() };
        self.app.fan_out.metrics_moved(self.which, metrics);
    }
}

/// Tallies to write, and those to remove.
fn difference(before: &BTreeMap<u64, Tally>, after: &BTreeMap<u64, Tally>) -> Vec<(u64, Option<Tally>)> {
    let written = after.iter().filter(|(id, tally)| before.get(id) != Some(tally));
    let written = written.map(|(id, tally)| (*id, Some(tally.clone())));
    let gone = before.keys().filter(|id| !after.contains_key(id)).map(|id| (*id, None));
    written.chain(gone).collect()
}

/// One change of metadata.
struct Changes {
    consumer: &'static str,
    points: Vec<(metrics::Scope, Publication)>,
    defaults: Vec<(metrics::Scope, Publication)>,
    tallies: Vec<(u64, Option<Tally>)>,
    cursor: u64,
}

impl Changes {
    fn of(which: MetricReader) -> Changes {
        let consumer = which.name();
        Changes { consumer, points: Vec::new(), defaults: Vec::new(), tallies: Vec::new(), cursor: 0 }
    }

    fn is_empty(&self) -> bool {
        self.points.is_empty() && self.defaults.is_empty() && self.tallies.is_empty()
    }

    fn write(self, tx: &mut Tx<'_>, now_ms: i64) -> Result<(), MetaError> {
        for (scope, one) in self.points {
            let series = tx.series_for(&scope, &one.metric, now_ms)?;
            tx.merge_point(series.id, one.key, &one.point)?;
        }
        for (scope, one) in self.defaults {
            let series = tx.series_for(&scope, &one.metric, now_ms)?;
            // Events that come late open a minute again; what was published for it stands.
            if tx.point(series.id, one.key)?.is_none() {
                tx.merge_point(series.id, one.key, &one.point)?;
            }
        }
        for (id, tally) in self.tallies {
            match tally {
                Some(tally) => tx.put(&TALLIES, &Key::of((self.consumer, id)), &tally)?,
                None => tx.delete(&TALLIES, &Key::of((self.consumer, id)))?,
            }
        }
        cursors::set(tx, self.consumer, 0, self.cursor)
    }
}
