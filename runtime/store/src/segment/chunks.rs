//! Owns reading the sealed parts of one block: its head with the places of its chunks, its filter, a chunk.
//! Refuses to know what they mean (see `message`, `filter`).

use std::sync::{Arc, OnceLock};

use crate::block::BlockMeta;
use crate::cache::{Kept, Part};
use crate::codec::{Malformed, Reader, put_varint};
use crate::error::ReadError;
use crate::filter::Filter;
use crate::message::{COLUMNS, Chunks, Decoded, Opened};
use crate::segment::Segment;
use crate::segment::extent::Extent;
use crate::segment::layout::{Place, SealedPlace};

/// The numbers of the extents of a block.
pub(crate) const HEAD: u32 = 0;
pub(crate) const FILTER: u32 = 1;
pub(crate) const FIRST_CHUNK: u32 = 2;

/// A parsed head, kept for the next reader.
#[derive(Debug)]
pub(crate) struct BlockHead {
    pub(crate) opened: Arc<Opened>,
    /// Where each chunk starts behind the first, and its sizes; in a packed block in the raw extent.
    chunks: Vec<(u64, Extent)>,
    /// Of all chunks, raw.
    raw_bytes: u32,
}

/// What stands in the raw head before the head of `message`.
pub(crate) fn put_sizes(out: &mut Vec<u8>, chunks: &[Extent], packed: bool) {
    put_varint(out, chunks.len() as u64);
    for chunk in chunks {
        put_varint(out, u64::from(chunk.raw));
        if !packed {
            put_varint(out, u64::from(chunk.stored));
        }
    }
}

fn read_size(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(reader.varint()?).map_err(|_| Malformed("chunk size"))
}

impl BlockHead {
    pub(crate) fn read(meta: BlockMeta, place: &SealedPlace, raw: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(raw);
        let count = reader.varint()?;
        if count > reader.left() as u64 {
            return Err(Malformed("chunk count"));
        }
        let mut chunks = Vec::with_capacity(count as usize);
        let (mut offset, mut raw_bytes) = (0_u64, 0_u64);
        for _ in 0..count {
            let raw = read_size(&mut reader)?;
            let stored = if place.packed { raw } else { read_size(&mut reader)? };
            let extent = Extent { raw, stored };
            chunks.push((offset, if place.packed { extent } else { extent.check()? }));
            offset += u64::from(stored);
            raw_bytes += u64::from(raw);
        }
        if !place.packed && offset != u64::from(place.chunks_stored) {
            return Err(Malformed("chunk places"));
        }
        let raw_bytes = u32::try_from(raw_bytes).map_err(|_| Malformed("chunk size"))?;
        let opened = Opened::open(meta, reader.bytes(reader.left())?)?;
        Ok(Self { opened, chunks, raw_bytes })
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.opened.memory_bytes() + self.chunks.len() as u64 * 16 + 64
    }
}

/// The chunks of one block of an open segment.
pub(crate) struct SealedChunks {
    segment: Arc<Segment>,
    index: usize,
    place: SealedPlace,
    head: Arc<BlockHead>,
    /// The chunks of a packed block, once they were read.
    packed: OnceLock<Arc<Vec<u8>>>,
    /// The chunk that holds many columns, once it was read.
    shared: OnceLock<Arc<Vec<u8>>>,
}

impl SealedChunks {
    pub(crate) fn new(segment: Arc<Segment>, index: usize, place: SealedPlace, head: Arc<BlockHead>) -> Self {
        Self { segment, index, place, head, packed: OnceLock::new(), shared: OnceLock::new() }
    }

    fn read_packed(&self) -> Result<Arc<Vec<u8>>, ReadError> {
        if let Some(bytes) = self.packed.get() {
            return Ok(Arc::clone(bytes));
        }
        let extent = Extent { raw: self.head.raw_bytes, stored: self.place.chunks_stored };
        let extent = extent.check().map_err(|malformed| self.corrupt(malformed))?;
        let bytes = Arc::new(self.segment.read_extent(self.index, FIRST_CHUNK, 0, extent)?);
        Ok(Arc::clone(self.packed.get_or_init(|| bytes)))
    }
}

impl Chunks for SealedChunks {
    fn chunk(&self, index: u32) -> Result<Arc<Vec<u8>>, ReadError> {
        let Some(&(offset, extent)) = self.head.chunks.get(index as usize) else {
            return Err(self.corrupt(Malformed("no such chunk")));
        };
        if extent.raw == 0 {
            return Ok(Arc::default());
        }
        if !self.place.packed {
            if index == COLUMNS
                && let Some(bytes) = self.shared.get()
            {
                return Ok(Arc::clone(bytes));
            }
            let bytes =
                Arc::new(self.segment.read_extent(self.index, FIRST_CHUNK + index, offset, extent)?);
            if index == COLUMNS {
                return Ok(Arc::clone(self.shared.get_or_init(|| bytes)));
            }
            return Ok(bytes);
        }
        let all = self.read_packed()?;
        let start = offset as usize;
        // Invariant: the sizes in the head add up to the raw size that was just read.
        Ok(Arc::new(all[start..start + extent.raw as usize].to_vec()))
    }

    fn corrupt(&self, malformed: Malformed) -> ReadError {
        self.segment.corrupt(malformed)
    }

    fn decoded(&self, key: u32) -> Option<Decoded> {
        match self.segment.cached(self.index, Part::Decoded(key))? {
            Kept::Decoded(decoded) => Some(decoded),
            _ => None,
        }
    }

    fn keep(&self, key: u32, decoded: &Decoded) {
        let size = decoded.memory_bytes();
        self.segment.keep(self.index, Part::Decoded(key), Kept::Decoded(decoded.clone()), size);
    }
}

impl Segment {
    /// The parsed head of a block.
    pub(crate) fn head(&self, index: usize, place: &SealedPlace) -> Result<Arc<BlockHead>, ReadError> {
        if let Some(Kept::Head(head)) = self.cached(index, Part::Head) {
            return Ok(head);
        }
        let raw = self.read_extent(index, HEAD, 0, place.head)?;
        let head = BlockHead::read(self.entries[index].meta, place, &raw);
        let head = Arc::new(head.map_err(|malformed| self.corrupt(malformed))?);
        self.keep(index, Part::Head, Kept::Head(Arc::clone(&head)), head.memory_bytes());
        Ok(head)
    }

    /// The filter of a block, if it has one.
    pub(crate) fn filter(&self, index: usize, place: &SealedPlace) -> Result<Option<Arc<Filter>>, ReadError> {
        if place.filter.raw == 0 {
            return Ok(None);
        }
        if let Some(Kept::Filter(filter)) = self.cached(index, Part::Filter) {
            return Ok(Some(filter));
        }
        let Some(filter) = self.read_filter(index)? else { return Ok(None) };
        let filter = Arc::new(filter);
        let size = filter.memory_bytes() as u64 + 64;
        self.keep(index, Part::Filter, Kept::Filter(Arc::clone(&filter)), size);
        Ok(Some(filter))
    }

    /// The same from the disk, and not kept.
    pub(crate) fn read_filter(&self, index: usize) -> Result<Option<Filter>, ReadError> {
        let Place::Sealed(place) = &self.entries[index].place else { return Ok(None) };
        if place.filter.raw == 0 {
            return Ok(None);
        }
        let raw = self.read_extent(index, FILTER, 0, place.filter)?;
        Filter::read(&raw).map(Some).map_err(|malformed| self.corrupt(malformed))
    }
}
