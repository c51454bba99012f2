//! Owns taking together what a call writes into one stream: a guest may write its events one by one, and each batch
//! costs a place in the change, a frame and an fsync. Refuses to judge them: batches that break a rule stay as they are.

use std::collections::HashMap;

use store::batch::{BYTES_MAX, EVENTS_MAX};
use wasm::SinkWrite;

/// What AWS counts per event beside its text.
const EVENT_OVERHEAD: u64 = 26;

/// Less than this lies between the first and the last event of a batch.
const SPAN_MS: i64 = 24 * 3_600_000;

/// What the rules look at.
#[derive(Clone, Copy)]
struct Size {
    events: usize,
    bytes: u64,
    first_ms: i64,
    last_ms: i64,
}

impl Size {
    fn of(write: &SinkWrite) -> Size {
        let times = || write.events.iter().map(|event| event.timestamp);
        let bytes = write.events.iter().map(|event| event.message.len() as u64 + EVENT_OVERHEAD);
        Size {
            events: write.events.len(),
            bytes: bytes.sum(),
            first_ms: times().min().unwrap_or(0),
            last_ms: times().max().unwrap_or(0),
        }
    }

    /// Both in one batch, if the rules allow that. One without events is wrong, and stays so.
    fn with(self, other: Size) -> Option<Size> {
        let both = Size {
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
        };
        let fits = self.events > 0
            && other.events > 0
            && both.events <= EVENTS_MAX
            && both.bytes <= BYTES_MAX
            && both.last_ms.saturating_sub(both.first_ms) < SPAN_MS;
        fits.then_some(both)
    }
}

/// The same events in the same order by stream, in as few batches as may be.
pub(super) fn together(writes: Vec<SinkWrite>) -> Vec<SinkWrite> {
    let mut batches: Vec<(SinkWrite, Size)> = Vec::new();
    let mut last: HashMap<(String, String), usize> = HashMap::new();
    for write in writes {
        let (size, stream) = (Size::of(&write), (write.log_group.clone(), write.log_stream.clone()));
        let open = last.get(&stream).and_then(|at| batches.get_mut(*at));
        if let Some((before, taken)) = open
            && let Some(both) = taken.with(size)
        {
            before.events.extend(write.events);
            *taken = both;
            continue;
        }
        last.insert(stream, batches.len());
        batches.push((write, size));
    }
    batches.into_iter().map(|(write, _)| write).collect()
}

#[cfg(test)]
mod tests {
    use wasm::SinkEvent;

    use super::*;

    fn write(stream: &str, events: &[(i64, usize)]) -> SinkWrite {
        let event = |(timestamp, bytes): &(i64, usize)| SinkEvent {
            timestamp: *timestamp,
            message: "x".repeat(*bytes),
        };
        SinkWrite {
            log_group: "/g".to_owned(),
            log_stream: stream.to_owned(),
            events: events.iter().map(event).collect(),
        }
    }

    fn shown(writes: Vec<SinkWrite>) -> Vec<(String, Vec<i64>)> {
        let times = |write: &SinkWrite| write.events.iter().map(|event| event.timestamp).collect();
        together(writes).iter().map(|write| (write.log_stream.clone(), times(write))).collect()
    }

    #[test]
    fn events_of_a_stream_are_one_batch() {
        let given = vec![write("a", &[(1, 1)]), write("b", &[(2, 1)]), write("a", &[(4, 1), (3, 1)])];
        assert_eq!(shown(given), [("a".to_owned(), vec![1, 4, 3]), ("b".to_owned(), vec![2])]);
        assert_eq!(together(vec![write("a", &[(1, 1)]); 10_001]).len(), 2);
    }

    #[test]
    fn what_breaks_a_rule_together_stays_apart() {
        let pairs = [[(1, 600_000), (1, 600_000)], [(0, 1), (SPAN_MS, 1)]];
        for [first, second] in pairs {
            assert_eq!(together(vec![write("a", &[first]), write("a", &[second])]).len(), 2);
        }
        assert_eq!(
            together(vec![write("a", &[]), write("a", &[(1, 1)])]).len(),
            2,
            "an empty one is an error"
        );
    }
}
