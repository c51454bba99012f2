//! Owns the readers behind metric filters and embedded metrics: events by position, points out of those that match or
//! carry some, both committed with the cursor in one change, so that each event counts exactly once. Refuses to know
//! alarms.
//!
//! There are two, so that a slow function holds up only the filters that ask one; each has its own cursor, and every
//! event meets each filter in one of them. The native one also reads the metrics that events carry in themselves.
//! It borrows events where they lie and holds what comes of them over several pages: while events stream in, it reads
//! them at once, while they are in memory, and writes the points of many reads together now and then. A cursor is written when something came of the events, and
//! otherwise now and then: reading events again of which nothing came changes nothing.

mod changes;
mod compiled;
mod evaluate;
mod harvest;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use metrics::filter::Tally;
use store::{Event, GroupId, PageLimit, Position, Unread};
use tokio::sync::watch;

use super::fan_out::{Consumer, MetricReader, Metrics};
use super::guests::{Asker, Batch, Purpose};
use super::matching::{in_parts, matching};
use super::{guests, reading};
use crate::app::App;
use crate::clock::Worker;
use crate::functions::HOPS_MAX;
use crate::meta::{Key, MetaError, Span, Table, Tx};
use crate::records::cursors;
use crate::records::gaps::Gap;

use changes::{Changes, difference};
use compiled::{Compiled, Filters};
use evaluate::Sheet;
use harvest::{Harvest, Harvesting, Scopes};

/// (reader, filter id) -> its minutes that are not closed, for filters with a default value.
const TALLIES: Table<Tally> = Table::new("metric_filter_tallies");

/// Events read at once where functions are asked.
const PAGE: PageLimit = PageLimit { events: 10_000, bytes: 4 << 20 };

/// Bytes in memory borrowed at once.
const BORROWED_BYTES: u64 = 16 << 20;

/// Positions looked at at once, where no more points come of them than may be held ...
const STRETCH: u64 = 200_000;

/// ... and the fewest: if too many points come even of these, they are held all the same.
const STRETCH_MIN: u64 = 2_000;

/// The most points to hold before they are committed; beyond it fewer events are read at once.
const POINTS_MAX: usize = 100_000;

/// Points that are committed although more events wait. Events that come in by stream meet the same minutes again and
/// again: what is held longer is written less often ...
const POINTS_COMMITTED: usize = 60_000;

/// ... and how long they are held at most while events wait.
const HELD_MS: i64 = 3_000;

/// The cursor is written after so many events even when nothing came of them.
const CURSOR_EVENTS: u64 = 50_000;

/// Pause after a failure of storage.
const FAILED_PAUSE_MS: i64 = 1_000;

/// Pause between commits under a steady stream, so that they are not one per batch of a client: so many times what
/// the last commit took, between these two. The reader of functions rests so long; the native one reads on, and rests
/// the shortest pause between two reads.
const COMMIT_PAUSE: u64 = 10;
const COMMIT_PAUSE_MS: Range<u64> = 50..3_000;

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
    /// The first position of which nothing is committed.
    next: u64,
    /// The first position not read; what came of those before and is not committed is in `harvest`.
    read_to: u64,
    harvest: Harvest,
    /// When `harvest` was begun ...
    since_ms: i64,
    /// ... and until when it may be held although all is read.
    hold_until_ms: i64,
    /// Positions to look at at once.
    stretch: u64,
    /// Of the groups with embedded metrics, and those that were looked up for nothing.
    scopes: Scopes,
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
        Ok(Reader {
            app: Arc::clone(app),
            which,
            next,
            read_to: next,
            harvest: Harvest::default(),
            since_ms: 0,
            hold_until_ms: 0,
            stretch: STRETCH,
            scopes: Scopes::new(),
            written: next,
            seen: None,
            filters: Arc::default(),
            tallies,
        })
    }

    /// Reads one page and commits what comes of it; what goes wrong is done again from what is committed.
    async fn step(&mut self) -> Result<Step, String> {
        // The order matters: events before `end` were stored before `now_ms` was over, and every filter that
        // was answered before one of them was stored is in the definitions read after it.
        let now_ms = self.app.clock.now_ms();
        let end = self.app.store.durable_position();
        let step = match self.refresh() {
            Err(error) => Err(error.to_string()),
            Ok(()) if self.which == MetricReader::Native => self.step_native(end, now_ms).await,
            Ok(()) => self.step_guests(end, now_ms).await,
        };
        if step.is_err() {
            (self.read_to, self.harvest) = (self.next, Harvest::default());
        }
        let committed = step?;
        self.moved();
        if let Some(pause_ms) = committed.filter(|_| !self.app.clock.is_virtual()) {
            self.app.clock.sleep(pause_ms).await;
        }
        // What is held waits for its time, also when no more events come.
        if self.app.store.durable_position().seq > self.read_to || self.read_to > self.next {
            return Ok(Step::More);
        }
        Ok(Step::Rest { until_ms: self.open_until_ms() })
    }

    /// Gives the pause before the next read if all is read.
    async fn step_native(&mut self, end: Position, now_ms: i64) -> Result<Option<u64>, String> {
        if self.harvest.points() == 0 {
            self.since_ms = now_ms;
        }
        self.borrow(end, now_ms).await?;
        let caught_up = self.read_to >= end.seq;
        let is_due = self.harvest.points() >= POINTS_COMMITTED
            || now_ms - self.since_ms >= HELD_MS
            || self.read_to - self.next >= CURSOR_EVENTS * 20
            || (caught_up && now_ms >= self.hold_until_ms);
        if !is_due {
            return Ok(caught_up.then_some(COMMIT_PAUSE_MS.start));
        }
        let harvest = std::mem::take(&mut self.harvest);
        let pause_ms = self.commit(harvest, Vec::new(), now_ms, caught_up).await?;
        let hold_ms = pause_ms.filter(|_| !self.app.clock.is_virtual()).unwrap_or(0);
        self.hold_until_ms = self.app.clock.now_ms().saturating_add_unsigned(hold_ms);
        Ok(pause_ms.map(|_| COMMIT_PAUSE_MS.start))
    }

    /// Looks at the next events where they lie.
    async fn borrow(&mut self, end: Position, now_ms: i64) -> Result<(), String> {
        loop {
            let (from, to) =
                (Position::at(self.read_to), end.seq.min(self.read_to.saturating_add(self.stretch)));
            let points_max = if self.stretch > STRETCH_MIN { POINTS_MAX } else { usize::MAX };
            let (app, filters) = (Arc::clone(&self.app), Arc::clone(&self.filters));
            let (mut harvest, mut scopes) =
                (std::mem::take(&mut self.harvest), std::mem::take(&mut self.scopes));
            let fan_out = Arc::clone(&self.app.fan_out);
            let _reading = fan_out.reading().await;
            let borrowed = App::blocking(move || {
                let mut harvesting = Harvesting {
                    app: &app,
                    filters: &filters,
                    harvest: &mut harvest,
                    scopes: &mut scopes,
                    now_ms,
                    points_max,
                };
                let lent =
                    app.store.lend_by_position(from, Position::at(to), BORROWED_BYTES, &mut harvesting);
                (lent, harvest, scopes)
            });
            let (lent, harvest, scopes) = borrowed.await;
            (self.harvest, self.scopes) = (harvest, scopes);
            if let Some(failure) = self.harvest.failure.take() {
                return Err(failure);
            }
            let lent = lent.map_err(|error| error.to_string())?;
            self.harvest.missed.extend(unread(&lent.damaged, now_ms));
            if !self.harvest.is_over {
                self.read_to = lent.next.seq;
                self.stretch = (self.stretch * 2).min(STRETCH);
                self.report();
                return Ok(());
            }
            // Again from what is committed, fewer at a time.
            (self.read_to, self.harvest) = (self.next, Harvest::default());
            self.stretch = (self.stretch / 8).max(STRETCH_MIN);
        }
    }

    /// As `step_native`, for the filters that ask functions: one by one.
    async fn step_guests(&mut self, end: Position, now_ms: i64) -> Result<Option<u64>, String> {
        if self.filters.is_empty() {
            (self.next, self.read_to) = (end.seq, end.seq);
            self.tallies.clear();
            // Not woken by every batch for nothing.
            return Ok(Some(COMMIT_PAUSE_MS.start));
        }
        let page = self.read(end).await?;
        let (mut harvest, missed) = self.take(&page.events(), now_ms).await;
        harvest.missed.extend(unread(&page.damaged, now_ms));
        let caught_up = self.read_to >= end.seq;
        self.commit(harvest, missed, now_ms, caught_up).await
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
        self.scopes.clear();
        self.seen = Some(definitions);
        Ok(())
    }

    async fn read(&mut self, end: Position) -> Result<store::Page, String> {
        let groups: Vec<GroupId> = self.filters.groups().map(GroupId).collect();
        let fan_out = Arc::clone(&self.app.fan_out);
        let _reading = fan_out.reading().await;
        let page = reading::page(&self.app, self.read_to, end, PAGE, groups).await?;
        self.read_to = page.next.seq;
        self.report();
        Ok(page)
    }

    /// What the filters that ask functions take from events, and the events that they missed.
    async fn take(&self, events: &[Event], now_ms: i64) -> (Harvest, Vec<Gap>) {
        let (mut sheets, mut gaps) = (Vec::new(), Vec::new());
        for filter in self.filters.all() {
            let (mine, looping) = filter.share(events);
            let reason = format!("they come from {HOPS_MAX} deliveries in a row: a loop");
            gaps.extend(gap(filter, &looping, reason, now_ms));
            // One function must not hold up the rest: what it does not answer for is a gap.
            match self.ask(filter, &mine).await {
                Ok((found, missed, reason)) => {
                    sheets.push(found);
                    gaps.extend(gap(filter, &missed, reason.unwrap_or_default(), now_ms));
                }
                Err(reason) => gaps.extend(gap(filter, &mine, reason, now_ms)),
            }
        }
        (Harvest::of(sheets), gaps)
    }

    /// What a filter that asks functions takes, the events that they failed on, and why.
    async fn ask<'e>(
        &self,
        filter: &Arc<Compiled>,
        mine: &[&'e Event],
    ) -> Result<(Sheet, Vec<&'e Event>, Option<String>), String> {
        let source = format!("metric-filter-{}", filter.id);
        let texts = guests::texts(mine);
        let asker = Asker {
            scope: &filter.scope,
            function: filter.value.guest().unwrap_or_default(),
            group: &filter.group_name,
            stream: "",
            filter: &filter.name,
            source: &source,
            attempt: 1,
        };
        let batch = Batch { asker, events: mine, texts: &texts };
        let mut digests = self.digests(filter)?;
        let matched = matching(&self.app, &filter.pattern, &batch).await?;
        let mut missed: Vec<&Event> = matched.unknown.iter().map(|&index| mine[index]).collect();
        let mut reason = matched.reason;
        let events: Vec<&Event> = matched.yes.iter().map(|&index| mine[index]).collect();
        if filter.value.guest().is_none() || events.is_empty() {
            digests.extend(self.digests(filter)?);
            let sheet = evaluate::with_answers(filter, mine, &events, None).made_by(digests);
            return Ok((sheet, missed, reason));
        }
        let texts: Vec<Cow<'_, str>> =
            matched.yes.iter().map(|&index| Cow::Borrowed(&*texts[index])).collect();
        let call = |part: Range<usize>| {
            let (events, texts) = (&events[part.clone()], &texts[part]);
            async move { guests::extract(&self.app, &Batch { asker, events, texts }).await }
        };
        let asked = Batch { asker, events: &events, texts: &texts };
        let about = (&asker, &*asked.whole_id());
        let parts =
            guests::parts(&self.app, about, guests::count_and_bytes(&texts), Purpose::Extractor).await?;
        let answers = in_parts(parts, call).await?;
        reason = reason.or(answers.reason);
        let failed = events.iter().zip(&answers.values).filter(|(_, value)| value.is_none());
        missed.extend(failed.map(|(event, _)| *event));
        let values: Vec<Vec<f64>> = answers.values.into_iter().map(Option::unwrap_or_default).collect();
        digests.extend(self.digests(filter)?);
        let sheet = evaluate::with_answers(filter, mine, &events, Some(&values)).made_by(digests);
        Ok((sheet, missed, reason))
    }

    /// Digests of the modules that a filter asks, as they are now.
    fn digests(&self, filter: &Compiled) -> Result<Vec<String>, String> {
        let names = filter.pattern.guests().iter().map(String::as_str).chain(filter.value.guest());
        guests::digests(&self.app, &filter.scope, names).map_err(|error| error.to_string())
    }

    /// Commits points, tallies, gaps and the cursor together. Gives the pause before the next page if all is read: a batch
    /// of a client is not worth a look of its own.
    async fn commit(
        &mut self,
        mut harvest: Harvest,
        gaps: Vec<Gap>,
        now_ms: i64,
        caught_up: bool,
    ) -> Result<Option<u64>, String> {
        let reached = self.read_to;
        let mut tallies = self.tallies.clone();
        for sheet in harvest.sheets.iter().filter(|sheet| sheet.saw.open() > 0) {
            tallies.entry(sheet.filter.id).or_default().add(&sheet.saw);
        }
        let mut change = Changes::of(self.which, reached);
        change.gaps = gaps;
        change.gaps.append(&mut harvest.missed);
        if caught_up {
            for filter in self.filters.current() {
                let Some(tally) = tallies.get_mut(&filter.id) else { continue };
                let defaults = tally.close(&filter.transformation, now_ms, now_ms);
                change.defaults.extend(defaults.into_iter().map(|point| (filter.metric_scope(), point)));
            }
            tallies.retain(|_, tally| tally.open() > 0);
        }
        change.tallies = difference(&self.tallies, &tallies);
        let broken = std::mem::take(&mut harvest.broken);
        change.points = App::blocking(move || harvest.publish(now_ms)).await;
        let points: usize = change.points.iter().map(|(_, one)| one.points.len()).sum();
        if change.is_empty() && reached.saturating_sub(self.written) < CURSOR_EVENTS {
            self.next = reached;
            self.count(&broken);
            return Ok(caught_up.then_some(COMMIT_PAUSE_MS.start));
        }
        let begun_ms = self.app.clock.now_ms();
        let written = self.app.meta.change(move |tx| change.write(tx, now_ms)).await;
        written.map_err(|error: MetaError| error.to_string())?;
        let read_from = self.next;
        (self.next, self.written, self.tallies) = (reached, reached, tallies);
        self.count(&broken);
        let took_ms = u64::try_from(self.app.clock.now_ms() - begun_ms).unwrap_or(0);
        tracing::debug!(points, events = reached - read_from, took_ms, "points of metric filters committed");
        let pause_ms = (took_ms * COMMIT_PAUSE).clamp(COMMIT_PAUSE_MS.start, COMMIT_PAUSE_MS.end);
        Ok(caught_up.then_some(pause_ms))
    }

    fn count(&self, broken: &BTreeMap<u64, (u64, u64)>) {
        for (group, (invalid, unreadable)) in broken {
            let counts = self.app.fan_out.activity().group(*group);
            counts.emf_validation_errors.add(*invalid);
            counts.emf_parsing_errors.add(*unreadable);
        }
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

    fn report(&self) {
        let (position, held_to) = (self.next, self.read_to);
        let consumer = Consumer { kind: "metric-filters", position, held_to, ..Consumer::default() };
        self.app.fan_out.report(self.which.name(), consumer);
    }

    fn moved(&self) {
        self.report();
        let metrics = Metrics { next: Some(self.next), open_until_ms: self.open_until_ms() };
        self.app.fan_out.metrics_moved(self.which, metrics);
    }
}

/// The gaps where stored events cannot be read; the readers begin with the log.
fn unread(damaged: &[Unread], at_ms: i64) -> impl Iterator<Item = Gap> {
    damaged.iter().map(move |unread| {
        let gap = reading::missed(unread, 0, at_ms);
        let Gap { events, first, last, reason, .. } = &gap;
        tracing::error!(missed = events, first, last, reason, "the metric filters missed events");
        gap
    })
}

/// The gap of a filter that missed events.
fn gap(filter: &Compiled, missed: &[&Event], reason: String, at_ms: i64) -> Option<Gap> {
    let seqs = || missed.iter().map(|event| event.position.seq);
    let (first, last) = (seqs().min()?, seqs().max()?);
    let (name, group, events) = (&filter.name, &filter.group_name, missed.len() as u64);
    tracing::warn!(filter = name, group, missed = events, reason, "a metric filter missed events");
    Some(Gap { events, first, last, reason, at_ms })
}
