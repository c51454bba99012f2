//! Owns the intake log: the frames of one file, in prose and code. `replay` reads files back, `writer`
//! commits batches. Refuses to know segments and streams' contents.

pub(crate) mod replay;
pub(crate) mod writer;

use crate::codec::{Malformed, Reader, put_delta, put_varint};
use crate::events::{Batch, Events};
use crate::id::{GroupId, StreamId};

// The layout of an intake file, version 1. All integers little-endian.
//
// File name: `intake-<first seq, 20 digits>.log`. One file holds what one memtable holds.
//
// Header, 16 bytes:
//   0  magic    4 bytes "LBIN"
//   4  version  1 byte
//   5  zero     3 bytes
//   8  first    u64, the seq in the file name
//
// Then frames, one for each batch:
//   0  magic    u32, so that reading can go on behind a damaged frame
//   4  length   u32, bytes of the payload
//   8  crc      u32, CRC-32 (IEEE) of length and payload
//  12  payload
//
// Payload:
//   0  seq      u64, of the first event; the others count on from it
//   8  group    u64
//  16  stream   u64
//  24  ingestion i64, ms
//  32  back     u32, seq minus the first seq of the commit this frame was written in: everything before
//               that commit was durable before this frame was written. It tells a torn tail (all of one
//               commit) from damage to acknowledged data.
//  36  count    u32, number of events, not 0
//  40  hop      u8
//  41  timestamps: `count` zigzag varints, each the difference to the one before (the first to 0)
//      lengths:    `count` varints, bytes of each message
//      messages, one behind the other, to the end

/// The version this code writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"LBIN";
pub(crate) const HEADER_BYTES: usize = 16;
const FRAME_MAGIC: [u8; 4] = [0x9e, b'L', b'f', 0xb1];
pub(crate) const FRAME_HEADER_BYTES: usize = 12;
const PAYLOAD_FIXED_BYTES: usize = 41;
/// No frame is larger; a length beyond it is damage.
const PAYLOAD_BYTES_MAX: usize = 1 << 28;

/// The file whose first event has this seq.
pub(crate) fn file_name(first_seq: u64) -> String {
    format!("intake-{first_seq:020}.log")
}

/// The first seq, if this is the name of an intake file.
pub(crate) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("intake-")?.strip_suffix(".log")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The first bytes of a file.
pub(crate) fn header(first_seq: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[8..].copy_from_slice(&first_seq.to_le_bytes());
    bytes
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Good {
        first_seq: u64,
    },
    /// Written by a version this code does not know.
    Version(u8),
    Damaged,
}

pub(crate) fn read_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Header::Damaged };
    if header[..4] != MAGIC {
        return Header::Damaged;
    }
    match header[4] {
        VERSION => {}
        // No version was ever 0: these are bytes that never reached the disk.
        0 => return Header::Damaged,
        other => return Header::Version(other),
    }
    let mut first = Reader::new(&header[8..]);
    match first.u64() {
        Ok(first_seq) if header[5..8] == [0; 3] => Header::Good { first_seq },
        Ok(_) | Err(_) => Header::Damaged,
    }
}

/// Appends the frame of a batch whose first event gets `seq`, written in the commit that starts at `commit_seq`.
pub(crate) fn put_frame(out: &mut Vec<u8>, batch: &Batch, seq: u64, commit_seq: u64) {
    let start = out.len();
    let events = &batch.events;
    out.reserve(FRAME_HEADER_BYTES + PAYLOAD_FIXED_BYTES + events.len() * 5 + events.text.len());
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&batch.group.0.to_le_bytes());
    out.extend_from_slice(&batch.stream.0.to_le_bytes());
    out.extend_from_slice(&batch.ingestion_ms.to_le_bytes());
    out.extend_from_slice(&((seq - commit_seq) as u32).to_le_bytes());
    out.extend_from_slice(&(events.len() as u32).to_le_bytes());
    out.push(batch.hop);
    let mut last = 0;
    for &timestamp in &events.timestamps {
        put_delta(out, last, timestamp.cast_unsigned());
        last = timestamp.cast_unsigned();
    }
    let mut from = 0;
    for &end in &events.ends {
        put_varint(out, u64::from(end - from));
        from = end;
    }
    out.extend_from_slice(&events.text);
    let length = (out.len() - start - FRAME_HEADER_BYTES) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(length, &out[start + FRAME_HEADER_BYTES..]);
    out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// One frame read back.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) seq: u64,
    pub(crate) commit_seq: u64,
    pub(crate) batch: Batch,
    /// Bytes of the whole frame.
    pub(crate) size: usize,
}

impl Frame {
    pub(crate) fn end_seq(&self) -> u64 {
        self.seq + self.batch.events.len() as u64
    }
}

/// Reads the frame at the start of the bytes.
pub(crate) fn read_frame(bytes: &[u8]) -> Result<Frame, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.bytes(4)? != FRAME_MAGIC {
        return Err(Malformed("no frame here"));
    }
    let length = reader.u32()?;
    let crc = reader.u32()?;
    if length as usize > PAYLOAD_BYTES_MAX {
        return Err(Malformed("frame too large"));
    }
    let payload = reader.bytes(length as usize)?;
    if checksum(length, payload) != crc {
        return Err(Malformed("frame checksum"));
    }
    let (seq, commit_seq, batch) = read_payload(payload)?;
    Ok(Frame { seq, commit_seq, batch, size: FRAME_HEADER_BYTES + length as usize })
}

fn read_payload(payload: &[u8]) -> Result<(u64, u64, Batch), Malformed> {
    let mut reader = Reader::new(payload);
    let seq = reader.u64()?;
    let group = GroupId(reader.u64()?);
    let stream = StreamId(reader.u64()?);
    let ingestion_ms = reader.i64()?;
    let back = reader.u32()?;
    let count = reader.u32()? as usize;
    let hop = reader.u8()?;
    // Each event needs two varints of at least one byte: a damaged count cannot reserve much.
    if count == 0 || count > reader.left() / 2 {
        return Err(Malformed("frame event count"));
    }
    let commit_seq = seq.checked_sub(u64::from(back)).ok_or(Malformed("frame commit"))?;
    seq.checked_add(count as u64).ok_or(Malformed("frame seq"))?;
    let mut timestamps = Vec::with_capacity(count);
    let mut last = 0;
    for _ in 0..count {
        last = reader.delta(last)?;
        timestamps.push(last.cast_signed());
    }
    let mut ends = Vec::with_capacity(count);
    let mut end = 0_u32;
    for _ in 0..count {
        let length = u32::try_from(reader.varint()?).map_err(|_| Malformed("frame message length"))?;
        end = end.checked_add(length).ok_or(Malformed("frame message length"))?;
        ends.push(end);
    }
    if reader.left() != end as usize {
        return Err(Malformed("frame message length"));
    }
    let text = reader.bytes(end as usize)?.to_vec();
    let events = Events { timestamps, ends, text };
    Ok((seq, commit_seq, Batch { group, stream, ingestion_ms, hop, events }))
}

/// Where the next frame may start at or behind `from`.
pub(crate) fn find_frame(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    memchr::memmem::find(tail, &FRAME_MAGIC).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn batch(rows: &[(i64, &[u8])]) -> Batch {
        let events = rows.iter().map(|&(time, message)| (time, message)).collect();
        Batch { group: GroupId(3), stream: StreamId(4), ingestion_ms: 99, hop: 2, events }
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(
            rows in prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..40)), 1..20),
            ids in any::<(u64, u64, i64, u8)>(), seq in 0..1_u64 << 60, back in 0..1000_u64
        ) {
            let events: Events = rows.into_iter().collect();
            let wrote = Batch { group: GroupId(ids.0), stream: StreamId(ids.1), ingestion_ms: ids.2, hop: ids.3, events };
            let mut bytes = vec![7];
            put_frame(&mut bytes, &wrote, seq, seq.saturating_sub(back));
            let size = bytes.len() - 1;
            bytes.extend_from_slice(b"behind");
            let frame = read_frame(&bytes[1..]).unwrap();
            prop_assert_eq!((frame.seq, frame.commit_seq), (seq, seq.saturating_sub(back)));
            prop_assert_eq!(frame.size, size);
            prop_assert_eq!((frame.batch.group, frame.batch.stream), (wrote.group, wrote.stream));
            prop_assert_eq!((frame.batch.ingestion_ms, frame.batch.hop), (wrote.ingestion_ms, wrote.hop));
            prop_assert_eq!(frame.batch.events, wrote.events);
        }

        #[test]
        fn any_payload_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _outcome = read_payload(&bytes);
            let _outcome = read_frame(&bytes);
            let _outcome = read_header(&bytes);
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, &batch(&[(5, b"one"), (7, b"two")]), 10, 10);
        for cut in 0..bytes.len() {
            assert!(read_frame(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read_frame(&damaged).is_err(), "bit {bit}");
        }
        assert!(read_frame(&bytes).is_ok());
    }

    #[test]
    fn names_and_headers_read_back() {
        assert_eq!(parse_name(&file_name(42)), Some(42));
        for name in
            ["intake-42.log", "intake-0000000000000000004x.log", "x", "intake-00000000000000000042.log.tmp"]
        {
            assert_eq!(parse_name(name), None, "{name}");
        }
        let good = header(42);
        assert_eq!(read_header(&good), Header::Good { first_seq: 42 });
        assert_eq!(read_header(&good[..15]), Header::Damaged);
        let mut newer = good;
        newer[4] = 9;
        assert_eq!(read_header(&newer), Header::Version(9));
    }
}
