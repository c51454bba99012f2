//! Owns what runs on a schedule to keep things bounded: one table, one worker. Refuses to know what each
//! sweep takes away.
//!
//! To add one: an `async fn(Arc<App>) -> Result<(), String>` and its line in [`SWEEPS`].

use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use chrono::DateTime;
use cron::Schedule;
use metrics::operation::sweep::{sweep_history, sweep_points};
use metrics::records::Reads;
use store::GroupId;
use tokio::sync::watch;

use crate::app::App;
use crate::config::Config;
use crate::functions::ledger;
use crate::meta::MetaError;
use crate::outbox;
use crate::records::groups;
use crate::retention;

type Sweeping = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

struct Sweep {
    name: &'static str,
    /// Seconds, minutes, hours, day of month, month, day of week; UTC.
    schedule: fn(&Config) -> &str,
    run: fn(Arc<App>) -> Sweeping,
}

const SWEEPS: &[Sweep] = &[
    Sweep {
        name: "retention",
        schedule: |config| &config.retention_schedule,
        run: |app| Box::pin(retention::sweep(app)),
    },
    Sweep { name: "log data", schedule: |_| "0 * * * * *", run: |app| Box::pin(log_data(app)) },
    Sweep { name: "metric points", schedule: |_| "0 15 * * * *", run: |app| Box::pin(metric_points(app)) },
    Sweep { name: "alarm history", schedule: |_| "0 25 * * * *", run: |app| Box::pin(alarm_history(app)) },
    Sweep {
        name: "books of functions",
        schedule: |_| "0 45 3 * * *",
        run: |app| Box::pin(ledger::sweep(app)),
    },
    Sweep { name: "deliveries", schedule: |_| "0 35 * * * *", run: |app| Box::pin(outbox::sweep(app)) },
];

/// Rows of one change at most, so that other changes get their turn.
const ROWS_MAX: usize = 1_000;

/// Starts the worker. What an earlier process left undone is done at once.
pub(crate) fn start(app: &Arc<App>, mut stopping: watch::Receiver<bool>) {
    let app = Arc::clone(app);
    let mut worker = app.clock.worker("sweeps");
    tokio::spawn(async move {
        report("deleted groups", deleted_groups(Arc::clone(&app)).await);
        let schedules: Vec<Schedule> = SWEEPS
            .iter()
            .filter_map(|sweep| Schedule::from_str((sweep.schedule)(&app.config)).ok())
            .collect();
        let mut since_ms = app.clock.now_ms();
        while !*stopping.borrow() {
            let due = schedules
                .iter()
                .zip(SWEEPS)
                .filter_map(|(schedule, sweep)| Some((next(schedule, since_ms)?, sweep)));
            let due: Vec<(i64, &Sweep)> = due.collect();
            let Some(first_ms) = due.iter().map(|(due_ms, _)| *due_ms).min() else { return };
            tokio::select! {
                () = worker.rest(Some(first_ms)) => {}
                _ = stopping.changed() => return,
            }
            if app.clock.now_ms() < first_ms {
                continue;
            }
            for (_, sweep) in due.into_iter().filter(|(due_ms, _)| *due_ms == first_ms) {
                report(sweep.name, (sweep.run)(Arc::clone(&app)).await);
            }
            since_ms = first_ms;
        }
    });
}

fn next(schedule: &Schedule, after_ms: i64) -> Option<i64> {
    let after = DateTime::from_timestamp_millis(after_ms)?;
    schedule.after(&after).next().map(|due| due.timestamp_millis())
}

fn report(name: &str, outcome: Result<(), String>) {
    if let Err(error) = outcome {
        tracing::error!(sweep = name, error, "a sweep failed; it runs again on its schedule");
    }
}

/// Deletes the log data of groups whose deletion an earlier process did not finish.
async fn deleted_groups(app: Arc<App>) -> Result<(), String> {
    let doomed = app.meta.read(|tx| groups::doomed(tx)).map_err(|error: MetaError| error.to_string())?;
    for id in doomed {
        let store = Arc::clone(&app.store);
        App::blocking(move || store.delete_group(GroupId(id))).await;
        let forgotten = app.meta.change(move |tx| groups::forget(tx, id)).await;
        forgotten.map_err(|error: MetaError| error.to_string())?;
    }
    Ok(())
}

/// Joins old points into coarser ones and drops the oldest, a series and a thousand points at a time.
/// Seals what has waited in memory for too long.
async fn log_data(app: Arc<App>) -> Result<(), String> {
    app.store.tick(app.clock.now_ms());
    Ok(())
}

async fn metric_points(app: Arc<App>) -> Result<(), String> {
    let now_ms = app.clock.now_ms();
    let mut after = None;
    loop {
        let page = app
            .meta
            .read(|tx| tx.series_all(after, ROWS_MAX))
            .map_err(|error: MetaError| error.to_string())?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for series in page {
            loop {
                let swept = app.meta.change(move |tx| sweep_points(tx, series.id, now_ms, ROWS_MAX)).await;
                if !swept.map_err(|error: MetaError| error.to_string())?.has_more {
                    break;
                }
            }
        }
    }
}

async fn alarm_history(app: Arc<App>) -> Result<(), String> {
    let now_ms = app.clock.now_ms();
    loop {
        let swept = app.meta.change(move |tx| sweep_history(tx, now_ms, ROWS_MAX)).await;
        if swept.map_err(|error: MetaError| error.to_string())? < ROWS_MAX {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_parses_and_comes_round_within_a_day() {
        for sweep in SWEEPS {
            let config = Config::default();
            let schedule = Schedule::from_str((sweep.schedule)(&config)).unwrap();
            let due_ms = next(&schedule, 1_767_225_600_000).unwrap();
            assert!((1..=86_400_000).contains(&(due_ms - 1_767_225_600_000)), "{}", sweep.name);
        }
    }
}
