//! Owns sealed segments: immutable files of blocks. `layout` is the format, `extent` seals their parts,
//! `write` makes a file, `chunks` reads a block, `plain` is the version before; this file opens and reads.
//! Refuses to know which segments exist (see `manifest`, `view`).

pub(crate) mod chunks;
pub(crate) mod extent;
pub(crate) mod layout;
pub(crate) mod plain;
pub(crate) mod write;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::blobs::Blobs;
use crate::block::{BlockMeta, Clip, Rows};
use crate::cache::{Cache, Kept, Part};
use crate::cipher::{Ciphers, Purpose};
use crate::codec::Malformed;
use crate::column_block::ColumnBlock;
use crate::error::ReadError;
use crate::filter::Filter;
use crate::id::{GroupId, StreamId};
use crate::keys::KeyError;
use crate::limits::Limits;
use crate::manifest::SegmentRecord;
use chunks::{FILTER, FIRST_CHUNK, SealedChunks};
use extent::{Extent, Seal};
use layout::{Entry, Place};

/// Blocks below this part of a full one are small: joining them costs little and saves much.
const SMALL_BLOCK_PART: u64 = 8;
/// How much of the end of a file is read at once: most directories are in it.
const TAIL_BYTES: u64 = 32 << 10;

/// What all segments are read with.
#[derive(Clone)]
pub(crate) struct Backing {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) ciphers: Arc<Ciphers>,
    /// Reads that met damage, since the store was opened.
    pub(crate) damaged_reads: Arc<AtomicU64>,
}

/// An open segment: its directory in memory, its blocks on the disk.
pub(crate) struct Segment {
    pub(crate) record: SegmentRecord,
    /// Sorted by (group, stream, first timestamp).
    pub(crate) entries: Vec<Entry>,
    name: String,
    backing: Backing,
    /// Set when the manifest has forgotten the segment: the last reader removes the file.
    doomed: AtomicBool,
    /// Damage was met and logged; once for each segment is enough.
    told: AtomicBool,
}

/// Why a segment cannot be opened.
#[derive(Debug)]
pub(crate) enum SegmentError {
    Disk(io::Error),
    Version(u8),
    /// Sealed with another system key.
    WrongKey,
    Corrupt(&'static str),
}

impl Segment {
    pub(crate) fn new(record: SegmentRecord, entries: Vec<Entry>, backing: &Backing) -> Self {
        let name = layout::file_name(record.id);
        let (doomed, told) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { record, entries, name, backing: backing.clone(), doomed, told }
    }

    /// Reads the directory of a segment.
    pub(crate) fn open(record: SegmentRecord, backing: &Backing) -> Result<Self, SegmentError> {
        let entries = read_directory(backing, &record)?;
        Ok(Self::new(record, entries, backing))
    }

    /// Whether it is of the version that is not sealed.
    pub(crate) fn is_plain(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.place, Place::Plain(_)))
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

    /// A block, as columns that are read when they are asked for.
    pub(crate) fn block(self: &Arc<Self>, index: usize, clip: Clip) -> Result<ColumnBlock, ReadError> {
        let entry = &self.entries[index];
        match &entry.place {
            Place::Plain(_) => Ok(ColumnBlock::of_decoded(entry.meta, self.plain_rows(index)?, clip)),
            Place::Sealed(place) => {
                let head = self.head(index, place)?;
                let opened = Arc::clone(&head.opened);
                let chunks = SealedChunks::new(Arc::clone(self), index, *place, head);
                Ok(ColumnBlock::stored(opened, Arc::new(chunks), clip))
            }
        }
    }

    /// The filter of a block. `None`: it has none, or it cannot be read; nothing is excluded by it.
    pub(crate) fn filter_of(&self, index: usize) -> Option<Arc<Filter>> {
        match &self.entries[index].place {
            Place::Plain(_) => None,
            Place::Sealed(place) => self.filter(index, place).ok().flatten(),
        }
    }

    /// Whether a JSON string in a message of the block may be written with escapes.
    pub(crate) fn may_hold_escapes(&self, index: usize) -> bool {
        match &self.entries[index].place {
            Place::Plain(_) => true,
            Place::Sealed(place) => place.escapes,
        }
    }

    fn plain_rows(&self, index: usize) -> Result<Arc<Rows>, ReadError> {
        if let Some(Kept::Rows(rows)) = self.cached(index, Part::Rows) {
            return Ok(rows);
        }
        let entry = &self.entries[index];
        let bytes = self.read_block(entry)?;
        let decoded = match &entry.place {
            Place::Plain(place) => plain::decode(&entry.meta, place, &bytes),
            Place::Sealed(_) => Err(Malformed("block version")),
        };
        let rows = Arc::new(decoded.map_err(|malformed| self.corrupt(malformed))?);
        self.keep(index, Part::Rows, Kept::Rows(Arc::clone(&rows)), rows.memory_bytes());
        Ok(rows)
    }

    pub(crate) fn cached(&self, index: usize, part: Part) -> Option<Kept> {
        self.backing.cache.get(&(self.record.id, index as u32, part))
    }

    pub(crate) fn keep(&self, index: usize, part: Part, kept: Kept, bytes: u64) {
        self.backing.cache.put((self.record.id, index as u32, part), kept, bytes);
    }

    /// No larger part of a block is kept.
    pub(crate) fn cache_part_bytes(&self) -> u64 {
        self.backing.cache.part_bytes_max()
    }

    /// Names damage that was found in a block, and counts it.
    pub(crate) fn corrupt(&self, malformed: Malformed) -> ReadError {
        self.backing.damaged_reads.fetch_add(1, Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(segment = %self.name, damage = malformed.0, "a block is damaged; its events are missing");
        }
        ReadError::Corrupt { segment: self.record.id, what: malformed.0 }
    }

    /// The bytes of a block as they are stored.
    pub(crate) fn read_block(&self, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        self.read(entry.offset, entry.stored_bytes())
    }

    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; length as usize];
        match self.backing.blobs.read_at(&self.name, offset, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt(Malformed("file ends too early")))
            }
            Err(error) => Err(ReadError::Disk(Arc::new(error))),
        }
    }

    /// One extent of a sealed block, opened and decompressed. A chunk stands `behind` the first one.
    pub(crate) fn read_extent(
        &self,
        index: usize,
        number: u32,
        behind: u64,
        extent: Extent,
    ) -> Result<Vec<u8>, ReadError> {
        let entry = &self.entries[index];
        let Place::Sealed(place) = &entry.place else {
            return Err(self.corrupt(Malformed("block version")));
        };
        let (head, filter) = (u64::from(place.head.stored), u64::from(place.filter.stored));
        let start = match number {
            ..FILTER => 0,
            FILTER => head,
            FIRST_CHUNK.. => head + filter + behind,
        };
        let group = entry.meta.group;
        let Some(cipher) = self.backing.ciphers.group(Purpose::Segment, group).map_err(ReadError::Key)?
        else {
            let text = format!("the key of group {} was destroyed with the group", group.0);
            return Err(ReadError::Key(KeyError(text)));
        };
        let stored = self.read(entry.offset + start, u64::from(extent.stored))?;
        let seal = Seal::of(&entry.meta, place.random);
        seal.open(&cipher, number, extent, stored).map_err(|malformed| self.corrupt(malformed))
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
            self.backing.cache.forget(self.record.id);
            // A file that stays is swept at the next open, since the manifest does not list it.
            let _ = self.backing.blobs.delete(&self.name);
        }
    }
}

fn read_directory(backing: &Backing, record: &SegmentRecord) -> Result<Vec<Entry>, SegmentError> {
    let name = layout::file_name(record.id);
    let read = |offset: u64, length: u64| {
        let mut bytes = vec![0; length as usize];
        match backing.blobs.read_at(&name, offset, &mut bytes) {
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
    layout::read_directory(record.id, &trailer, &directory, &backing.ciphers)
}

/// Whether a block is worth joining with its neighbours.
pub(crate) fn is_small_block(meta: &BlockMeta, limits: &Limits) -> bool {
    meta.raw_bytes + meta.events * Rows::ROW_BYTES < limits.block_bytes / SMALL_BLOCK_PART
}

/// The stored bytes of an event list as AWS counts them.
pub(crate) fn counted_bytes(meta: &BlockMeta) -> u64 {
    meta.raw_bytes + crate::limits::EVENT_OVERHEAD_BYTES * meta.events
}

#[cfg(test)]
mod tests;
