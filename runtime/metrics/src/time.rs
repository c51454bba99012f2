//! Owns how moments are written in alarm texts. Refuses to know what time it is.

use chrono::{DateTime, Datelike, Timelike, Utc};

fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// `2026-02-26T10:14:11.000+0000`, as in StateReasonData, history and notifications.
pub fn iso(ms: i64) -> String {
    let m = moment(ms);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+0000",
        m.year(),
        m.month(),
        m.day(),
        m.hour(),
        m.minute(),
        m.second(),
        m.timestamp_subsec_millis()
    )
}

/// `26/02/26 10:14:00`: day, month, year, as in StateReason.
pub fn short(ms: i64) -> String {
    let m = moment(ms);
    format!(
        "{:02}/{:02}/{:02} {:02}:{:02}:{:02}",
        m.day(),
        m.month(),
        m.year().rem_euclid(100),
        m.hour(),
        m.minute(),
        m.second()
    )
}

/// The largest multiple of `step_ms` that is not after `ms`.
pub fn floor(ms: i64, step_ms: i64) -> i64 {
    ms.div_euclid(step_ms) * step_ms
}

/// As far from 1970 as moments of requests go, either way: differences of two never overflow.
const MOMENT_MAX_MS: i64 = 8_000_000_000_000_000;

/// Epoch seconds of a request (may have a fraction) to milliseconds; absurd values saturate.
pub fn from_seconds(seconds: f64) -> i64 {
    ((seconds * 1000.0).round() as i64).clamp(-MOMENT_MAX_MS, MOMENT_MAX_MS)
}

/// Milliseconds to the epoch seconds an answer carries.
pub fn to_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_moments() {
        assert_eq!(iso(1_691_152_575_490), "2023-08-04T12:36:15.490+0000");
        assert_eq!(short(1_691_152_575_490), "04/08/23 12:36:15");
        assert_eq!(iso(0), "1970-01-01T00:00:00.000+0000");
    }

    #[test]
    fn floors_towards_the_past() {
        assert_eq!(floor(119_999, 60_000), 60_000);
        assert_eq!(floor(-1, 60_000), -60_000);
        assert_eq!(from_seconds(1.5), 1500);
        assert_eq!(from_seconds(-1e300), -MOMENT_MAX_MS);
        assert_eq!(from_seconds(f64::NAN), 0);
    }
}
