//! Owns the tests of the segment format: what was written reads back, every damage is found.

use std::sync::Arc;

use proptest::prelude::*;

use super::write::{Finished, StreamChunks, Writer};
use super::*;
use crate::blobs::DiskBlobs;
use crate::events::Batch;
use crate::faulty::FaultyDisk;
use crate::id::SegmentId;
use crate::keys::MemoryKeys;
use crate::limits::Limits;
use crate::memtable::Chunk;

fn chunk(first_seq: u64, group: u64, stream: u64, rows: &[(i64, Vec<u8>)]) -> Arc<Chunk> {
    let mut events: crate::Events = rows.iter().cloned().collect();
    events.sort();
    let batch = Batch { group: GroupId(group), stream: StreamId(stream), ingestion_ms: 7, hop: 3, events };
    Arc::new(Chunk { first_seq, batch })
}

fn write(streams: &[StreamChunks], block_bytes: u64) -> Finished {
    let ciphers = Ciphers::new(Arc::new(MemoryKeys::new(1)));
    let limits = Limits { block_bytes, ..Limits::default() };
    let mut writer = Writer::new(SegmentId(5), &ciphers, &limits).unwrap();
    for stream in streams {
        writer.add_stream(stream, &limits).unwrap();
    }
    writer.finish(0, 1000).unwrap().unwrap()
}

fn small() -> Finished {
    let rows = [(3, b"three".to_vec()), (4, b"four".to_vec())];
    let stream = |stream| StreamChunks {
        group: GroupId(1),
        stream: StreamId(stream),
        chunks: vec![chunk(stream * 10, 1, stream, &rows)],
        swept: Vec::new(),
    };
    write(&[stream(1), stream(2)], 1000)
}

fn backing(keys: u64, blobs: Arc<dyn Blobs>) -> Backing {
    Backing {
        blobs,
        cache: Arc::new(Cache::new(1 << 20)),
        ciphers: Arc::new(Ciphers::new(Arc::new(MemoryKeys::new(keys)))),
        damaged_reads: Arc::default(),
    }
}

/// Opens the bytes as a segment.
fn open(record: &SegmentRecord, bytes: &[u8], keys: u64) -> Result<Arc<Segment>, SegmentError> {
    let blobs: Arc<dyn Blobs> = Arc::new(DiskBlobs::new(Arc::new(FaultyDisk::new(0))));
    blobs.put_durable(&layout::file_name(record.id), bytes).unwrap();
    Segment::open(record.clone(), &backing(keys, blobs)).map(Arc::new)
}

fn load(segment: &Arc<Segment>, index: usize) -> Result<Arc<Rows>, ReadError> {
    let block = segment.block(index, Clip::everything(Vec::new()))?.load()?;
    segment.filter(index, &sealed(&segment.entries[index]))?;
    Ok(block.rows)
}

fn sealed(entry: &Entry) -> layout::SealedPlace {
    match entry.place {
        Place::Sealed(place) => place,
        Place::Plain(_) => panic!("a new segment is sealed"),
    }
}

/// Opens the bytes as a segment and reads all blocks.
fn read(record: &SegmentRecord, bytes: &[u8]) -> Option<Vec<Arc<Rows>>> {
    let segment = open(record, bytes, 1).ok()?;
    (0..segment.entries.len()).map(|index| load(&segment, index).ok()).collect()
}

proptest! {
    #[test]
    fn a_segment_reads_back(
        batches in prop::collection::vec(
            (1..4_u64, prop::collection::vec((any::<i16>(), prop::collection::vec(any::<u8>(), 0..50)), 1..12)), 1..12
        ),
        block_bytes in 1..300_u64
    ) {
        let mut streams: Vec<StreamChunks> = Vec::new();
        for (seq, (stream, rows)) in batches.into_iter().enumerate() {
            let rows: Vec<(i64, Vec<u8>)> = rows.into_iter().map(|(time, text)| (i64::from(time), text)).collect();
            let chunk = chunk(seq as u64 * 100, 1, stream, &rows);
            match streams.iter_mut().find(|known| known.stream == StreamId(stream)) {
                Some(known) => known.chunks.push(chunk),
                None => streams.push(StreamChunks {
                    group: GroupId(1), stream: StreamId(stream), chunks: vec![chunk], swept: Vec::new()
                }),
            }
        }
        streams.sort_by_key(|stream| stream.stream);
        let finished = write(&streams, block_bytes);
        let blocks = read(&finished.record, &finished.bytes).unwrap();
        for (block, entry) in blocks.iter().zip(&finished.entries) {
            prop_assert!(block.len() == 1 || block.text.len() as u64 <= block_bytes);
            prop_assert_eq!((block.stream, block.len() as u64), (entry.meta.stream, entry.meta.events));
        }
        for stream in &streams {
            let mut expected: Vec<(i64, u64, Vec<u8>)> = Vec::new();
            for chunk in &stream.chunks {
                let rows = chunk.batch.events.iter().enumerate();
                expected.extend(rows.map(|(row, (time, text))| (time, chunk.first_seq + row as u64, text.to_vec())));
            }
            expected.sort();
            let mut found = Vec::new();
            for rows in blocks.iter().filter(|rows| rows.stream == stream.stream) {
                prop_assert!(rows.ingestion.iter().all(|&time| time == 7) && rows.hops.iter().all(|&hop| hop == 3));
                let row = |row| (rows.timestamps[row], rows.seqs[row], rows.message(row).to_vec());
                found.extend((0..rows.len()).map(row));
            }
            prop_assert!(found == expected);
        }
    }

    #[test]
    fn any_raw_head_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), packed: bool) {
        let finished = small();
        let place = layout::SealedPlace { packed, ..sealed(&finished.entries[0]) };
        let _outcome = chunks::BlockHead::read(finished.entries[0].meta, &place, &bytes);
    }
}

#[test]
fn every_cut_of_a_segment_is_found() {
    let finished = small();
    for cut in 0..finished.bytes.len() {
        let bytes = &finished.bytes[..cut];
        assert!(read(&finished.record, bytes).is_none(), "cut at {cut}");
        let shorter = SegmentRecord { bytes: cut as u64, ..finished.record.clone() };
        assert!(read(&shorter, bytes).is_none(), "cut at {cut}, and the manifest agrees");
    }
}

#[test]
fn every_flipped_bit_of_a_segment_is_found_or_harmless() {
    let finished = small();
    let first = finished.entries[0].stored_bytes() as usize;
    // The header is for people and tools: the directory decides what is read.
    for bit in layout::HEADER_BYTES * 8..finished.bytes.len() * 8 {
        let mut bytes = finished.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match open(&finished.record, &bytes, 1) {
            Err(SegmentError::Corrupt(_) | SegmentError::Version(_)) => {}
            Err(error) => panic!("bit {bit}: {error:?}"),
            Ok(segment) => {
                let damaged = usize::from(bit / 8 - layout::HEADER_BYTES >= first);
                assert!(load(&segment, damaged).is_err(), "bit {bit}");
                assert!(load(&segment, 1 - damaged).is_ok(), "bit {bit}: the other block is readable");
                assert!(segment.backing.damaged_reads.load(Ordering::Relaxed) > 0);
            }
        }
    }
}

#[test]
fn another_key_is_told_from_damage() {
    let finished = small();
    assert!(matches!(open(&finished.record, &finished.bytes, 2), Err(SegmentError::WrongKey)));
}

#[test]
fn nothing_of_a_message_stands_in_the_file() {
    let rows: Vec<(i64, Vec<u8>)> =
        (0..8000).map(|row| (row, format!("canary {row} {row}").into_bytes())).collect();
    let stream = StreamChunks {
        group: GroupId(1),
        stream: StreamId(2),
        chunks: vec![chunk(0, 1, 2, &rows)],
        swept: Vec::new(),
    };
    for block_bytes in [1_000, 1 << 20] {
        let finished = write(std::slice::from_ref(&stream), block_bytes);
        assert_eq!(memchr::memmem::find(&finished.bytes, b"canary"), None);
        let blocks = read(&finished.record, &finished.bytes).unwrap();
        assert_eq!(blocks.iter().map(|rows| rows.len()).sum::<usize>(), 8000);
        let packed = sealed(&finished.entries[0]).packed;
        assert_eq!(packed, block_bytes == 1_000);
    }
}

#[test]
fn names_read_back() {
    assert_eq!(layout::parse_name(&layout::file_name(SegmentId(9))), Some(SegmentId(9)));
    for name in ["segment-9.seg", "segment-00000000000000000009.seg.tmp", "segment-0000000000000000000x.seg"]
    {
        assert_eq!(layout::parse_name(name), None, "{name}");
    }
}
