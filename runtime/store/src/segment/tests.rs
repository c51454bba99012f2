//! Owns the tests of the segment format: what was written reads back, every damage is found.

use std::sync::Arc;

use proptest::prelude::*;

use super::block::{Encoder, decode};
use super::write::{Finished, StreamChunks, Writer};
use super::*;
use crate::blobs::DiskBlobs;
use crate::events::Batch;
use crate::faulty::FaultyDisk;
use crate::id::SegmentId;
use crate::memtable::Chunk;

fn chunk(first_seq: u64, group: u64, stream: u64, rows: &[(i64, Vec<u8>)]) -> Arc<Chunk> {
    let mut events: crate::Events = rows.iter().cloned().collect();
    events.sort();
    let batch = Batch { group: GroupId(group), stream: StreamId(stream), ingestion_ms: 7, hop: 3, events };
    Arc::new(Chunk { first_seq, batch })
}

fn write(streams: &[StreamChunks], block_bytes: u64) -> Finished {
    let mut writer = Writer::new(SegmentId(5));
    let mut encoder = Encoder::new().unwrap();
    for stream in streams {
        writer.add_stream(&mut encoder, stream, block_bytes).unwrap();
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

/// Opens the bytes as a segment and reads all blocks.
fn read(record: &SegmentRecord, bytes: &[u8]) -> Option<Vec<Arc<Rows>>> {
    let blobs: Arc<dyn Blobs> = Arc::new(DiskBlobs::new(Arc::new(FaultyDisk::new(0))));
    blobs.put_durable(&layout::file_name(record.id), bytes).unwrap();
    let segment = Segment::open(record.clone(), &blobs, &Arc::new(Cache::new(0))).ok()?;
    (0..segment.entries.len()).map(|index| segment.load(index).ok()).collect()
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
    fn any_columns_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), events in 0..40_u64) {
        let finished = small();
        let columns = zstd::bulk::compress(&bytes, 1).unwrap();
        let mut entry = finished.entries[0];
        let text = finished.bytes[entry.offset as usize + entry.columns.stored as usize..][..entry.text.stored as usize].to_vec();
        entry.columns = layout::Extent { raw: bytes.len() as u32, stored: columns.len() as u32, crc: crc32fast::hash(&columns) };
        entry.meta.events = events;
        let stored = [columns, text].concat();
        if let Ok(rows) = decode(&entry, &stored) {
            prop_assert_eq!(rows.len() as u64, events);
            prop_assert_eq!(rows.offsets.last().copied(), Some(rows.text.len() as u32));
        }
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
    let good = read(&finished.record, &finished.bytes).unwrap();
    // The header is for people and tools: the directory decides what is read.
    for bit in layout::HEADER_BYTES * 8..finished.bytes.len() * 8 {
        let mut bytes = finished.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&finished.record, &bytes).is_none(), "bit {bit}");
    }
    assert_eq!(good.len(), 2);
}

#[test]
fn names_read_back() {
    assert_eq!(layout::parse_name(&layout::file_name(SegmentId(9))), Some(SegmentId(9)));
    for name in ["segment-9.seg", "segment-00000000000000000009.seg.tmp", "segment-0000000000000000000x.seg"]
    {
        assert_eq!(layout::parse_name(name), None, "{name}");
    }
}
