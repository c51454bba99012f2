use std::sync::Arc;

use super::*;
use crate::block::{BlockMeta, Rows};
use crate::id::{GroupId, SegmentId, StreamId};

/// Chunks in memory.
pub(crate) struct Kept(pub(crate) Vec<Arc<Vec<u8>>>);

impl Chunks for Kept {
    fn chunk(&self, index: u32) -> Result<Arc<Vec<u8>>, ReadError> {
        self.0.get(index as usize).cloned().ok_or_else(|| self.corrupt(Malformed("no such chunk")))
    }

    fn corrupt(&self, malformed: Malformed) -> ReadError {
        ReadError::Corrupt { segment: SegmentId(1), what: malformed.0 }
    }
}

pub(crate) fn meta_of(rows: &Rows) -> BlockMeta {
    let bounds = |values: &[i64]| {
        (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0))
    };
    let (min_ms, max_ms) = bounds(&rows.timestamps);
    BlockMeta {
        group: rows.group,
        stream: rows.stream,
        min_ms,
        max_ms,
        min_seq: rows.seqs.iter().min().copied().unwrap_or(0),
        max_seq: rows.seqs.iter().max().copied().unwrap_or(0),
        events: rows.len() as u64,
        raw_bytes: rows.text.len() as u64,
    }
}

pub(crate) fn rows_of(messages: &[&[u8]]) -> Rows {
    let mut rows = Rows::empty(GroupId(1), StreamId(2));
    for (row, message) in messages.iter().enumerate() {
        let row = row as i64;
        rows.push(1_000 + row / 3 * 86, 5_000 + row / 7, 40 + row as u64 + row as u64 / 5, 0, message);
    }
    rows
}

pub(crate) fn stored(rows: &Rows) -> (Arc<Opened>, Kept) {
    let composed = Composer::new().compose(rows);
    let chunks = composed.chunks.into_iter().map(|(bytes, _)| Arc::new(bytes)).collect();
    (Opened::open(meta_of(rows), &composed.head).unwrap(), Kept(chunks))
}

#[test]
fn a_block_reads_back() {
    let rows = rows_of(&[b"one 1", b"", b"{\"a\":1}", b"\xff\r\n", b"one 2"]);
    let (opened, chunks) = stored(&rows);
    assert_eq!(opened.rows(&chunks, 0..rows.len()).unwrap(), rows);
    let part = opened.rows(&chunks, 1..3).unwrap();
    assert_eq!((part.message(0), part.message(1)), (rows.message(1), rows.message(2)));
}
