//! Owns the batch an append takes: one buffer of message bytes with its timestamps.
//! Refuses to know AWS's rules (see `batch`) and formats.

use std::ops::Range;

use crate::id::{GroupId, StreamId};
use crate::limits::EVENT_OVERHEAD_BYTES;

/// Events that are stored together: all of them or none.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The group of the stream.
    pub group: GroupId,
    /// The stream that takes the events.
    pub stream: StreamId,
    /// When the events came in, ms since 1970.
    pub ingestion_ms: i64,
    /// How many deliveries stand between the first cause and these events; 0 = a client wrote them.
    pub hop: u8,
    /// The events. They are stored in the order of their timestamps, equal ones as they stand here.
    pub events: Events,
}

/// Timestamps and messages, the messages in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    pub(crate) timestamps: Vec<i64>,
    /// Where each message ends in `text`.
    pub(crate) ends: Vec<u32>,
    pub(crate) text: Vec<u8>,
}

impl Events {
    /// Room for this many events and bytes of messages.
    #[must_use]
    pub fn with_capacity(events: usize, bytes: usize) -> Self {
        Self {
            timestamps: Vec::with_capacity(events),
            ends: Vec::with_capacity(events),
            text: Vec::with_capacity(bytes),
        }
    }

    /// Events out of their parts: `ends` says where each message ends in `text`. `None` when they do not fit together.
    #[must_use]
    pub fn from_parts(timestamps: Vec<i64>, ends: Vec<u32>, text: Vec<u8>) -> Option<Self> {
        let fits = timestamps.len() == ends.len()
            && ends.is_sorted()
            && ends.last().map_or(0, |end| *end as usize) == text.len();
        fits.then_some(Self { timestamps, ends, text })
    }

    /// Only the events in a range of indexes; all of them cost nothing.
    #[must_use]
    pub fn only(self, range: Range<usize>) -> Self {
        if range == (0..self.len()) {
            return self;
        }
        self.iter().skip(range.start).take(range.len()).collect()
    }

    /// Adds one event. Messages beyond 4 GiB in one batch are cut off by the append's size check.
    pub fn push(&mut self, timestamp_ms: i64, message: impl AsRef<[u8]>) {
        self.text.extend_from_slice(message.as_ref());
        self.timestamps.push(timestamp_ms);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// The number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// True without events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// What the events count as stored bytes: messages plus 26 for each event.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.text.len() as u64 + EVENT_OVERHEAD_BYTES * self.len() as u64
    }

    /// Timestamp and message, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let mut start = 0;
        self.timestamps.iter().zip(&self.ends).map(move |(&timestamp, &end)| {
            let message = &self.text[start..end as usize];
            start = end as usize;
            (timestamp, message)
        })
    }

    /// Gives back room that was reserved but not used, if it is worth a copy.
    pub(crate) fn fit(&mut self) {
        if self.text.capacity() > self.text.len() / 4 * 5 + 64 {
            self.text.shrink_to_fit();
        }
        self.timestamps.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Puts the events in the order of their timestamps, equal ones as they stand.
    pub(crate) fn sort(&mut self) {
        if self.timestamps.is_sorted() {
            return;
        }
        let mut rows: Vec<(i64, &[u8])> = self.iter().collect();
        rows.sort_by_key(|row| row.0);
        *self = rows.into_iter().collect();
    }
}

impl<M: AsRef<[u8]>> FromIterator<(i64, M)> for Events {
    fn from_iter<I: IntoIterator<Item = (i64, M)>>(rows: I) -> Self {
        let rows = rows.into_iter();
        let mut events = Self::with_capacity(rows.size_hint().0, 0);
        rows.for_each(|(timestamp, message)| events.push(timestamp, message));
        events
    }
}

impl<M: AsRef<[u8]>> From<Vec<(i64, M)>> for Events {
    fn from(rows: Vec<(i64, M)>) -> Self {
        rows.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fit_together_and_some_events_can_be_taken() {
        let parts = |ends: &[u32]| Events::from_parts(vec![1, 2, 3], ends.to_vec(), b"abc".to_vec());
        for bad in [&[1, 2][..], &[2, 1, 3], &[1, 2, 4], &[0, 1, 2]] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
        let events = parts(&[1, 1, 3]).unwrap();
        assert_eq!(events.clone().only(0..3), events);
        assert_eq!(events.clone().only(1..3), Events::from(vec![(2, ""), (3, "bc")]));
        assert!(events.only(2..2).is_empty());
        assert!(Events::from_parts(vec![], vec![], vec![]).unwrap().is_empty());
    }

    #[test]
    fn events_sort_by_time_and_keep_the_order_of_equals() {
        let mut events = Events::from(vec![(3, "c"), (1, "a1"), (3, ""), (1, "a2"), (2, "bé")]);
        assert_eq!(events.stored_bytes(), 8 + 5 * 26);
        events.sort();
        let rows: Vec<(i64, &[u8])> = events.iter().collect();
        assert_eq!(rows, [(1, &b"a1"[..]), (1, b"a2"), (2, "bé".as_bytes()), (3, b"c"), (3, b"")]);
    }
}
