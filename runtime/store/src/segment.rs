//! Owns sealed segments: immutable files of blocks. `layout` is the format, `write` makes a file,
//! this file reads one. Refuses to know which segments exist (see `manifest`, `view`).

pub(crate) mod block;
pub(crate) mod layout;
pub(crate) mod write;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::blobs::Blobs;
use crate::block::{BlockMeta, Rows};
use crate::cache::Cache;
use crate::error::ReadError;
use crate::id::{GroupId, StreamId};
use crate::manifest::SegmentRecord;
use layout::Entry;

/// How much of the end of a file is read at once: most directories are in it.
const TAIL_BYTES: u64 = 64 << 10;

/// An open segment: its directory in memory, its blocks on the disk.
pub(crate) struct Segment {
    pub(crate) record: SegmentRecord,
    /// Sorted by (group, stream, first timestamp).
    pub(crate) entries: Vec<Entry>,
    blobs: Arc<dyn Blobs>,
    cache: Arc<Cache>,
    /// Set when the manifest has forgotten the segment: the last reader removes the file.
    doomed: AtomicBool,
}

/// Why a segment cannot be opened.
#[derive(Debug)]
pub(crate) enum SegmentError {
    Disk(io::Error),
    Version(u8),
    Corrupt(&'static str),
}

impl Segment {
    pub(crate) fn new(
        record: SegmentRecord,
        entries: Vec<Entry>,
        blobs: &Arc<dyn Blobs>,
        cache: &Arc<Cache>,
    ) -> Self {
        let (blobs, cache) = (Arc::clone(blobs), Arc::clone(cache));
        Self { record, entries, blobs, cache, doomed: AtomicBool::new(false) }
    }

    /// Reads the directory of a segment.
    pub(crate) fn open(
        record: SegmentRecord,
        blobs: &Arc<dyn Blobs>,
        cache: &Arc<Cache>,
    ) -> Result<Self, SegmentError> {
        let entries = read_directory(&**blobs, &record)?;
        Ok(Self::new(record, entries, blobs, cache))
    }

    pub(crate) fn name(&self) -> String {
        layout::file_name(self.record.id)
    }

    /// Removes the file once nobody reads it any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// The entries of one group, or of one stream of it.
    pub(crate) fn entries_of(&self, group: GroupId, stream: Option<StreamId>) -> std::ops::Range<usize> {
        let key = |entry: &Entry| (entry.meta.group, entry.meta.stream);
        let (low, high) = match stream {
            Some(stream) => (stream, stream),
            None => (StreamId(0), StreamId(u64::MAX)),
        };
        let start = self.entries.partition_point(|entry| key(entry) < (group, low));
        let end = self.entries.partition_point(|entry| key(entry) <= (group, high));
        start..end
    }

    /// The decoded rows of a block.
    pub(crate) fn load(&self, index: usize) -> Result<Arc<Rows>, ReadError> {
        let key = (self.record.id, index);
        if let Some(rows) = self.cache.get(key) {
            return Ok(rows);
        }
        let entry = &self.entries[index];
        let bytes = self.read_block(entry)?;
        let corrupt =
            |what: crate::codec::Malformed| ReadError::Corrupt { segment: self.record.id, what: what.0 };
        let rows = Arc::new(block::decode(entry, &bytes).map_err(corrupt)?);
        self.cache.put(key, &rows);
        Ok(rows)
    }

    /// The bytes of a block as they are stored.
    pub(crate) fn read_block(&self, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; entry.stored_bytes() as usize];
        match self.blobs.read_at(&self.name(), entry.offset, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ReadError::Corrupt { segment: self.record.id, what: "file ends too early" })
            }
            Err(error) => Err(ReadError::Disk(Arc::new(error))),
        }
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Segment").field("record", &self.record).finish_non_exhaustive()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Acquire) {
            self.cache.forget(self.record.id);
            // A file that stays is swept at the next open, since the manifest does not list it.
            let _ = self.blobs.delete(&self.name());
        }
    }
}

fn read_directory(blobs: &dyn Blobs, record: &SegmentRecord) -> Result<Vec<Entry>, SegmentError> {
    let name = layout::file_name(record.id);
    let read = |offset: u64, length: u64| {
        let mut bytes = vec![0; length as usize];
        match blobs.read_at(&name, offset, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SegmentError::Corrupt("file ends too early"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SegmentError::Corrupt("file is missing"))
            }
            Err(error) => Err(SegmentError::Disk(error)),
        }
    };
    let tail_at = record.bytes.saturating_sub(TAIL_BYTES);
    let tail = read(tail_at, record.bytes - tail_at)?;
    let trailer = layout::read_trailer(&tail)?;
    let directory_end = record.bytes - layout::TRAILER_BYTES as u64;
    if trailer.directory_at.checked_add(u64::from(trailer.directory_bytes)) != Some(directory_end) {
        return Err(SegmentError::Corrupt("directory place"));
    }
    let directory = if trailer.directory_at >= tail_at {
        let start = (trailer.directory_at - tail_at) as usize;
        tail[start..tail.len() - layout::TRAILER_BYTES].to_vec()
    } else {
        read(trailer.directory_at, u64::from(trailer.directory_bytes))?
    };
    layout::read_directory(&trailer, &directory)
}

/// The stored bytes of an event list as AWS counts them.
pub(crate) fn counted_bytes(meta: &BlockMeta) -> u64 {
    meta.raw_bytes + crate::limits::EVENT_OVERHEAD_BYTES * meta.events
}

#[cfg(test)]
mod tests;
