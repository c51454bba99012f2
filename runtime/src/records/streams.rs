//! Owns log streams. Refuses to know their events; their statistics come from `store`.

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (group id, name) -> stream.
const STREAMS: Table<StreamRecord> = Table::new("log_streams");

/// stream id -> where its row is.
const PLACES: Table<Place> = Table::new("log_stream_ids");

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    /// Never used again.
    pub(crate) id: u64,
    /// Name, unique in its group.
    pub(crate) name: String,
    /// When it was made, epoch milliseconds.
    pub(crate) created_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Place {
    group: u64,
    name: String,
}

/// The stream of this name.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn find(tx: &Tx<'_>, group: u64, name: &str) -> Result<Option<StreamRecord>, MetaError> {
    tx.get(&STREAMS, &Key::of((group, name)))
}

/// The stream with this id and its group's, unless it has been deleted.
pub(crate) fn by_id(tx: &Tx<'_>, id: u64) -> Result<Option<(u64, StreamRecord)>, MetaError> {
    let Some(place) = tx.get(&PLACES, &Key::of(id))? else { return Ok(None) };
    Ok(find(tx, place.group, &place.name)?.map(|stream| (place.group, stream)))
}

/// Makes a stream that `find` did not find.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    group: u64,
    name: &str,
    created_ms: i64,
) -> Result<StreamRecord, MetaError> {
    let record = StreamRecord { id: tx.next_id("log_stream")?, name: name.to_owned(), created_ms };
    tx.put(&PLACES, &Key::of(record.id), &Place { group, name: name.to_owned() })?;
    tx.put(&STREAMS, &Key::of((group, name)), &record)?;
    Ok(record)
}

/// Removes a stream; its log data are the caller's to delete.
pub(crate) fn remove(tx: &mut Tx<'_>, group: u64, stream: &StreamRecord) -> Result<(), MetaError> {
    tx.delete(&STREAMS, &Key::of((group, &stream.name)))?;
    tx.delete(&PLACES, &Key::of(stream.id))
}

pub(super) fn remove_all(tx: &mut Tx<'_>, group: u64) -> Result<(), MetaError> {
    for stream in list(tx, group, "", None, false, usize::MAX)? {
        remove(tx, group, &stream)?;
    }
    Ok(())
}

/// Streams of a group in order of their names (or backwards): those that begin with `prefix`, beyond the
/// name `from`, at most `limit`.
pub(crate) fn list(
    tx: &Tx<'_>,
    group: u64,
    prefix: &str,
    from: Option<&str>,
    backwards: bool,
    limit: usize,
) -> Result<Vec<StreamRecord>, MetaError> {
    let mut span = Span::prefix(&Key::of(group).starting(prefix));
    if let Some(from) = from {
        let from = Key::of((group, from));
        span = if backwards { span.before(&from) } else { span.after(&from) };
    }
    if backwards {
        span = span.backwards();
    }
    tx.scan(&STREAMS, &span)?.take(limit).map(|row| Ok(row?.1)).collect()
}
