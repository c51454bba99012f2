//! Owns the tests of merging and of sealing by age: fewer files, the same answers, nothing that is dead.

use std::sync::{Mutex, Weak};

use super::*;

fn merging() -> Limits {
    Limits { generation_bytes: 1 << 20, merge_bytes: 64 << 10, block_bytes: 4_000, ..small_limits() }
}

fn bench_with(limits: Limits) -> Bench {
    let (disk, manifest) = (FaultyDisk::new(1), Arc::new(MemoryManifest::default()));
    let seam: Arc<dyn Manifest> = manifest.clone();
    let options = Options { limits, ..Options::default() };
    let store = Store::open(options, Arc::new(disk.clone()), seam, keys()).unwrap();
    Bench { disk, manifest, store }
}

/// The sealer merges by itself as well; all is done when this returns.
fn merge(store: &Store) {
    store.compact().unwrap();
}

fn segment_count(disk: &FaultyDisk) -> usize {
    disk.list().unwrap().iter().filter(|name| name.ends_with(".seg")).count()
}

fn block_sizes(store: &Store, group: u64) -> Vec<u64> {
    let blocks = store.blocks(&groups(&[group]), i64::MIN, i64::MAX, None);
    blocks.iter().map(|block| block.meta().events).collect()
}

#[test]
fn small_segments_become_one_and_their_small_blocks_full_ones() {
    let bench = bench_with(merging());
    for round in 0..16_i64 {
        for group in 1..4 {
            // Each round reaches back into the one before.
            put(&bench.store, group, &[(round * 10, "first"), (round * 10 + 15, "second {\"n\":1}")]);
        }
        bench.store.seal_now().unwrap();
    }
    let before = (all(&bench.store, &[1, 2, 3]), followed(&bench.store, PageLimit { events: 5, bytes: 999 }));
    let stats = bench.store.stream_stats(StreamId(20));
    merge(&bench.store);
    assert!(segment_count(&bench.disk) < 8, "{}", segment_count(&bench.disk));
    assert_eq!(block_sizes(&bench.store, 2).iter().sum::<u64>(), 32);
    assert!(block_sizes(&bench.store, 2).len() < 6, "{:?}", block_sizes(&bench.store, 2));
    let read = |store: &Store| (all(store, &[1, 2, 3]), followed(store, PageLimit { events: 5, bytes: 999 }));
    assert!(read(&bench.store) == before);
    assert_eq!(bench.store.stream_stats(StreamId(20)), stats);
    let bench = bench.reopen();
    assert!(read(&bench.store) == before);
    assert_eq!(bench.store.stream_stats(StreamId(20)), stats);
}

#[test]
fn merging_stops_by_itself_and_leaves_large_segments_alone() {
    let bench = bench_with(Limits { merge_bytes: 3_000, ..merging() });
    let noise = |seed: u64| {
        let mut dice = crate::faulty::Dice(seed);
        (0..400).map(|_| format!("{:016x}", dice.roll())).collect::<String>()
    };
    put(&bench.store, 1, &[(0, &noise(1))]);
    bench.store.seal_now().unwrap();
    let large = bench.disk.list().unwrap().into_iter().find(|name| name.ends_with(".seg")).unwrap();
    for round in 1..40 {
        put(&bench.store, 1, &[(round, "small")]);
        bench.store.seal_now().unwrap();
    }
    merge(&bench.store);
    let merged = bench.store.counters().merged_segments;
    merge(&bench.store);
    assert_eq!(bench.store.counters().merged_segments, merged, "nothing is left to do");
    // The sealer merges too, whenever it comes to it: at the end up to three small ones are too few for a merge.
    assert!(merged >= 36 && segment_count(&bench.disk) < 10, "{merged} {}", segment_count(&bench.disk));
    assert!(bench.disk.list().unwrap().contains(&large));
}

#[test]
fn merging_leaves_out_what_is_deleted_and_swept() {
    let bench = bench_with(Limits { merge_bytes: 0, ..merging() });
    for round in 0..8_i64 {
        put(&bench.store, 1, &[(round, "gone")]);
        put(&bench.store, 2, &[(round, "old or new"), (round + 100, "new")]);
        bench.store.seal_now().unwrap();
    }
    bench.manifest.kill_group(GroupId(1));
    bench.store.delete_group(GroupId(1));
    bench.store.retain(&[(GroupId(2), 4)]).unwrap();
    let expected = all(&bench.store, &[1, 2]);
    assert_eq!(expected.len(), 12);
    let disk = bench.disk.after_kill();
    drop(bench.store);
    let options = Options { limits: merging(), ..Options::default() };
    let seam: Arc<dyn Manifest> = bench.manifest.clone();
    let store = Store::open(options, Arc::new(disk.clone()), seam, keys()).unwrap();
    merge(&store);
    store.reclaim().unwrap();
    assert!(all(&store, &[1, 2]) == expected);
    assert_eq!(followed(&store, PageLimit::default()).len(), 12);
    assert_eq!(store.group_stats(GroupId(2)).events, 12, "what was cut out is counted no more");
    assert_eq!(bench.manifest.swept().unwrap(), [], "and its mark is forgotten");
    assert_eq!(segment_count(&disk), 1);
}

#[test]
fn a_damaged_block_stays_what_it_is_and_the_rest_is_readable() {
    let bench = bench_with(Limits { merge_bytes: 0, ..merging() });
    for round in 0..8_i64 {
        put(&bench.store, 1, &[(round, "x")]);
        bench.store.seal_now().unwrap();
    }
    let disk = bench.disk.after_kill();
    drop(bench.store);
    let mut names = disk.list().unwrap();
    names.retain(|name| name.ends_with(".seg"));
    disk.edit(&names[2], |bytes| bytes[30] ^= 1);
    disk.edit(&names[5], |bytes| bytes.truncate(20));
    let options = Options { limits: merging(), ..Options::default() };
    let seam: Arc<dyn Manifest> = bench.manifest.clone();
    let store = Store::open(options, Arc::new(disk.clone()), seam, keys()).unwrap();
    assert_eq!(store.report().damaged_segments.len(), 1);
    merge(&store);
    let read: usize =
        store.scan(&ScanRequest::all(groups(&[1]))).filter_map(Result::ok).map(|run| run.block().len()).sum();
    assert_eq!(read, 6);
    assert!(store.counters().damaged_reads > 0);
    let left = disk.list().unwrap();
    assert!(left.contains(&names[2]) && left.contains(&names[5]), "damaged files are kept");
}

#[test]
fn a_memtable_that_waits_too_long_is_sealed() {
    let bench = bench_with(Limits { seal_age_ms: 1_000, ..merging() });
    bench.store.tick(0);
    put(&bench.store, 1, &[(1, "x")]);
    for now_ms in [5_000, 5_999] {
        bench.store.tick(now_ms);
    }
    assert_eq!(bench.store.counters().sealed_segments, 0, "the age counts from the first tick that met it");
    bench.store.tick(6_000);
    // The request stands in the queue before this commit.
    put(&bench.store, 1, &[(2, "y")]);
    let mut tries = 0;
    while bench.store.counters().sealed_segments == 0 {
        std::thread::yield_now();
        tries += 1;
        assert!(tries < 10_000_000);
    }
    assert_eq!(bench.store.counters().sealed_segments, 1);
    assert!(bench.store.counters().intake_bytes > 0, "what came later waits its own time");
    bench.store.tick(6_500);
    assert_eq!(texts(&all(&bench.store, &[1])), ["x", "y"]);
}

#[test]
fn ids_of_segments_are_never_given_again() {
    let bench = bench_with(Limits { merge_bytes: 0, ..merging() });
    put(&bench.store, 1, &[(1, "x")]);
    bench.store.seal_now().unwrap();
    bench.manifest.kill_group(GroupId(1));
    bench.store.delete_group(GroupId(1));
    bench.store.reclaim().unwrap();
    assert_eq!(segment_count(&bench.disk), 0);
    let bench = bench.reopen();
    put(&bench.store, 2, &[(1, "y")]);
    bench.store.seal_now().unwrap();
    assert_eq!(bench.manifest.segments().unwrap()[0].id, SegmentId(2));
}

#[test]
fn another_key_is_refused_by_name() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "x")]);
    bench.store.seal_now().unwrap();
    let disk = bench.disk.after_kill();
    let seam: Arc<dyn Manifest> = bench.manifest.clone();
    let other: Arc<dyn Keys> = Arc::new(MemoryKeys::new(8));
    let error = Store::open(options(), Arc::new(disk), seam, other).unwrap_err();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error:?}");
    assert!(error.to_string().contains("sealed with another key"), "{error}");
}

#[test]
fn a_group_without_its_key_is_unreadable_and_keeps_nobody_up() {
    let (disk, manifest) = (FaultyDisk::new(1), Arc::new(MemoryManifest::default()));
    let memory = Arc::new(MemoryKeys::new(7));
    let seam: Arc<dyn Manifest> = manifest.clone();
    let store = Store::open(options(), Arc::new(disk), seam, memory.clone()).unwrap();
    for group in [1, 2] {
        put(&store, group, &[(1, "x")]);
    }
    store.seal_now().unwrap();
    let handle = store.blocks(&groups(&[1]), 0, 9, None).remove(0);
    for group in [1, 2] {
        put(&store, group, &[(2, "y")]);
    }
    manifest.kill_group(GroupId(1));
    memory.destroy(GroupId(1));
    store.delete_group(GroupId(1));
    store.seal_now().unwrap();
    assert!(matches!(handle.load(), Err(ReadError::Key(_))));
    assert_eq!(all(&store, &[1, 2]).len(), 2);
}

/// Deletes stream 10 when a change with a new segment in the place of so many is published: what is in it was
/// copied before, and readers see it after.
struct Deleting {
    inner: MemoryManifest,
    dropped: usize,
    store: Mutex<Weak<Store>>,
}

impl Manifest for Deleting {
    fn segments(&self) -> Result<Vec<SegmentRecord>, ManifestError> {
        self.inner.segments()
    }

    fn sealed(&self) -> Result<Position, ManifestError> {
        self.inner.sealed()
    }

    fn swept(&self) -> Result<Vec<SweptRecord>, ManifestError> {
        self.inner.swept()
    }

    fn publish(&self, change: Change) -> Result<(), ManifestError> {
        if !change.new.is_empty() && change.dropped.len() == self.dropped {
            // Taken out: it happens once.
            let store = std::mem::take(&mut *self.store.lock().unwrap()).upgrade();
            store.into_iter().for_each(|store| store.delete_stream(StreamId(10)));
        }
        self.inner.publish(change)
    }

    fn is_live(&self, group: GroupId, stream: StreamId) -> bool {
        self.inner.is_live(group, stream)
    }
}

#[test]
fn the_space_of_a_stream_deleted_between_copy_and_swap_comes_back() {
    // A seal takes the place of no segment, a rewrite that of one, a merge that of four.
    for dropped in [0, 1, 4] {
        let disk = FaultyDisk::new(1);
        let manifest =
            Arc::new(Deleting { inner: MemoryManifest::default(), dropped, store: Mutex::default() });
        let options = Options { limits: merging(), ..Options::default() };
        let seam: Arc<dyn Manifest> = manifest.clone();
        let store = Arc::new(Store::open(options, Arc::new(disk.clone()), seam, keys()).unwrap());
        *manifest.store.lock().unwrap() = Arc::downgrade(&store);
        for round in 0..dropped.max(1) {
            put(&store, 1, &[(round as i64, "x")]);
            if dropped == 1 {
                let rest = (0..40).map(|row| (row, format!("{:x}", row * 0x9e37_79b9_7f4a)));
                let (group, stream, events) = (GroupId(2), StreamId(20), rest.collect());
                store.append_wait(Batch { group, stream, ingestion_ms: 0, hop: 0, events }).unwrap();
            }
            store.seal_now().unwrap();
        }
        store.delete_stream(StreamId(20));
        store.compact().unwrap();
        let mut tries = 0;
        while segment_count(&disk) > 0 {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
            tries += 1;
            assert!(tries < 4_000, "{dropped}: {:?}", disk.list());
        }
        assert_eq!(manifest.store.lock().unwrap().strong_count(), 0, "the stream was deleted meanwhile");
    }
}
