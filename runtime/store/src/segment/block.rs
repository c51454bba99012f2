//! Owns the bytes of one block: columns and messages, each compressed on its own. Pure.
//! Refuses to know where the block stands in a file.

use std::cell::RefCell;
use std::io;

use crate::block::{BlockMeta, Rows};
use crate::codec::{Malformed, Reader, put_delta, put_varint};
use crate::segment::layout::{Entry, Extent};

// The columns of a block, before compression, for its n events in the order of (timestamp, seq):
//   timestamps  n zigzag varints, each the difference to the one before (the first to 0)
//   ingestion   n zigzag varints, likewise
//   seqs        n zigzag varints, likewise
//   lengths     n varints, bytes of each message
//   hops        n bytes
// The messages, before compression: one behind the other.

/// VictoriaLogs' and our own measurements: level 3 is slower and not smaller on log lines.
const LEVEL: i32 = 1;

thread_local! {
    // A decompression context is 150 KiB: one for each thread that reads, not one for each block.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses blocks, reusing its buffers.
pub(crate) struct Encoder {
    compressor: zstd::bulk::Compressor<'static>,
    columns: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(LEVEL)?, columns: Vec::new() })
    }

    /// Appends the block of these rows (at least one) and says what the directory has to know.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, rows: &Rows) -> io::Result<Entry> {
        self.columns.clear();
        put_columns(&mut self.columns, rows);
        let offset = out.len() as u64;
        let columns = put_extent(&mut self.compressor, out, &self.columns)?;
        let text = put_extent(&mut self.compressor, out, &rows.text)?;
        let (min_seq, max_seq) = bounds(&rows.seqs);
        let (min_ingestion_ms, max_ingestion_ms) = bounds(&rows.ingestion);
        let (min_ms, max_ms) = bounds(&rows.timestamps);
        let meta = BlockMeta {
            group: rows.group,
            stream: rows.stream,
            min_ms,
            max_ms,
            min_seq,
            max_seq,
            events: rows.len() as u64,
            raw_bytes: rows.text.len() as u64,
        };
        Ok(Entry { meta, min_ingestion_ms, max_ingestion_ms, offset, columns, text })
    }
}

fn bounds<T: Copy + Ord + Default>(values: &[T]) -> (T, T) {
    let low = values.iter().min().copied().unwrap_or_default();
    let high = values.iter().max().copied().unwrap_or_default();
    (low, high)
}

fn put_columns(out: &mut Vec<u8>, rows: &Rows) {
    put_deltas(out, rows.timestamps.iter().map(|value| value.cast_unsigned()));
    put_deltas(out, rows.ingestion.iter().map(|value| value.cast_unsigned()));
    put_deltas(out, rows.seqs.iter().copied());
    for pair in rows.offsets.windows(2) {
        put_varint(out, u64::from(pair[1] - pair[0]));
    }
    out.extend_from_slice(&rows.hops);
}

fn put_deltas(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    let mut last = 0;
    for value in values {
        put_delta(out, last, value);
        last = value;
    }
}

fn put_extent(
    compressor: &mut zstd::bulk::Compressor<'static>,
    out: &mut Vec<u8>,
    raw: &[u8],
) -> io::Result<Extent> {
    let start = out.len();
    out.resize(start + zstd::zstd_safe::compress_bound(raw.len()), 0);
    let stored = compressor.compress_to_buffer(raw, &mut out[start..])?;
    out.truncate(start + stored);
    let crc = crc32fast::hash(&out[start..]);
    Ok(Extent { raw: raw.len() as u32, stored: stored as u32, crc })
}

fn read_extent(extent: &Extent, stored: &[u8]) -> Result<Vec<u8>, Malformed> {
    if crc32fast::hash(stored) != extent.crc {
        return Err(Malformed("block checksum"));
    }
    let raw = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(stored, extent.raw as usize)
    });
    let raw = raw.map_err(|_| Malformed("block compression"))?;
    if raw.len() == extent.raw as usize { Ok(raw) } else { Err(Malformed("block size")) }
}

/// Reads a block back, given its stored bytes.
pub(crate) fn decode(entry: &Entry, stored: &[u8]) -> Result<Rows, Malformed> {
    let mut extents = Reader::new(stored);
    let columns = read_extent(&entry.columns, extents.bytes(entry.columns.stored as usize)?)?;
    let text = read_extent(&entry.text, extents.bytes(entry.text.stored as usize)?)?;
    let count = entry.meta.events as usize;
    let mut reader = Reader::new(&columns);
    // Each event takes at least five bytes of columns: a damaged count cannot reserve much.
    if count > reader.left() / 5 {
        return Err(Malformed("block event count"));
    }
    let mut rows = Rows::empty(entry.meta.group, entry.meta.stream);
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
