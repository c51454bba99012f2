//! Owns making, changing and deleting schedules: what is refused at the door, and what becomes of the times that were
//! due before. Refuses to know who asks: Logboom's own operations and those of AWS end here.

use std::sync::Arc;

use wire::Fault;

use super::due::Timetable;
use super::{settle, target};
use crate::app::App;
use crate::meta::Tx;
use crate::records::Scope;
use crate::records::schedules::{self, Progress, Run, Schedule, Target};

/// Schedules of one account and region.
const SCHEDULES_MAX: usize = 10_000;

/// Bytes of an input, and characters of a name and a description, as at AWS.
const INPUT_BYTES_MAX: usize = 256 << 10;
const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 512;

/// Tries after the first, and seconds of the age a run may have, as at AWS.
const RETRIES_MAX: u32 = 185;
const AGE_S: std::ops::RangeInclusive<i64> = 60..=86_400;

/// What a schedule is to say.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    /// `rate(...)`, `cron(...)` or `at(...)`.
    pub(crate) expression: String,
    /// IANA name.
    pub(crate) time_zone: String,
    /// Epoch milliseconds.
    pub(crate) start_ms: Option<i64>,
    /// Epoch milliseconds.
    pub(crate) end_ms: Option<i64>,
    /// Whether it is due at all.
    pub(crate) enabled: bool,
    /// What is called; the function as given, name or ARN.
    pub(crate) target: Target,
    /// For people.
    pub(crate) description: String,
    /// It is deleted when nothing is due any more.
    pub(crate) delete_when_over: bool,
    /// AWS's flexible window.
    pub(crate) window_minutes: Option<u32>,
}

/// Which schedules may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// None of this name.
    Create,
    /// One of this name.
    Update,
    /// Either.
    Put,
}

/// Makes or changes a schedule.
///
/// # Errors
/// `ValidationException`, `ConflictException`, `ResourceNotFoundException`, `ServiceQuotaExceededException`.
pub(crate) async fn define(
    app: &Arc<App>,
    scope: &Scope,
    mut wanted: Wanted,
    mode: Mode,
) -> Result<Schedule, Fault> {
    wanted.target.function = target::normal(scope, &wanted.target.function).map_err(invalid)?;
    check(scope, &wanted)?;
    target::check(app, scope, &wanted.target.function).map_err(invalid)?;
    let (scope, now_ms) = (scope.clone(), app.clock.now_ms());
    let made = app.meta.change(move |tx| write(tx, &scope, wanted, mode, now_ms)).await?;
    app.schedules.changed(&made);
    Ok(made)
}

/// Deletes a schedule with the runs that wait.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(crate) async fn delete(app: &Arc<App>, scope: &Scope, name: &str) -> Result<(), Fault> {
    let (scope, name) = (scope.clone(), name.to_owned());
    let removed = app.meta.change(move |tx| -> Result<_, Fault> {
        let found = find(tx, &scope, &name)?;
        schedules::remove(tx, &found)?;
        Ok(found)
    });
    app.schedules.changed(&removed.await?);
    Ok(())
}

/// Runs a schedule now, beside its times; it need not be enabled.
///
/// # Errors
/// `ResourceNotFoundException`, and `ThrottlingException` when too many of its runs wait.
pub(crate) async fn run(app: &Arc<App>, scope: &Scope, name: &str) -> Result<Run, Fault> {
    let (scope, name, now_ms) = (scope.clone(), name.to_owned(), app.clock.now_ms());
    let asked = app.meta.change(move |tx| -> Result<_, Fault> {
        let found = find(tx, &scope, &name)?;
        settle::write_asked(tx, &found, now_ms)?.ok_or_else(|| {
            Fault::new("ThrottlingException", format!("Too many runs of {name} wait already.")).status(429)
        })
    });
    let run = asked.await?;
    app.schedules.asked(run.clone());
    Ok(run)
}

/// The schedule of this name.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(crate) fn find(tx: &Tx<'_>, scope: &Scope, name: &str) -> Result<Schedule, Fault> {
    schedules::find(tx, scope, name)?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Fault {
    Fault::new("ResourceNotFoundException", format!("Schedule {name} does not exist.")).status(404)
}

/// When a schedule that was read with its progress is next due.
pub(crate) fn next_ms(schedule: &Schedule, progress: &Progress) -> Option<i64> {
    let table = Timetable::of(schedule).ok().filter(|_| schedule.enabled)?;
    table.next(progress.through_ms)
}

fn invalid(text: impl Into<String>) -> Fault {
    Fault::new("ValidationException", text).status(400)
}

fn check(scope: &Scope, wanted: &Wanted) -> Result<(), Fault> {
    let Wanted { name, target, description, start_ms, end_ms, window_minutes, .. } = wanted;
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_good) {
        let text =
            format!("{name:?} is no name: up to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.` are.");
        return Err(invalid(text));
    }
    if description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(invalid(format!("A description has at most {DESCRIPTION_CHARS_MAX} characters.")));
    }
    if start_ms.zip(*end_ms).is_some_and(|(start_ms, end_ms)| start_ms > end_ms) {
        return Err(invalid("The start of a schedule must not lie behind its end."));
    }
    if window_minutes.is_some_and(|minutes| !(1..=1_440).contains(&minutes)) {
        return Err(invalid("A flexible time window has 1 to 1440 minutes."));
    }
    if target.input.len() > INPUT_BYTES_MAX {
        return Err(invalid(format!("The input of a schedule has at most {INPUT_BYTES_MAX} bytes.")));
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&target.input) {
        return Err(invalid(format!("The input of a schedule that calls a function is JSON: {error}.")));
    }
    if target.retries > RETRIES_MAX {
        return Err(invalid(format!("A run is tried again at most {RETRIES_MAX} times.")));
    }
    if !AGE_S.contains(&(target.age_ms / 1_000)) {
        let (least, most) = (AGE_S.start(), AGE_S.end());
        return Err(invalid(format!("The age of a run is {least} to {most} seconds.")));
    }
    let topics = format!("arn:aws:sns:{}:{}:", scope.region, scope.account);
    match &target.dead_letter {
        Some(arn) if !arn.starts_with(&topics) => Err(invalid(format!(
            "The dead-letter target {arn} is not supported by Logboom: it is a topic, {topics}NAME. Without one, \
             what was given up is kept among Logboom's dead letters."
        ))),
        _ => Ok(()),
    }
}

fn write(tx: &mut Tx<'_>, scope: &Scope, wanted: Wanted, mode: Mode, now_ms: i64) -> Result<Schedule, Fault> {
    let before = schedules::find(tx, scope, &wanted.name)?;
    let id = match (&before, mode) {
        (Some(_), Mode::Create) => {
            let text = format!("Schedule {} already exists.", wanted.name);
            return Err(Fault::new("ConflictException", text).status(409));
        }
        (None, Mode::Update) => return Err(missing(&wanted.name)),
        (Some(before), _) => before.id,
        (None, _) if schedules::count(tx, scope, SCHEDULES_MAX)? >= SCHEDULES_MAX => {
            let text = format!("An account has at most {SCHEDULES_MAX} schedules in a region.");
            return Err(Fault::new("ServiceQuotaExceededException", text).status(402));
        }
        (None, _) => tx.next_id("schedule")?,
    };
    let same_times = before.as_ref().filter(|before| {
        (&before.expression, &before.time_zone, before.start_ms)
            == (&wanted.expression, &wanted.time_zone, wanted.start_ms)
    });
    let schedule = Schedule {
        id,
        name: wanted.name,
        scope: scope.clone(),
        expression: wanted.expression,
        time_zone: wanted.time_zone,
        start_ms: wanted.start_ms,
        end_ms: wanted.end_ms,
        enabled: wanted.enabled,
        target: wanted.target,
        description: wanted.description,
        delete_when_over: wanted.delete_when_over,
        window_minutes: wanted.window_minutes,
        created_ms: before.as_ref().map_or(now_ms, |before| before.created_ms),
        anchor_ms: same_times.map_or(now_ms, |before| before.anchor_ms),
        modified_ms: now_ms,
    };
    let mut progress = schedules::progress(tx, id)?.unwrap_or_default();
    match same_times {
        // What is due at this very moment is due, unless it was run already.
        None => progress.through_ms = progress.through_ms.max(now_ms - 1),
        // Nothing was due while it was off.
        Some(before) if !before.enabled => progress.through_ms = now_ms,
        Some(_) => {}
    }
    let table = Timetable::of(&schedule).map_err(invalid)?;
    if schedule.enabled && table.next(progress.through_ms).is_none() {
        let text = format!("{} in {} is never due from now on.", schedule.expression, schedule.time_zone);
        return Err(invalid(text));
    }
    schedules::put(tx, &schedule)?;
    schedules::advance(tx, id, &progress)?;
    Ok(schedule)
}
