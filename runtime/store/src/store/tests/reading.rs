//! Owns the tests of appending and reading: order, bounds, paging, the same before and after sealing.

use std::collections::BTreeMap;

use super::*;
use crate::faulty::Dice;

#[test]
fn an_event_is_readable_right_after_the_acknowledgement_and_after_a_restart() {
    let bench = Bench::new();
    let ack = put(&bench.store, 1, &[(5, "five"), (3, "three"), (5, "five again")]);
    assert_eq!((ack.first, ack.count), (Position::at(0), 3));
    let check = |store: &Store| {
        let events = all(store, &[1]);
        assert_eq!(texts(&events), ["three", "five", "five again"]);
        assert_eq!(events[1].position, Position::at(1));
        assert_eq!((events[0].ingestion_ms, events[0].hop), (1_000, 1));
        let stats = store.stream_stats(StreamId(10));
        assert_eq!((stats.first_event_ms, stats.last_event_ms), (Some(3), Some(5)));
        assert_eq!((stats.last_ingestion_ms, stats.events), (Some(1_000), 3));
        assert_eq!(store.group_bytes(GroupId(1)), 19 + 3 * 26);
        assert_eq!(store.durable_position(), Position::at(3));
    };
    check(&bench.store);
    let bench = bench.reopen();
    assert_eq!(bench.store.report().replayed_events, 3);
    check(&bench.store);
    bench.store.seal_now().unwrap();
    check(&bench.store);
    let bench = bench.reopen();
    assert_eq!((bench.store.report().replayed_events, bench.store.report().segments), (0, 1));
    check(&bench.store);
    assert_eq!(put(&bench.store, 1, &[(1, "next")]).first, Position::at(3));
}

#[test]
fn close_seals_and_refuses_further_appends() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "a"); 40]);
    bench.store.close().unwrap();
    assert!(matches!(bench.store.append_wait(batch(1, 10, &[(1, "b")])), Err(AppendError::Closed)));
    assert!(matches!(bench.store.seal_now(), Err(SealError::Closed)));
    assert_eq!(all(&bench.store, &[1]).len(), 40);
    let bench = bench.reopen();
    assert_eq!((bench.store.report().replayed_events, bench.store.report().segments), (0, 1));
    assert_eq!(all(&bench.store, &[1]).len(), 40);
}

#[test]
fn bounds_refuse_by_name() {
    let limits =
        Limits { batch_bytes: 100, intake_bytes: 2_000, generation_bytes: 1 << 20, ..small_limits() };
    let manifest: Arc<dyn Manifest> = Arc::new(MemoryManifest::default());
    let options = Options { limits, ..Options::default() };
    let store = Store::open(options, Arc::new(FaultyDisk::new(1)), manifest, keys()).unwrap();
    assert!(matches!(store.append_wait(batch(1, 10, &[])), Err(AppendError::Empty)));
    let outcome = store.append_wait(batch(1, 10, &[(1, &"x".repeat(75))]));
    assert!(matches!(outcome, Err(AppendError::TooLarge { limit: "batch_bytes" })), "{outcome:?}");
    let mut taken = 0;
    let refused = loop {
        match store.append_wait(batch(1, 10, &[(1, "y")])) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100, "the bound must be reached");
    };
    assert!(matches!(refused, AppendError::Full { limit: "intake_bytes" }), "{refused:?}");
    store.seal_now().unwrap();
    assert!(store.append_wait(batch(1, 10, &[(1, "y")])).is_ok(), "sealing makes room");
}

/// Events spread over streams, times and commits, in and out of order.
fn fill(store: &Store, dice: &mut Dice, model: &mut BTreeMap<(i64, u64), Event>, batches: u64) {
    for _ in 0..batches {
        let group = 1 + dice.below(3);
        let stream = group * 10 + dice.below(3);
        let start = dice.below(500) as i64;
        let rows: Vec<(i64, String)> = (0..1 + dice.below(8))
            .map(|_| (start + dice.below(20) as i64, "m".repeat(dice.below(40) as usize + 1)))
            .collect();
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.0);
        let ingestion_ms = dice.below(1_000_000) as i64;
        let hop = dice.below(4) as u8;
        let (group, stream) = (GroupId(group), StreamId(stream));
        let ack = store.append_wait(Batch { group, stream, ingestion_ms, hop, events: rows.into() }).unwrap();
        for (index, (timestamp_ms, message)) in sorted.into_iter().enumerate() {
            let position = Position::at(ack.first.seq + index as u64);
            let message = message.into();
            let event = Event { group, stream, position, timestamp_ms, ingestion_ms, hop, message };
            model.insert((timestamp_ms, position.seq), event);
        }
    }
}

fn find_each(store: &Store, model: &BTreeMap<(i64, u64), Event>, dice: &mut Dice) {
    for event in model.values().step_by(7) {
        let stream = dice.one_in(2).then_some(event.stream);
        assert_eq!(store.event(event.group, stream, event.id()).unwrap().as_ref(), Some(event));
        let other = EventId::new(event.timestamp_ms + 1, event.position);
        assert_eq!(store.event(event.group, stream, other).unwrap(), None);
        assert_eq!(store.event(GroupId(event.group.0 + 9), None, event.id()).unwrap(), None);
    }
}

/// None, or a part of some message.
fn needles(events: &[Event], dice: &mut Dice) -> Vec<Needle> {
    let Some(event) = events.get(dice.below(3 * events.len() as u64) as usize) else { return Vec::new() };
    let end = 1 + dice.below(event.message.len() as u64) as usize;
    let start = dice.below(end as u64) as usize;
    let text = event.message.get(start..end).unwrap_or_default().to_vec();
    vec![Needle { text, or_escaped: dice.one_in(2) }]
}

fn has(event: &Event, needle: &Needle) -> bool {
    let contains = |text: &[u8]| memchr::memmem::find(&event.message, text).is_some();
    contains(&needle.text) || needle.or_escaped && contains(b"\\")
}

fn check_against(store: &Store, model: &BTreeMap<(i64, u64), Event>, dice: &mut Dice) {
    let mut by_seq: Vec<Event> = model.values().cloned().collect();
    by_seq.sort_by_key(|event| event.position);
    for limit in
        [PageLimit::default(), PageLimit { events: 7, bytes: 1 << 20 }, PageLimit { events: 100, bytes: 90 }]
    {
        assert!(followed(store, limit) == by_seq);
    }
    find_each(store, model, dice);
    for _ in 0..20 {
        let mut selection = groups(&[1 + dice.below(3), 1 + dice.below(3)]);
        if dice.one_in(2) {
            selection.streams = Some((0..3).map(|_| StreamId(10 + dice.below(25))).collect());
        }
        let (from_ms, to_ms) = (dice.below(300) as i64, 200 + dice.below(400) as i64);
        let direction = if dice.one_in(2) { Direction::Forward } else { Direction::Backward };
        let snapshot = dice.one_in(2).then(|| Position::at(dice.below(by_seq.len() as u64 + 1)));
        let containing = needles(&by_seq, dice);
        let request = ScanRequest { selection, from_ms, to_ms, direction, after: None, snapshot, containing };
        let mut expected: Vec<Event> = model
            .values()
            .filter(|event| {
                request.selection.groups.contains(&event.group)
                    && request
                        .selection
                        .streams
                        .as_ref()
                        .is_none_or(|streams| streams.contains(&event.stream))
                    && (from_ms..=to_ms).contains(&event.timestamp_ms)
                    && snapshot.is_none_or(|snapshot| event.position < snapshot)
                    && request.containing.iter().all(|needle| has(event, needle))
            })
            .cloned()
            .collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        let found = scanned(store, &request);
        assert!(found == expected, "{request:?}: {} found, {} expected", found.len(), expected.len());
        // Stopped between two runs and gone on where it had got to, a scan gives the same events.
        let mut first = store.scan(&request);
        let runs = 1 + dice.below(3);
        let mut given: Vec<Event> = Vec::new();
        for run in first.by_ref().take(runs as usize) {
            given.extend(run.unwrap().events().map(|event| event.to_event()));
        }
        if let Some(reached) = first.reached() {
            given.extend(scanned(store, &ScanRequest { after: Some(reached), ..request.clone() }));
        }
        assert!(given == expected, "{request:?} goes on at {:?}", first.reached());
        if let Some(middle) = expected.get(dice.below(expected.len() as u64) as usize) {
            let resumed = ScanRequest { after: Some(middle.id()), ..request };
            let behind = expected.iter().position(|event| event == middle).unwrap() + 1;
            assert!(scanned(store, &resumed) == expected[behind..], "{resumed:?}");
        }
    }
}

#[test]
fn scans_agree_with_a_model_before_and_after_sealing() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let mut model = BTreeMap::new();
        let disk = FaultyDisk::new(seed);
        let manifest = Arc::new(MemoryManifest::default());
        let seam: Arc<dyn Manifest> = manifest.clone();
        // Odd seeds decode again and again because the scan may hold next to nothing.
        let scan_bytes = if seed % 2 == 1 { 100 } else { 1 << 20 };
        let limits = Limits { generation_bytes: 1 << 20, scan_bytes, ..small_limits() };
        let store =
            Store::open(Options { limits, ..Options::default() }, Arc::new(disk.clone()), seam, keys())
                .unwrap();
        for round in 0..4 {
            fill(&store, &mut dice, &mut model, 25);
            check_against(&store, &model, &mut dice);
            if round % 2 == 0 {
                store.seal_now().unwrap();
                assert_eq!(store.counters().intake_bytes, 0);
                check_against(&store, &model, &mut dice);
            }
        }
        let disk = disk.after_kill();
        drop(store);
        check_against(&open_on(&disk, &manifest), &model, &mut dice);
    }
}

#[test]
fn readers_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Store>();
    check::<Block>();
    check::<BlockHandle>();
    check::<Scan>();
}

#[test]
fn a_page_may_be_limited_to_groups() {
    let bench = Bench::new();
    for round in 0..20 {
        put(&bench.store, 1 + round % 2, &[(1, "x")]);
        if round == 9 {
            bench.store.seal_now().unwrap();
        }
    }
    let to = bench.store.durable_position();
    let page =
        bench.store.scan_by_position(Position::at(0), to, PageLimit::default(), Some(&[GroupId(2)])).unwrap();
    let seqs: Vec<u64> = page.events().iter().map(|event| event.position.seq).collect();
    assert_eq!(seqs, (0..20).filter(|seq| seq % 2 == 1).collect::<Vec<u64>>());
    assert_eq!(page.next, to);
}

#[test]
fn commits_do_not_wait_for_a_sealer_that_is_done() {
    let limits = Limits { generation_bytes: 1, sealing_generations: 0, ..small_limits() };
    let manifest: Arc<dyn Manifest> = Arc::new(MemoryManifest::default());
    let options = Options { limits, ..Options::default() };
    let store = Arc::new(Store::open(options, Arc::new(FaultyDisk::new(1)), manifest, keys()).unwrap());
    let (sender, done) = std::sync::mpsc::channel();
    let appender = Arc::clone(&store);
    let rounds = if std::env::var_os("LOGBOOM_LONG").is_some() { 50_000 } else { 1_000 };
    std::thread::spawn(move || {
        for round in 0..rounds {
            put(&appender, 1, &[(round, "x")]);
            // Keeps the number of segments small.
            appender.retain(&[(GroupId(1), round)]).unwrap();
        }
        sender.send(()).unwrap();
    });
    let patience = std::time::Duration::from_secs(120);
    assert!(done.recv_timeout(patience).is_ok(), "the intake waits for ever: {:?}", store.counters());
}

#[test]
fn appenders_and_a_reader_run_together() {
    let store = Bench::new().store;
    let (appenders, each) = (4_u64, 120_u64);
    std::thread::scope(|scope| {
        for appender in 1..=appenders {
            let store = &store;
            scope.spawn(move || {
                for number in 0..each {
                    let text = format!("{appender}:{number}");
                    let ack = put(store, appender, &[(number as i64, &text)]);
                    let end = Position::at(ack.first.seq + 1);
                    let page = store.scan_by_position(ack.first, end, PageLimit::default(), None).unwrap();
                    assert_eq!(texts(&page.events()), [text], "readable right after the acknowledgement");
                }
            });
        }
        let store = &store;
        scope.spawn(move || {
            let mut from = Position::at(0);
            while from.seq < appenders * each {
                let to = store.durable_position();
                let page = store.scan_by_position(from, to, PageLimit::default(), None).unwrap();
                let seqs: Vec<u64> = page.events().iter().map(|event| event.position.seq).collect();
                assert_eq!(seqs, (from.seq..page.next.seq).collect::<Vec<u64>>(), "no gap, nothing twice");
                from = page.next;
                let times: Vec<i64> =
                    all(store, &[1, 2, 3, 4]).iter().map(|event| event.timestamp_ms).collect();
                assert!(times.is_sorted() && times.len() as u64 >= to.seq);
            }
        });
    });
    for appender in 1..=appenders {
        let expected: Vec<String> = (0..each).map(|number| format!("{appender}:{number}")).collect();
        assert_eq!(texts(&all(&store, &[appender])), expected);
    }
    assert!(store.counters().sealed_segments > 3);
}
