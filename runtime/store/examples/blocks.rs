//! Owns a measurement: what stored blocks consist of, and how fast they are made, put together and searched.
//! `cargo run --release -p store --example blocks -- FILE [MiB of a memtable] [needle ...]`, where each line of FILE
//! is a JSON object with timestamp, group, stream and message, or any text.

use std::collections::{BTreeMap, HashMap};

use store::measure::{Maker, Part};

const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_ROWS: usize = 16_384;

/// Nanoseconds of CPU of the main thread.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

struct Row {
    time: i64,
    seq: u64,
    message: String,
}

#[derive(Default)]
struct Totals {
    parts: HashMap<(String, String), (usize, Part)>,
    blocks: usize,
    rows: usize,
    raw: usize,
    stored: usize,
    templates: usize,
    whole: usize,
    compose_ns: u64,
    zstd_ns: u64,
    rebuild_ns: u64,
    find_ns: Vec<u64>,
    found: Vec<usize>,
}

impl Totals {
    fn add_block(
        &mut self,
        maker: &mut Maker,
        stream: &str,
        rows: &[Row],
        needles: &[String],
    ) -> Result<(), String> {
        let events = || rows.iter().map(|row| (row.time, 7, row.seq, row.message.as_bytes()));
        // For a profiler.
        let repeat = |what: &str| {
            let times = std::env::var(what).ok().and_then(|times| times.parse().ok());
            0..times.unwrap_or(0_u32)
        };
        repeat("COMPOSE").for_each(|_| drop(maker.compose(events())));
        let start = cpu_ns();
        let made = maker.compose(events());
        let composed = cpu_ns();
        let stored = made.compress();
        let compressed = cpu_ns();
        let reading = made.read(stored)?;
        if !made.is_read_back(&reading).map_err(|error| error.to_string())? {
            return Err(format!("{stream}: messages differ"));
        }
        repeat("REBUILD").for_each(|_| drop(reading.rebuild()));
        let before = cpu_ns();
        let bytes = reading.rebuild().map_err(|error| error.to_string())?;
        self.rebuild_ns += cpu_ns() - before;
        for (at, needle) in needles.iter().enumerate() {
            let before = cpu_ns();
            self.found[at] += reading.find(needle.as_bytes()).map_err(|error| error.to_string())?;
            self.find_ns[at] += cpu_ns() - before;
        }
        self.compose_ns += composed - start;
        self.zstd_ns += compressed - composed;
        self.blocks += 1;
        self.rows += rows.len();
        self.raw += bytes;
        self.templates += reading.templates();
        self.whole += reading.whole_rows().map_err(|error| error.to_string())?;
        let family = stream.split(['/', '-']).next().unwrap_or_default();
        let family = family.split_once("svc").map_or(family, |_| "svc");
        for part in made.parts(&reading) {
            self.stored += part.stored;
            let kind = part.kind.map_or_else(String::new, |kind| format!("{kind:?}"));
            let group = format!("{family} {kind}");
            let (count, total) = self
                .parts
                .entry((group, part.name.clone()))
                .or_insert((0, Part { raw: 0, stored: 0, rows: 0, ..part.clone() }));
            *count += 1;
            total.raw += part.raw;
            total.stored += part.stored;
            total.rows += part.rows;
        }
        Ok(())
    }

    fn report(&self, needles: &[String]) {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(_, (_, part))| std::cmp::Reverse(part.stored));
        println!("{:>10} {:>10} {:>6} {:>9} {:>6}  what", "stored", "raw", "parts", "rows", "B/row");
        for ((group, name), (count, part)) in parts.iter().take(70) {
            let each = part.stored as f64 / part.rows as f64;
            println!(
                "{:>10} {:>10} {count:>6} {:>9} {each:>6.2}  {group}  {name:?}",
                part.stored, part.raw, part.rows
            );
        }
        let mut by_kind: BTreeMap<String, usize> = BTreeMap::new();
        for ((_, name), (_, part)) in &parts {
            let kind = part.kind.map_or_else(|| name.clone(), |kind| format!("{kind:?}"));
            *by_kind.entry(kind).or_default() += part.stored;
        }
        println!("{by_kind:?}");
        let (rows, megabytes) = (self.rows as f64, self.raw as f64 / 1e6);
        println!(
            "{} blocks, {} rows ({} whole), {} templates, raw {megabytes:.1} MB, stored {:.2} MB = {:.4} per byte",
            self.blocks,
            self.rows,
            self.whole,
            self.templates,
            self.stored as f64 / 1e6,
            self.stored as f64 / self.raw as f64,
        );
        let speed = |ns: u64| megabytes * 1e6 / ns as f64;
        println!(
            "compose {:.0} ns/event ({:.2} GB/s), zstd {:.0} ns/event, rebuild {:.2} GB/s",
            self.compose_ns as f64 / rows,
            speed(self.compose_ns),
            self.zstd_ns as f64 / rows,
            speed(self.rebuild_ns),
        );
        for ((needle, &ns), found) in needles.iter().zip(&self.find_ns).zip(&self.found) {
            println!("find {needle:?}: {found} rows, {:.1} ms, {:.2} GB/s", ns as f64 / 1e6, speed(ns));
        }
    }
}

/// Seals what a memtable holds: stream by stream, in blocks.
fn seal(
    memtable: &mut BTreeMap<String, Vec<Row>>,
    totals: &mut Totals,
    maker: &mut Maker,
    needles: &[String],
) -> Result<(), String> {
    for (stream, rows) in std::mem::take(memtable) {
        let mut rows = &rows[..];
        while !rows.is_empty() {
            let (mut count, mut size) = (0, 0);
            for row in rows.iter().take(BLOCK_ROWS) {
                size += row.message.len();
                if count > 0 && size > BLOCK_BYTES {
                    break;
                }
                count += 1;
            }
            let (now, later) = rows.split_at(count);
            totals.add_block(maker, &stream, now, needles)?;
            rows = later;
        }
    }
    Ok(())
}

fn row(line: &str, number: u64) -> (String, Row) {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
    match (text("stream"), text("message")) {
        (Some(stream), Some(message)) => {
            let time = value.get("timestamp").and_then(serde_json::Value::as_i64).unwrap_or_default();
            let group = text("group").unwrap_or_default();
            (format!("{group} {stream}"), Row { time, seq: number, message: message.to_owned() })
        }
        _ => (String::new(), Row { time: number as i64 * 86, seq: number, message: line.to_owned() }),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which file?")?;
    let memtable_bytes = arguments.next().map_or(Ok(64), |size| size.parse::<usize>())? << 20;
    let needles: Vec<String> = arguments.collect();
    let mut totals =
        Totals { find_ns: vec![0; needles.len()], found: vec![0; needles.len()], ..Totals::default() };
    let mut maker = Maker::default();
    let mut memtable: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut held = 0;
    for (number, line) in
        std::io::BufRead::lines(std::io::BufReader::new(std::fs::File::open(&file)?)).enumerate()
    {
        let (stream, row) = row(&line?, number as u64);
        held += row.message.len() + 12;
        let rows = memtable.entry(stream).or_default();
        // Batches of one stream are numbered one behind the other.
        rows.push(Row { seq: rows.len() as u64 + (number as u64 & !0xff_ffff), ..row });
        if held >= memtable_bytes {
            seal(&mut memtable, &mut totals, &mut maker, &needles)?;
            held = 0;
        }
    }
    seal(&mut memtable, &mut totals, &mut maker, &needles)?;
    totals.report(&needles);
    Ok(())
}
