//! Owns the bytes of the chunks that every block has: timestamps (0) and origins (1: ingestion times,
//! positions, hops). Refuses to know messages.

use crate::block::Rows;
use crate::codec::{Malformed, Reader, put_delta, put_varint};

// Chunk 0, for the n rows of the block:
//   n zigzag varints, each the difference to the timestamp before (the first to 0).
// Chunk 1, three lists of runs one behind the other, each until it has covered n rows:
//   ingestion   varint rows, zigzag varint difference to the run before (the first to 0)
//   seqs        varint rows, zigzag varint difference of the run's first seq to the one expected (the seq
//               before plus 1; 0 at first); inside a run each seq is one more than the one before
//   hops        varint rows, 1 byte

/// When the rows came in, where they stand in the order of arrival, and after how many deliveries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    pub(crate) ingestion: Vec<i64>,
    pub(crate) seqs: Vec<u64>,
    pub(crate) hops: Vec<u8>,
}

impl Origins {
    pub(crate) fn memory_bytes(&self) -> usize {
        self.ingestion.capacity() * 8 + self.seqs.capacity() * 8 + self.hops.capacity()
    }
}

pub(crate) fn encode_times(times: &[i64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(times.len() * 2 + 8);
    let mut last = 0;
    for time in times {
        put_delta(&mut out, last, time.cast_unsigned());
        last = time.cast_unsigned();
    }
    out
}

pub(crate) fn decode_times(rows: usize, bytes: &[u8]) -> Result<Vec<i64>, Malformed> {
    if rows > bytes.len() {
        return Err(Malformed("block times"));
    }
    let mut reader = Reader::new(bytes);
    let mut times = Vec::with_capacity(rows);
    let mut last = 0;
    for _ in 0..rows {
        last = reader.delta(last)?;
        times.push(last.cast_signed());
    }
    if reader.left() == 0 && times.is_sorted() { Ok(times) } else { Err(Malformed("block times")) }
}

/// The lengths of the runs of a list, in which each value continues the one before.
fn runs<T: Copy>(values: &[T], continues: impl Fn(T, T) -> bool) -> impl Iterator<Item = (usize, T)> {
    values.chunk_by(move |&a, &b| continues(a, b)).map(|run| (run.len(), run[0]))
}

pub(crate) fn encode_origins(rows: &Rows) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0;
    for (length, value) in runs(&rows.ingestion, |a, b| a == b) {
        put_varint(&mut out, length as u64);
        put_delta(&mut out, last, value.cast_unsigned());
        last = value.cast_unsigned();
    }
    let mut expected = 0_u64;
    for (length, first) in runs(&rows.seqs, |a, b| a.wrapping_add(1) == b) {
        put_varint(&mut out, length as u64);
        put_delta(&mut out, expected, first);
        expected = first.wrapping_add(length as u64);
    }
    for (length, hop) in runs(&rows.hops, |a, b| a == b) {
        put_varint(&mut out, length as u64);
        out.push(hop);
    }
    out
}

/// Reads runs until they cover all rows.
fn read_runs(
    reader: &mut Reader<'_>,
    rows: usize,
    mut take: impl FnMut(&mut Reader<'_>, usize) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut left = rows;
    while left > 0 {
        let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        if length == 0 || length > left {
            return Err(Malformed("block run length"));
        }
        take(reader, length)?;
        left -= length;
    }
    Ok(())
}

/// The caller has checked that this many rows are plausible.
pub(crate) fn decode_origins(rows: usize, bytes: &[u8]) -> Result<Origins, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut origins = Origins::default();
    let mut last = 0;
    read_runs(&mut reader, rows, |reader, length| {
        last = reader.delta(last)?;
        origins.ingestion.resize(origins.ingestion.len() + length, last.cast_signed());
        Ok(())
    })?;
    let mut expected = 0_u64;
    read_runs(&mut reader, rows, |reader, length| {
        let first = reader.delta(expected)?;
        origins.seqs.extend((0..length as u64).map(|step| first.wrapping_add(step)));
        expected = first.wrapping_add(length as u64);
        Ok(())
    })?;
    read_runs(&mut reader, rows, |reader, length| {
        let hop = reader.u8()?;
        origins.hops.resize(origins.hops.len() + length, hop);
        Ok(())
    })?;
    if reader.left() == 0 { Ok(origins) } else { Err(Malformed("block origins")) }
}
