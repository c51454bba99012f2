//! Owns the bytes of a segment file around its blocks: header, directory, trailer. Pure.
//! Refuses to know what is inside a block (see `block`).

use crate::block::BlockMeta;
use crate::codec::{Malformed, Reader};
use crate::id::{GroupId, SegmentId, StreamId};
use crate::segment::SegmentError;

// The layout of a segment file, version 1. All integers little-endian.
//
// File name: `segment-<id, 20 digits>.seg`.
//
// Header, 16 bytes:
//   0  magic    4 bytes "LBSG"
//   4  version  1 byte
//   5  zero     3 bytes
//   8  id       u64, the segment id in the file name
//
// Blocks, each two zstd frames one behind the other: the columns, then the messages (see `block`).
//
// Directory, one zstd frame; inside, for each block in the order of (group, stream, first timestamp):
//   0  group u64   8  stream u64   16 min timestamp i64   24 max timestamp i64
//  32  min seq u64  40 max seq u64   48 min ingestion i64   56 max ingestion i64
//  64  offset u64, of the block in the file
//  72  columns raw u32   76 columns stored u32   80 columns crc u32 (of the stored bytes)
//  84  messages raw u32  88 messages stored u32  92 messages crc u32 (of the stored bytes)
//  96  events u32
// 100  flags u32, 0
//
// Trailer, 40 bytes:
//   0  directory offset u64
//   8  directory stored u32   12 directory raw u32
//  16  blocks u32
//  20  crc u32, of the stored directory
//  24  version 1 byte, zero 3 bytes
//  28  crc u32, of trailer bytes 0..28
//  32  magic   8 bytes "LBSGEND" and a zero

/// The version this code writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"LBSG";
const END_MAGIC: [u8; 8] = *b"LBSGEND\0";
pub(crate) const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 104;
pub(crate) const TRAILER_BYTES: usize = 40;
/// No directory is larger; a size beyond it is damage.
const DIRECTORY_BYTES_MAX: u32 = 1 << 30;
/// No column chunk or message buffer is larger.
const EXTENT_BYTES_MAX: u32 = 1 << 28;

/// The file of a segment.
pub(crate) fn file_name(id: SegmentId) -> String {
    format!("segment-{:020}.seg", id.0)
}

/// The id, if this is the name of a segment file.
pub(crate) fn parse_name(name: &str) -> Option<SegmentId> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok().map(SegmentId))?
}

/// What the directory knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) meta: BlockMeta,
    pub(crate) min_ingestion_ms: i64,
    pub(crate) max_ingestion_ms: i64,
    pub(crate) offset: u64,
    pub(crate) columns: Extent,
    pub(crate) text: Extent,
}

/// One separately compressed part of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) raw: u32,
    pub(crate) stored: u32,
    pub(crate) crc: u32,
}

impl Entry {
    pub(crate) fn stored_bytes(&self) -> u64 {
        u64::from(self.columns.stored) + u64::from(self.text.stored)
    }
}

/// The first bytes of a file.
pub(crate) fn header(id: SegmentId) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[8..].copy_from_slice(&id.0.to_le_bytes());
    bytes
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let meta = &entry.meta;
    for value in [
        meta.group.0,
        meta.stream.0,
        meta.min_ms.cast_unsigned(),
        meta.max_ms.cast_unsigned(),
        meta.min_seq,
        meta.max_seq,
        entry.min_ingestion_ms.cast_unsigned(),
        entry.max_ingestion_ms.cast_unsigned(),
        entry.offset,
    ] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    let (columns, text) = (&entry.columns, &entry.text);
    let events = meta.events as u32;
    for value in [columns.raw, columns.stored, columns.crc, text.raw, text.stored, text.crc, events, 0] {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn read_extent(reader: &mut Reader<'_>) -> Result<Extent, Malformed> {
    let extent = Extent { raw: reader.u32()?, stored: reader.u32()?, crc: reader.u32()? };
    if extent.raw > EXTENT_BYTES_MAX || extent.stored > EXTENT_BYTES_MAX {
        return Err(Malformed("block size"));
    }
    Ok(extent)
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let (group, stream) = (GroupId(reader.u64()?), StreamId(reader.u64()?));
    let (min_ms, max_ms) = (reader.i64()?, reader.i64()?);
    let (min_seq, max_seq) = (reader.u64()?, reader.u64()?);
    let (min_ingestion_ms, max_ingestion_ms) = (reader.i64()?, reader.i64()?);
    let offset = reader.u64()?;
    let (columns, text) = (read_extent(reader)?, read_extent(reader)?);
    let events = u64::from(reader.u32()?);
    let _flags = reader.u32()?;
    let raw_bytes = u64::from(text.raw);
    let meta = BlockMeta { group, stream, min_ms, max_ms, min_seq, max_seq, events, raw_bytes };
    Ok(Entry { meta, min_ingestion_ms, max_ingestion_ms, offset, columns, text })
}

/// Appends directory and trailer to a file that holds its header and blocks.
pub(crate) fn put_end(out: &mut Vec<u8>, entries: &[Entry]) -> std::io::Result<()> {
    let mut raw = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    entries.iter().for_each(|entry| put_entry(&mut raw, entry));
    let stored = zstd::bulk::compress(&raw, 1)?;
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(&(out.len() as u64).to_le_bytes());
    for value in [stored.len() as u32, raw.len() as u32, entries.len() as u32, crc32fast::hash(&stored)] {
        trailer.extend_from_slice(&value.to_le_bytes());
    }
    trailer.extend_from_slice(&[VERSION, 0, 0, 0]);
    let crc = crc32fast::hash(&trailer);
    trailer.extend_from_slice(&crc.to_le_bytes());
    trailer.extend_from_slice(&END_MAGIC);
    out.extend_from_slice(&stored);
    out.extend_from_slice(&trailer);
    Ok(())
}

/// What the trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) directory_at: u64,
    pub(crate) directory_bytes: u32,
    raw_bytes: u32,
    blocks: u32,
    crc: u32,
}

/// Reads the trailer at the end of these bytes.
pub(crate) fn read_trailer(tail: &[u8]) -> Result<Trailer, SegmentError> {
    let Some(bytes) = tail.last_chunk::<TRAILER_BYTES>() else {
        return Err(SegmentError::Corrupt("file ends too early"));
    };
    if bytes[32..] != END_MAGIC {
        return Err(SegmentError::Corrupt("no trailer"));
    }
    let mut crc = Reader::new(&bytes[28..32]);
    if crc.u32() != Ok(crc32fast::hash(&bytes[..28])) {
        return Err(SegmentError::Corrupt("trailer checksum"));
    }
    if bytes[24] != VERSION {
        return Err(SegmentError::Version(bytes[24]));
    }
    let mut reader = Reader::new(bytes);
    let mut read = || {
        Ok(Trailer {
            directory_at: reader.u64()?,
            directory_bytes: reader.u32()?,
            raw_bytes: reader.u32()?,
            blocks: reader.u32()?,
            crc: reader.u32()?,
        })
    };
    read().map_err(|malformed: Malformed| SegmentError::Corrupt(malformed.0))
}

/// Reads the directory, given its stored bytes.
pub(crate) fn read_directory(trailer: &Trailer, stored: &[u8]) -> Result<Vec<Entry>, SegmentError> {
    if crc32fast::hash(stored) != trailer.crc {
        return Err(SegmentError::Corrupt("directory checksum"));
    }
    let blocks = trailer.blocks as usize;
    if trailer.raw_bytes > DIRECTORY_BYTES_MAX || trailer.raw_bytes as usize != blocks * ENTRY_BYTES {
        return Err(SegmentError::Corrupt("directory size"));
    }
    let raw = zstd::bulk::decompress(stored, trailer.raw_bytes as usize)
        .map_err(|_| SegmentError::Corrupt("directory compression"))?;
    let mut reader = Reader::new(&raw);
    let mut entries = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        let entry = read_entry(&mut reader).map_err(|malformed| SegmentError::Corrupt(malformed.0))?;
        let end = entry.offset.checked_add(entry.stored_bytes());
        if end.is_none_or(|end| end > trailer.directory_at) {
            return Err(SegmentError::Corrupt("block place"));
        }
        entries.push(entry);
    }
    if reader.left() != 0 {
        return Err(SegmentError::Corrupt("directory size"));
    }
    Ok(entries)
}
