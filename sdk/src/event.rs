//! An event as filters and extractors see it.

use crate::{LogEvent, PackedBatch};

/// One stored event, lent for the time of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Milliseconds since the Unix epoch, as given by the producer.
    pub timestamp: i64,
    /// Milliseconds since the Unix epoch, as stamped at ingestion.
    pub ingestion_time: i64,
    /// The text, byte for byte as it is stored.
    pub message: &'a str,
}

impl<'a> Event<'a> {
    /// An event, for tests.
    pub fn new(timestamp: i64, message: &'a str) -> Self {
        Self { timestamp, ingestion_time: timestamp, message }
    }
}

impl<'a> From<&'a LogEvent> for Event<'a> {
    fn from(event: &'a LogEvent) -> Self {
        let LogEvent { timestamp, ingestion_time, message } = event;
        Self { timestamp: *timestamp, ingestion_time: *ingestion_time, message }
    }
}

/// The text of a packed batch. Looking whether it is one would take half as long as all the rest of a call, so it is
/// looked at as the bindings look at a `string`, where assertions are on, and wherever no host vouches for it.
fn text_of(bytes: &[u8]) -> Result<&str, String> {
    if cfg!(any(debug_assertions, not(target_family = "wasm"))) {
        return std::str::from_utf8(bytes).map_err(|error| format!("the batch is malformed: {error}"));
    }
    // SAFETY: the contract of `packed-batch` (wit/exports.wit) has the host vouch for it.
    #[allow(unsafe_code, reason = "it would be looked at twice")]
    Ok(unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// The events of a packed batch, where they lie.
pub(crate) fn unpacked(batch: &PackedBatch) -> Result<Vec<Event<'_>>, String> {
    let PackedBatch { timestamps, ingestion_times, ends, text } = batch;
    let text = text_of(text)?;
    if timestamps.len() != ends.len() || ingestion_times.len() != ends.len() {
        return Err("the batch is malformed: there is not one time of each kind per event".to_owned());
    }
    let mut events = Vec::with_capacity(ends.len());
    let mut start = 0;
    for ((timestamp, ingestion_time), end) in timestamps.iter().zip(ingestion_times).zip(ends) {
        let message = text.get(start..*end as usize).ok_or("the batch is malformed: an end lies amiss")?;
        events.push(Event { timestamp: *timestamp, ingestion_time: *ingestion_time, message });
        start = *end as usize;
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &[u8], ends: &[u32]) -> PackedBatch {
        let times = |first: i64| (first..).take(ends.len()).collect();
        PackedBatch {
            timestamps: times(1),
            ingestion_times: times(11),
            ends: ends.to_vec(),
            text: text.to_vec(),
        }
    }

    #[test]
    fn a_packed_batch_is_seen_event_by_event() {
        let batch = batch("onezwölf".as_bytes(), &[3, 3, 9]);
        let event = |timestamp, message| Event { timestamp, ingestion_time: timestamp + 10, message };
        assert_eq!(unpacked(&batch), Ok(vec![event(1, "one"), event(2, ""), event(3, "zwölf")]));
        assert_eq!(unpacked(&self::batch(b"", &[])), Ok(Vec::new()));
    }

    #[test]
    fn a_malformed_batch_is_refused() {
        let amiss = [
            batch(b"\xff", &[1]),
            batch("ö".as_bytes(), &[1, 2]),
            batch(b"one", &[4]),
            batch(b"one", &[3, 1]),
        ];
        for batch in amiss {
            assert!(unpacked(&batch).is_err_and(|error| error.contains("malformed")), "{batch:?}");
        }
        let short = PackedBatch { ingestion_times: Vec::new(), ..batch(b"one", &[3]) };
        assert!(unpacked(&short).is_err());
    }
}
