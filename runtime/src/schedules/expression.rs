//! Owns when a schedule is due: `rate(...)`, `cron(...)` and `at(...)` as EventBridge Scheduler reads them, in a time
//! zone. Pure. Refuses to know schedules and the clock.

use chrono::NaiveDateTime;

use super::cron::Cron;
use super::zone::Zone;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The longest rate: ten years, so that no sum overflows.
const RATE_MS_MAX: i64 = 3_650 * DAY_MS;

/// How `at(...)` writes a time.
const AT_FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// When something is due.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// Every so many milliseconds, from a start on.
    Rate(i64),
    /// At the times a calendar pattern names.
    Cron(Box<Cron>),
    /// Once, at a time on the clock of the zone.
    At(NaiveDateTime),
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Expression, String> {
        let refuse = |why: String| format!("Invalid Schedule Expression {text}. {why}");
        let unknown = || refuse("There are rate(...), cron(...) and at(...).".to_owned());
        let (kind, rest) = text.split_once('(').ok_or_else(unknown)?;
        let inner = rest.strip_suffix(')').ok_or_else(|| refuse("It does not end in `)`.".to_owned()))?;
        match kind {
            "rate" => rate(inner).map_err(refuse),
            "cron" => Cron::parse(inner).map(|cron| Expression::Cron(Box::new(cron))).map_err(refuse),
            "at" => at(inner).map_err(refuse),
            _ => Err(unknown()),
        }
    }

    /// The first time after `after_ms` that it is due, epoch milliseconds; `None` when there is none. `from_ms` is
    /// where a rate begins, and is due itself.
    pub(crate) fn next(&self, after_ms: i64, zone: Zone, from_ms: i64) -> Option<i64> {
        match self {
            Expression::Rate(every_ms) => {
                let passed_ms = after_ms.checked_sub(from_ms)?;
                let rounds = if passed_ms < 0 { 0 } else { passed_ms / every_ms + 1 };
                from_ms.checked_add(rounds.checked_mul(*every_ms)?)
            }
            Expression::At(local) => Some(zone.instant_or_later(*local)?).filter(|due_ms| *due_ms > after_ms),
            Expression::Cron(cron) => zoned(cron, after_ms, zone),
        }
    }
}

/// Wall-clock times that a change of the clock repeats are due once, the first time; those it leaves out are not due.
fn zoned(cron: &Cron, after_ms: i64, zone: Zone) -> Option<i64> {
    let mut local = zone.local(after_ms)?;
    loop {
        local = cron.next(local)?;
        if let Some(due_ms) = zone.instant(local)
            && due_ms > after_ms
        {
            return Some(due_ms);
        }
    }
}

fn rate(inner: &str) -> Result<Expression, String> {
    let wanted = "A rate is `rate(value unit)` with minutes, hours or days.";
    let mut words = inner.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err(wanted.to_owned());
    };
    let unit_ms = match unit {
        "minute" | "minutes" => MINUTE_MS,
        "hour" | "hours" => 60 * MINUTE_MS,
        "day" | "days" => DAY_MS,
        _ => return Err(wanted.to_owned()),
    };
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<i64>().ok().filter(|value| digits && *value > 0) {
        Some(value) => match value.checked_mul(unit_ms).filter(|ms| *ms <= RATE_MS_MAX) {
            Some(every_ms) => Ok(Expression::Rate(every_ms)),
            None => Err(format!("A rate is at most {} days.", RATE_MS_MAX / DAY_MS)),
        },
        None => Err(format!("The value of a rate is a positive whole number, not {value}.")),
    }
}

fn at(inner: &str) -> Result<Expression, String> {
    let time = NaiveDateTime::parse_from_str(inner, AT_FORMAT).ok();
    // The parser takes 1 for 01, and second 60.
    let exact = time.filter(|time| time.format(AT_FORMAT).to_string() == inner && !inner.ends_with(":60"));
    exact.map(Expression::At).ok_or_else(|| format!("A time is at(yyyy-mm-ddThh:mm:ss), not {inner}."))
}

#[cfg(test)]
mod tests;
