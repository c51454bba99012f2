//! Owns the proof that files of older versions still open: the kept samples in `tests/formats/`.
//! `LOGBOOM_WRITE_SAMPLES=1` writes samples of the current version anew; a released version's never change.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{
    Batch, Change, FsDisk, GroupId, Limits, Manifest, MemoryKeys, MemoryManifest, Options, PageLimit,
    Position, SegmentId, SegmentRecord, Store, StreamId,
};

fn samples(version: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/v{version}"))
}

fn keys() -> Arc<MemoryKeys> {
    Arc::new(MemoryKeys::new(1))
}

fn open(folder: &Path, manifest: Arc<MemoryManifest>) -> Store {
    let disk = Arc::new(FsDisk::new(folder).unwrap());
    Store::open(Options::default(), disk, manifest, keys()).unwrap()
}

/// What every sample holds: the first two batches sealed, the third in the intake log.
fn batches() -> [Batch; 3] {
    let batch = |stream: u64, ingestion_ms: i64, hop: u8, rows: &[(i64, &str)]| Batch {
        group: GroupId(stream / 10),
        stream: StreamId(stream),
        ingestion_ms,
        hop,
        events: rows.iter().copied().collect(),
    };
    [
        batch(
            10,
            1_700_000_000_500,
            0,
            &[(1_700_000_000_000, "{\"level\":\"info\"}"), (1_700_000_000_001, "plain")],
        ),
        batch(
            20,
            1_700_000_000_600,
            2,
            &[(0, "the beginning of time"), (1_700_000_000_002, "ünïcode \u{1f4dc}")],
        ),
        batch(10, 1_700_000_000_700, 1, &[(1_700_000_000_003, "trailing CR\r")]),
    ]
}

/// Enough of every kind of value for a block in parts, of one JSON stream and one of text.
fn many() -> [Batch; 2] {
    let levels = ["INFO", "WARN", "ERROR"];
    let json = |row: u64| {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let level = levels[(mixed % 7 % 3) as usize];
        format!(
            r#"{{"ts":{},"level":"{level}","traceId":"{mixed:016x}{:016x}","user":"u-{:07}","latencyMs":{}.{:02},"path":"/api/v{}/items/{}","ok":{},"text":"said \"{}\" and left"}}"#,
            1_700_000_000_000 + row * 37,
            mixed.rotate_left(17),
            mixed % 50_000,
            mixed % 900,
            mixed % 100,
            1 + mixed % 2,
            mixed % 10_000,
            !mixed.is_multiple_of(5),
            mixed % 17,
        )
    };
    let text = |row: u64| {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            "10.0.{}.{} - - \"GET /{} HTTP/1.1\" {} {}",
            mixed % 4,
            mixed % 250,
            mixed % 31,
            200 + mixed % 3 * 100,
            mixed % 9_999
        )
    };
    let batch = |stream: u64, line: &dyn Fn(u64) -> String| Batch {
        group: GroupId(3),
        stream: StreamId(stream),
        ingestion_ms: 1_700_000_100_000,
        hop: 0,
        events: (0..400).map(|row| (1_700_000_000_000 + row as i64 * 37, line(row))).collect(),
    };
    [batch(30, &json), batch(31, &text)]
}

/// What the folder of a version holds: all but the last batch sealed, that one in the intake log.
fn batches_of(version: u8) -> Vec<Batch> {
    let [first, second, last] = batches();
    let mut all = vec![first, second];
    if version > 1 {
        all.extend(many());
    }
    all.push(last);
    all
}

fn write_samples(folder: &Path, version: u8) {
    let _ = std::fs::remove_dir_all(folder);
    let manifest = Arc::new(MemoryManifest::default());
    let limits = Limits { close_seal_bytes: u64::MAX, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let disk = Arc::new(FsDisk::new(folder).unwrap());
    let store = Store::open(options, disk, manifest.clone(), keys()).unwrap();
    let mut batches = batches_of(version);
    let last = batches.pop().unwrap();
    batches.into_iter().for_each(|batch| assert!(store.append_wait(batch).is_ok()));
    store.seal_now().unwrap();
    store.append_wait(last).unwrap();
    store.close().unwrap();
    let records = serde_json::to_string_pretty(&manifest.segments().unwrap()).unwrap();
    std::fs::write(folder.join("manifest.json"), records).unwrap();
}

fn check(store: &Store, version: u8) {
    let (mut from, to) = (Position::at(0), store.durable_position());
    let mut events = Vec::new();
    while from < to {
        let page = store.scan_by_position(from, to, PageLimit::default(), None).unwrap();
        assert!(page.damaged.is_empty());
        events.extend(page.events());
        from = page.next;
    }
    let mut found = events.into_iter();
    for batch in batches_of(version) {
        for (timestamp_ms, message) in batch.events.iter() {
            let event = found.next().unwrap();
            assert_eq!((event.group, event.stream), (batch.group, batch.stream));
            assert_eq!((event.timestamp_ms, &event.message[..]), (timestamp_ms, message));
            assert_eq!((event.ingestion_ms, event.hop), (batch.ingestion_ms, batch.hop));
        }
    }
    assert_eq!(found.next(), None);
}

/// Opens a copy of the sample of a version, reads all of it, and again once it was written anew.
fn open_and_read(version: u8) {
    let work = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(samples(version)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), work.path().join(entry.file_name())).unwrap();
    }
    let records = std::fs::read_to_string(work.path().join("manifest.json")).unwrap();
    let new: Vec<SegmentRecord> = serde_json::from_str(&records).unwrap();
    assert_eq!(new.len(), 1);
    let segment = std::fs::read(work.path().join(format!("segment-{:020}.seg", new[0].id.0))).unwrap();
    assert_eq!(segment[4], version, "the version of the file");
    let sealed = Some(Position::at(new[0].end_seq));
    let manifest = Arc::new(MemoryManifest::default());
    manifest.publish(Change { new, sealed, ..Change::default() }).unwrap();

    let store = open(work.path(), manifest.clone());
    assert_eq!((store.report().segments, store.report().replayed_events), (1, 1));
    assert!(store.report().damaged_intake.is_empty() && store.report().damaged_segments.is_empty());
    check(&store, version);
    store.compact().unwrap();
    assert_eq!(manifest.segments().unwrap()[0].id == SegmentId(1), version > 1, "an old one is written anew");
    check(&store, version);
}

#[test]
fn a_folder_of_version_1_opens_and_reads() {
    open_and_read(1);
}

#[test]
fn a_folder_of_version_2_opens_and_reads() {
    if std::env::var_os("LOGBOOM_WRITE_SAMPLES").is_some() {
        write_samples(&samples(2), 2);
    }
    open_and_read(2);
}

/// An intake log alone, with all batches in it.
fn intake_sample(version: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/intake-v{version}"))
}

#[test]
fn an_intake_log_of_version_2_opens_and_reads() {
    let kept = intake_sample(2);
    if std::env::var_os("LOGBOOM_WRITE_SAMPLES").is_some() {
        let _ = std::fs::remove_dir_all(&kept);
        let store = open(&kept, Arc::new(MemoryManifest::default()));
        batches().into_iter().for_each(|batch| assert!(store.append_wait(batch).is_ok()));
        store.close().unwrap();
    }
    let work = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(kept).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        assert_eq!(bytes[4], 2, "the version of the file");
        for message in ["info", "plain", "beginning", "trailing"] {
            assert!(!bytes.windows(message.len()).any(|window| window == message.as_bytes()), "{message}");
        }
        std::fs::write(work.path().join(entry.file_name()), bytes).unwrap();
    }
    let store = open(work.path(), Arc::new(MemoryManifest::default()));
    assert_eq!(store.report().replayed_events, 5);
    assert!(store.report().damaged_intake.is_empty() && store.report().torn_bytes == 0);
    let to = store.durable_position();
    let page = store.scan_by_position(Position::at(0), to, PageLimit::default(), None).unwrap();
    let found: Vec<(StreamId, u8, i64, Vec<u8>)> = page
        .events()
        .into_iter()
        .map(|event| (event.stream, event.hop, event.timestamp_ms, event.message.to_vec()))
        .collect();
    let wrote: Vec<(StreamId, u8, i64, Vec<u8>)> = batches()
        .into_iter()
        .flat_map(|batch| {
            let rows: Vec<_> = batch.events.iter().map(|(time, message)| (time, message.to_vec())).collect();
            rows.into_iter().map(move |(time, message)| (batch.stream, batch.hop, time, message))
        })
        .collect();
    assert_eq!(found, wrote);
}
