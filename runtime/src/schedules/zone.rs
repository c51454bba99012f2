//! Owns time zones: from a moment to the clock on the wall and back. Refuses to know what is due.

use std::str::FromStr as _;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

/// Minutes that are tried behind a time that does not exist: the longest gap there was is a day.
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// A zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone(Tz);

impl Zone {
    /// The zone of an IANA name.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn parse(name: &str) -> Result<Zone, String> {
        let found = Tz::from_str(name).map(Zone);
        found.map_err(|_| format!("{name} is not the name of a time zone, as in Europe/Berlin or UTC."))
    }

    /// What the clock on the wall shows.
    pub(crate) fn local(self, ms: i64) -> Option<NaiveDateTime> {
        Some(DateTime::from_timestamp_millis(ms)?.with_timezone(&self.0).naive_local())
    }

    /// When the clock shows this, the first time where it does so twice; `None` where it never does.
    pub(crate) fn instant(self, local: NaiveDateTime) -> Option<i64> {
        self.0.from_local_datetime(&local).earliest().map(|time| time.timestamp_millis())
    }

    /// As [`Zone::instant`]; for a time that is left out, when the clock goes on behind it.
    pub(crate) fn instant_or_later(self, local: NaiveDateTime) -> Option<i64> {
        if let Some(ms) = self.instant(local) {
            return Some(ms);
        }
        // Clocks change at whole minutes.
        let minute =
            local.checked_sub_signed(TimeDelta::milliseconds(local.and_utc().timestamp_millis() % 60_000))?;
        (1..=GAP_MINUTES_MAX)
            .find_map(|minutes| self.instant(minute.checked_add_signed(TimeDelta::minutes(minutes))?))
    }
}
