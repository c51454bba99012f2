//! Owns the intake log: the frames of one file, in prose and code. `replay` reads files back, `queue` says who
//! is next and `writer` commits batches. Refuses to know segments and streams' contents.

pub(crate) mod queue;
pub(crate) mod replay;
pub(crate) mod writer;

use crate::cipher::{self, Cipher, Ciphers, NONCE_RANDOM_BYTES, Purpose, TAG_BYTES};
use crate::codec::{Malformed, Reader, put_delta, put_varint};
use crate::events::{Batch, Events};
use crate::id::{GroupId, StreamId};
use crate::keys::KeyError;

// The layout of an intake file, version 2. All integers little-endian.
//
// File name: `intake-<first seq, 20 digits>.log`. One file holds what one memtable holds.
//
// Header, 16 bytes:
//   0  magic    4 bytes "LBIN"
//   4  version  1 byte
//   5  zero     3 bytes
//   8  first    u64, the seq in the file name
//
// Behind the last frame there may be zeros, room for commits to come.
//
// Then frames, one for each batch:
//   0  magic    u32, so that reading can go on behind a damaged frame
//   4  length   u32, bytes of the payload with its tag; 0 in a frame of kind 1
//   8  seq      u64, of the first event; the others count on from it
//  16  group    u64
//  24  stream   u64
//  32  ingestion i64, ms
//  40  back     u32, seq minus the first seq of the commit this frame was written in: everything before
//               that commit was durable before this frame was written. It tells a torn tail (all of one
//               commit) from damage to acknowledged data.
//  44  count    u32, number of events, not 0
//  48  random   8 bytes, drawn for each file and each start of the process
//  56  number   u32, of the frame among those with these random bytes
//  60  hop      u8
//  61  kind     u8, 0 = a batch, 1 = the place of a batch whose group was deleted: only its seqs are left
//  62  zero     2 bytes
//  64  crc      u32, CRC-32 (IEEE) of bytes 0..64
//  68  payload, sealed with the group's key for the intake (AES-256-GCM): the nonce is `random` and
//      `number`, the associated data bytes 0..64, the tag of 16 bytes stands at the end.
//
// Payload before sealing:
//   0  timestamps: `count` zigzag varints, each the difference to the one before (the first to 0)
//      lengths:    `count` varints, bytes of each message
//      messages, one behind the other, to the end
//
// Version 1, which is read and never written: the frame has magic (another), length, CRC-32 of length and payload,
// and a payload in clear: seq, group, stream, ingestion, back and count as above, hop, then as above.

/// The version this code writes.
pub(crate) const VERSION: u8 = 2;
/// The version before sealing.
const VERSION_CLEAR: u8 = 1;
const MAGIC: [u8; 4] = *b"LBIN";
pub(crate) const HEADER_BYTES: usize = 16;
const FRAME_MAGIC: [u8; 4] = [0x9e, b'L', b'f', 0xb2];
const CLEAR_FRAME_MAGIC: [u8; 4] = [0x9e, b'L', b'f', 0xb1];
/// What of a frame stands before its checksum and is the associated data of the payload.
const FRAME_FACTS_BYTES: usize = 64;
pub(crate) const FRAME_HEADER_BYTES: usize = FRAME_FACTS_BYTES + 4;
const CLEAR_FRAME_HEADER_BYTES: usize = 12;
/// No frame is larger; a length beyond it is damage.
const PAYLOAD_BYTES_MAX: usize = 1 << 28;
const BATCH: u8 = 0;
const GONE: u8 = 1;

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
        /// The frames are of the version before sealing.
        clear: bool,
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
        VERSION | VERSION_CLEAR => {}
        // No version was ever 0: these are bytes that never reached the disk.
        0 => return Header::Damaged,
        other => return Header::Version(other),
    }
    let mut first = Reader::new(&header[8..]);
    match first.u64() {
        Ok(first_seq) if header[5..8] == [0; 3] => {
            Header::Good { first_seq, clear: header[4] == VERSION_CLEAR }
        }
        Ok(_) | Err(_) => Header::Damaged,
    }
}

/// Numbers the frames, so that no nonce comes twice: the random bytes are drawn anew for each file.
pub(crate) struct Nonces {
    random: [u8; NONCE_RANDOM_BYTES],
    next: u32,
}

impl Nonces {
    pub(crate) fn new(ciphers: &Ciphers) -> Self {
        Self { random: ciphers.random(), next: 0 }
    }

    /// A number that was never given before, whatever becomes of the frame.
    fn take(&mut self, ciphers: &Ciphers) -> ([u8; NONCE_RANDOM_BYTES], u32) {
        let taken = (self.random, self.next);
        match self.next.checked_add(1) {
            Some(next) => self.next = next,
            None => *self = Self::new(ciphers),
        }
        taken
    }
}

/// Where a batch stands in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seqs {
    /// Of its first event.
    pub(crate) first: u64,
    /// Of the first event of its commit.
    pub(crate) commit: u64,
}

/// Appends the frame of a batch, sealed; without a cipher, only its place.
pub(crate) fn put_frame(
    out: &mut Vec<u8>,
    batch: &Batch,
    seqs: Seqs,
    cipher: Option<&Cipher>,
    (nonces, ciphers): (&mut Nonces, &Ciphers),
) {
    let start = out.len();
    let events = &batch.events;
    out.reserve(FRAME_HEADER_BYTES + events.len() * 5 + events.text.len() + TAG_BYTES);
    let (random, number) = nonces.take(ciphers);
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seqs.first.to_le_bytes());
    out.extend_from_slice(&batch.group.0.to_le_bytes());
    out.extend_from_slice(&batch.stream.0.to_le_bytes());
    out.extend_from_slice(&batch.ingestion_ms.to_le_bytes());
    out.extend_from_slice(&((seqs.first - seqs.commit) as u32).to_le_bytes());
    out.extend_from_slice(&(events.len() as u32).to_le_bytes());
    out.extend_from_slice(&random);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&[batch.hop, if cipher.is_some() { BATCH } else { GONE }, 0, 0]);
    out.extend_from_slice(&[0; 4]);
    if cipher.is_some() {
        put_events(out, events);
    }
    let tag = if cipher.is_some() { TAG_BYTES } else { 0 };
    let length = (out.len() - start - FRAME_HEADER_BYTES + tag) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    let mut facts = [0; FRAME_FACTS_BYTES];
    facts.copy_from_slice(&out[start..start + FRAME_FACTS_BYTES]);
    let crc = crc32fast::hash(&facts);
    out[start + FRAME_FACTS_BYTES..start + FRAME_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    if let Some(cipher) = cipher {
        cipher.seal(cipher::nonce(random, number), &facts, out, start + FRAME_HEADER_BYTES);
    }
}

fn put_events(out: &mut Vec<u8>, events: &Events) {
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
}

/// One frame read back.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) seqs: Seqs,
    /// Of a batch whose group was deleted, as many events as there were, all of them empty: nobody sees them,
    /// but positions go on.
    pub(crate) batch: Batch,
    /// Bytes of the whole frame.
    pub(crate) size: usize,
}

impl Frame {
    pub(crate) fn end_seq(&self) -> u64 {
        self.seqs.first + self.batch.events.len() as u64
    }
}

/// Why there is no frame.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The bytes are none.
    Malformed(Malformed),
    /// Its group's key should be there and is not.
    Key(KeyError),
}

impl From<Malformed> for Unread {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<KeyError> for Unread {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

/// Reads the frame at the start of the bytes; one of the version before sealing where `clear` says so.
pub(crate) fn read_frame(bytes: &[u8], clear: bool, ciphers: &Ciphers) -> Result<Frame, Unread> {
    let mut reader = Reader::new(bytes);
    match reader.bytes(4)? {
        magic if magic == FRAME_MAGIC => read_sealed_frame(bytes, reader, ciphers),
        magic if clear && magic == CLEAR_FRAME_MAGIC => Ok(read_clear_frame(reader)?),
        _ => Err(Malformed("no frame here").into()),
    }
}

/// What a frame says of its batch.
struct Facts {
    seqs: Seqs,
    batch: Batch,
    count: usize,
}

fn read_facts(reader: &mut Reader<'_>) -> Result<Facts, Malformed> {
    let first = reader.u64()?;
    let group = GroupId(reader.u64()?);
    let stream = StreamId(reader.u64()?);
    let ingestion_ms = reader.i64()?;
    let back = reader.u32()?;
    let count = reader.u32()? as usize;
    if count == 0 {
        return Err(Malformed("frame event count"));
    }
    let commit = first.checked_sub(u64::from(back)).ok_or(Malformed("frame commit"))?;
    first.checked_add(count as u64).ok_or(Malformed("frame seq"))?;
    let batch = Batch { group, stream, ingestion_ms, hop: 0, events: Events::default() };
    Ok(Facts { seqs: Seqs { first, commit }, batch, count })
}

fn read_sealed_frame(bytes: &[u8], mut reader: Reader<'_>, ciphers: &Ciphers) -> Result<Frame, Unread> {
    let (head, rest) = bytes.split_at_checked(FRAME_HEADER_BYTES).ok_or(Malformed("ends too early"))?;
    let (facts_bytes, crc) = head.split_at(FRAME_FACTS_BYTES);
    if crc32fast::hash(facts_bytes).to_le_bytes() != crc {
        return Err(Malformed("frame checksum").into());
    }
    let length = reader.u32()? as usize;
    let Facts { seqs, mut batch, count } = read_facts(&mut reader)?;
    let mut random = [0; NONCE_RANDOM_BYTES];
    random.copy_from_slice(reader.bytes(NONCE_RANDOM_BYTES)?);
    let number = reader.u32()?;
    batch.hop = reader.u8()?;
    let kind = reader.u8()?;
    if length > PAYLOAD_BYTES_MAX || kind > GONE || (kind == GONE) != (length == 0) {
        return Err(Malformed("frame kind or length").into());
    }
    let sealed = rest.get(..length).ok_or(Malformed("ends too early"))?;
    // Each event takes two varints of at least one byte: a length and a count that do not fit reserve nothing.
    if kind == BATCH && count > length / 2 {
        return Err(Malformed("frame event count").into());
    }
    let cipher = if kind == BATCH { ciphers.group(Purpose::Intake, batch.group)? } else { None };
    batch.events = match cipher {
        Some(cipher) => {
            let mut payload = sealed.to_vec();
            let opened = cipher.open(cipher::nonce(random, number), facts_bytes, &mut payload);
            opened.map_err(|_| Malformed("frame is not what was sealed"))?;
            read_events(Reader::new(&payload), count)?
        }
        None => empty_events(count)?,
    };
    Ok(Frame { seqs, batch, size: FRAME_HEADER_BYTES + length })
}

/// More events than any batch has are damage.
const GONE_EVENTS_MAX: usize = 1 << 24;

fn empty_events(count: usize) -> Result<Events, Malformed> {
    if count > GONE_EVENTS_MAX {
        return Err(Malformed("frame event count"));
    }
    Ok(Events { timestamps: vec![0; count], ends: vec![0; count], text: Vec::new() })
}

fn read_clear_frame(mut reader: Reader<'_>) -> Result<Frame, Malformed> {
    let length = reader.u32()?;
    let crc = reader.u32()?;
    if length as usize > PAYLOAD_BYTES_MAX {
        return Err(Malformed("frame too large"));
    }
    let payload = reader.bytes(length as usize)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    if hasher.finalize() != crc {
        return Err(Malformed("frame checksum"));
    }
    let mut payload = Reader::new(payload);
    let Facts { seqs, mut batch, count } = read_facts(&mut payload)?;
    batch.hop = payload.u8()?;
    batch.events = read_events(payload, count)?;
    Ok(Frame { seqs, batch, size: CLEAR_FRAME_HEADER_BYTES + length as usize })
}

fn read_events(mut reader: Reader<'_>, count: usize) -> Result<Events, Malformed> {
    // Each event needs two varints of at least one byte: a damaged count cannot reserve much.
    if count > reader.left() / 2 {
        return Err(Malformed("frame event count"));
    }
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
    Ok(Events { timestamps, ends, text })
}

/// Where the next frame may start at or behind `from`.
pub(crate) fn find_frame(bytes: &[u8], from: usize, clear: bool) -> Option<usize> {
    let tail = bytes.get(from..)?;
    let find = |magic: &[u8]| memchr::memmem::find(tail, magic).map(|at| from + at);
    let clear = if clear { find(&CLEAR_FRAME_MAGIC) } else { None };
    // The earlier of the two, if there are two.
    find(&FRAME_MAGIC).into_iter().chain(clear).min()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::keys::MemoryKeys;
    use proptest::prelude::*;

    fn batch(rows: &[(i64, &[u8])]) -> Batch {
        let events = rows.iter().map(|&(time, message)| (time, message)).collect();
        Batch { group: GroupId(3), stream: StreamId(4), ingestion_ms: 99, hop: 2, events }
    }

    fn ciphers(keys: MemoryKeys) -> Ciphers {
        Ciphers::new(Arc::new(keys))
    }

    /// The frame as this version writes it.
    fn frame(batch: &Batch, seqs: Seqs) -> Vec<u8> {
        let ciphers = ciphers(MemoryKeys::new(1));
        let cipher = ciphers.group(Purpose::Intake, batch.group).unwrap();
        let mut out = Vec::new();
        put_frame(&mut out, batch, seqs, cipher.as_deref(), (&mut Nonces::new(&ciphers), &ciphers));
        out
    }

    fn read(bytes: &[u8]) -> Result<Frame, Unread> {
        read_frame(bytes, false, &ciphers(MemoryKeys::new(1)))
    }

    /// The frame as version 1 wrote it.
    fn clear_frame(batch: &Batch, seqs: Seqs) -> Vec<u8> {
        let mut payload = Vec::new();
        for number in [seqs.first, batch.group.0, batch.stream.0, batch.ingestion_ms.cast_unsigned()] {
            payload.extend_from_slice(&number.to_le_bytes());
        }
        payload.extend_from_slice(&((seqs.first - seqs.commit) as u32).to_le_bytes());
        payload.extend_from_slice(&(batch.events.len() as u32).to_le_bytes());
        payload.push(batch.hop);
        put_events(&mut payload, &batch.events);
        let mut out = CLEAR_FRAME_MAGIC.to_vec();
        out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        let checked = [&out[4..8], &payload].concat();
        out.extend_from_slice(&crc32fast::hash(&checked).to_le_bytes());
        out.extend_from_slice(&payload);
        out
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(
            rows in prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..40)), 1..20),
            ids in any::<(u64, u64, i64, u8)>(), first in 0..1_u64 << 60, back in 0..1000_u64, clear in any::<bool>()
        ) {
            let events: Events = rows.into_iter().collect();
            let wrote = Batch { group: GroupId(ids.0), stream: StreamId(ids.1), ingestion_ms: ids.2, hop: ids.3, events };
            let seqs = Seqs { first, commit: first.saturating_sub(back) };
            let mut bytes = if clear { clear_frame(&wrote, seqs) } else { frame(&wrote, seqs) };
            let size = bytes.len();
            bytes.extend_from_slice(b"behind");
            prop_assert_eq!(read(&bytes).is_err(), clear, "a frame in clear has no place in a sealed file");
            let frame = read_frame(&bytes, true, &ciphers(MemoryKeys::new(1))).unwrap();
            prop_assert_eq!((frame.seqs.first, frame.seqs.commit), (seqs.first, seqs.commit));
            prop_assert_eq!(frame.size, size);
            prop_assert_eq!((frame.batch.group, frame.batch.stream), (wrote.group, wrote.stream));
            prop_assert_eq!((frame.batch.ingestion_ms, frame.batch.hop), (wrote.ingestion_ms, wrote.hop));
            prop_assert_eq!(frame.batch.events, wrote.events);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..100), magic in 0..3_usize, checked in any::<bool>()
        ) {
            let _outcome = read_header(&bytes);
            let mut bytes = [[FRAME_MAGIC, CLEAR_FRAME_MAGIC, *b"none"][magic].to_vec(), bytes].concat();
            if checked && bytes.len() > FRAME_HEADER_BYTES {
                let crc = crc32fast::hash(&bytes[..FRAME_FACTS_BYTES]);
                bytes[FRAME_FACTS_BYTES..FRAME_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
            }
            let _outcome = read_frame(&bytes, true, &ciphers(MemoryKeys::new(1)));
            let _outcome = read_events(Reader::new(&bytes), 3);
        }
    }

    const SEQS: Seqs = Seqs { first: 10, commit: 10 };

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let two = batch(&[(5, b"one"), (7, b"two")]);
        for bytes in [frame(&two, SEQS), clear_frame(&two, SEQS)] {
            let ciphers = ciphers(MemoryKeys::new(1));
            let read = |bytes: &[u8]| read_frame(bytes, true, &ciphers);
            for cut in 0..bytes.len() {
                assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
            }
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&damaged).is_err(), "bit {bit}");
            }
            assert!(read(&bytes).is_ok());
        }
    }

    #[test]
    fn messages_are_not_readable_and_two_frames_of_one_batch_differ() {
        let secret = batch(&[(5, b"a canary in the log")]);
        let sealed = frame(&secret, SEQS);
        assert!(memchr::memmem::find(&sealed, b"canary").is_none());
        assert!(memchr::memmem::find(&clear_frame(&secret, SEQS), b"canary").is_some());
        let ciphers = ciphers(MemoryKeys::new(1));
        let cipher = ciphers.group(Purpose::Intake, secret.group).unwrap();
        let mut nonces = Nonces { random: [0; 8], next: u32::MAX };
        let mut frames = Vec::new();
        for _ in 0..3 {
            let mut out = Vec::new();
            put_frame(&mut out, &secret, SEQS, cipher.as_deref(), (&mut nonces, &ciphers));
            frames.push(out[FRAME_HEADER_BYTES..].to_vec());
        }
        assert!(frames[0] != frames[1] && frames[1] != frames[2] && frames[0] != frames[2]);
    }

    #[test]
    fn of_a_deleted_group_only_the_place_is_left() {
        let keys = MemoryKeys::new(1);
        keys.destroy(GroupId(3));
        let without = ciphers(keys);
        let two = batch(&[(5, b"one"), (7, b"two")]);
        let read = |bytes: &[u8]| read_frame(bytes, false, &without).unwrap();
        let gone = read(&frame(&two, SEQS));
        assert_eq!((gone.seqs.first, gone.end_seq(), gone.batch.events.text.len()), (10, 12, 0));
        let mut place = Vec::new();
        put_frame(&mut place, &two, SEQS, None, (&mut Nonces::new(&without), &without));
        assert_eq!(place.len(), FRAME_HEADER_BYTES);
        let again = read(&place);
        assert_eq!((again.seqs.first, again.end_seq(), again.size), (10, 12, FRAME_HEADER_BYTES));
        assert_eq!((again.batch.group, again.batch.stream), (GroupId(3), StreamId(4)));
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
        assert_eq!(read_header(&good), Header::Good { first_seq: 42, clear: false });
        assert_eq!(read_header(&good[..15]), Header::Damaged);
        let mut other = good;
        other[4] = 1;
        assert_eq!(read_header(&other), Header::Good { first_seq: 42, clear: true });
        other[4] = 9;
        assert_eq!(read_header(&other), Header::Version(9));
    }
}
