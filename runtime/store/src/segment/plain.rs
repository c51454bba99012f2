//! Owns reading segments of version 1: plain text, two frames for each block. They are written no more;
//! compaction writes their blocks anew in the current version. Refuses to know files.

use crate::block::{BlockMeta, Rows};
use crate::codec::{Malformed, Reader};
use crate::id::{GroupId, StreamId};
use crate::segment::extent::decompress;
use crate::segment::layout::{Entry, Place};

// Header and trailer are those of version 2 (see `layout`), with 1 as the version. The directory is one zstd
// frame, whose CRC-32 stands in the trailer; inside, for each block in the order of (group, stream, first
// timestamp):
//   0  group u64   8  stream u64   16 min timestamp i64   24 max timestamp i64
//  32  min seq u64  40 max seq u64   48 min ingestion i64   56 max ingestion i64
//  64  offset u64, of the block in the file
//  72  columns raw u32   76 columns stored u32   80 columns crc u32 (of the stored bytes)
//  84  messages raw u32  88 messages stored u32  92 messages crc u32 (of the stored bytes)
//  96  events u32
// 100  flags u32, 0
//
// A block is two zstd frames, one behind the other. The columns, for its n events in the order of
// (timestamp, seq):
//   timestamps  n zigzag varints, each the difference to the one before (the first to 0)
//   ingestion   n zigzag varints, likewise
//   seqs        n zigzag varints, likewise
//   lengths     n varints, bytes of each message
//   hops        n bytes
// The messages: one behind the other.

pub(crate) const ENTRY_BYTES: usize = 104;
/// No column chunk or message buffer is larger.
const EXTENT_BYTES_MAX: u32 = 1 << 28;

/// One separately compressed part of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) raw: u32,
    pub(crate) stored: u32,
    crc: u32,
}

/// The two parts of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainPlace {
    columns: Extent,
    text: Extent,
}

impl PlainPlace {
    pub(crate) fn stored_bytes(&self) -> u64 {
        u64::from(self.columns.stored) + u64::from(self.text.stored)
    }
}

fn read_place(reader: &mut Reader<'_>) -> Result<Extent, Malformed> {
    let extent = Extent { raw: reader.u32()?, stored: reader.u32()?, crc: reader.u32()? };
    if extent.raw > EXTENT_BYTES_MAX || extent.stored > EXTENT_BYTES_MAX {
        return Err(Malformed("block size"));
    }
    Ok(extent)
}

pub(crate) fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let (group, stream) = (GroupId(reader.u64()?), StreamId(reader.u64()?));
    let (min_ms, max_ms) = (reader.i64()?, reader.i64()?);
    let (min_seq, max_seq) = (reader.u64()?, reader.u64()?);
    let (min_ingestion_ms, max_ingestion_ms) = (reader.i64()?, reader.i64()?);
    let offset = reader.u64()?;
    let (columns, text) = (read_place(reader)?, read_place(reader)?);
    let events = u64::from(reader.u32()?);
    let _flags = reader.u32()?;
    let raw_bytes = u64::from(text.raw);
    let meta = BlockMeta { group, stream, min_ms, max_ms, min_seq, max_seq, events, raw_bytes };
    let place = Place::Plain(PlainPlace { columns, text });
    Ok(Entry { meta, min_ingestion_ms, max_ingestion_ms, offset, place })
}

fn read_extent(extent: &Extent, stored: &[u8]) -> Result<Vec<u8>, Malformed> {
    if crc32fast::hash(stored) != extent.crc {
        return Err(Malformed("block checksum"));
    }
    decompress(stored, extent.raw as usize)
}

/// Reads a block back, given its stored bytes.
pub(crate) fn decode(meta: &BlockMeta, place: &PlainPlace, stored: &[u8]) -> Result<Rows, Malformed> {
    let mut extents = Reader::new(stored);
    let columns = read_extent(&place.columns, extents.bytes(place.columns.stored as usize)?)?;
    let text = read_extent(&place.text, extents.bytes(place.text.stored as usize)?)?;
    let count = meta.events as usize;
    let mut reader = Reader::new(&columns);
    // Each event takes at least five bytes of columns: a damaged count cannot reserve much.
    if count > reader.left() / 5 {
        return Err(Malformed("block event count"));
    }
    let mut rows = Rows::empty(meta.group, meta.stream);
    rows.timestamps = read_deltas(&mut reader, count, u64::cast_signed)?;
    rows.ingestion = read_deltas(&mut reader, count, u64::cast_signed)?;
    rows.seqs = read_deltas(&mut reader, count, |value| value)?;
    rows.offsets.reserve_exact(count);
    let mut end = 0_u32;
    for _ in 0..count {
        let length = u32::try_from(reader.varint()?).map_err(|_| Malformed("block message length"))?;
        end = end.checked_add(length).ok_or(Malformed("block message length"))?;
        rows.offsets.push(end);
    }
    rows.hops = reader.bytes(count)?.to_vec();
    if reader.left() != 0 || end as usize != text.len() || !rows.timestamps.is_sorted() {
        return Err(Malformed("block columns"));
    }
    rows.text = text;
    Ok(rows)
}

fn read_deltas<T>(reader: &mut Reader<'_>, count: usize, to: impl Fn(u64) -> T) -> Result<Vec<T>, Malformed> {
    let mut values = Vec::with_capacity(count);
    let mut last = 0;
    for _ in 0..count {
        last = reader.delta(last)?;
        values.push(to(last));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_columns_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), events in 0..40_u64) {
            let extent = |raw: &[u8]| {
                let stored = zstd::bulk::compress(raw, 1).unwrap();
                let crc = crc32fast::hash(&stored);
                (Extent { raw: raw.len() as u32, stored: stored.len() as u32, crc }, stored)
            };
            let ((columns, first), (text, second)) = (extent(&bytes), extent(b"three four"));
            let meta = BlockMeta {
                group: GroupId(1), stream: StreamId(1), min_ms: 0, max_ms: 0, min_seq: 0, max_seq: 0, events, raw_bytes: 10
            };
            if let Ok(rows) = decode(&meta, &PlainPlace { columns, text }, &[first, second].concat()) {
                prop_assert_eq!(rows.len() as u64, events);
                prop_assert_eq!(rows.offsets.last().copied(), Some(rows.text.len() as u32));
            }
        }

        #[test]
        fn any_entry_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2 * ENTRY_BYTES)) {
            let _outcome = read_entry(&mut Reader::new(&bytes));
        }
    }
}
