//! Owns the bytes of the chunks that every block has: timestamps (0) and origins (1: ingestion times,
//! positions, hops). Refuses to know messages.

use std::sync::Arc;

use crate::block::Rows;
use crate::codec::{Malformed, Reader, put_delta, put_varint};

// Chunk 0, for the n rows of the block: the first timestamp, i64; the smallest difference of a timestamp to
//   the one before, varint; the bytes w that the largest difference above the smallest takes, 1 byte; then for
//   each byte of it, the lowest first, that byte for rows 1..n: so the high bytes, mostly alike, stand together.
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
    pub(crate) fn push(&mut self, ingestion: i64, seq: u64, hop: u8) {
        self.ingestion.push(ingestion);
        self.seqs.push(seq);
        self.hops.push(hop);
    }
}

/// Timestamps as they are kept: half as large as they are used, if they allow it.
#[derive(Debug)]
pub(crate) enum Times {
    /// Milliseconds behind the first.
    Near(i64, Vec<u32>),
    Far(Arc<Vec<i64>>),
}

impl Times {
    /// The times never fall.
    pub(super) fn of(times: &Arc<Vec<i64>>) -> Self {
        let first = times.first().copied().unwrap_or_default();
        let span = times.last().map_or(Some(0), |last| last.checked_sub(first));
        if span.is_some_and(|span| u32::try_from(span).is_ok()) {
            return Self::Near(first, times.iter().map(|time| (time - first) as u32).collect());
        }
        Self::Far(Arc::clone(times))
    }

    pub(super) fn list(&self) -> Arc<Vec<i64>> {
        match self {
            Self::Near(first, behind) => {
                Arc::new(behind.iter().map(|&behind| first + i64::from(behind)).collect())
            }
            Self::Far(times) => Arc::clone(times),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Near(_, behind) => behind.len() * 4,
            Self::Far(times) => times.len() * 8,
        }
    }
}

pub(super) fn encode_times(times: &[i64]) -> Vec<u8> {
    let gaps = || times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]).cast_unsigned());
    let (min, max) = (gaps().min().unwrap_or(0), gaps().max().unwrap_or(0));
    let width = (64 - (max - min).leading_zeros()).div_ceil(8) as usize;
    let mut out = Vec::with_capacity(times.len() * width + 20);
    out.extend_from_slice(&times.first().copied().unwrap_or_default().to_le_bytes());
    put_varint(&mut out, min);
    out.push(width as u8);
    for byte in 0..width {
        out.extend(gaps().map(|gap| ((gap - min) >> (8 * byte)) as u8));
    }
    out
}

/// The caller has checked that this many rows are plausible.
pub(super) fn decode_times(rows: usize, bytes: &[u8]) -> Result<Vec<i64>, Malformed> {
    let mut reader = Reader::new(bytes);
    let first = reader.i64()?;
    let (min, width) = (reader.varint()?, usize::from(reader.u8()?));
    let gaps = rows - 1;
    if width > 8 || reader.left() != gaps * width {
        return Err(Malformed("block times"));
    }
    let mut times = vec![0_u64; rows];
    times[0] = first.cast_unsigned();
    for byte in 0..width {
        let plane = reader.bytes(gaps)?;
        times[1..].iter_mut().zip(plane).for_each(|(time, &part)| *time |= u64::from(part) << (8 * byte));
    }
    let mut last = times[0];
    for time in &mut times[1..] {
        last = last.wrapping_add(min).wrapping_add(*time);
        *time = last;
    }
    let times: Vec<i64> = times.into_iter().map(u64::cast_signed).collect();
    if times.is_sorted() { Ok(times) } else { Err(Malformed("block times")) }
}

/// The lengths of the runs of a list, in which each value continues the one before.
fn runs<T: Copy>(values: &[T], continues: impl Fn(T, T) -> bool) -> impl Iterator<Item = (usize, T)> {
    values.chunk_by(move |&a, &b| continues(a, b)).map(|run| (run.len(), run[0]))
}

pub(super) fn encode_origins(rows: &Rows) -> Vec<u8> {
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
pub(super) fn decode_origins(rows: usize, bytes: &[u8]) -> Result<Origins, Malformed> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_small_and_come_back_as_they_were() {
        let day = 86_400_000;
        for (times, bytes) in [
            (vec![], 0),
            (vec![i64::MIN], 4),
            (vec![-5, -5, 7], 12),
            (vec![day, day + i64::from(u32::MAX)], 8),
            (vec![day, day + i64::from(u32::MAX) + 1], 16),
            (vec![i64::MIN, 0, i64::MAX], 24),
        ] {
            let times = Arc::new(times);
            let kept = Times::of(&times);
            assert_eq!((kept.list(), kept.memory_bytes()), (times, bytes));
        }
    }
}
