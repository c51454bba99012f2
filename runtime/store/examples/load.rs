//! Owns a measurement of the store on given lines, by itself: CPU, disk, memory, blocks, filters, deletion.
//! `cargo run -p store --example load -- FILE...` with one JSON object per line (timestamp, group, stream,
//! message), or `-- groups N ROUNDS` for N groups of 100 events each.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use serde::Deserialize;
use store::{
    Batch, Containing, Events, FsDisk, GroupId, MemoryKeys, MemoryManifest, Options, Selection, Store,
    StreamId,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
struct Line {
    timestamp: i64,
    group: String,
    stream: String,
    message: String,
}

const BATCH_EVENTS: usize = 3_000;
const BATCH_BYTES: u64 = 900_000;

/// Seconds of CPU of the whole process, to 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

struct Loader {
    store: Store,
    waiting: HashMap<(GroupId, StreamId), Events>,
    raw: u64,
    events: u64,
}

impl Loader {
    fn add(&mut self, group: u64, stream: u64, timestamp: i64, message: &str) -> Outcome<()> {
        let key = (GroupId(group), StreamId(stream));
        let events = self.waiting.entry(key).or_default();
        events.push(timestamp, message);
        self.raw += message.len() as u64;
        self.events += 1;
        if events.len() >= BATCH_EVENTS || events.stored_bytes() >= BATCH_BYTES {
            let events = std::mem::take(events);
            self.send(key, events)?;
        }
        Ok(())
    }

    fn send(&self, (group, stream): (GroupId, StreamId), events: Events) -> Outcome<()> {
        self.store.append_wait(Batch { group, stream, ingestion_ms: 1, hop: 0, events })?;
        Ok(())
    }

    fn flush(&mut self) -> Outcome<()> {
        for (key, events) in std::mem::take(&mut self.waiting) {
            if !events.is_empty() {
                self.send(key, events)?;
            }
        }
        Ok(())
    }
}

fn load_file(loader: &mut Loader, path: &str, known: u64) -> Outcome<u64> {
    let mut ids: HashMap<String, u64> = HashMap::new();
    let file = std::io::BufReader::new(std::fs::File::open(path)?);
    for line in file.lines() {
        let line: Line = serde_json::from_str(&line?)?;
        let next = known + ids.len() as u64 + 1;
        let group = *ids.entry(line.group.clone()).or_insert(next);
        let next = known + ids.len() as u64 + 1;
        let stream = *ids.entry(format!("{}/{}", line.group, line.stream)).or_insert(next);
        loader.add(group, stream, line.timestamp, &line.message)?;
    }
    loader.flush()?;
    Ok(known + ids.len() as u64 + 1)
}

fn load_groups(loader: &mut Loader, groups: u64, rounds: u64) -> Outcome<u64> {
    for round in 0..rounds {
        for group in 1..=groups {
            for event in 0..100 / rounds {
                let number = round * (100 / rounds) + event;
                let mixed = (group * 1000 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let level = ["info", "warn", "error"][(mixed % 3) as usize];
                let message = format!(
                    "{{\"level\":\"{level}\",\"traceId\":\"{:032x}\",\"status\":{},\"latency\":{},\"msg\":\"request \
                     handled by worker {} in zone eu-{} after a queue of {} entries and some more words\"}}",
                    u128::from(mixed) * 0x1234_5678_9abc_def1,
                    200 + mixed % 5 * 100,
                    mixed >> 52,
                    mixed % 31,
                    mixed % 3,
                    mixed % 97
                );
                loader.add(group, group, number as i64, &message)?;
            }
            // Each group comes a few events at a time, as it does when many write.
            loader.flush()?;
        }
    }
    Ok(groups)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = std::env::temp_dir().join(format!("store-load-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let manifest = Arc::new(MemoryManifest::default());
    let open = || {
        let keys = Arc::new(MemoryKeys::default());
        Store::open(Options::default(), Arc::new(FsDisk::new(&folder)?), manifest.clone(), keys)
    };
    let mut loader = Loader { store: open()?, waiting: HashMap::new(), raw: 0, events: 0 };
    let before = cpu_seconds();
    let groups = match &arguments[..] {
        [word, count, rounds] if word == "groups" => {
            load_groups(&mut loader, count.parse()?, rounds.parse()?)?
        }
        [] => return Err("files, or `groups N ROUNDS`".into()),
        paths => paths.iter().try_fold(0, |groups: u64, path| load_file(&mut loader, path, groups))?,
    };
    loader.store.seal_now()?;
    println!(
        "loaded {} events, {} raw bytes: {:.2} CPU s",
        loader.events,
        loader.raw,
        cpu_seconds() - before
    );
    let before = cpu_seconds();
    loader.store.compact()?;
    println!("merged: {:.2} CPU s", cpu_seconds() - before);
    println!("{:?}", loader.store.counters());
    println!("{}", memory());
    let (events, raw) = (loader.events, loader.raw);
    loader.store.close()?;
    drop(loader);
    let files = std::fs::read_dir(&folder)?.count();
    let disk: u64 =
        std::fs::read_dir(&folder)?.flatten().map(|it| it.metadata().map_or(0, |it| it.len())).sum();
    println!(
        "{files} files, {disk} bytes, {:.1} bytes/event, ratio {:.2}",
        disk as f64 / events as f64,
        raw as f64 / disk as f64
    );

    let before = cpu_seconds();
    let store = open()?;
    println!("opened: {:.2} CPU s", cpu_seconds() - before);
    search(&store, groups)?;
    drop(store);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Filters, a search, a rebuild of everything, and the deletion of half of the groups.
fn search(store: &Store, groups: u64) -> Outcome<()> {
    let selection = Selection { groups: (1..=groups).map(GroupId).collect(), streams: None };
    for round in 0..2 {
        let before = cpu_seconds();
        let (mut blocks, mut held) = (0, 0);
        for _ in 0..=round * 20 {
            let handles = store.blocks(&selection, i64::MIN, i64::MAX, None);
            (blocks, held) = (handles.len(), 0);
            for handle in handles {
                held += u64::from(handle.may_contain(b"needle-538453d7", Containing::Raw));
            }
        }
        let each = (cpu_seconds() - before) / f64::from(1 + round * 20) * 1e3;
        let cached = store.counters().cache.bytes;
        println!(
            "filters of {blocks} blocks, round {round}: {each:.2} CPU ms, {held} may hold it, {cached} bytes cached"
        );
    }
    let before = cpu_seconds();
    let mut found = 0;
    for handle in store.blocks(&selection, i64::MIN, i64::MAX, None) {
        found += handle.open()?.rows_containing(b"rror")?.len();
    }
    println!("search: {found} rows, {:.2} CPU s, {}", cpu_seconds() - before, memory());
    let before = cpu_seconds();
    let rows: usize = store
        .blocks(&selection, i64::MIN, i64::MAX, None)
        .iter()
        .map(|it| it.load().map_or(0, |it| it.len()))
        .sum();
    println!("rebuilt {rows} rows: {:.2} CPU s, {}", cpu_seconds() - before, memory());
    let before = cpu_seconds();
    let gone = groups / 2;
    (1..=gone).for_each(|group| store.delete_group(GroupId(group)));
    let deleted = cpu_seconds() - before;
    store.reclaim()?;
    println!(
        "{gone} groups deleted: {deleted:.2} CPU s, space given back: {:.2} CPU s",
        cpu_seconds() - before
    );
    println!("{:?}\n{}", store.counters(), memory());
    Ok(())
}
