//! Owns making a segment file in memory, from rows or from blocks of another segment as they are stored.
//! Refuses to know where the file goes.

use std::io;
use std::sync::Arc;

use crate::block::{BlockMeta, ChunkRow, Rows, is_swept, ordered_rows};
use crate::cipher::{Cipher, Ciphers, Purpose};
use crate::error::SealError;
use crate::id::{GroupId, SegmentId, StreamId};
use crate::limits::Limits;
use crate::manifest::{SegmentRecord, Swept};
use crate::memtable::Chunk;
use crate::message::{Composed, Composer};
use crate::segment::chunks::{FILTER, FIRST_CHUNK, HEAD, put_sizes};
use crate::segment::extent::{Extent, Seal, Sealer};
use crate::segment::layout::{self, Entry, Place, SealedPlace};

/// The events of one stream that go into the segment.
pub(crate) struct StreamChunks {
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// What retention has taken and is left out.
    pub(crate) swept: Vec<Swept>,
}

/// A segment file that is being put together. Blocks come in the order of (group, stream, timestamp).
pub(crate) struct Writer<'a> {
    id: SegmentId,
    ciphers: &'a Ciphers,
    /// Below it the chunks of a block are one extent: each extent costs a read, a tag and a frame's header.
    packed_bytes: u64,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    composer: Composer,
    sealer: Sealer,
    scratch: Vec<u8>,
    /// The group whose blocks are being written, and its key.
    cipher: Option<(GroupId, Option<Arc<Cipher>>)>,
}

/// A segment file ready to be stored.
pub(crate) struct Finished {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) record: SegmentRecord,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(id: SegmentId, ciphers: &'a Ciphers, limits: &Limits) -> io::Result<Self> {
        Ok(Self {
            packed_bytes: limits.packed_bytes,
            id,
            ciphers,
            bytes: layout::header(id).to_vec(),
            entries: Vec::new(),
            composer: Composer::new(),
            sealer: Sealer::new()?,
            scratch: Vec::new(),
            cipher: None,
        })
    }

    /// The key of a group; nothing for a group that is deleted, whose events are left out.
    fn cipher(&mut self, group: GroupId) -> Result<Option<Arc<Cipher>>, SealError> {
        if let Some((known, cipher)) = &self.cipher
            && *known == group
        {
            return Ok(cipher.clone());
        }
        let cipher = self.ciphers.group(Purpose::Segment, group)?;
        self.cipher = Some((group, cipher.clone()));
        Ok(cipher)
    }

    /// Adds one stream in blocks of about the same size, as few as the limits allow.
    pub(crate) fn add_stream(&mut self, stream: &StreamChunks, limits: &Limits) -> Result<(), SealError> {
        let Some(cipher) = self.cipher(stream.group)? else { return Ok(()) };
        let chunks = &stream.chunks;
        let mut order = ordered_rows(chunks);
        if !stream.swept.is_empty() {
            order.retain(|row| !is_swept(&stream.swept, row.timestamp, row.seq));
        }
        let mut rows = Rows::empty(stream.group, stream.stream);
        let sizes = |row: &ChunkRow| row.length(chunks) as u64 + Rows::ROW_BYTES;
        let mut left = &order[..];
        while !left.is_empty() {
            let (now, later) = left.split_at(first_block(left, sizes, limits));
            rows.clear();
            rows.push_chunk_rows(chunks, now);
            self.put(&cipher, &rows)?;
            left = later;
        }
        Ok(())
    }

    /// Adds one block of these rows (at least one, in order); nothing if their group is deleted.
    pub(crate) fn add_rows(&mut self, rows: &Rows) -> Result<(), SealError> {
        match self.cipher(rows.group)? {
            Some(cipher) => Ok(self.put(&cipher, rows)?),
            None => Ok(()),
        }
    }

    fn put(&mut self, cipher: &Cipher, rows: &Rows) -> io::Result<()> {
        let composed = self.composer.compose(rows);
        let meta = meta_of(rows);
        let seal = Seal::of(&meta, self.ciphers.random());
        let offset = self.bytes.len() as u64;
        let packed = meta.raw_bytes < self.packed_bytes;
        let place = self.put_extents(cipher, &seal, &composed, packed)?;
        let place = SealedPlace { escapes: memchr::memchr(b'\\', &rows.text).is_some(), ..place };
        let (min_ingestion_ms, max_ingestion_ms) = bounds(&rows.ingestion);
        let place = Place::Sealed(place);
        self.entries.push(Entry { meta, min_ingestion_ms, max_ingestion_ms, offset, place });
        Ok(())
    }

    /// The chunks are sealed first, since the head tells their sizes; in the file it stands before them.
    fn put_extents(
        &mut self,
        cipher: &Cipher,
        seal: &Seal,
        composed: &Composed,
        packed: bool,
    ) -> io::Result<SealedPlace> {
        let mut chunks = std::mem::take(&mut self.scratch);
        chunks.clear();
        let sealer = &mut self.sealer;
        let mut sizes = Vec::with_capacity(composed.chunks.len());
        if packed {
            let mut all = Vec::new();
            for (raw, _) in &composed.chunks {
                all.extend_from_slice(raw);
                sizes.push(Extent { raw: raw.len() as u32, stored: 0 });
            }
            sealer.put(&mut chunks, (cipher, seal, FIRST_CHUNK), &all, true)?;
        } else {
            for (number, (raw, compress)) in (FIRST_CHUNK..).zip(&composed.chunks) {
                sizes.push(sealer.put(&mut chunks, (cipher, seal, number), raw, *compress)?);
            }
        }
        let mut head = Vec::with_capacity(composed.head.len() + sizes.len() * 6);
        put_sizes(&mut head, &sizes, packed);
        head.extend_from_slice(&composed.head);
        let head = sealer.put(&mut self.bytes, (cipher, seal, HEAD), &head, true)?;
        let filter = sealer.put(&mut self.bytes, (cipher, seal, FILTER), &composed.filter, false)?;
        self.bytes.extend_from_slice(&chunks);
        let chunks_stored = chunks.len() as u32;
        self.scratch = chunks;
        Ok(SealedPlace { random: seal.random, head, filter, chunks_stored, packed, escapes: true })
    }

    /// Adds a sealed block as it is stored elsewhere.
    pub(crate) fn add_stored(&mut self, entry: &Entry, stored: &[u8]) {
        self.entries.push(Entry { offset: self.bytes.len() as u64, ..*entry });
        self.bytes.extend_from_slice(stored);
    }

    /// Ends the file; `None` when it would hold nothing.
    pub(crate) fn finish(mut self, first_seq: u64, end_seq: u64) -> io::Result<Option<Finished>> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        layout::put_end(&mut self.bytes, self.id, &self.entries, self.ciphers)?;
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

/// How many of the rows go into the next block, when the rest is to be split evenly.
fn first_block(rows: &[ChunkRow], size: impl Fn(&ChunkRow) -> u64, limits: &Limits) -> usize {
    let (block_bytes, block_rows) = (limits.block_bytes.max(1), limits.block_rows.max(1));
    let all: u64 = rows.iter().map(&size).sum();
    let blocks = all.div_ceil(block_bytes).max((rows.len() as u64).div_ceil(block_rows)).max(1);
    let share = all.div_ceil(blocks);
    let (mut count, mut taken) = (0, 0);
    for row in rows {
        let bytes = size(row);
        let full = taken >= share || taken + bytes > block_bytes || count as u64 >= block_rows;
        if count > 0 && full {
            break;
        }
        taken += bytes;
        count += 1;
    }
    count
}

pub(crate) fn meta_of(rows: &Rows) -> BlockMeta {
    let (min_seq, max_seq) = bounds(&rows.seqs);
    let (min_ms, max_ms) = bounds(&rows.timestamps);
    BlockMeta {
        group: rows.group,
        stream: rows.stream,
        min_ms,
        max_ms,
        min_seq,
        max_seq,
        events: rows.len() as u64,
        raw_bytes: rows.text.len() as u64,
    }
}

fn bounds<T: Copy + Ord + Default>(values: &[T]) -> (T, T) {
    let low = values.iter().min().copied().unwrap_or_default();
    let high = values.iter().max().copied().unwrap_or_default();
    (low, high)
}
