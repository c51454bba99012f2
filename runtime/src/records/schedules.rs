//! Owns schedules: what they say, how far each is, and the runs that are due and not done. Refuses to know when
//! they are due (`schedules`).
//!
//! A run is written, and the schedule's progress moved past it, in one change before the function is called; it goes
//! when it has succeeded or was given up. So no due time is run twice, and none is lost with the process.

use serde::{Deserialize, Serialize};

use super::Scope;
use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (account, region, name) -> schedule.
const SCHEDULES: Table<Schedule> = Table::new("schedules");

/// id -> how far it is.
const PROGRESS: Table<Progress> = Table::new("schedule_progress");

/// (id, due time, run id) -> a run that is not done.
const RUNS: Table<Run> = Table::new("schedule_runs");

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// Never used again, not even by a schedule of the same name.
    pub(crate) id: u64,
    /// Name, unique in its scope.
    pub(crate) name: String,
    /// Where it lives.
    pub(crate) scope: Scope,
    /// `rate(...)`, `cron(...)` or `at(...)`, as given.
    pub(crate) expression: String,
    /// IANA name of the zone that the expression is read in.
    pub(crate) time_zone: String,
    /// Not due before, epoch milliseconds; a rate begins here.
    #[serde(default)]
    pub(crate) start_ms: Option<i64>,
    /// Not due after, epoch milliseconds.
    #[serde(default)]
    pub(crate) end_ms: Option<i64>,
    /// Whether it is due at all.
    pub(crate) enabled: bool,
    /// What is called.
    pub(crate) target: Target,
    /// For people.
    #[serde(default)]
    pub(crate) description: String,
    /// It is deleted when nothing is due any more.
    #[serde(default)]
    pub(crate) delete_when_over: bool,
    /// AWS's flexible window, kept and shown: a run at its due time lies in every window.
    #[serde(default)]
    pub(crate) window_minutes: Option<u32>,
    /// When it was made, epoch milliseconds.
    pub(crate) created_ms: i64,
    /// When it got its expression, epoch milliseconds; a rate without a start begins here.
    pub(crate) anchor_ms: i64,
    /// When it was last changed, epoch milliseconds.
    pub(crate) modified_ms: i64,
}

/// What a run calls, and what becomes of it when that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// `NAME` or `NAME:QUALIFIER`.
    pub(crate) function: String,
    /// The input, JSON.
    pub(crate) input: String,
    /// Functions without a world of schedules get the input alone, not an event around it.
    #[serde(default)]
    pub(crate) bare: bool,
    /// Tries after the first.
    pub(crate) retries: u32,
    /// How long after its due time a run is still begun or tried again, milliseconds.
    pub(crate) age_ms: i64,
    /// ARN of the topic that is told of a run that was given up.
    #[serde(default)]
    pub(crate) dead_letter: Option<String>,
    /// `RoleArn`, kept and shown.
    #[serde(default)]
    pub(crate) role: Option<String>,
}

/// How far a schedule is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What was due up to here, epoch milliseconds, is written as runs or missed.
    pub(crate) through_ms: i64,
    /// Runs that succeeded.
    #[serde(default)]
    pub(crate) done: u64,
    /// Runs that were given up.
    #[serde(default)]
    pub(crate) failed: u64,
    /// Due times that passed without a run: the process was down for too long, or too many runs waited.
    #[serde(default)]
    pub(crate) missed: u64,
    /// The run that ended last.
    #[serde(default)]
    pub(crate) last: Option<Ended>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// When it was due, epoch milliseconds.
    pub(crate) due_ms: i64,
    /// When it ended, epoch milliseconds.
    pub(crate) ended_ms: i64,
    /// Tries made.
    pub(crate) attempts: u32,
    /// Why it was given up; `None` when it succeeded.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// A run that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// 0 for what was due by itself; runs asked for by hand have ids.
    pub(crate) id: u64,
    /// The schedule's id.
    pub(crate) schedule: u64,
    /// The schedule's name.
    pub(crate) name: String,
    /// Where it lives.
    pub(crate) scope: Scope,
    /// When it was due, epoch milliseconds.
    pub(crate) due_ms: i64,
    /// What is called, as it was when the run was due.
    pub(crate) target: Target,
    /// Tries made.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// When to try, epoch milliseconds.
    pub(crate) next_ms: i64,
}

impl Run {
    /// The same over all tries, and another one for every other run there will ever be.
    pub(crate) fn delivery_id(&self) -> String {
        match self.id {
            0 => format!("schedule/{}/{}", self.schedule, self.due_ms),
            id => format!("schedule/{}/{}/{id}", self.schedule, self.due_ms),
        }
    }

    fn key(&self) -> Key {
        Key::of((self.schedule, self.due_ms, self.id))
    }
}

impl Schedule {
    /// The ARN, in AWS's default group.
    pub(crate) fn arn(&self) -> String {
        arn(&self.scope, &self.name)
    }
}

/// The ARN of a schedule.
pub(crate) fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:scheduler:{}:{}:schedule/default/{name}", scope.region, scope.account)
}

fn key(scope: &Scope, name: &str) -> Key {
    Key::of((&scope.account, &scope.region, name))
}

fn all_of(scope: &Scope, prefix: &str) -> Span {
    Span::prefix(&Key::of((&scope.account, &scope.region)).starting(prefix))
}

/// The schedule of this name.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn find(tx: &Tx<'_>, scope: &Scope, name: &str) -> Result<Option<Schedule>, MetaError> {
    tx.get(&SCHEDULES, &key(scope, name))
}

/// Writes a schedule, new or changed.
pub(crate) fn put(tx: &mut Tx<'_>, schedule: &Schedule) -> Result<(), MetaError> {
    tx.put(&SCHEDULES, &key(&schedule.scope, &schedule.name), schedule)
}

/// Removes a schedule with its progress and the runs that are not done.
pub(crate) fn remove(tx: &mut Tx<'_>, schedule: &Schedule) -> Result<(), MetaError> {
    tx.delete(&SCHEDULES, &key(&schedule.scope, &schedule.name))?;
    tx.delete(&PROGRESS, &Key::of(schedule.id))?;
    tx.delete_span(&RUNS, &Span::prefix(&Key::of(schedule.id))).map(drop)
}

/// Schedules of a scope by name: those that begin with `prefix`, after the name `after`, that `wanted` takes, at most
/// `limit`.
pub(crate) fn list(
    tx: &Tx<'_>,
    scope: &Scope,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    wanted: impl Fn(&Schedule) -> bool,
) -> Result<Vec<Schedule>, MetaError> {
    let mut span = all_of(scope, prefix);
    if let Some(after) = after {
        span = span.after(&key(scope, after));
    }
    let mut found = Vec::new();
    for row in tx.scan(&SCHEDULES, &span)? {
        let (_, schedule) = row?;
        if found.len() == limit {
            break;
        }
        if wanted(&schedule) {
            found.push(schedule);
        }
    }
    Ok(found)
}

/// How many schedules a scope has, counted up to `most`.
pub(crate) fn count(tx: &Tx<'_>, scope: &Scope, most: usize) -> Result<usize, MetaError> {
    Ok(tx.scan(&SCHEDULES, &all_of(scope, ""))?.take(most).count())
}

/// Every schedule of every scope.
pub(crate) fn every(tx: &Tx<'_>) -> Result<Vec<Schedule>, MetaError> {
    tx.scan(&SCHEDULES, &Span::all())?.map(|row| Ok(row?.1)).collect()
}

/// How far a schedule is; `None` when it is gone.
pub(crate) fn progress(tx: &Tx<'_>, id: u64) -> Result<Option<Progress>, MetaError> {
    tx.get(&PROGRESS, &Key::of(id))
}

/// Notes how far a schedule is.
pub(crate) fn advance(tx: &mut Tx<'_>, id: u64, progress: &Progress) -> Result<(), MetaError> {
    tx.put(&PROGRESS, &Key::of(id), progress)
}

/// Writes a run, new or to be tried again.
pub(crate) fn put_run(tx: &mut Tx<'_>, run: &Run) -> Result<(), MetaError> {
    tx.put(&RUNS, &run.key(), run)
}

/// Whether a run is still wanted: its schedule may have been deleted meanwhile.
pub(crate) fn has_run(tx: &Tx<'_>, run: &Run) -> Result<bool, MetaError> {
    Ok(tx.get(&RUNS, &run.key())?.is_some())
}

/// Removes a run that is done or given up.
pub(crate) fn remove_run(tx: &mut Tx<'_>, run: &Run) -> Result<(), MetaError> {
    tx.delete(&RUNS, &run.key())
}

/// Runs of one schedule that are not done, counted up to `most`.
pub(crate) fn count_runs(tx: &Tx<'_>, id: u64, most: usize) -> Result<usize, MetaError> {
    Ok(tx.scan(&RUNS, &Span::prefix(&Key::of(id)))?.take(most).count())
}

/// Every run that is not done.
pub(crate) fn every_run(tx: &Tx<'_>) -> Result<Vec<Run>, MetaError> {
    tx.scan(&RUNS, &Span::all())?.map(|row| Ok(row?.1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    fn schedule(id: u64, name: &str) -> Schedule {
        Schedule {
            id,
            name: name.to_owned(),
            scope: Scope { account: "1".to_owned(), region: "r".to_owned() },
            expression: "rate(1 minute)".to_owned(),
            time_zone: "UTC".to_owned(),
            start_ms: None,
            end_ms: None,
            enabled: true,
            target: Target::default(),
            description: String::new(),
            delete_when_over: false,
            window_minutes: None,
            created_ms: 0,
            anchor_ms: 0,
            modified_ms: 0,
        }
    }

    fn run(schedule: &Schedule, due_ms: i64, id: u64) -> Run {
        let Schedule { id: of, name, scope, target, .. } = schedule.clone();
        Run { id, schedule: of, name, scope, due_ms, target, attempts: 0, next_ms: due_ms }
    }

    #[test]
    fn a_schedule_goes_with_its_progress_and_its_runs() {
        let meta = Meta::in_memory();
        let (first, second) = (schedule(1, "a"), schedule(2, "ab"));
        let written = [first.clone(), second.clone()];
        meta.change_blocking(move |tx| {
            for one in &written {
                put(tx, one)?;
                advance(tx, one.id, &Progress { through_ms: 5, ..Progress::default() })?;
                for (due_ms, id) in [(10, 0), (10, 7), (-3, 0)] {
                    put_run(tx, &run(one, due_ms, id))?;
                }
            }
            Ok::<_, MetaError>(())
        })
        .unwrap();
        let names = |prefix: &str, after: Option<&str>| {
            let found = meta.read(|tx| list(tx, &schedule(0, "").scope, prefix, after, 9, |_| true)).unwrap();
            found.into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(
            (names("", None), names("a", Some("a"))),
            (vec!["a".into(), "ab".into()], vec!["ab".into()])
        );
        let ids = |meta: &Meta| {
            let runs = meta.read(|tx| every_run(tx)).unwrap();
            runs.iter().map(Run::delivery_id).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(ids(&meta).len(), 6);
        assert!(ids(&meta).contains("schedule/1/10/7") && ids(&meta).contains("schedule/2/-3"));
        meta.change_blocking(move |tx| remove(tx, &first)).unwrap();
        assert_eq!((ids(&meta).len(), names("", None)), (3, vec!["ab".to_owned()]));
        assert_eq!(meta.read(|tx| progress(tx, 1)).unwrap(), None);
        assert_eq!(meta.read(|tx| progress(tx, 2)).unwrap().unwrap().through_ms, 5);
        assert_eq!(meta.read(|tx| count_runs(tx, 2, 2)).unwrap(), 2);
    }
}
