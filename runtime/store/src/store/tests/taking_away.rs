//! Owns the tests of retention and deletion: what goes is gone, what stays is untouched, space comes back.

use super::*;

fn rows(times: std::ops::Range<i64>) -> Vec<(i64, String)> {
    times.map(|time| (time, format!("{time:012}"))).collect()
}

fn put_times(store: &Store, group: u64, times: std::ops::Range<i64>) {
    let events = rows(times).into();
    let (group, stream) = (GroupId(group), StreamId(group * 10));
    store.append_wait(Batch { group, stream, ingestion_ms: 0, hop: 0, events }).unwrap();
}

fn times(store: &Store, group: u64) -> Vec<i64> {
    all(store, &[group]).iter().map(|event| event.timestamp_ms).collect()
}

fn lost(freed: &Freed) -> Vec<(u64, u64, u64, u64)> {
    let mut lost: Vec<_> =
        freed.lost.iter().map(|lost| (lost.group.0, lost.first.seq, lost.last.seq, lost.events)).collect();
    lost.sort_unstable();
    lost
}

fn segment_files(disk: &FaultyDisk) -> usize {
    disk.list().unwrap().iter().filter(|name| name.starts_with("segment-")).count()
}

#[test]
fn retention_cuts_at_the_event_in_memory_and_in_segments() {
    for seal in [false, true] {
        let bench = Bench::new();
        put_times(&bench.store, 1, 0..20);
        put_times(&bench.store, 2, 0..20);
        if seal {
            bench.store.seal_now().unwrap();
        }
        let freed = bench.store.retain(&[(GroupId(1), 15)]).unwrap();
        let expected: &[(u64, u64, u64, u64)] =
            if seal { &[(1, 0, 9, 10), (1, 10, 14, 5)] } else { &[(1, 0, 14, 15)] };
        assert_eq!(lost(&freed), expected, "sealed: {seal}");
        assert_eq!(times(&bench.store, 1), (15..20).collect::<Vec<i64>>());
        assert_eq!(times(&bench.store, 2), (0..20).collect::<Vec<i64>>());
        assert_eq!(bench.store.stream_stats(StreamId(10)).first_event_ms, Some(15));
        let followed = followed(&bench.store, PageLimit::default());
        assert_eq!(followed.len(), 25, "by position too");
        assert_eq!(
            bench.store.retain(&[(GroupId(1), 15)]).unwrap(),
            Freed::default(),
            "nothing is lost twice"
        );
        assert_eq!(lost(&bench.store.retain(&[(GroupId(1), 17)]).unwrap()), [(1, 15, 16, 2)]);
        let bench = bench.reopen();
        assert_eq!(times(&bench.store, 1), (17..20).collect::<Vec<i64>>(), "after a restart too");
        bench.store.seal_now().unwrap();
        assert_eq!(times(&bench.store, 1), (17..20).collect::<Vec<i64>>(), "after sealing too");
    }
}

#[test]
fn what_is_sealed_and_stays_in_memory_is_taken_away_too() {
    let bench = Bench::new();
    let stays = || bench.store.engine.view().recent.around(0).is_some();
    let seen = || followed(&bench.store, PageLimit::default()).len();
    let put = || {
        put_times(&bench.store, 1, 0..10);
        put_times(&bench.store, 2, 0..10);
        bench.store.seal_now().unwrap();
    };
    put();
    assert!(!stays(), "nobody follows");
    bench.store.follow();
    put();
    assert_eq!((bench.store.engine.view().recent.around(20).is_some(), seen()), (true, 40));
    bench.store.retain(&[(GroupId(1), 10)]).unwrap();
    assert_eq!(seen(), 20);
    bench.store.reclaim().unwrap();
    assert_eq!(seen(), 20, "when no mark is needed any more too");
    put();
    bench.store.delete_stream(StreamId(20));
    assert_eq!(seen(), 10);
    put_times(&bench.store, 1, 0..10);
    bench.store.seal_now().unwrap();
    let last = bench.store.durable_position().seq - 1;
    let stays = || bench.store.engine.view().recent.around(last).is_some();
    assert!(stays());
    (0..10).for_each(|now_ms| bench.store.tick(now_ms));
    assert!(!stays(), "nobody follows any more");
    assert_eq!(seen(), 20);
}

#[test]
fn an_older_event_that_comes_after_the_sweep_is_kept() {
    let bench = Bench::new();
    put_times(&bench.store, 1, 10..30);
    bench.store.retain(&[(GroupId(1), 20)]).unwrap();
    put_times(&bench.store, 1, 5..7);
    let expected: Vec<i64> = (5..7).chain(20..30).collect();
    assert_eq!(times(&bench.store, 1), expected, "a longer retention was set in between");
    bench.store.seal_now().unwrap();
    let bench = bench.reopen();
    assert_eq!(times(&bench.store, 1), expected);
    // A lower cutoff now takes only what came since.
    assert_eq!(lost(&bench.store.retain(&[(GroupId(1), 6)]).unwrap()).iter().map(|it| it.3).sum::<u64>(), 1);
    let bench = bench.reopen();
    assert_eq!(times(&bench.store, 1), (6..7).chain(20..30).collect::<Vec<i64>>());
}

#[test]
fn swept_segments_give_their_space_back_and_marks_are_forgotten() {
    let bench = Bench::new();
    for start in 0..4 {
        put_times(&bench.store, 1, start * 20..start * 20 + 20);
        bench.store.seal_now().unwrap();
    }
    assert_eq!(segment_files(&bench.disk), 4);
    let freed = bench.store.retain(&[(GroupId(1), 45)]).unwrap();
    assert_eq!(freed.dropped_segments, 2);
    assert!(freed.bytes > 0);
    assert_eq!(segment_files(&bench.disk), 2);
    assert_eq!(bench.manifest.swept().unwrap().len(), 1, "the third segment is cut in the middle");
    let freed = bench.store.retain(&[(GroupId(1), 1000)]).unwrap();
    assert_eq!((freed.dropped_segments, times(&bench.store, 1).len()), (2, 0));
    assert_eq!(bench.manifest.swept().unwrap(), [], "nothing is left that a mark could hide");
    assert_eq!(bench.store.stream_stats(StreamId(10)), StreamStats::default());
    assert_eq!(bench.store.group_bytes(GroupId(1)), 0);
}

#[test]
fn a_deleted_group_is_gone_at_once_and_its_neighbour_stays() {
    let bench = Bench::new();
    put_times(&bench.store, 1, 0..60);
    put_times(&bench.store, 2, 0..10);
    bench.store.seal_now().unwrap();
    put_times(&bench.store, 1, 60..70);
    let before = bench.store.counters().segment_bytes;
    bench.manifest.kill_group(GroupId(1));
    bench.store.delete_group(GroupId(1));
    assert_eq!(times(&bench.store, 1), [0; 0]);
    assert_eq!(bench.store.group_bytes(GroupId(1)), 0);
    assert!(matches!(bench.store.append_wait(batch(1, 10, &[(1, "x")])), Err(AppendError::Deleted)));
    bench.store.reclaim().unwrap();
    assert!(bench.store.counters().segment_bytes < before, "the segment was written anew");
    assert_eq!(segment_files(&bench.disk), 1);
    assert_eq!(times(&bench.store, 2), (0..10).collect::<Vec<i64>>());
    let bench = bench.reopen();
    assert_eq!((times(&bench.store, 1).len(), times(&bench.store, 2).len()), (0, 10));
    assert_eq!(followed(&bench.store, PageLimit { events: 3, bytes: 1 << 20 }).len(), 10);
    bench.manifest.kill_group(GroupId(2));
    bench.store.delete_group(GroupId(2));
    bench.store.reclaim().unwrap();
    assert_eq!(segment_files(&bench.disk), 0);
}

#[test]
fn a_deleted_stream_leaves_the_others_of_its_group() {
    let bench = Bench::new();
    for stream in [10, 11] {
        bench.store.append_wait(batch(1, stream, &[(1, "a"), (2, "b")])).unwrap();
    }
    bench.manifest.kill_stream(StreamId(10));
    bench.store.delete_stream(StreamId(10));
    assert_eq!(all(&bench.store, &[1]).len(), 2);
    assert_eq!(bench.store.group_stats(GroupId(1)).events, 2);
    bench.store.seal_now().unwrap();
    let bench = bench.reopen();
    assert_eq!(all(&bench.store, &[1]).len(), 2);
    assert_eq!(bench.store.stream_stats(StreamId(10)), StreamStats::default());
}

#[test]
fn a_reader_that_began_before_a_deletion_can_finish() {
    let bench = Bench::new();
    put_times(&bench.store, 1, 0..60);
    bench.store.seal_now().unwrap();
    let mut scan = bench.store.scan(&ScanRequest::all(groups(&[1])));
    let first = scan.next().unwrap().unwrap().block().len();
    bench.store.delete_group(GroupId(1));
    bench.store.reclaim().unwrap();
    assert_eq!(segment_files(&bench.disk), 1, "the file waits for its last reader");
    let rest: usize = scan.by_ref().map(|run| run.unwrap().block().len()).sum();
    assert_eq!(first + rest, 60);
    drop(scan);
    assert_eq!(segment_files(&bench.disk), 0);
}
