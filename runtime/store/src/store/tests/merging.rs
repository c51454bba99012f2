//! Owns the tests of merging and of sealing by age: fewer files, the same answers, nothing that is dead.

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
    assert!(merged >= 39 && segment_count(&bench.disk) < 10, "{merged} {}", segment_count(&bench.disk));
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
