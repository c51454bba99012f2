//! Owns what is written of runs: that they are due, that they are done, tried again or given up. Refuses to make them.

use deliver::outbox::{InvokeRecord, Patience, Payload};
use deliver::{DeadLetterRecord, OutboxRecord, Records as _};
use serde_json::json;

use super::call::{self, Failed};
use super::due::Caught;
use super::{target, ticker};
use crate::app::App;
use crate::meta::{MetaError, Tx};
use crate::outbox::Outbox;
use crate::records::schedules::{self, Ended, Run, Schedule};

/// Pause before the second try; it doubles with every one that follows, up to the other.
const BACKOFF_MS: i64 = 30_000;
const BACKOFF_MS_MAX: i64 = 600_000;

/// A schedule that was due.
pub(super) struct Due {
    /// As it was when it was read.
    pub(super) schedule: Schedule,
    /// Its progress when it was read.
    pub(super) through_ms: i64,
    /// What was due since.
    pub(super) caught: Caught,
}

/// Writes the runs of schedules that are due, and that their due times are dealt with.
///
/// # Errors
/// Storage failures.
pub(super) fn write_due(tx: &mut Tx<'_>, due: Vec<Due>, now_ms: i64) -> Result<Vec<Run>, MetaError> {
    let mut written = Vec::new();
    for Due { schedule, through_ms, caught } in due {
        // One that was changed or deleted meanwhile is read again.
        let progress = schedules::progress(tx, schedule.id)?.filter(|now| now.through_ms == through_ms);
        let Some(mut progress) = progress else { continue };
        progress.through_ms = now_ms;
        progress.missed += caught.missed;
        let full = schedules::count_runs(tx, schedule.id, ticker::WAITING_MAX)? >= ticker::WAITING_MAX;
        match caught.run_ms {
            Some(_) if full => progress.missed += 1,
            Some(due_ms) => {
                let run = run(&schedule, 0, due_ms, now_ms);
                schedules::put_run(tx, &run)?;
                written.push(run);
            }
            None => {}
        }
        schedules::advance(tx, schedule.id, &progress)?;
    }
    Ok(written)
}

fn run(schedule: &Schedule, id: u64, due_ms: i64, now_ms: i64) -> Run {
    let Schedule { id: of, name, scope, target, .. } = schedule.clone();
    Run { id, schedule: of, name, scope, due_ms, target, attempts: 0, next_ms: now_ms }
}

/// Writes a run that was asked for by hand; `None` when too many wait.
///
/// # Errors
/// Storage failures.
pub(crate) fn write_asked(
    tx: &mut Tx<'_>,
    schedule: &Schedule,
    now_ms: i64,
) -> Result<Option<Run>, MetaError> {
    if schedules::count_runs(tx, schedule.id, ticker::WAITING_MAX)? >= ticker::WAITING_MAX {
        return Ok(None);
    }
    let run = run(schedule, tx.next_id("schedule_run")?, now_ms, now_ms);
    schedules::put_run(tx, &run)?;
    Ok(Some(run))
}

/// Writes what became of a try; gives the run as it is to be tried again.
pub(super) async fn settle(app: &App, run: &Run, ended: Result<(), Failed>) -> Option<Run> {
    let (now_ms, written, outbox) = (app.clock.now_ms(), run.clone(), std::sync::Arc::clone(&app.outbox));
    let settled = app.meta.change(move |tx| write(tx, &outbox, written, ended, now_ms)).await;
    app.outbox.nudge();
    settled.unwrap_or_else(|error: MetaError| {
        tracing::error!(schedule = run.name, %error, "what became of a run could not be written");
        None
    })
}

fn write(
    tx: &mut Tx<'_>,
    outbox: &Outbox,
    mut run: Run,
    ended: Result<(), Failed>,
    now_ms: i64,
) -> Result<Option<Run>, MetaError> {
    if !schedules::has_run(tx, &run)? {
        return Ok(None);
    }
    run.attempts += 1;
    let error = match ended {
        Ok(()) => None,
        Err(failed) => match again_ms(&run, &failed, now_ms) {
            Some(next_ms) => {
                run.next_ms = next_ms;
                schedules::put_run(tx, &run)?;
                return Ok(Some(run));
            }
            None => Some(failed.message),
        },
    };
    schedules::remove_run(tx, &run)?;
    if let Some(mut progress) = schedules::progress(tx, run.schedule)? {
        progress.done += u64::from(error.is_none());
        progress.failed += u64::from(error.is_some());
        let (due_ms, attempts) = (run.due_ms, run.attempts);
        progress.last = Some(Ended { due_ms, ended_ms: now_ms, attempts, error: error.clone() });
        schedules::advance(tx, run.schedule, &progress)?;
    }
    if let Some(error) = error {
        bury(tx, outbox, &run, error, now_ms)?;
    }
    Ok(None)
}

/// When a run that failed is tried again, if it is.
fn again_ms(run: &Run, failed: &Failed, now_ms: i64) -> Option<i64> {
    if !failed.retry || run.attempts > run.target.retries {
        return None;
    }
    // Ten doublings are more than the longest pause.
    let pause_ms = (BACKOFF_MS << (run.attempts - 1).min(10)).min(BACKOFF_MS_MAX);
    let next_ms = now_ms.saturating_add(pause_ms.max(i64::from(failed.after_ms)));
    (next_ms <= run.due_ms.saturating_add(run.target.age_ms)).then_some(next_ms)
}

/// Keeps a run that was given up among the dead letters, and tells the topic that wants to know.
fn bury(tx: &mut Tx<'_>, outbox: &Outbox, run: &Run, error: String, now_ms: i64) -> Result<(), MetaError> {
    tracing::warn!(
        schedule = run.name,
        due_ms = run.due_ms,
        error,
        "a run was given up; kept as a dead letter"
    );
    let payload = call::event(run).to_string();
    if let Some(topic) = &run.target.dead_letter {
        let subject = format!("The schedule {} failed", run.name);
        let message = json!({
            "scheduleArn": schedules::arn(&run.scope, &run.name), "dueAt": run.due_ms, "attempts": run.attempts,
            "error": error, "event": call::event(run),
        });
        // The dead letter below is kept all the same.
        if let Err(refused) = outbox.notify(tx, topic, Some(&subject), &message.to_string()) {
            tracing::error!(schedule = run.name, topic, %refused, "a topic was not told of a run that was given up");
        }
    }
    let invoke = InvokeRecord {
        function_arn: target::arn(&run.scope, &run.target.function),
        payload,
        principal: "scheduler.amazonaws.com".to_owned(),
        source_arn: schedules::arn(&run.scope, &run.name),
        hop: 0,
    };
    let record = OutboxRecord {
        id: tx.next_id("outbox")?,
        account: run.scope.account.clone(),
        region: run.scope.region.clone(),
        key: run.delivery_id(),
        payload: Payload::Invoke(invoke),
        attempt: run.attempts,
        function_failures: run.attempts,
        due_ms: run.due_ms,
        created_ms: run.due_ms,
        last_error: Some(error.clone()),
        patience: Patience::default(),
    };
    tx.dead_letter_put(&DeadLetterRecord { record, error, died_ms: now_ms, expired: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;
    use crate::records::schedules::{Progress, Target};
    use crate::schedules::due::tests::schedule;

    #[test]
    fn tries_are_further_and_further_apart_and_end() {
        let target = Target { retries: 3, age_ms: 900_000, ..Target::default() };
        let one = Run { attempts: 1, ..run(&Schedule { target, ..schedule("rate(1 day)") }, 0, 0, 0) };
        let next = |attempts, now_ms, after_ms| {
            let failed = Failed { retry: true, after_ms, message: String::new() };
            again_ms(&Run { attempts, ..one.clone() }, &failed, now_ms)
        };
        assert_eq!([1, 2, 3, 4].map(|n| next(n, 0, 0)), [Some(30_000), Some(60_000), Some(120_000), None]);
        assert_eq!(next(1, 0, 45_000), Some(45_000));
        assert_eq!((next(1, 870_000, 0), next(1, 870_001, 0)), (Some(900_000), None));
        let failed = Failed { retry: false, after_ms: 0, message: String::new() };
        assert_eq!(again_ms(&one, &failed, 0), None);
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_written_and_what_waits_is_bounded() {
        let meta = Meta::in_memory();
        let due = |through_ms, run_ms| Due {
            schedule: schedule("rate(1 minute)"),
            through_ms,
            caught: Caught { run_ms: Some(run_ms), missed: 2 },
        };
        let write =
            |one: Due, now_ms| meta.change_blocking(move |tx| write_due(tx, vec![one], now_ms)).unwrap();
        let progress = || meta.read(|tx| schedules::progress(tx, 1)).unwrap();
        assert!(write(due(0, 60), 60).is_empty(), "it was deleted");
        meta.change_blocking(|tx| schedules::advance(tx, 1, &Progress::default())).unwrap();
        assert!(write(due(1, 60), 60).is_empty(), "it was changed");
        assert_eq!(write(due(0, 60), 61)[0].due_ms, 60);
        assert_eq!(progress(), Some(Progress { through_ms: 61, missed: 2, ..Progress::default() }));
        for round in 0..ticker::WAITING_MAX as i64 + 5 {
            write(due(61 + round, 62 + round), 62 + round);
        }
        assert_eq!(meta.read(|tx| schedules::every_run(tx)).unwrap().len(), ticker::WAITING_MAX);
        assert_eq!(progress().unwrap().missed, 2 + 2 * 105 + 6);
    }
}
