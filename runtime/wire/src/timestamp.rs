//! Timestamps as protocols spell them. Works on epoch seconds as `f64` and on texts; never reads a clock.

use chrono::{DateTime, SecondsFormat, TimeZone as _, Utc};

/// Epoch seconds of an ISO 8601 text with offset, of one without (taken as UTC), or of a plain number.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(seconds(time.with_timezone(&Utc)));
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%SZ"] {
        if let Ok(time) =
            chrono::NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), form.trim_end_matches('Z'))
        {
            return Some(seconds(time.and_utc()));
        }
    }
    if let Ok(day) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return day.and_hms_opt(0, 0, 0).map(|time| seconds(time.and_utc()));
    }
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return Some(seconds(time.with_timezone(&Utc)));
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

/// `2026-01-31T12:00:00Z`, with milliseconds where there are any; `None` outside chrono's years.
pub(crate) fn iso(epoch_seconds: f64) -> Option<String> {
    let millis = (epoch_seconds * 1000.0).round();
    if millis.abs() > 1e15 {
        return None;
    }
    let time = Utc.timestamp_millis_opt(millis as i64).single()?;
    let form = if time.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    Some(time.to_rfc3339_opts(form, true))
}

/// The form of `X-Amz-Date`, `20260131T120000Z`, from epoch milliseconds.
pub(crate) fn basic(epoch_ms: i64) -> String {
    Utc.timestamp_millis_opt(epoch_ms)
        .single()
        .map_or_else(String::new, |time| time.format("%Y%m%dT%H%M%SZ").to_string())
}

/// Epoch milliseconds of `20260131T120000Z`.
pub(crate) fn parse_basic(text: &str) -> Option<i64> {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
    Some(time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_clients_use() {
        for (text, expected) in [
            ("2026-01-31T12:00:00Z", Some(1_769_860_800.0)),
            ("2026-01-31T12:00:00.250Z", Some(1_769_860_800.25)),
            ("2026-01-31T13:00:00+01:00", Some(1_769_860_800.0)),
            ("2026-01-31T12:00:00", Some(1_769_860_800.0)),
            ("2026-01-31", Some(1_769_817_600.0)),
            ("1769860800", Some(1_769_860_800.0)),
            ("1769860800.5", Some(1_769_860_800.5)),
            ("Sat, 31 Jan 2026 12:00:00 GMT", Some(1_769_860_800.0)),
            ("yesterday", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn written_forms() {
        assert_eq!(iso(1_769_860_800.0).as_deref(), Some("2026-01-31T12:00:00Z"));
        assert_eq!(iso(1_769_860_800.25).as_deref(), Some("2026-01-31T12:00:00.250Z"));
        assert_eq!(iso(f64::INFINITY), None);
        assert_eq!(basic(1_769_860_800_000), "20260131T120000Z");
        assert_eq!(parse_basic("20260131T120000Z"), Some(1_769_860_800_000));
        assert_eq!(parse_basic("20260131T120000"), None);
    }
}
