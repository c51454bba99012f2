//! Owns a small measurement: how many events per second of CPU the store takes and gives back, by itself.
//! `cargo run --release -p store --example append -- [events] [folder]`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{
    Batch, Events, FsDisk, GroupId, Held, MemoryKeys, MemoryManifest, Options, PageLimit, Position,
    ScanRequest, Selection, Store, StreamId,
};

const BATCH_EVENTS: u64 = 500;
const CLIENTS: u64 = 4;
const STREAMS: u64 = 116;

/// Seconds of CPU of the whole process, to 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn line(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{{\"ts\":{number},\"level\":\"{}\",\"service\":\"svc-{}\",\"traceId\":\"{:032x}\",\"status\":{},\"latency\":{},\
         \"msg\":\"request handled by worker {} in zone eu-{} after a queue of {} entries\",\"userId\":\"u-{:07}\"}}",
        ["info", "warn", "error"][(mixed % 3) as usize],
        mixed % 12,
        u128::from(mixed) * 0x1234_5678_9abc_def1,
        200 + mixed % 5 * 100,
        mixed >> 52,
        mixed % 31,
        mixed % 3,
        mixed % 97,
        mixed % 1_000_000
    )
}

fn batch(number: u64, lines: &[String]) -> Batch {
    let mut events = Events::with_capacity(BATCH_EVENTS as usize, BATCH_EVENTS as usize * 300);
    for row in number * BATCH_EVENTS..(number + 1) * BATCH_EVENTS {
        events.push(row as i64, &lines[(row % 20_000) as usize]);
    }
    let stream = number % STREAMS;
    Batch {
        group: GroupId(stream % 4),
        stream: StreamId(stream),
        ingestion_ms: number as i64,
        hop: 0,
        events,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let folder =
        std::env::args().nth(2).map_or_else(|| std::env::temp_dir().join("store-append"), Into::into);
    let _ = std::fs::remove_dir_all(&folder);
    let lines: Vec<String> = (0..20_000).map(line).collect();
    let manifest = Arc::new(MemoryManifest::default());
    let open = || {
        let keys = Arc::new(MemoryKeys::default());
        Store::open(Options::default(), Arc::new(FsDisk::new(&folder)?), manifest.clone(), keys)
    };
    let store = open()?;

    let before = cpu_seconds();
    let raw = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (store, lines, raw) = (&store, &lines, &raw);
            let mine = (client..events / BATCH_EVENTS).step_by(CLIENTS as usize);
            scope.spawn(move || {
                for batch in mine.map(|number| batch(number, lines)) {
                    raw.fetch_add(batch.events.stored_bytes(), Ordering::Relaxed);
                    if let Err(error) = store.append_wait(batch) {
                        println!("refused: {error}");
                    }
                }
            });
        }
    });
    let raw = raw.into_inner();
    store.seal_now()?;
    report("append and seal", events, raw, cpu_seconds() - before);
    println!("{:?}", store.counters());

    let before = cpu_seconds();
    let selection = Selection { groups: (0..4).map(GroupId).collect(), streams: None };
    let mut count = 0;
    for run in store.scan(&ScanRequest::all(selection)) {
        count += run?.block().len() as u64;
    }
    report("scan by time", count, raw, cpu_seconds() - before);

    let before = cpu_seconds();
    let (mut from, to, mut count) = (Position::at(0), store.durable_position(), 0);
    while from < to {
        let page = store.scan_by_position(from, to, PageLimit::default(), None)?;
        count += page.held.iter().map(Held::len).sum::<usize>() as u64;
        from = page.next;
    }
    report("scan by position", count, raw, cpu_seconds() - before);
    drop(store);
    let before = cpu_seconds();
    let store = open()?;
    println!("reopen: {:.2} CPU s, {:?}", cpu_seconds() - before, store.report());
    Ok(())
}

fn report(what: &str, events: u64, raw: u64, seconds: f64) {
    let seconds = seconds.max(0.01);
    let (events, megabytes) = (events as f64, raw as f64 / 1e6);
    println!(
        "{what}: {seconds:.2} CPU s, {:.0} k events/s, {:.0} MB/s",
        events / seconds / 1e3,
        megabytes / seconds
    );
}
