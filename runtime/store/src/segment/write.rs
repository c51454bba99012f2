//! Owns making a segment file in memory, from batches of a memtable or from blocks of another segment.
//! Refuses to know where the file goes.

use std::io;
use std::sync::Arc;

use crate::block::{Rows, is_swept, ordered_rows};
use crate::id::{GroupId, SegmentId, StreamId};
use crate::manifest::{SegmentRecord, Swept};
use crate::memtable::Chunk;
use crate::segment::block::Encoder;
use crate::segment::layout::{self, Entry};

/// The events of one stream that go into the segment.
pub(crate) struct StreamChunks {
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// What retention has taken and is left out.
    pub(crate) swept: Vec<Swept>,
}

/// A segment file that is being put together. Blocks come in the order of (group, stream, timestamp).
pub(crate) struct Writer {
    id: SegmentId,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// A segment file ready to be stored.
pub(crate) struct Finished {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) record: SegmentRecord,
}

impl Writer {
    pub(crate) fn new(id: SegmentId) -> Self {
        Self { id, bytes: layout::header(id).to_vec(), entries: Vec::new() }
    }

    /// Adds one stream in blocks of at most `block_bytes` in memory.
    pub(crate) fn add_stream(
        &mut self,
        encoder: &mut Encoder,
        stream: &StreamChunks,
        block_bytes: u64,
    ) -> io::Result<()> {
        let chunks = &stream.chunks;
        let mut order = ordered_rows(chunks);
        if !stream.swept.is_empty() {
            order.retain(|row| !is_swept(&stream.swept, row.timestamp, row.seq));
        }
        let mut rows = Rows::empty(stream.group, stream.stream);
        let mut left = &order[..];
        while !left.is_empty() {
            let (mut count, mut size) = (0, 0);
            for row in left {
                size += row.length(chunks) as u64 + Rows::ROW_BYTES;
                if count > 0 && size > block_bytes {
                    break;
                }
                count += 1;
            }
            let (now, later) = left.split_at(count);
            rows.clear();
            rows.push_chunk_rows(chunks, now);
            self.entries.push(encoder.put(&mut self.bytes, &rows)?);
            left = later;
        }
        Ok(())
    }

    /// Adds a block as it is stored elsewhere.
    pub(crate) fn add_stored(&mut self, entry: &Entry, stored: &[u8]) {
        self.entries.push(Entry { offset: self.bytes.len() as u64, ..*entry });
        self.bytes.extend_from_slice(stored);
    }

    /// Ends the file; `None` when it would hold nothing.
    pub(crate) fn finish(mut self, first_seq: u64, end_seq: u64) -> io::Result<Option<Finished>> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        layout::put_end(&mut self.bytes, &self.entries)?;
        let record = SegmentRecord {
            id: self.id,
            first_seq,
            end_seq,
            min_ms: self.entries.iter().map(|entry| entry.meta.min_ms).min().unwrap_or_default(),
            max_ms: self.entries.iter().map(|entry| entry.meta.max_ms).max().unwrap_or_default(),
            bytes: self.bytes.len() as u64,
            events: self.entries.iter().map(|entry| entry.meta.events).sum(),
        };
        Ok(Some(Finished { bytes: self.bytes, entries: self.entries, record }))
    }
}
