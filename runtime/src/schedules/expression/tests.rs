//! Expressions against the examples AWS documents, against a calendar of ours, and in zones whose clocks change.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, Timelike as _, Weekday};
use proptest::prelude::*;

use super::*;

fn ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn shown(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%MZ").to_string()
}

/// The first `count` times after `after` that `expression` is due.
fn due(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let (parsed, zone) = (Expression::parse(expression).unwrap(), Zone::parse(zone).unwrap());
    let mut at = ms(after);
    let from = at;
    let next = || {
        at = parsed.next(at, zone, from)?;
        Some(shown(at))
    };
    std::iter::from_fn(next).take(count).collect()
}

#[test]
fn the_examples_of_aws_are_due_when_it_says() {
    // 2026-01-01 is a Thursday.
    let start = "2026-01-01T00:00:00Z";
    for (expression, want) in [
        ("cron(15 10 * * ? *)", &["2026-01-01T10:15Z", "2026-01-02T10:15Z"][..]),
        ("cron(0 18 ? * MON-FRI *)", &["2026-01-01T18:00Z", "2026-01-02T18:00Z", "2026-01-05T18:00Z"]),
        ("cron(0 8 1 * ? *)", &["2026-01-01T08:00Z", "2026-02-01T08:00Z"]),
        ("cron(0/10 * ? * MON-FRI *)", &["2026-01-01T00:10Z", "2026-01-01T00:20Z"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", &["2026-01-01T08:00Z", "2026-01-01T08:05Z"]),
        ("cron(15 10 ? * 6L 2022-2027)", &["2026-01-30T10:15Z", "2026-02-27T10:15Z"]),
        ("cron(15 12 ? * 6#3 *)", &["2026-01-16T12:15Z", "2026-02-20T12:15Z"]),
        ("cron(0 9 ? * 2#1 *)", &["2026-01-05T09:00Z", "2026-02-02T09:00Z"]),
        ("cron(0 0 L * ? *)", &["2026-01-31T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"]),
        ("cron(0 0 LW * ? *)", &["2026-01-30T00:00Z", "2026-02-27T00:00Z", "2026-03-31T00:00Z"]),
        ("cron(0 0 3W * ? *)", &["2026-01-02T00:00Z", "2026-02-03T00:00Z", "2026-03-03T00:00Z"]),
        ("cron(0 0 1W * ? *)", &["2026-02-02T00:00Z", "2026-03-02T00:00Z", "2026-04-01T00:00Z"]),
        ("cron(0 12 ? jan,FEB 1 2026-2026)", &["2026-01-04T12:00Z", "2026-01-11T12:00Z"]),
        ("cron(0 0 ? * L *)", &["2026-01-03T00:00Z", "2026-01-10T00:00Z"]),
        ("cron(30 0 29 2 ? *)", &["2028-02-29T00:30Z", "2032-02-29T00:30Z"]),
        ("rate(1 minute)", &["2026-01-01T00:01Z", "2026-01-01T00:02Z"]),
        ("rate(5 minutes)", &["2026-01-01T00:05Z", "2026-01-01T00:10Z"]),
        ("rate(7 days)", &["2026-01-08T00:00Z", "2026-01-15T00:00Z"]),
    ] {
        assert_eq!(due(expression, "UTC", start, want.len()), want, "{expression}");
    }
    assert_eq!(due("at(2026-12-24T18:00:00)", "UTC", start, 9), ["2026-12-24T18:00Z"]);
    assert_eq!(due("at(2026-12-24T18:00:00)", "Europe/Berlin", start, 9), ["2026-12-24T17:00Z"]);
    for never in
        ["at(2025-12-31T00:00:00)", "cron(0 0 31 2 ? *)", "cron(0 0 * * ? 2025)", "cron(0 0 1 1 ? 1970-2025)"]
    {
        assert_eq!(due(never, "UTC", start, 1), [""; 0], "{never}");
    }
}

#[test]
fn a_rate_is_due_at_its_start_and_keeps_its_beat() {
    let rate = Expression::parse("rate(1 hour)").unwrap();
    let (utc, from) = (Zone::parse("UTC").unwrap(), ms("2026-01-01T00:20:00Z"));
    let next = |after| rate.next(ms(after), utc, from).map(shown).unwrap();
    assert_eq!(next("2025-12-31T00:00:00Z"), "2026-01-01T00:20Z");
    assert_eq!(next("2026-01-01T00:19:59Z"), "2026-01-01T00:20Z");
    assert_eq!(next("2026-01-01T00:20:00Z"), "2026-01-01T01:20Z");
    assert_eq!(next("2026-03-05T17:19:59Z"), "2026-03-05T17:20Z");
}

#[test]
fn what_aws_refuses_is_refused_with_a_reason() {
    for (bad, why) in [
        ("", "rate(...), cron(...) and at(...)"),
        ("every day", "rate(...)"),
        ("Rate(1 day)", "rate(...)"),
        ("rate(1 day", "`)`"),
        ("rate(0 minutes)", "positive"),
        ("rate(-1 minutes)", "positive"),
        ("rate(+1 minutes)", "positive"),
        ("rate(1.5 hours)", "positive"),
        ("rate(5)", "value unit"),
        ("rate(5 seconds)", "minutes, hours or days"),
        ("rate(5 weeks)", "minutes, hours or days"),
        ("rate(3651 days)", "at most"),
        ("rate(9223372036854775807 days)", "at most"),
        ("cron(0 12 * * ?)", "5 fields"),
        ("cron(0 0 12 * * ? *)", "7 fields"),
        ("cron(0 12 * * * *)", "must be `?`"),
        ("cron(0 12 1 * 2 *)", "must be `?`"),
        ("cron(0 12 ? * ? *)", "must say something"),
        ("cron(60 12 * * ? *)", "no minutes (0 to 59"),
        ("cron(-1 12 * * ? *)", "no minutes"),
        ("cron(? 12 * * ? *)", "no minutes"),
        ("cron(0 24 * * ? *)", "no hours"),
        ("cron(0 12 32 * ? *)", "no day-of-month"),
        ("cron(0 12 0 * ? *)", "no day-of-month"),
        ("cron(0 12 L-3 * ? *)", "no day-of-month"),
        ("cron(0 12 1W,15W * ? *)", "no day-of-month"),
        ("cron(0 12 * 13 ? *)", "no month"),
        ("cron(0 12 * JANUARY ? *)", "no month"),
        ("cron(0 12 ? * 0 *)", "no day-of-week"),
        ("cron(0 12 ? * 8 *)", "no day-of-week"),
        ("cron(0 12 ? * 6#6 *)", "no day-of-week"),
        ("cron(0 12 ? * 3#1,6#3 *)", "no day-of-week"),
        ("cron(0 12 ? * FRI-MON *)", "no day-of-week"),
        ("cron(0 12 * * ? 1969)", "no year"),
        ("cron(0 12 * * ? 2200)", "no year"),
        ("cron(0 12 * * ? L)", "no year"),
        ("cron(*/0 12 * * ? *)", "no minutes"),
        ("cron(5-1 12 * * ? *)", "no minutes"),
        ("cron(1,,2 12 * * ? *)", "no minutes"),
        ("cron(@daily)", "1 fields"),
        ("at(2026-12-24)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-12-24T18:00:00Z)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-02-30T18:00:00)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-1-2T18:00:00)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-12-24T23:59:60)", "yyyy-mm-ddThh:mm:ss"),
    ] {
        let error = Expression::parse(bad).unwrap_err();
        assert!(
            error.starts_with(&format!("Invalid Schedule Expression {bad}.")) && error.contains(why),
            "{error}"
        );
    }
    assert!(Zone::parse("Europe/Berlin").is_ok() && Zone::parse("America/New_York").is_ok());
    assert!(Zone::parse("Middle/Earth").unwrap_err().contains("Middle/Earth"));
}

/// As EventBridge Scheduler documents it: a time that the clock leaves out in spring is skipped, one that it shows
/// twice in autumn is due once.
#[test]
fn clocks_that_change_skip_and_never_repeat() {
    let daily = |zone, after, count| due("cron(30 2 * * ? *)", zone, after, count);
    // Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00.
    let spring = daily("Europe/Berlin", "2026-03-27T12:00:00Z", 3);
    assert_eq!(spring, ["2026-03-28T01:30Z", "2026-03-30T00:30Z", "2026-03-31T00:30Z"]);
    let autumn = daily("Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    assert_eq!(autumn, ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]);
    // New York: 2026-03-08 02:00 -> 03:00, 2026-11-01 02:00 -> 01:00.
    let hourly = due("cron(0 * * * ? *)", "America/New_York", "2026-03-08T05:30:00Z", 3);
    assert_eq!(hourly, ["2026-03-08T06:00Z", "2026-03-08T07:00Z", "2026-03-08T08:00Z"]);
    let hourly = due("cron(0 * * * ? *)", "America/New_York", "2026-11-01T04:30:00Z", 3);
    assert_eq!(hourly, ["2026-11-01T05:00Z", "2026-11-01T07:00Z", "2026-11-01T08:00Z"]);
    // Lord Howe: half an hour, 2026-04-05 02:00 -> 01:30.
    let howe = due("cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2);
    assert_eq!(howe, ["2026-04-04T14:45Z", "2026-04-05T15:15Z"]);
    // A rate counts hours, not the clock on the wall.
    let rate = due("rate(24 hours)", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
    assert_eq!(rate, ["2026-03-29T12:00Z", "2026-03-30T12:00Z"]);
    // What is to happen once happens when the clock goes on.
    assert_eq!(
        due("at(2026-03-29T02:30:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", 2),
        ["2026-03-29T01:00Z"]
    );
    assert_eq!(
        due("at(2011-12-30T12:00:00)", "Pacific/Apia", "2011-01-01T00:00:00Z", 2),
        ["2011-12-30T10:00Z"]
    );
}

/// A day-of-month or day-of-week field, and which days it means: written without looking at the parser.
type Days_ = (&'static str, fn(NaiveDate) -> bool);

fn last(day: NaiveDate) -> u32 {
    (1..=31).rev().find(|d| NaiveDate::from_ymd_opt(day.year(), day.month(), *d).is_some()).unwrap()
}

fn is_work(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The workday of the month nearest to its day `wanted`.
fn nearest_work(day: NaiveDate, wanted: u32) -> bool {
    let Some(target) = NaiveDate::from_ymd_opt(day.year(), day.month(), wanted) else { return false };
    let tried =
        [0i64, -1, 1, -2, 2].map(|by| target.checked_add_signed(chrono::TimeDelta::days(by)).unwrap());
    tried.into_iter().find(|d| d.month() == target.month() && is_work(*d)) == Some(day)
}

const DAYS: &[Days_] = &[
    ("* * ?", |_| true),
    ("1,15 * ?", |d| matches!(d.day(), 1 | 15)),
    ("*/10 * ?", |d| d.day() % 10 == 1),
    ("5-20/7 * ?", |d| matches!(d.day(), 5 | 12 | 19)),
    ("28/2 * ?", |d| matches!(d.day(), 28 | 30)),
    ("31 * ?", |d| d.day() == 31),
    ("L * ?", |d| d.day() == last(d)),
    ("LW * ?", |d| is_work(d) && (d.day() + 1..=last(d)).all(|n| !is_work(d.with_day(n).unwrap()))),
    ("1W * ?", |d| nearest_work(d, 1)),
    ("15W * ?", |d| nearest_work(d, 15)),
    ("31W * ?", |d| nearest_work(d, 31)),
    ("29 2 ?", |d| d.day() == 29 && d.month() == 2),
    ("1 */5 ?", |d| d.day() == 1 && matches!(d.month(), 1 | 6 | 11)),
    ("? * SUN", |d| d.weekday() == Weekday::Sun),
    ("? * 2-6", is_work),
    ("? JUN-AUG TUE,THU", |d| {
        (6..=8).contains(&d.month()) && matches!(d.weekday(), Weekday::Tue | Weekday::Thu)
    }),
    ("? * */3", |d| matches!(d.weekday(), Weekday::Sun | Weekday::Wed | Weekday::Sat)),
    ("? * 2/2", |d| matches!(d.weekday(), Weekday::Mon | Weekday::Wed | Weekday::Fri)),
    ("? * 6L", |d| d.weekday() == Weekday::Fri && d.day() + 7 > last(d)),
    ("? * 1L", |d| d.weekday() == Weekday::Sun && d.day() + 7 > last(d)),
    ("? * L", |d| d.weekday() == Weekday::Sat),
    ("? * 3#5", |d| d.weekday() == Weekday::Tue && (29..=31).contains(&d.day())),
    ("? * SAT#1", |d| d.weekday() == Weekday::Sat && d.day() <= 7),
];

fn expected(
    days: fn(NaiveDate) -> bool,
    (minute, hour): (u32, u32),
    after: NaiveDateTime,
) -> Option<NaiveDateTime> {
    let mut day = after.date();
    for _ in 0..366 * 9 {
        let time = day.and_hms_opt(hour, minute, 0).unwrap();
        if days(day) && time > after {
            return Some(time);
        }
        day = day.checked_add_days(Days::new(1)).unwrap();
    }
    None
}

proptest! {
    #[test]
    fn days_are_those_of_the_calendar(
        which in 0..DAYS.len(), minute in 0u32..60, hour in 0u32..24, after_s in 946_684_800i64..4_102_444_800,
    ) {
        let (fields, days) = DAYS[which];
        let cron = Cron::parse(&format!("{minute} {hour} {fields} *")).unwrap();
        let after = DateTime::from_timestamp(after_s, 0).unwrap().naive_utc();
        prop_assert_eq!(cron.next(after), expected(days, (minute, hour), after), "{} after {}", fields, after);
    }

    #[test]
    fn what_is_next_lies_ahead_and_nothing_lies_between(
        which in 0..DAYS.len(), zone in 0usize..6, after_ms in 946_684_800_000i64..4_102_444_800_000, ahead_ms in 0i64..86_400_000 * 40,
    ) {
        let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"];
        let zone = Zone::parse(zones[zone]).unwrap();
        let expression = Expression::parse(&format!("cron(*/20 1-3 {} *)", DAYS[which].0)).unwrap();
        if let Some(due_ms) = expression.next(after_ms, zone, 0) {
            prop_assert!(due_ms > after_ms);
            // Asked from anywhere before it, the answer is the same.
            let between_ms = (after_ms + ahead_ms).min(due_ms - 1);
            prop_assert_eq!(expression.next(between_ms, zone, 0), Some(due_ms));
            let local = zone.local(due_ms).unwrap();
            prop_assert!(DAYS[which].1(local.date()) && (1..=3).contains(&local.hour()));
            prop_assert!(local.minute().is_multiple_of(20));
        }
    }

    #[test]
    fn rates_advance_by_their_period(every in 1i64..10_000, from_ms in 0i64..4_102_444_800_000, after_ms in 0i64..4_102_444_800_000) {
        let rate = Expression::parse(&format!("rate({every} minutes)")).unwrap();
        let due_ms = rate.next(after_ms, Zone::parse("UTC").unwrap(), from_ms).unwrap();
        prop_assert!(due_ms > after_ms && due_ms >= from_ms && (due_ms - from_ms) % (every * 60_000) == 0);
        prop_assert!(due_ms == from_ms || due_ms - every * 60_000 <= after_ms);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(cron|rate|at)\\([-0-9A-Z*?/,#LW :T]{0,40}\\)|.{0,30}") {
        let _read = Expression::parse(&text);
    }
}
