//! Owns the promise of log data and metadata together on a disk that fails and loses power, compared with a
//! model: acknowledged events, the cursor of a consumer with what it made of them, deleted streams, and the
//! answers of a query. Refuses to know how either room keeps its promise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};

use serde::{Deserialize, Serialize};
use store::faulty::{Dice, Faults, FaultyDisk};
use store::{Batch, GroupId, PageLimit, Position, Selection, Store, StreamId};

use crate::keyring::Keyring;
use crate::keyring::tests::wrapping;
use crate::meta::{Key, Meta, MetaError, StoreManifest, Table};
use crate::records::{Scope, cursors, groups, streams};

const CONSUMER: &str = "tally";
const GROUPS: u64 = 2;

/// () -> what the consumer has made of all events before its cursor.
const TALLIES: Table<Tally> = Table::new("tallies");

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    next: u64,
    events: u64,
    sum: u64,
}

/// An event as the model knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    group: u64,
    stream: u64,
    timestamp_ms: i64,
    message: String,
    batch: u64,
    value: u64,
}

/// What must and what may be there.
#[derive(Default)]
struct Model {
    must: BTreeMap<u64, Known>,
    /// Not acknowledged: by batch, its messages.
    may: BTreeMap<u64, Vec<String>>,
    /// A sweep whose outcome is unknown: all of these are there or none.
    swept: Option<BTreeSet<u64>>,
    /// A deletion whose outcome is unknown.
    dying: BTreeSet<u64>,
    streams: BTreeMap<u64, u64>,
    tally: Tally,
    /// A step of the consumer whose outcome is unknown.
    tallying: Option<Tally>,
    next_batch: u64,
}

/// A process that runs.
struct Life {
    meta: Meta,
    store: Store,
    keyring: Arc<Keyring>,
}

fn options() -> store::Options {
    let limits = store::Limits {
        generation_bytes: 6_000,
        block_bytes: 2_000,
        close_seal_bytes: 1_000,
        ..Default::default()
    };
    store::Options { limits, ..store::Options::default() }
}

fn open(disk: &FaultyDisk) -> Result<Life, String> {
    let meta = Meta::simulated(disk).map_err(|error| error.to_string())?;
    let manifest = Arc::new(StoreManifest(meta.clone()));
    let opened = Keyring::open(&meta, wrapping()).and_then(|keyring| {
        let keyring = Arc::new(keyring);
        let folder = Arc::new(disk.folder("logs"));
        let store = Store::open(options(), folder, manifest, keyring.clone());
        Ok((store.map_err(|error| error.to_string())?, keyring))
    });
    match opened {
        Ok((store, keyring)) => Ok(Life { meta, store, keyring }),
        Err(error) => {
            meta.close();
            Err(error)
        }
    }
}

impl Life {
    /// The groups and streams of the first life.
    fn found(&self, model: &mut Model) {
        let wrapping = self.keyring.wrapping();
        let made = self.meta.change_blocking(move |tx| {
            let mut made = Vec::new();
            for number in 0..GROUPS {
                let group = groups::GroupRecord {
                    id: 0,
                    name: format!("group-{number}"),
                    scope: Scope { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() },
                    created_ms: 0,
                    retention_days: None,
                    class: "STANDARD".to_owned(),
                    tags: BTreeMap::new(),
                    kms_key: None,
                };
                let group = groups::insert(tx, group, &wrapping)?.id;
                for stream in 0..3 {
                    made.push((streams::insert(tx, group, &format!("stream-{stream}"), 0)?.id, group));
                }
            }
            Ok::<_, MetaError>(made)
        });
        model.streams = made.expect("nothing fails yet").into_iter().collect();
    }

    fn append(&self, model: &mut Model, dice: &mut Dice) {
        let mut sent = Vec::new();
        let alive: Vec<(u64, u64)> = model.streams.iter().map(|(stream, group)| (*stream, *group)).collect();
        for _ in 0..1 + dice.below(4) {
            let Some(&(stream, group)) = alive.get(dice.below(alive.len() as u64) as usize) else { return };
            let batch = model.next_batch;
            model.next_batch += 1;
            let mut timestamp_ms = dice.below(1_000) as i64;
            let rows: Vec<Known> = (0..1 + dice.below(6))
                .map(|index| {
                    timestamp_ms += dice.below(20) as i64;
                    let value = dice.below(1_000);
                    let message = format!(
                        r#"{{"batch":{batch},"index":{index},"value":{value},"kind":"k{}"}}"#,
                        value % 3
                    );
                    Known { group, stream, timestamp_ms, message, batch, value }
                })
                .collect();
            let events: Vec<(i64, Vec<u8>)> =
                rows.iter().map(|row| (row.timestamp_ms, row.message.clone().into_bytes())).collect();
            let (group, stream) = (GroupId(group), StreamId(stream));
            let asked = Batch { group, stream, ingestion_ms: batch as i64, hop: 0, events: events.into() };
            let (sender, receiver) = mpsc::sync_channel(1);
            self.store.append(asked, Box::new(move |outcome| drop(sender.send(outcome))));
            sent.push((batch, rows, receiver));
        }
        for (batch, rows, receiver) in sent {
            match receiver.recv().expect("every callback is called") {
                Ok(ack) => {
                    for (index, row) in rows.into_iter().enumerate() {
                        let before = model.must.insert(ack.first.seq + index as u64, row);
                        assert!(before.is_none(), "a position was given twice");
                    }
                }
                Err(_) => {
                    model.may.insert(batch, rows.into_iter().map(|row| row.message).collect());
                }
            }
        }
    }

    /// One step of a consumer: reads on from its cursor, commits what it found with the new cursor.
    fn consume(&self, model: &mut Model) {
        if model.tallying.is_some() {
            return;
        }
        let from = Position::at(model.tally.next);
        let limit = PageLimit { events: 17, bytes: 1 << 20 };
        let Ok(page) = self.store.scan_by_position(from, self.store.durable_position(), limit, None) else {
            return;
        };
        let mut tally = Tally { next: page.next.seq, ..model.tally };
        for event in &page.events() {
            let known = &model.must[&event.position.seq];
            tally.events += 1;
            tally.sum += known.value;
        }
        let committed = self.meta.change_blocking(move |tx| {
            tx.put(&TALLIES, &Key::of(()), &tally)?;
            cursors::set(tx, CONSUMER, 0, tally.next)
        });
        match committed {
            Ok(()) => model.tally = tally,
            Err(MetaError::Poisoned(_) | MetaError::Closed) => {}
            Err(_) => model.tallying = Some(tally),
        }
    }

    fn sweep(&self, model: &mut Model, dice: &mut Dice) {
        let group = GroupId(*model.streams.values().next().unwrap_or(&1));
        let before_ms = dice.below(600) as i64;
        let hit = |known: &Known| known.group == group.0 && known.timestamp_ms < before_ms;
        let hit: BTreeSet<u64> =
            model.must.iter().filter(|(_, known)| hit(known)).map(|(seq, _)| *seq).collect();
        match self.store.retain(&[(group, before_ms)]) {
            Ok(_) => model.must.retain(|seq, _| !hit.contains(seq)),
            Err(_) => model.swept = Some(hit),
        }
    }

    fn delete_stream(&self, model: &mut Model, dice: &mut Dice) {
        let alive: Vec<(u64, u64)> = model.streams.iter().map(|(stream, group)| (*stream, *group)).collect();
        if alive.len() < 3 {
            return;
        }
        let (stream, group) = alive[dice.below(alive.len() as u64) as usize];
        model.streams.remove(&stream);
        let removed = self.meta.change_blocking(move |tx| {
            let Some((_, record)) = streams::by_id(tx, stream)? else { return Ok(()) };
            streams::remove(tx, group, &record)
        });
        match removed {
            Ok(()) => {
                self.store.delete_stream(StreamId(stream));
                model.must.retain(|_, known| known.stream != stream);
            }
            Err(MetaError::Poisoned(_) | MetaError::Closed) => drop(model.streams.insert(stream, group)),
            Err(_) => drop(model.dying.insert(stream)),
        }
    }

    fn work(&self, model: &mut Model, dice: &mut Dice) {
        for _ in 0..1 + dice.below(20) {
            match dice.below(14) {
                0 => drop(self.store.seal_now()),
                1 if model.swept.is_none() => self.sweep(model, dice),
                2 if dice.one_in(4) => self.delete_stream(model, dice),
                3 => drop(self.store.reclaim()),
                4..=6 => self.consume(model),
                _ => self.append(model, dice),
            }
        }
    }

    /// Everything stored, by position.
    fn everything(&self) -> Vec<store::Event> {
        let end = self.store.durable_position();
        let (mut next, mut events) = (Position::default(), Vec::new());
        while next < end {
            let page = self.store.scan_by_position(next, end, PageLimit { events: 40, bytes: 1 << 20 }, None);
            let page = page.expect("the disk works again");
            assert!(page.damaged.is_empty(), "{:?}", page.damaged);
            next = page.next;
            events.extend(page.events());
        }
        events
    }

    /// After a crash: takes what may be there into what must be there, or complains.
    fn settle(&self, model: &mut Model) {
        let report = self.store.report();
        assert!(report.damaged_intake.is_empty() && report.damaged_segments.is_empty(), "{report:?}");
        let stored = self
            .meta
            .read(|tx| Ok::<_, MetaError>((tx.get(&TALLIES, &Key::of(()))?, cursors::get(tx, CONSUMER, 0)?)));
        let (tally, cursor) = stored.expect("the disk works again");
        let tally = tally.unwrap_or_default();
        assert_eq!(tally.next, cursor.unwrap_or_default(), "the cursor and what was made with it");
        assert!(tally == model.tally || Some(tally) == model.tallying, "{tally:?}, not {:?}", model.tally);
        assert!(tally.next <= self.store.durable_position().seq, "the cursor is ahead of the log");
        (model.tally, model.tallying) = (tally, None);
        for stream in std::mem::take(&mut model.dying) {
            let found = self.meta.read(|tx| streams::by_id(tx, stream)).expect("the disk works again");
            match found {
                Some((group, _)) => drop(model.streams.insert(stream, group)),
                None => model.must.retain(|_, known| known.stream != stream),
            }
        }
        let found = self.everything();
        if let Some(swept) = model.swept.take() {
            let seqs: BTreeSet<u64> = found.iter().map(|event| event.position.seq).collect();
            let there = swept.iter().filter(|seq| seqs.contains(seq)).count();
            let alive = swept.iter().filter(|seq| model.must.contains_key(seq)).count();
            assert!(there == 0 || there == alive, "a sweep is done or not: {there} of {alive}");
            if there == 0 {
                model.must.retain(|seq, _| !swept.contains(seq));
            }
        }
        self.compare(model, &found);
        self.ask(model);
    }

    fn compare(&self, model: &mut Model, found: &[store::Event]) {
        let mut surprises: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for event in found {
            let message = String::from_utf8(event.message.to_vec()).expect("as it was written");
            if let Some(known) = model.must.get(&event.position.seq) {
                assert_eq!((&known.message, known.stream), (&message, event.stream.0));
                continue;
            }
            let read = |name: &str| {
                let row: serde_json::Value = serde_json::from_str(&message).expect("as it was written");
                row[name].as_u64().expect("a number")
            };
            let (batch, value) = (read("batch"), read("value"));
            surprises.entry(batch).or_default().push(message.clone());
            let (group, stream, timestamp_ms) = (event.group.0, event.stream.0, event.timestamp_ms);
            model
                .must
                .insert(event.position.seq, Known { group, stream, timestamp_ms, message, batch, value });
        }
        assert_eq!(found.len(), model.must.len(), "an acknowledged event is missing");
        for (batch, messages) in surprises {
            assert_eq!(model.may.get(&batch), Some(&messages), "batch {batch} is not wholly there");
        }
        // What is not there now must never come back.
        model.may.clear();
    }

    /// A query over all that is stored says what the model says.
    fn ask(&self, model: &Model) {
        let window = insights::Window { start_ms: 0, end_ms: 10_000 };
        let text = r#"filter value > 400 and @aws.account = "000000000000" and kind like /k/
            | stats count(*) as n, sum(value) as s by kind"#;
        let query = insights::Query::compile(text, &insights::NoFunctions, 0, window).expect("a good query");
        let mut execution = insights::Execution::new(&query);
        let selection = Selection { groups: (0..=GROUPS).map(GroupId).collect(), streams: None };
        for handle in self.store.blocks(&selection, 0, 10_000, None) {
            crate::query::push(&query, &mut execution, &handle).expect("the disk works again");
        }
        let mut answer = BTreeMap::new();
        for row in execution.finish().expect("a small query").rows {
            let row: BTreeMap<String, String> = row.into_iter().collect();
            answer.insert(row["kind"].clone(), (row["n"].clone(), row["s"].clone()));
        }
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for known in model.must.values().filter(|known| known.value > 400) {
            let (count, sum) = expected.entry(format!("k{}", known.value % 3)).or_default();
            (*count, *sum) = (*count + 1, *sum + known.value);
        }
        let expected: BTreeMap<String, (String, String)> =
            expected.into_iter().map(|(kind, (n, sum))| (kind, (n.to_string(), sum.to_string()))).collect();
        assert_eq!(answer, expected);
    }
}

fn draw(dice: &mut Dice, calls: u64) -> Faults {
    let at = Some(calls + 1 + dice.below(150));
    match dice.below(6) {
        0..=2 => Faults { power_cut_at: at, ..Faults::default() },
        3 => Faults { sync_fails_at: at, ..Faults::default() },
        4 => Faults { call_fails_at: at, ..Faults::default() },
        _ => Faults { bytes_max: Some(dice.below(3_000_000)), ..Faults::default() },
    }
}

fn round(seed: u64) {
    let mut dice = Dice(seed);
    let mut disk = FaultyDisk::new(seed ^ 0xd15c);
    let mut model = Model::default();
    for life in 0..3 {
        if life > 0 && dice.one_in(3) {
            let faults = Faults { bytes_max: None, ..draw(&mut dice, disk.calls()) };
            disk.set_faults(faults);
            let opened = open(&disk).map(|life| life.meta.close());
            let cut = dice.one_in(2);
            println!("seed {seed}, before life {life}: {faults:?}, {opened:?}, power cut {cut}");
            disk = if cut { disk.after_power_cut() } else { disk.after_kill() };
        }
        let running = open(&disk).expect("a disk without faults opens");
        if life == 0 {
            running.found(&mut model);
        }
        running.settle(&mut model);
        let faults = draw(&mut dice, disk.calls());
        disk.set_faults(faults);
        running.work(&mut model, &mut dice);
        let kill = dice.one_in(3);
        println!("seed {seed}, life {life}: {faults:?}, {} calls, kill {kill}", disk.calls());
        let next = if kill { disk.after_kill() } else { disk.after_power_cut() };
        drop(running.store);
        running.meta.close();
        disk = next;
    }
    open(&disk).expect("a disk without faults opens").settle(&mut model);
}

#[test]
fn log_data_and_metadata_keep_their_promises_together() {
    let rounds = if std::env::var_os("LOGBOOM_LONG").is_some() { 10_000 } else { 60 };
    let seed = std::env::var("LOGBOOM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..rounds, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| round(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
