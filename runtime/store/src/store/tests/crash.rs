//! Owns the promise under fire: random work on a disk that fails and loses power, compared with a model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use super::*;
use crate::faulty::{Dice, Faults};

/// The manifest as one life of the store sees it: it shares the power supply of that life's disk. Each life has its
/// own, so that a thread that outlives its crash for a moment cannot publish into the next one.
struct Powered {
    inner: Arc<MemoryManifest>,
    disk: FaultyDisk,
}

impl Manifest for Powered {
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
        match self.disk.step() {
            Ok(()) => self.inner.publish(change),
            Err(made) => {
                if made {
                    self.inner.publish(change)?;
                }
                Err(ManifestError("no power".to_owned()))
            }
        }
    }

    fn is_live(&self, group: GroupId, stream: StreamId) -> bool {
        self.inner.is_live(group, stream)
    }
}

/// What must and what may be there.
#[derive(Default)]
struct Model {
    /// Acknowledged or seen after a crash: by seq, the whole event.
    must: BTreeMap<u64, Event>,
    /// Not acknowledged: by batch number, its messages.
    may: BTreeMap<u64, Vec<Vec<u8>>>,
    /// A sweep whose outcome is unknown: all of these are there or none.
    swept: Option<BTreeSet<u64>>,
    next_batch: u64,
    dead_streams: BTreeSet<u64>,
    now_ms: i64,
}

const LEVELS: [&str; 3] = ["info", "warn", "error"];

/// Message `index` of a batch of `count` events: plain, structured or neither.
fn message(batch: u64, index: u64, count: u64, dice: &mut Dice) -> Vec<u8> {
    let id = format!("{batch}/{index}/{count}");
    let (level, number) = (LEVELS[dice.below(3) as usize], dice.below(9_000));
    match dice.below(4) {
        0 => format!(r#"{{"id":"{id}","level":"{level}","ms":{number},"user":"u-{number:07}"}}"#),
        1 => format!("{id} {level} request took {number} ms"),
        2 => format!(r#"{{"id":"{id}","text":"tab\\t{level}"}}"#),
        _ => format!("{id} {}", "~".repeat(dice.below(60) as usize)),
    }
    .into_bytes()
}

/// Every third batch is what a function wrote.
fn hop(batch: u64) -> u8 {
    u8::from(batch.is_multiple_of(3))
}

fn batch_number(event: &Event) -> u64 {
    let text = std::str::from_utf8(&event.message).unwrap();
    let text = text.trim_start_matches(|first: char| !first.is_ascii_digit());
    text.split('/').next().unwrap().parse().unwrap()
}

/// What a search finds in the blocks, by seq, and that no filter denies it.
fn found_by_search(store: &Store, needle: &str) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for handle in store.blocks(&groups(&[0, 1]), i64::MIN, i64::MAX, None) {
        let block = handle.open().unwrap();
        let visible = block.visible().unwrap();
        let rows = block.rows_containing(needle.as_bytes()).unwrap();
        assert!(rows.is_empty() || handle.may_contain(needle.as_bytes(), Containing::Raw), "{needle}");
        let seen = |row: &u32| visible.as_ref().is_none_or(|rows| rows.contains(row));
        found.extend(rows.iter().filter(|row| seen(row)).map(|&row| block.seqs().unwrap()[row as usize]));
    }
    found
}

struct Life<'a> {
    store: &'a Store,
    manifest: &'a MemoryManifest,
    model: &'a mut Model,
    dice: &'a mut Dice,
}

impl Life<'_> {
    /// Several batches at once, so that commits hold more than one.
    fn append_some(&mut self) {
        let mut sent = Vec::new();
        for _ in 0..1 + self.dice.below(5) {
            let stream = 10 + self.dice.below(6);
            if self.model.dead_streams.contains(&stream) {
                continue;
            }
            let number = self.model.next_batch;
            self.model.next_batch += 1;
            let count = 1 + self.dice.below(6);
            let mut time = self.dice.below(1000) as i64;
            let mut rows = Vec::new();
            for index in 0..count {
                time += self.dice.below(20) as i64;
                rows.push((time, message(number, index, count, self.dice)));
            }
            let (group, stream) = (GroupId(stream % 2), StreamId(stream));
            let hop = hop(number);
            let batch =
                Batch { group, stream, ingestion_ms: number as i64, hop, events: rows.clone().into() };
            let (sender, receiver) = mpsc::sync_channel(1);
            self.store.append(batch, Box::new(move |outcome| sender.send(outcome).unwrap()));
            sent.push((number, group, stream, rows, receiver));
        }
        for (number, group, stream, rows, receiver) in sent {
            match receiver.recv().expect("every callback is called") {
                Ok(ack) => {
                    for (index, (timestamp_ms, message)) in rows.into_iter().enumerate() {
                        let position = Position::at(ack.first.seq + index as u64);
                        let ingestion_ms = number as i64;
                        let message = message.into();
                        let hop = hop(number);
                        let event =
                            Event { group, stream, position, timestamp_ms, ingestion_ms, hop, message };
                        let before = self.model.must.insert(position.seq, event);
                        assert!(before.is_none(), "seq {} was given twice", position.seq);
                    }
                }
                Err(_) => {
                    self.model.may.insert(number, rows.into_iter().map(|row| row.1).collect());
                }
            }
        }
    }

    fn sweep(&mut self) {
        let cutoffs: Vec<(GroupId, i64)> =
            (0..2).map(|group| (GroupId(group), self.dice.below(700) as i64)).collect();
        let hit = |event: &Event| cutoffs.iter().any(|it| it.0 == event.group && event.timestamp_ms < it.1);
        let hit: BTreeSet<u64> =
            self.model.must.values().filter(|it| hit(it)).map(|it| it.position.seq).collect();
        match self.store.retain(&cutoffs) {
            Ok(freed) => {
                assert_eq!(freed.lost.iter().map(|lost| lost.events).sum::<u64>(), hit.len() as u64);
                self.model.must.retain(|seq, _| !hit.contains(seq));
            }
            Err(_) => self.model.swept = Some(hit),
        }
    }

    fn delete_stream(&mut self) {
        let stream = 10 + self.dice.below(6);
        self.manifest.kill_stream(StreamId(stream));
        self.store.delete_stream(StreamId(stream));
        self.model.dead_streams.insert(stream);
        self.model.must.retain(|_, event| event.stream.0 != stream);
    }

    fn check_now(&self) {
        let found = followed(self.store, PageLimit { events: 50, bytes: 1 << 20 });
        let must: Vec<&Event> = self.model.must.values().collect();
        assert!(found.iter().eq(must), "what is acknowledged is readable, and nothing else");
    }

    fn work(&mut self, steps: u64) {
        for _ in 0..steps {
            match self.dice.below(16) {
                0 => drop(self.store.seal_now()),
                1 if self.model.swept.is_none() => self.sweep(),
                2 if self.dice.one_in(3) => self.delete_stream(),
                3 => drop(self.store.reclaim()),
                4 => drop(self.store.compact()),
                5 => {
                    self.model.now_ms += self.dice.below(600_000) as i64;
                    self.store.tick(self.model.now_ms);
                }
                6 => self.store.follow(),
                _ => self.append_some(),
            }
            if self.dice.one_in(8) && self.model.swept.is_none() {
                self.check_now();
            }
        }
        if self.model.swept.is_none() {
            self.check_now();
        }
    }
}

/// After a crash: takes what may be there into what must be there, or complains.
fn settle(store: &Store, model: &mut Model) {
    assert!(store.report().damaged_segments.is_empty(), "{:?}", store.report());
    assert!(store.report().damaged_intake.is_empty(), "{:?}", store.report());
    let found = followed(store, PageLimit { events: 9, bytes: 1 << 20 });
    let mut by_time = all(store, &[0, 1]);
    assert!(by_time.is_sorted_by_key(Event::id));
    by_time.sort_by_key(|event| event.position);
    assert!(by_time == found, "by time and by position, the same events");
    if let Some(swept) = model.swept.take() {
        let seqs: BTreeSet<u64> = found.iter().map(|event| event.position.seq).collect();
        let there = swept.iter().filter(|seq| seqs.contains(seq)).count();
        let alive = swept.iter().filter(|seq| model.must.contains_key(seq)).count();
        assert!(there == 0 || there == alive, "a sweep is done or not: {there} of {alive}");
        if there == 0 {
            model.must.retain(|seq, _| !swept.contains(seq));
        }
    }
    let mut surprises: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for event in found {
        match model.must.get(&event.position.seq) {
            Some(known) => assert!(*known == event, "{known:?} became {event:?}"),
            None => {
                surprises.entry(batch_number(&event)).or_default().push(event.message.to_vec());
                model.must.insert(event.position.seq, event);
            }
        }
    }
    let found = all(store, &[0, 1]).len();
    assert_eq!(found, model.must.len(), "an acknowledged event is missing");
    for needle in ["error", "u-000", "took 12", "~~~~", "\\t", "/1/"] {
        let holds = |event: &&Event| memchr::memmem::find(&event.message, needle.as_bytes()).is_some();
        let expected: BTreeSet<u64> = model.must.values().filter(holds).map(|it| it.position.seq).collect();
        assert_eq!(found_by_search(store, needle), expected, "{needle}");
    }
    for (number, messages) in surprises {
        assert_eq!(model.may.get(&number), Some(&messages), "batch {number} is not wholly there");
    }
    // What is not there now must never come back.
    model.may.clear();
}

fn draw_faults(dice: &mut Dice, calls: u64) -> Faults {
    let at = Some(calls + 1 + dice.below(60));
    match dice.below(6) {
        0..=2 => Faults { power_cut_at: at, ..Faults::default() },
        3 => Faults { sync_fails_at: at, ..Faults::default() },
        4 => Faults { call_fails_at: at, ..Faults::default() },
        _ => Faults { bytes_max: Some(500 + dice.below(6000)), ..Faults::default() },
    }
}

/// Blocks of one part and of many, merged eagerly or hardly ever; commits over zeros and behind the end.
fn drawn_options(dice: &mut Dice) -> Options {
    let limits = Limits {
        merge_bytes: [0, 2_500, 1 << 20][dice.below(3) as usize],
        packed_bytes: [0, 64 << 10][dice.below(2) as usize],
        block_bytes: [410, 4_000][dice.below(2) as usize],
        room_bytes: [0, 8_000, 40_000][dice.below(3) as usize],
        ..small_limits()
    };
    Options { limits, ..Options::default() }
}

/// Starts a life of the store.
fn open(options: Options, disk: &FaultyDisk, manifest: &Arc<MemoryManifest>) -> Result<Store, OpenError> {
    let seam = Powered { inner: Arc::clone(manifest), disk: disk.clone() };
    Store::open(options, Arc::new(disk.clone()), Arc::new(seam), keys())
}

fn round(seed: u64) {
    let mut dice = Dice(seed);
    let mut disk = FaultyDisk::new(seed ^ 0xd15c);
    let manifest = Arc::new(MemoryManifest::default());
    let mut model = Model::default();
    for life in 0..4 {
        // Opening itself may be hit; then it is tried again on what is left.
        if life > 0 && dice.one_in(3) {
            let faults = draw_faults(&mut dice, disk.calls());
            disk.set_faults(Faults { bytes_max: None, ..faults });
            if let Ok(store) = open(drawn_options(&mut dice), &disk, &manifest) {
                settle(&store, &mut model);
            }
            disk = if dice.one_in(2) { disk.after_power_cut() } else { disk.after_kill() };
        }
        let store = open(drawn_options(&mut dice), &disk, &manifest).unwrap();
        settle(&store, &mut model);
        disk.set_faults(draw_faults(&mut dice, disk.calls()));
        let steps = 1 + dice.below(25);
        Life { store: &store, manifest: &manifest, model: &mut model, dice: &mut dice }.work(steps);
        let next = if dice.one_in(3) { disk.after_kill() } else { disk.after_power_cut() };
        drop(store);
        disk = next;
    }
    let store = open(options(), &disk, &manifest).unwrap();
    settle(&store, &mut model);
}

#[test]
fn acknowledged_events_survive_and_others_are_whole_or_absent() {
    let rounds = if std::env::var_os("LOGBOOM_LONG").is_some() { 10_000 } else { 250 };
    for seed in 0..rounds {
        let outcome = std::panic::catch_unwind(|| round(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
