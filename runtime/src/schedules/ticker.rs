//! Owns the loop that writes runs when they are due and starts them, a bounded number at once. Refuses to know how a
//! run is made (`call`) and what becomes of it (`settle`).
//!
//! Everything it knows in memory is read from metadata at its start and after every change: a restart goes on where
//! the process stopped. Runs at work are known here alone, so a restart takes them up again, under the same delivery
//! id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::due::Timetable;
use super::{News, call, settle};
use crate::app::App;
use crate::clock::Worker;
use crate::meta::{MetaError, Tx};
use crate::records::schedules::{self, Progress, Run, Schedule};

/// Runs at work at once, and of one schedule: one that hangs holds up its own runs alone.
const AT_ONCE: usize = 32;
const AT_ONCE_EACH: usize = 4;

/// Runs of one schedule that wait; what is due beyond them is missed.
pub(super) const WAITING_MAX: usize = 100;

/// Schedules whose due times are written in one change.
const BATCH: usize = 256;

/// Pause after a failure of storage.
const FAILED_PAUSE_MS: i64 = 1_000;

/// Starts the ticker; it ends when `stopping` changes.
pub(crate) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    let worker = app.clock.worker("schedules");
    let _first = app.schedules.nudge.set(worker.nudge_handle());
    app.schedules.changed_all();
    tokio::spawn(run(Arc::clone(app), worker, stopping.clone()));
}

async fn run(app: Arc<App>, mut worker: Worker, mut stopping: watch::Receiver<bool>) {
    let mut ticker =
        Ticker { app, entries: BTreeMap::new(), due: BTreeSet::new(), waiting: Waiting::default() };
    while !*stopping.borrow() {
        let rest = match ticker.step().await {
            Ok(next_ms) => next_ms,
            Err(error) => {
                tracing::error!(%error, "schedules wait");
                // What was not read or written is read again.
                ticker.app.schedules.read_again();
                Some(ticker.app.clock.now_ms() + FAILED_PAUSE_MS)
            }
        };
        tokio::select! {
            () = worker.rest(rest) => {}
            _ = stopping.changed() => {}
        }
    }
}

struct Entry {
    schedule: Schedule,
    table: Timetable,
    through_ms: i64,
    next_ms: Option<i64>,
}

struct Ticker {
    app: Arc<App>,
    /// By id.
    entries: BTreeMap<u64, Entry>,
    /// (next due, id), of those that are enabled.
    due: BTreeSet<(i64, u64)>,
    waiting: Waiting,
}

/// Runs that are written: which wait, which are at work.
#[derive(Default)]
struct Waiting {
    /// (when to try, schedule, due, id) -> run.
    runs: BTreeMap<(i64, u64, i64, u64), Run>,
    /// (schedule, due, id) of those at work.
    flying: BTreeSet<(u64, i64, u64)>,
}

impl Ticker {
    /// Does what is to be done now; says when to look again without being nudged.
    async fn step(&mut self) -> Result<Option<i64>, MetaError> {
        self.refresh()?;
        let now_ms = self.app.clock.now_ms();
        while self.due.first().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
            self.write_due(now_ms).await?;
        }
        self.forget_over().await?;
        for run in self.waiting.startable(now_ms) {
            start_one(&self.app, run);
        }
        let next_run_ms =
            self.waiting.runs.keys().map(|(next_ms, ..)| *next_ms).find(|next_ms| *next_ms > now_ms);
        let next_due_ms = self.due.first().map(|(due_ms, _)| *due_ms);
        Ok([next_run_ms, next_due_ms].into_iter().flatten().min())
    }

    /// Takes in what has changed.
    fn refresh(&mut self) -> Result<(), MetaError> {
        let News { all, changed, fresh, ended } = self.app.schedules.take_news();
        for (run, again) in ended {
            self.waiting.flying.remove(&place(&run));
            again.into_iter().for_each(|run| self.waiting.add(run));
        }
        fresh.into_iter().for_each(|run| self.waiting.add(run));
        let app = Arc::clone(&self.app);
        app.meta.read(|tx| {
            if all {
                return self.load(tx);
            }
            for (id, (scope, name)) in &changed {
                self.remove(*id);
                if let Some(schedule) = schedules::find(tx, scope, name)? {
                    self.add(tx, schedule)?;
                }
            }
            Ok(())
        })?;
        // Runs of a schedule that was deleted are gone with it.
        let gone = |id: &u64| changed.contains_key(id) && !self.entries.contains_key(id);
        self.waiting.runs.retain(|(_, id, ..), _| !gone(id));
        Ok(())
    }

    fn load(&mut self, tx: &mut Tx<'_>) -> Result<(), MetaError> {
        self.entries.clear();
        self.due.clear();
        for schedule in schedules::every(tx)? {
            self.add(tx, schedule)?;
        }
        self.waiting.runs.clear();
        for run in schedules::every_run(tx)? {
            self.waiting.add(run);
        }
        Ok(())
    }

    fn remove(&mut self, id: u64) {
        if let Some(Entry { next_ms: Some(next_ms), .. }) = self.entries.remove(&id) {
            self.due.remove(&(next_ms, id));
        }
    }

    fn add(&mut self, tx: &Tx<'_>, schedule: Schedule) -> Result<(), MetaError> {
        let Some(Progress { through_ms, .. }) = schedules::progress(tx, schedule.id)? else { return Ok(()) };
        // It was checked when it was made.
        match Timetable::of(&schedule) {
            Ok(table) => {
                self.remove(schedule.id);
                self.enter(Entry { schedule, table, through_ms, next_ms: None });
            }
            Err(error) => {
                tracing::error!(schedule = schedule.name, error, "it cannot be read and is never due");
            }
        }
        Ok(())
    }

    fn enter(&mut self, mut entry: Entry) {
        let id = entry.schedule.id;
        entry.next_ms = entry.table.next(entry.through_ms).filter(|_| entry.schedule.enabled);
        self.due.extend(entry.next_ms.map(|next_ms| (next_ms, id)));
        self.entries.insert(id, entry);
    }

    /// Writes the runs that are due, and how far their schedules are, in one change; then they wait for a place.
    async fn write_due(&mut self, now_ms: i64) -> Result<(), MetaError> {
        let due: Vec<u64> = self
            .due
            .iter()
            .take(BATCH)
            .take_while(|(due_ms, _)| *due_ms <= now_ms)
            .map(|(_, id)| *id)
            .collect();
        let entries: Vec<Entry> = due
            .iter()
            .filter_map(|id| {
                let entry = self.entries.remove(id)?;
                self.due.remove(&(entry.next_ms?, *id));
                Some(entry)
            })
            .collect();
        let caught: Vec<settle::Due> = entries
            .iter()
            .map(|Entry { schedule, table, through_ms, .. }| settle::Due {
                schedule: schedule.clone(),
                through_ms: *through_ms,
                caught: table.catch_up(*through_ms, now_ms, schedule.target.age_ms),
            })
            .collect();
        let runs = self.app.meta.change(move |tx| settle::write_due(tx, caught, now_ms)).await?;
        runs.into_iter().for_each(|run| self.waiting.add(run));
        for entry in entries {
            self.enter(Entry { through_ms: now_ms, ..entry });
        }
        Ok(())
    }

    /// Deletes schedules that wanted it and will never be due again.
    async fn forget_over(&mut self) -> Result<(), MetaError> {
        let has_runs =
            |id: u64| self.waiting.runs.keys().any(|(_, of, ..)| *of == id) || self.waiting.flies(id) > 0;
        let is_over = |entry: &&Entry| {
            let Entry { schedule, next_ms, .. } = entry;
            schedule.delete_when_over && schedule.enabled && next_ms.is_none() && !has_runs(schedule.id)
        };
        let over: Vec<Schedule> =
            self.entries.values().filter(is_over).map(|entry| entry.schedule.clone()).collect();
        if over.is_empty() {
            return Ok(());
        }
        over.iter().for_each(|schedule| self.remove(schedule.id));
        self.app
            .meta
            .change(move |tx| {
                for schedule in &over {
                    // Unless it was changed meanwhile.
                    if schedules::find(tx, &schedule.scope, &schedule.name)?.as_ref() == Some(schedule) {
                        schedules::remove(tx, schedule)?;
                    }
                }
                Ok(())
            })
            .await
    }
}

impl Waiting {
    fn add(&mut self, run: Run) {
        if !self.flying.contains(&place(&run)) {
            self.runs.insert((run.next_ms, run.schedule, run.due_ms, run.id), run);
        }
    }

    fn flies(&self, id: u64) -> usize {
        self.flying.range((id, i64::MIN, 0)..=(id, i64::MAX, u64::MAX)).count()
    }

    /// Takes out the runs that may start now, the one that waits longest first.
    fn startable(&mut self, now_ms: i64) -> Vec<Run> {
        let mut found = Vec::new();
        let ready: Vec<_> =
            self.runs.keys().take_while(|(next_ms, ..)| *next_ms <= now_ms).copied().collect();
        for key in ready {
            if self.flying.len() >= AT_ONCE {
                break;
            }
            let (_, id, due_ms, run) = key;
            if self.flies(id) < AT_ONCE_EACH
                && let Some(one) = self.runs.remove(&key)
            {
                self.flying.insert((id, due_ms, run));
                found.push(one);
            }
        }
        found
    }
}

fn place(run: &Run) -> (u64, i64, u64) {
    (run.schedule, run.due_ms, run.id)
}

/// Makes a run in the background; an advance of virtual time waits for it.
fn start_one(app: &Arc<App>, run: Run) {
    let (app, busy) = (Arc::clone(app), app.clock.busy());
    tokio::spawn(async move {
        // A task of its own, so that a panic in it gives its place back.
        let (shared, one) = (Arc::clone(&app), run.clone());
        let ended = tokio::spawn(async move { call::make(&shared, &one).await }).await;
        let ended =
            ended.unwrap_or_else(|_| Err(call::Failed::again("the call broke inside Logboom".to_owned())));
        let again = settle::settle(&app, &run, ended).await;
        app.schedules.ended(run, again);
        drop(busy);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Scope;
    use crate::records::schedules::Target;

    fn run(schedule: u64, due_ms: i64) -> Run {
        let scope = Scope { account: "1".to_owned(), region: "r".to_owned() };
        let (name, target) = (schedule.to_string(), Target::default());
        Run { id: 0, schedule, name, scope, due_ms, target, attempts: 0, next_ms: due_ms }
    }

    #[test]
    fn a_schedule_that_hangs_holds_up_its_own_runs_alone() {
        let mut waiting = Waiting::default();
        (0..40).for_each(|due_ms| waiting.add(run(1, due_ms)));
        waiting.add(run(2, 39));
        waiting.add(run(3, 99));
        let started = waiting.startable(50);
        let places: Vec<_> = started.iter().map(place).collect();
        assert_eq!(places, [(1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0), (2, 39, 0)]);
        assert!(waiting.startable(50).is_empty());
        waiting.add(started[0].clone());
        assert!(waiting.startable(50).is_empty(), "a run at work is not taken up again");
        waiting.flying.remove(&(1, 1, 0));
        assert_eq!(waiting.startable(50).iter().map(place).collect::<Vec<_>>(), [(1, 4, 0)]);
    }
}
