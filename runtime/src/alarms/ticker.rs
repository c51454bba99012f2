//! Owns the loop that evaluates alarms at their ticks: it waits for the metric filters, looks, fetches the lines
//! behind a breach, and commits state, history and what is to leave together. Refuses to know how a state is
//! decided, and to send.
//!
//! A tick waits for the native metric filters, then all alarms are evaluated but those on a metric that a function has
//! a part in: these are held until the filters that ask functions have passed the tick too. So a slow function
//! delays, and leaves partial data to, only the alarms that depend on it.
//!
//! An evaluation that changes nothing writes nothing: that every alarm was evaluated up to a moment is one row.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::alarm::evaluate::{Evaluation, Moment};
use metrics::alarm::message::EvidenceLine;
use metrics::operation::evaluate_alarm::{commit, look};
use metrics::records::{AlarmRecord, Reads};
use metrics::tick::{self, Readiness, WAIT_MAX_MS};
use store::Position;
use tokio::sync::watch;

use super::guest_metrics::GuestMetrics;
use super::schedule::Schedule;
use super::{actions, evidence};
use crate::app::App;
use crate::clock::Worker;
use crate::ingest::fan_out::MetricReader;
use crate::meta::{Key, MetaError, Table, Tx};
use crate::telemetry::vended;

/// Nothing -> the moment up to which every alarm that was defined before it has been evaluated.
const THROUGH: Table<i64> = Table::new("alarms_through");

/// Ticks that are made up for after a pause; after a longer one only the newest is.
const CATCH_UP_MAX: u32 = 60;

/// Alarms evaluated, and committed if they changed, at once.
const BATCH: usize = 256;

/// Alarms read at once when all are.
const PAGE: usize = 500;

/// Pause after a failure of storage.
const FAILED_PAUSE_MS: i64 = 1_000;

/// Starts the ticker; it ends when `stopping` changes.
pub(crate) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    let worker = app.clock.worker("alarms");
    let _first = app.alarms.nudge.set(worker.nudge_handle());
    app.fan_out.metric_watchers().join(worker.nudge_handle());
    tokio::spawn(run(Arc::clone(app), worker, stopping.clone()));
}

async fn run(app: Arc<App>, mut worker: Worker, mut stopping: watch::Receiver<bool>) {
    let mut ticker = Ticker::new(app);
    while !*stopping.borrow() {
        let rest = ticker.step().await.unwrap_or_else(|error| {
            tracing::error!(%error, "alarms are not evaluated");
            Some(ticker.app.clock.now_ms() + FAILED_PAUSE_MS)
        });
        tokio::select! {
            () = worker.rest(rest) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// Since when, and for which events to be counted, a tick waits.
#[derive(Clone, Copy)]
struct Waiting {
    since_ms: i64,
    position: Position,
}

/// Alarms of one tick that wait for filters that ask functions.
struct Held {
    waiting: Waiting,
    /// The native filters were too slow for this tick already.
    partial: bool,
    ids: Vec<u64>,
}

struct Ticker {
    app: Arc<App>,
    /// `None` until it could be read.
    schedule: Option<Schedule>,
    waiting: BTreeMap<i64, Waiting>,
    /// By tick.
    held: BTreeMap<i64, Held>,
    guest_metrics: GuestMetrics,
    /// By reader: ticks up to here wait no more, its metric filters were too slow for one of them.
    gave_up_ms: [i64; MetricReader::ALL.len()],
    /// Something was evaluated that [`THROUGH`] does not say.
    has_news: bool,
}

/// What a look at some alarms found.
#[derive(Default)]
struct Looked {
    /// When each is next due.
    next: Vec<(u64, i64)>,
    /// Those whose state is to be written.
    changed: Vec<(AlarmRecord, Evaluation)>,
}

/// An evaluation to commit, with the lines behind it.
type Outcome = (AlarmRecord, Evaluation, Vec<EvidenceLine>);

impl Ticker {
    fn new(app: Arc<App>) -> Ticker {
        Ticker {
            app,
            schedule: None,
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            guest_metrics: GuestMetrics::default(),
            gave_up_ms: [i64::MIN; MetricReader::ALL.len()],
            has_news: false,
        }
    }

    /// Evaluates what is due; says when to look again without being nudged.
    async fn step(&mut self) -> Result<Option<i64>, MetaError> {
        let now_ms = self.app.clock.now_ms();
        self.refresh(now_ms)?;
        if let Some(tick_ms) = self.first_tick().filter(|tick_ms| *tick_ms <= now_ms) {
            // Alarms on AWS/Logs metrics are to see the minute that has just ended.
            vended::write(&self.app, tick_ms - tick_ms.rem_euclid(60_000)).await?;
        }
        let mut again_ms = self.evaluate_due(now_ms).await?;
        for until_ms in self.evaluate_held(now_ms).await? {
            again_ms = Some(again_ms.map_or(until_ms, |again_ms| again_ms.min(until_ms)));
        }
        if self.has_news {
            // What is held is not evaluated: after a restart it is due again.
            let held_ms = self.held.keys().next().map_or(i64::MAX, |tick_ms| tick_ms - 1);
            let through_ms = now_ms.min(held_ms);
            self.app.meta.change(move |tx| tx.put(&THROUGH, &Key::of(()), &through_ms)).await?;
            self.has_news = false;
        }
        Ok(again_ms)
    }

    /// Evaluates the ticks that are due; says when to look again.
    async fn evaluate_due(&mut self, now_ms: i64) -> Result<Option<i64>, MetaError> {
        while let Some(tick_ms) = self.first_tick().filter(|tick_ms| *tick_ms <= now_ms) {
            let position = self.app.store.durable_position();
            let waiting =
                *self.waiting.entry(tick_ms).or_insert(Waiting { since_ms: now_ms.max(tick_ms), position });
            let partial = match self.readiness(MetricReader::Native, tick_ms, waiting, now_ms) {
                Readiness::Wait { until_ms } => return Ok(Some(until_ms)),
                readiness => readiness == Readiness::GoPartial,
            };
            self.evaluate(tick_ms, waiting, partial).await?;
            self.waiting.remove(&tick_ms);
        }
        Ok(self.first_tick())
    }

    /// Evaluates what was held for functions and need not wait any more; says when the rest need not.
    async fn evaluate_held(&mut self, now_ms: i64) -> Result<Vec<i64>, MetaError> {
        let (mut later_ms, mut ready) = (Vec::new(), Vec::new());
        for tick_ms in self.held.keys().copied().collect::<Vec<_>>() {
            let Some(held) = self.held.get(&tick_ms) else { continue };
            let (waiting, partial) = (held.waiting, held.partial);
            match self.readiness(MetricReader::Guests, tick_ms, waiting, now_ms) {
                Readiness::Wait { until_ms } => later_ms.push(until_ms),
                readiness => ready.push((tick_ms, partial || readiness == Readiness::GoPartial)),
            }
        }
        for (tick_ms, partial) in ready {
            let Some(held) = self.held.remove(&tick_ms) else { continue };
            if let Err(error) = self.evaluate_all(&held.ids, tick_ms, partial).await {
                self.held.insert(tick_ms, held);
                return Err(error);
            }
        }
        Ok(later_ms)
    }

    fn first_tick(&self) -> Option<i64> {
        self.schedule.as_ref()?.first_tick()
    }

    /// Reads every alarm at first, later those that have another definition.
    fn refresh(&mut self, now_ms: i64) -> Result<(), MetaError> {
        let changed = self.app.alarms.take_changed();
        let Some(schedule) = &mut self.schedule else {
            self.schedule = Some(self.app.meta.read(|tx| load(tx, now_ms))?);
            return Ok(());
        };
        self.app.meta.read(|tx| {
            for id in changed {
                if let Some(alarm) = by_id(tx, id)? {
                    schedule.set(id, due_ms(&alarm, alarm.evaluated_ms, now_ms));
                }
            }
            Ok(())
        })
    }

    fn readiness(&mut self, of: MetricReader, tick_ms: i64, waiting: Waiting, now_ms: i64) -> Readiness {
        let has_passed = self.app.fan_out.metrics_passed(of, waiting.position, tick_ms);
        let gave_up_ms = &mut self.gave_up_ms[of as usize];
        let since_ms = if tick_ms <= *gave_up_ms { now_ms - WAIT_MAX_MS } else { waiting.since_ms };
        let readiness = tick::readiness(now_ms, since_ms, has_passed);
        if readiness == Readiness::GoPartial {
            let filters = of.name();
            tracing::warn!(tick_ms, filters, "alarms are evaluated before all events were counted");
            *gave_up_ms = now_ms;
        }
        readiness
    }

    /// Evaluates the alarms that are due at the tick, but holds those that depend on functions that are behind.
    async fn evaluate(&mut self, tick_ms: i64, waiting: Waiting, partial: bool) -> Result<(), MetaError> {
        let Some(schedule) = &mut self.schedule else { return Ok(()) };
        let due = schedule.take(tick_ms);
        let (ready, held) = match self.split(due, tick_ms, waiting) {
            Ok(split) => split,
            Err((due, error)) => {
                self.again(&due, tick_ms);
                return Err(error);
            }
        };
        if !held.is_empty() {
            self.held.insert(tick_ms, Held { waiting, partial, ids: held });
        }
        let evaluated = self.evaluate_all(&ready, tick_ms, partial).await;
        if evaluated.is_err() {
            self.again(&ready, tick_ms);
        }
        evaluated
    }

    /// Alarms that can be evaluated, and those to hold.
    #[allow(clippy::type_complexity, reason = "two lists, or the one given and why")]
    fn split(
        &mut self,
        due: Vec<u64>,
        tick_ms: i64,
        waiting: Waiting,
    ) -> Result<(Vec<u64>, Vec<u64>), (Vec<u64>, MetaError)> {
        let fan_out = &self.app.fan_out;
        if fan_out.metrics_passed(MetricReader::Guests, waiting.position, tick_ms) {
            return Ok((due, Vec::new()));
        }
        let (known, definitions) = (&mut self.guest_metrics, fan_out.definitions());
        let depends = self.app.meta.read(|tx| {
            known.refresh(tx, definitions)?;
            let depends = |id: &u64| {
                Ok(!known.is_empty()
                    && by_id(tx, *id)?.is_some_and(|alarm| known.has(&alarm.scope, &alarm.spec.metric)))
            };
            due.iter().map(depends).collect::<Result<Vec<bool>, MetaError>>()
        });
        match depends {
            Ok(depends) => {
                let (held, ready): (Vec<_>, Vec<_>) =
                    due.into_iter().zip(depends).partition(|(_, depends)| *depends);
                let ids = |pairs: Vec<(u64, bool)>| pairs.into_iter().map(|(id, _)| id).collect();
                Ok((ids(ready), ids(held)))
            }
            Err(error) => Err((due, error)),
        }
    }

    /// They are due still.
    fn again(&mut self, ids: &[u64], tick_ms: i64) {
        if let Some(schedule) = &mut self.schedule {
            ids.iter().for_each(|id| schedule.set(*id, tick_ms));
        }
    }

    /// Evaluates alarms, by rising id, at a tick; those that were before a failure are not due at it any more.
    async fn evaluate_all(&mut self, ids: &[u64], tick_ms: i64, partial: bool) -> Result<(), MetaError> {
        for batch in ids.chunks(BATCH) {
            let next = evaluate(&self.app, batch, tick_ms, partial).await?;
            if let Some(schedule) = &mut self.schedule {
                next.into_iter().for_each(|(id, next_ms)| schedule.set(id, next_ms));
            }
        }
        self.has_news = true;
        Ok(())
    }
}

/// All alarms by when they are next due.
fn load(tx: &mut Tx<'_>, now_ms: i64) -> Result<Schedule, MetaError> {
    let through_ms = tx.get(&THROUGH, &Key::of(()))?.unwrap_or(i64::MIN);
    let (mut schedule, mut after) = (Schedule::default(), None);
    loop {
        let page = tx.alarms_all(after, PAGE)?;
        for alarm in &page {
            let mut evaluated_ms = alarm.evaluated_ms;
            if alarm.configured_ms < through_ms {
                evaluated_ms = evaluated_ms.max(through_ms);
            }
            schedule.set(alarm.id, due_ms(alarm, evaluated_ms, now_ms));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id),
            _ => return Ok(schedule),
        }
    }
}

fn by_id(tx: &mut Tx<'_>, id: u64) -> Result<Option<AlarmRecord>, MetaError> {
    let found = tx.alarms_all(id.checked_sub(1), 1)?.pop();
    Ok(found.filter(|alarm| alarm.id == id))
}

/// The next tick of an alarm: one that waits already, or the one to come.
fn due_ms(alarm: &AlarmRecord, evaluated_ms: i64, now_ms: i64) -> i64 {
    tick::due(&alarm.spec, evaluated_ms, now_ms, CATCH_UP_MAX)
        .unwrap_or_else(|| tick::next_ms(&alarm.spec, now_ms))
}

/// Evaluates some alarms at a tick and commits those that changed; says when each is next due.
async fn evaluate(
    app: &Arc<App>,
    ids: &[u64],
    tick_ms: i64,
    partial: bool,
) -> Result<Vec<(u64, i64)>, MetaError> {
    let moment = Moment { tick_ms, now_ms: app.clock.now_ms(), partial };
    let (mut ids, mut next) = (ids.to_vec(), Vec::new());
    while !ids.is_empty() {
        let meta = app.meta.clone();
        let looked = App::blocking(move || meta.read(|tx| look_at(tx, &ids, moment))).await?;
        next.extend(looked.next);
        // An alarm that was put again or set meanwhile is looked at again.
        ids = if looked.changed.is_empty() { Vec::new() } else { keep(app, looked.changed, moment).await? };
    }
    Ok(next)
}

fn look_at(tx: &mut Tx<'_>, ids: &[u64], moment: Moment) -> Result<Looked, MetaError> {
    let mut looked = Looked::default();
    for id in ids {
        let Some(alarm) = by_id(tx, *id)? else { continue };
        looked.next.push((*id, due_ms(&alarm, moment.tick_ms.max(alarm.evaluated_ms), moment.now_ms)));
        // Set or put meanwhile: this tick is over for it.
        if alarm.evaluated_ms >= moment.tick_ms {
            continue;
        }
        let evaluation = look(tx, &alarm, moment)?;
        if evaluation.state != alarm.state {
            looked.changed.push((alarm, evaluation));
        }
    }
    Ok(looked)
}

/// Commits states, history and what is to leave in one change; gives back the alarms that were not any more
/// what had been looked at.
async fn keep(
    app: &Arc<App>,
    changed: Vec<(AlarmRecord, Evaluation)>,
    moment: Moment,
) -> Result<Vec<u64>, MetaError> {
    let (meta, store) = (app.meta.clone(), Arc::clone(&app.store));
    let outcomes = App::blocking(move || {
        let with_lines = |(alarm, evaluation): (AlarmRecord, Evaluation)| {
            let events = evaluation.transition.as_ref().map_or(&[][..], |change| &change.events);
            let lines = evidence::lines(&meta, &store, events);
            (alarm, evaluation, lines)
        };
        changed.into_iter().map(with_lines).collect::<Vec<Outcome>>()
    });
    let (outcomes, outbox) = (outcomes.await, Arc::clone(&app.outbox));
    let again = app.meta.change(move |tx| {
        let mut again = Vec::new();
        for (alarm, evaluation, lines) in &outcomes {
            if !commit(tx, alarm, evaluation, lines)? {
                again.push(alarm.id);
            } else if let Some(change) = &evaluation.transition {
                actions::write(&outbox, tx, alarm, change, lines, moment.now_ms)?;
            }
        }
        Ok::<_, MetaError>(again)
    });
    let again = again.await?;
    app.outbox.nudge();
    Ok(again)
}
