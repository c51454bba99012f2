//! Owns the numbers that identify log data: groups, streams, segments, positions and event ids.
//! Refuses to know names: a group is a number here, so that a name never reaches a path or a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A log group. Given by the metadata, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u64);

/// A log stream. Given by the metadata, unique over all groups, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u64);

/// A sealed segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(pub u64);

/// Where an event stands in the order of arrival. `seq` has no gaps inside a shard at the time
/// of writing; deletion and retention may take events away later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The intake that took the event; always 0 on one machine.
    pub shard: u32,
    /// The number of the event in that intake, from 0.
    pub seq: u64,
}

impl Position {
    /// A position in the only shard there is on one machine.
    #[must_use]
    pub const fn at(seq: u64) -> Self {
        Self { shard: 0, seq }
    }
}

/// The id of one event, as AWS shows it: 56 decimal digits whose text order is the order of
/// (timestamp, position).
///
/// The digits: `1`, five zeros, the timestamp plus 2^63 in 20 digits, the shard in 10, the seq in 20.
/// It is also the token from which a [`crate::ScanRequest`] goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Where the event stands in the order of arrival.
    pub position: Position,
}

const PREFIX: &str = "100000";
const DIGITS: usize = 56;
const SIGN: u64 = 1 << 63;

impl EventId {
    /// The id of the event with this timestamp and number.
    #[must_use]
    pub const fn new(timestamp_ms: i64, position: Position) -> Self {
        Self { timestamp_ms, position }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.timestamp_ms.cast_unsigned() ^ SIGN;
        write!(out, "{PREFIX}{time:020}{:010}{:020}", self.position.shard, self.position.seq)
    }
}

/// The text is not an event id of this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEventId;

impl fmt::Display for NotAnEventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("not an event id: 56 digits are expected")
    }
}

impl std::error::Error for NotAnEventId {}

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        if text.len() != DIGITS
            || !text.bytes().all(|byte| byte.is_ascii_digit())
            || !text.starts_with(PREFIX)
        {
            return Err(NotAnEventId);
        }
        let time: u64 = text[6..26].parse().map_err(|_| NotAnEventId)?;
        let shard = text[26..36].parse().map_err(|_| NotAnEventId)?;
        let seq = text[36..56].parse().map_err(|_| NotAnEventId)?;
        Ok(Self { timestamp_ms: (time ^ SIGN).cast_signed(), position: Position { shard, seq } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_id_reads_back_and_sorts_as_time_then_position(
            a in any::<(i64, u32, u64)>(), b in any::<(i64, u32, u64)>(), same_time in any::<bool>()
        ) {
            let first = EventId::new(a.0, Position { shard: a.1, seq: a.2 });
            let time = if same_time { a.0 } else { b.0 };
            let second = EventId::new(time, Position { shard: b.1, seq: b.2 });
            let text = first.to_string();
            prop_assert_eq!(text.len(), DIGITS);
            prop_assert_eq!(text.parse::<EventId>(), Ok(first));
            prop_assert_eq!(text.cmp(&second.to_string()), first.cmp(&second));
        }
    }

    #[test]
    fn other_texts_are_not_event_ids() {
        let good = EventId::new(1_700_000_000_000, Position::at(7)).to_string();
        let overflow = format!("{PREFIX}{}", "9".repeat(50));
        for text in
            ["", "1", &good[1..], &good.replace('7', "x"), &"0".repeat(56), &overflow, &"é".repeat(28)]
        {
            assert_eq!(text.parse::<EventId>(), Err(NotAnEventId), "{text}");
        }
    }
}
