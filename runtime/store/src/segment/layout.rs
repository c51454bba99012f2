//! Owns the bytes of a segment file around its blocks: header, directory, trailer. Pure.
//! Refuses to know what is inside a block (see `extent`, `chunks`).

use crate::block::BlockMeta;
use crate::cipher::{CHECK_BYTES, Ciphers, NONCE_RANDOM_BYTES, TAG_BYTES, nonce};
use crate::codec::{Malformed, Reader};
use crate::id::{GroupId, SegmentId, StreamId};
use crate::segment::SegmentError;
use crate::segment::extent::{Extent, decompress};
use crate::segment::plain::{self, PlainPlace};

// The layout of a segment file, version 2. All integers little-endian. (Version 1: see `plain`.)
//
// File name: `segment-<id, 20 digits>.seg`.
//
// Header, 16 bytes:
//   0  magic    4 bytes "LBSG"
//   4  version  1 byte
//   5  zero     3 bytes
//   8  id       u64, the segment id in the file name
//
// Blocks, each some extents one behind the other (see `extent`): number 0 the head, 1 the filter (may be
// absent), from 2 on the chunks, or all chunks in number 2 when the block is packed. The raw head begins with
// varints: the number of chunks, and for each its raw size and (unless packed) its stored size; what follows
// is described in `message`.
//
// Directory:
//   0  random   8 bytes
//   8  check    8 bytes: the first of HMAC-SHA256(system secret, "logboom store key check")
//  16  sealed   a zstd frame under the directory key; nonce = random ‖ u32 0; associated data = 1 byte
//               version, u64 segment id, u32 raw size, u32 blocks. Inside, for each block in the order of
//               (group, stream, first timestamp), 112 bytes:
//   0  group u64   8  stream u64   16 min timestamp i64   24 max timestamp i64
//  32  min seq u64  40 max seq u64   48 min ingestion i64   56 max ingestion i64
//  64  offset u64, of the block in the file
//  72  random, 8 bytes, of the nonces of the block's extents
//  80  events u32   84  bytes of the messages u32
//  88  head raw u32   92 head stored u32   96 filter raw u32   100 filter stored u32
// 104  stored u32, of all chunks together
// 108  flags u32: bit 0 = packed, bit 1 = no message holds a backslash
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
pub(crate) const VERSION: u8 = 2;
/// Plain text; read, but not written any more.
pub(crate) const PLAIN_VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"LBSG";
const END_MAGIC: [u8; 8] = *b"LBSGEND\0";
pub(crate) const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 112;
const PACKED: u32 = 1;
const NO_BACKSLASH: u32 = 2;
pub(crate) const TRAILER_BYTES: usize = 40;
const DIRECTORY_CLEAR_BYTES: usize = NONCE_RANDOM_BYTES + CHECK_BYTES;
/// No directory is larger; a size beyond it is damage.
const DIRECTORY_BYTES_MAX: u32 = 1 << 30;

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
    pub(crate) place: Place,
}

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Version 1.
    Plain(PlainPlace),
    Sealed(SealedPlace),
}

/// The extents of a block: head, filter, chunks, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedPlace {
    pub(crate) random: [u8; NONCE_RANDOM_BYTES],
    pub(crate) head: Extent,
    pub(crate) filter: Extent,
    /// All chunks together.
    pub(crate) chunks_stored: u32,
    /// All chunks are one extent.
    pub(crate) packed: bool,
    /// A message may hold a backslash, so that a JSON string in it is not what it means.
    pub(crate) escapes: bool,
}

impl Entry {
    /// The filter, as it is read.
    pub(crate) fn filter_bytes(&self) -> u64 {
        match &self.place {
            Place::Plain(_) => 0,
            Place::Sealed(place) => u64::from(place.filter.raw),
        }
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        match &self.place {
            Place::Plain(place) => place.stored_bytes(),
            Place::Sealed(place) => {
                u64::from(place.head.stored) + u64::from(place.filter.stored) + u64::from(place.chunks_stored)
            }
        }
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

fn put_entry(out: &mut Vec<u8>, entry: &Entry, place: &SealedPlace) {
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
    out.extend_from_slice(&place.random);
    let (head, filter) = (place.head, place.filter);
    for value in [
        meta.events as u32,
        meta.raw_bytes as u32,
        head.raw,
        head.stored,
        filter.raw,
        filter.stored,
        place.chunks_stored,
        if place.packed { PACKED } else { 0 } | if place.escapes { 0 } else { NO_BACKSLASH },
    ] {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn read_extent(reader: &mut Reader<'_>) -> Result<Extent, Malformed> {
    Extent { raw: reader.u32()?, stored: reader.u32()? }.check()
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let (group, stream) = (GroupId(reader.u64()?), StreamId(reader.u64()?));
    let (min_ms, max_ms) = (reader.i64()?, reader.i64()?);
    let (min_seq, max_seq) = (reader.u64()?, reader.u64()?);
    let (min_ingestion_ms, max_ingestion_ms) = (reader.i64()?, reader.i64()?);
    let offset = reader.u64()?;
    let mut random = [0; NONCE_RANDOM_BYTES];
    random.copy_from_slice(reader.bytes(NONCE_RANDOM_BYTES)?);
    let (events, raw_bytes) = (u64::from(reader.u32()?), u64::from(reader.u32()?));
    let (head, filter) = (read_extent(reader)?, read_extent(reader)?);
    let chunks_stored = reader.u32()?;
    let flags = reader.u32()?;
    if flags & !(PACKED | NO_BACKSLASH) != 0 {
        return Err(Malformed("block flags"));
    }
    let (packed, escapes) = (flags & PACKED != 0, flags & NO_BACKSLASH == 0);
    let meta = BlockMeta { group, stream, min_ms, max_ms, min_seq, max_seq, events, raw_bytes };
    let place = Place::Sealed(SealedPlace { random, head, filter, chunks_stored, packed, escapes });
    Ok(Entry { meta, min_ingestion_ms, max_ingestion_ms, offset, place })
}

fn directory_aad(id: SegmentId, raw: u32, blocks: u32) -> [u8; 17] {
    let mut aad = [VERSION; 17];
    aad[1..9].copy_from_slice(&id.0.to_le_bytes());
    aad[9..13].copy_from_slice(&raw.to_le_bytes());
    aad[13..].copy_from_slice(&blocks.to_le_bytes());
    aad
}

/// Appends directory and trailer to a file that holds its header and blocks (all of them sealed).
pub(crate) fn put_end(
    out: &mut Vec<u8>,
    id: SegmentId,
    entries: &[Entry],
    ciphers: &Ciphers,
) -> std::io::Result<()> {
    let mut raw = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        if let Place::Sealed(place) = &entry.place {
            put_entry(&mut raw, entry, place);
        }
    }
    let (raw_bytes, blocks) = (raw.len() as u32, entries.len() as u32);
    let (start, random) = (out.len(), ciphers.random());
    out.extend_from_slice(&random);
    out.extend_from_slice(&ciphers.check());
    out.extend_from_slice(&zstd::bulk::compress(&raw, 1)?);
    let aad = directory_aad(id, raw_bytes, blocks);
    ciphers.directory().seal(nonce(random, 0), &aad, out, start + DIRECTORY_CLEAR_BYTES);
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(&(start as u64).to_le_bytes());
    let stored = &out[start..];
    for value in [stored.len() as u32, raw_bytes, blocks, crc32fast::hash(stored)] {
        trailer.extend_from_slice(&value.to_le_bytes());
    }
    trailer.extend_from_slice(&[VERSION, 0, 0, 0]);
    let crc = crc32fast::hash(&trailer);
    trailer.extend_from_slice(&crc.to_le_bytes());
    trailer.extend_from_slice(&END_MAGIC);
    out.extend_from_slice(&trailer);
    Ok(())
}

/// What the trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) directory_at: u64,
    pub(crate) directory_bytes: u32,
    pub(crate) version: u8,
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
    let version = bytes[24];
    if version != VERSION && version != PLAIN_VERSION {
        return Err(SegmentError::Version(version));
    }
    let mut reader = Reader::new(bytes);
    let mut read = || {
        Ok(Trailer {
            directory_at: reader.u64()?,
            directory_bytes: reader.u32()?,
            version,
            raw_bytes: reader.u32()?,
            blocks: reader.u32()?,
            crc: reader.u32()?,
        })
    };
    read().map_err(|malformed: Malformed| SegmentError::Corrupt(malformed.0))
}

/// Reads the directory of a segment, given its stored bytes.
pub(crate) fn read_directory(
    id: SegmentId,
    trailer: &Trailer,
    stored: &[u8],
    ciphers: &Ciphers,
) -> Result<Vec<Entry>, SegmentError> {
    if crc32fast::hash(stored) != trailer.crc {
        return Err(SegmentError::Corrupt("directory checksum"));
    }
    let corrupt = |malformed: Malformed| SegmentError::Corrupt(malformed.0);
    let blocks = trailer.blocks as usize;
    let plain = trailer.version == PLAIN_VERSION;
    let entry_bytes = if plain { plain::ENTRY_BYTES } else { ENTRY_BYTES };
    let raw = if plain { stored.to_vec() } else { open_directory(id, trailer, stored, ciphers)? };
    if trailer.raw_bytes > DIRECTORY_BYTES_MAX || trailer.raw_bytes as usize != blocks * entry_bytes {
        return Err(SegmentError::Corrupt("directory size"));
    }
    let raw = decompress(&raw, trailer.raw_bytes as usize).map_err(corrupt)?;
    let mut reader = Reader::new(&raw);
    let mut entries = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        let entry = if plain { plain::read_entry(&mut reader) } else { read_entry(&mut reader) };
        let entry = entry.map_err(corrupt)?;
        let end = entry.offset.checked_add(entry.stored_bytes());
        if end.is_none_or(|end| end > trailer.directory_at) {
            return Err(SegmentError::Corrupt("block place"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The compressed directory.
fn open_directory(
    id: SegmentId,
    trailer: &Trailer,
    stored: &[u8],
    ciphers: &Ciphers,
) -> Result<Vec<u8>, SegmentError> {
    if stored.len() < DIRECTORY_CLEAR_BYTES + TAG_BYTES {
        return Err(SegmentError::Corrupt("directory size"));
    }
    let (clear, sealed) = stored.split_at(DIRECTORY_CLEAR_BYTES);
    let (random, check) = clear.split_at(NONCE_RANDOM_BYTES);
    if check != ciphers.check() {
        return Err(SegmentError::WrongKey);
    }
    let mut nonce_random = [0; NONCE_RANDOM_BYTES];
    nonce_random.copy_from_slice(random);
    let mut bytes = sealed.to_vec();
    let aad = directory_aad(id, trailer.raw_bytes, trailer.blocks);
    let opened = ciphers.directory().open(nonce(nonce_random, 0), &aad, &mut bytes);
    opened.map_err(|_| SegmentError::Corrupt("directory seal"))?;
    Ok(bytes)
}
