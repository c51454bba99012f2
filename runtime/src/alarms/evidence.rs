//! Owns how references to events become the lines that a notification shows. Refuses to choose them.

use metrics::alarm::message::EvidenceLine;
use metrics::point::EventReference;
use store::{EventId, GroupId, Position, Store, StreamId};

use crate::meta::{Meta, MetaError};
use crate::records::{groups, streams};

/// The longest line that is kept with a transition, in bytes; a longer one is cut.
const LINE_BYTES_MAX: usize = 4096;

/// The lines behind the references, in their order. Those that are gone meanwhile, with their stream or by
/// retention, are passed over. Reads the disk.
pub(super) fn lines(meta: &Meta, store: &Store, events: &[EventReference]) -> Vec<EvidenceLine> {
    events.iter().filter_map(|event| line(meta, store, event)).collect()
}

fn line(meta: &Meta, store: &Store, event: &EventReference) -> Option<EvidenceLine> {
    let names = meta.read(|tx| -> Result<_, MetaError> {
        let Some(group) = groups::by_id(tx, event.group_id)? else { return Ok(None) };
        let stream = streams::by_id(tx, event.stream_id)?;
        Ok(stream.map(|(_, stream)| (group.name, stream.name)))
    });
    let id = EventId::new(event.timestamp_ms, Position::at(event.position));
    let found = store.event(GroupId(event.group_id), Some(StreamId(event.stream_id)), id);
    let (names, found) = match (names, found) {
        (Ok(names), Ok(found)) => (names?, found?),
        (Err(error), _) => return unreadable(&id, &error.to_string()),
        (_, Err(error)) => return unreadable(&id, &error.to_string()),
    };
    let (message, truncated) = cut(&String::from_utf8_lossy(&found.message));
    let (log_group, log_stream) = names;
    Some(EvidenceLine {
        log_group,
        log_stream,
        timestamp: event.timestamp_ms,
        message,
        event_id: id.to_string(),
        truncated,
    })
}

/// An alarm that is told without a line is better than one that is not told.
fn unreadable(id: &EventId, error: &str) -> Option<EvidenceLine> {
    tracing::error!(%id, error, "a line behind an alarm cannot be read");
    None
}

fn cut(message: &str) -> (String, bool) {
    if message.len() <= LINE_BYTES_MAX {
        return (message.to_owned(), false);
    }
    let end = (0..=LINE_BYTES_MAX).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    (message[..end].to_owned(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(cut("short"), ("short".to_owned(), false));
        let long = format!("{}é{}", "x".repeat(LINE_BYTES_MAX - 1), "y".repeat(9));
        assert_eq!(cut(&long), ("x".repeat(LINE_BYTES_MAX - 1), true));
    }
}
