//! Owns AWS's rules for one PutLogEvents batch, as a pure check that takes `now`.
//! Refuses to know where the batch goes.
//!
//! Source: API reference of PutLogEvents ("The maximum batch size is 1,048,576 bytes ... sum of all
//! event messages in UTF-8, plus 26 bytes for each log event"; at most 10,000 events; 2 hours in the
//! future; 14 days or the retention in the past; chronological order; 24 hours of span).

use std::fmt;
use std::ops::Range;

use crate::limits::EVENT_OVERHEAD_BYTES;

/// The most events of one batch.
pub const EVENTS_MAX: usize = 10_000;
/// The most bytes of one batch: messages plus 26 for each event.
pub const BYTES_MAX: u64 = 1_048_576;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const SPAN_MS_MAX: i64 = DAY_MS;
const AHEAD_MS_MAX: i64 = 2 * HOUR_MS;
const AGE_MS_MAX: i64 = 14 * DAY_MS;

/// Which events were left out, in the numbers of AWS's `RejectedLogEventsInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Index of the first event more than two hours ahead; it and all behind it are left out.
    pub too_new_start: Option<usize>,
    /// Index behind the last event older than 14 days.
    pub too_old_end: Option<usize>,
    /// Index behind the last event older than the retention of the group.
    pub expired_end: Option<usize>,
}

impl Rejected {
    /// True when every event was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The outcome of a batch that keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The events to store, by index into the batch; may be empty.
    pub range: Range<usize>,
    /// The events left out.
    pub rejected: Rejected,
}

/// A batch that is refused as a whole (`InvalidParameterException`); `Display` is AWS's message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// No event at all.
    Empty,
    /// More than 10,000 events.
    TooMany,
    /// More than 1,048,576 bytes.
    TooLarge {
        /// The size as AWS counts it.
        bytes: u64,
    },
    /// The event at this index has no message.
    EmptyMessage {
        /// 0-based.
        index: usize,
    },
    /// The event at this index has a timestamp below 0.
    NegativeTimestamp {
        /// 0-based.
        index: usize,
    },
    /// An event is older than the one before it.
    NotChronological,
    /// More than 24 hours between the first and the last event.
    SpanTooLong,
}

impl BatchError {
    /// AWS's error code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "InvalidParameterException"
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str(
                "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1",
            ),
            Self::TooMany => out.write_str(
                "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: \
                 Member must have length less than or equal to 10000",
            ),
            Self::TooLarge { bytes } => {
                write!(out, "Upload too large: {bytes} bytes exceeds limit of {BYTES_MAX}")
            }
            Self::EmptyMessage { index } => write!(
                out,
                "1 validation error detected: Value '' at 'logEvents.{}.member.message' failed to satisfy \
                 constraint: Member must have length greater than or equal to 1",
                index + 1
            ),
            Self::NegativeTimestamp { index } => write!(
                out,
                "1 validation error detected: Value at 'logEvents.{}.member.timestamp' failed to satisfy \
                 constraint: Member must have value greater than or equal to 0",
                index + 1
            ),
            Self::NotChronological => {
                out.write_str("Log events in a single PutLogEvents request must be in chronological order.")
            }
            Self::SpanTooLong => out.write_str(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
            ),
        }
    }
}

impl std::error::Error for BatchError {}

/// Applies the rules to the events of one request, given as (timestamp in ms, message length in bytes).
///
/// `retention_days` is the retention of the group; `None` keeps for ever.
///
/// # Errors
/// A [`BatchError`] refuses the whole batch.
pub fn check<I>(now_ms: i64, retention_days: Option<u32>, events: I) -> Result<Accepted, BatchError>
where
    I: IntoIterator<Item = (i64, usize)>,
{
    let oldest = now_ms.saturating_sub(AGE_MS_MAX);
    let expired = match retention_days {
        Some(days) => now_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS)),
        None => i64::MIN,
    };
    let newest = now_ms.saturating_add(AHEAD_MS_MAX);
    let (mut count, mut bytes) = (0_usize, 0_u64);
    let (mut too_old_end, mut expired_end, mut too_new_start) = (0, 0, None);
    let mut span: Option<(i64, i64)> = None;
    for (index, (timestamp, length)) in events.into_iter().enumerate() {
        if length == 0 {
            return Err(BatchError::EmptyMessage { index });
        }
        if timestamp < 0 {
            return Err(BatchError::NegativeTimestamp { index });
        }
        let (first, last) = span.unwrap_or((timestamp, timestamp));
        if timestamp < last {
            return Err(BatchError::NotChronological);
        }
        span = Some((first, timestamp));
        count = index + 1;
        bytes += length as u64 + EVENT_OVERHEAD_BYTES;
        if timestamp < oldest {
            too_old_end = count;
        }
        if timestamp < expired {
            expired_end = count;
        }
        if timestamp > newest && too_new_start.is_none() {
            too_new_start = Some(index);
        }
    }
    let Some((first, last)) = span else { return Err(BatchError::Empty) };
    if count > EVENTS_MAX {
        return Err(BatchError::TooMany);
    }
    if bytes > BYTES_MAX {
        return Err(BatchError::TooLarge { bytes });
    }
    if last.saturating_sub(first) > SPAN_MS_MAX {
        return Err(BatchError::SpanTooLong);
    }
    let start = too_old_end.max(expired_end);
    let end = too_new_start.unwrap_or(count);
    let some = |index: usize| (index > 0).then_some(index);
    let rejected = Rejected { too_new_start, too_old_end: some(too_old_end), expired_end: some(expired_end) };
    Ok(Accepted { range: start.min(end)..end, rejected })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_129_200_000;

    fn run(retention: Option<u32>, times: &[i64]) -> Result<Accepted, BatchError> {
        check(NOW, retention, times.iter().map(|&time| (time, 10)))
    }

    fn accepted(
        range: Range<usize>,
        new: Option<usize>,
        old: Option<usize>,
        gone: Option<usize>,
    ) -> Result<Accepted, BatchError> {
        let rejected = Rejected { too_new_start: new, too_old_end: old, expired_end: gone };
        Ok(Accepted { range, rejected })
    }

    #[test]
    fn times_decide_what_is_taken() {
        type Case<'a> = (Option<u32>, &'a [i64], Result<Accepted, BatchError>);
        let table: &[Case<'_>] = &[
            (None, &[NOW], accepted(0..1, None, None, None)),
            (None, &[NOW, NOW], accepted(0..2, None, None, None)),
            (None, &[NOW + AHEAD_MS_MAX], accepted(0..1, None, None, None)),
            (None, &[NOW, NOW + AHEAD_MS_MAX + 1], accepted(0..1, Some(1), None, None)),
            (None, &[NOW + AHEAD_MS_MAX + 1], accepted(0..0, Some(0), None, None)),
            (None, &[NOW - AGE_MS_MAX], accepted(0..1, None, None, None)),
            (None, &[NOW - AGE_MS_MAX - 1, NOW - AGE_MS_MAX], accepted(1..2, None, Some(1), None)),
            (None, &[NOW - AGE_MS_MAX - 1], accepted(1..1, None, Some(1), None)),
            (Some(1), &[NOW - DAY_MS - 1, NOW - DAY_MS], accepted(1..2, None, None, Some(1))),
            (Some(30), &[NOW - AGE_MS_MAX - 1], accepted(1..1, None, Some(1), None)),
            (Some(1), &[NOW - AGE_MS_MAX - 1], accepted(1..1, None, Some(1), Some(1))),
            (None, &[NOW - SPAN_MS_MAX, NOW], accepted(0..2, None, None, None)),
            (None, &[NOW - SPAN_MS_MAX - 1, NOW], Err(BatchError::SpanTooLong)),
            (None, &[NOW, NOW - 1], Err(BatchError::NotChronological)),
            (None, &[-1], Err(BatchError::NegativeTimestamp { index: 0 })),
            (None, &[], Err(BatchError::Empty)),
        ];
        for (retention, times, expected) in table {
            assert_eq!(&run(*retention, times), expected, "{retention:?} {times:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_to_the_byte_and_the_event() {
        let check = |lengths: Vec<usize>| check(NOW, None, lengths.into_iter().map(|length| (NOW, length)));
        assert!(check(vec![1; EVENTS_MAX]).is_ok());
        assert_eq!(check(vec![1; EVENTS_MAX + 1]), Err(BatchError::TooMany));
        assert!(check(vec![1_048_576 - 26]).is_ok());
        assert_eq!(check(vec![1_048_576 - 25]), Err(BatchError::TooLarge { bytes: 1_048_577 }));
        assert_eq!(check(vec![3, 0]), Err(BatchError::EmptyMessage { index: 1 }));
        assert_eq!(check(vec![524_288 - 26; 2]).map(|accepted| accepted.range), Ok(0..2));
    }

    #[test]
    fn the_messages_are_those_of_aws() {
        assert_eq!(
            BatchError::NotChronological.to_string(),
            "Log events in a single PutLogEvents request must be in chronological order."
        );
        assert!(BatchError::EmptyMessage { index: 1 }.to_string().contains("'logEvents.2.member.message'"));
    }
}
