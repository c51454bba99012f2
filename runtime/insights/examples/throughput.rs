//! What the engine costs per row over columns that are lent in memory: a million events of four kinds,
//! the queries of the comparison with other log stores, nanoseconds per row of each.
//!
//! `cargo run --release -p insights --example throughput`. Knows no store: what decoding costs is not
//! in these numbers.

use std::cell::RefCell;
use std::collections::HashMap;

use insights::{
    Block, Codes, Execution, Facts, Fraction, NoFunctions, Numbers, Output, Query, Templates, Texts,
    Variable, Window,
};

const START_MS: i64 = 1_795_129_200_000;
const DAY_MS: i64 = 86_400_000;
/// Linux counts the time of a thread a few milliseconds at a time.
const ROUNDS: u32 = 40;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20) % bound
    }

    fn number(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap_or(0)
    }
}

enum Held {
    Constant(String),
    Dictionary(Vec<u8>, Vec<String>),
    Ints(Vec<i64>),
    Decimals(Vec<i64>),
    Users(Vec<i64>),
    Texts(Texts),
}

/// All rows have one template, as the events of one stream mostly do.
struct Columns {
    group: &'static str,
    stream: String,
    times: Vec<i64>,
    parts: Vec<String>,
    numbers: Vec<u32>,
    object: bool,
    held: Vec<Held>,
}

impl Columns {
    fn message(&self, row: usize) -> String {
        let mut out = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            out.push_str(part);
            if at < self.held.len() {
                self.held[at].variable().write(row, &mut out);
            }
        }
        out
    }
}

impl Held {
    fn variable(&self) -> Variable<'_> {
        match self {
            Held::Constant(text) => Variable::Constant(text),
            Held::Dictionary(codes, values) => Variable::Dictionary {
                codes: Codes::U8(codes),
                values: values.iter().map(String::as_str).collect(),
            },
            Held::Ints(values) => Variable::Ints(Numbers::I64(values)),
            Held::Decimals(mantissas) => Variable::Decimals {
                mantissas: Numbers::I64(mantissas),
                scale: 3,
                fraction: Fraction::Trimmed,
            },
            Held::Users(values) => {
                Variable::Numbered { prefix: "u-", suffix: "", width: 7, values: Numbers::I64(values) }
            }
            Held::Texts(texts) => Variable::Texts { text: &texts.text, ends: &texts.ends },
        }
    }

    fn bytes(&self) -> [u64; 4] {
        let mut bytes = [0; 4];
        let mut add = |text: &str| {
            text.bytes().for_each(|byte| bytes[usize::from(byte / 64)] |= 1 << (byte % 64));
        };
        match self {
            Held::Constant(text) => add(text),
            Held::Dictionary(_, values) => values.iter().for_each(|value| add(value)),
            Held::Ints(_) => add("-0123456789"),
            Held::Decimals(_) => add("-.0123456789"),
            Held::Users(_) => add("u-0123456789"),
            Held::Texts(texts) => add(&texts.text),
        }
        bytes
    }

    fn containing(&self, needle: &str, rows: &mut Vec<u32>) {
        match self {
            Held::Dictionary(codes, values) => {
                let hits: Vec<bool> = values.iter().map(|value| value.contains(needle)).collect();
                let hit = |(row, code): (usize, &u8)| {
                    if hits[usize::from(*code)] { u32::try_from(row).ok() } else { None }
                };
                if hits.contains(&true) {
                    rows.extend(codes.iter().enumerate().filter_map(hit));
                }
            }
            Held::Texts(texts) => {
                let hit = |(at, _): (usize, &str)| {
                    let row = texts.ends.partition_point(|end| (*end as usize) <= at);
                    let inside = at + needle.len() <= texts.ends[row] as usize;
                    inside.then(|| u32::try_from(row).ok()).flatten()
                };
                rows.extend(texts.text.match_indices(needle).filter_map(hit));
            }
            // No needle here is part of a number, and constants hold none.
            Held::Constant(_) | Held::Ints(_) | Held::Decimals(_) | Held::Users(_) => {}
        }
    }
}

struct Lent {
    columns: Columns,
    facts: Vec<Facts>,
    /// What was searched for before: searching is the store's work and not measured here.
    found: RefCell<HashMap<String, Vec<u32>>>,
}

impl Lent {
    #[allow(clippy::cast_precision_loss)]
    fn new(columns: Columns) -> Lent {
        let facts = |held: &Held| {
            let scaled = |list: &[i64], unit: f64| {
                let bound = |n: Option<&i64>| n.map(|n| *n as f64 / unit);
                (bound(list.iter().min()), bound(list.iter().max()))
            };
            let (min, max) = match held {
                Held::Ints(list) => scaled(list, 1.0),
                Held::Decimals(list) => scaled(list, 1000.0),
                _ => (None, None),
            };
            Facts { min, max, bytes: held.bytes() }
        };
        Lent { facts: columns.held.iter().map(facts).collect(), columns, found: RefCell::default() }
    }
}

impl Templates for Lent {
    fn len(&self) -> usize {
        1
    }

    fn part(&self, _template: usize, part: usize) -> &str {
        &self.columns.parts[part]
    }

    fn columns(&self, _template: usize) -> &[u32] {
        &self.columns.numbers
    }

    fn is_object(&self, _template: usize) -> bool {
        self.columns.object
    }

    fn of_rows(&self) -> Option<&[u8]> {
        None
    }

    fn column_rows(&self, _column: u32) -> Option<&[u32]> {
        None
    }

    fn facts(&self, column: u32) -> Facts {
        self.facts[column as usize]
    }

    fn values(&self, column: u32) -> Option<Vec<&str>> {
        match &self.columns.held[column as usize] {
            Held::Constant(text) => Some(vec![text]),
            Held::Dictionary(_, values) => Some(values.iter().map(String::as_str).collect()),
            _ => None,
        }
    }

    fn variable(&self, column: u32) -> Variable<'_> {
        self.columns.held[column as usize].variable()
    }
}

impl Block for Lent {
    fn len(&self) -> usize {
        self.columns.times.len()
    }

    fn time_bounds(&self) -> Option<(i64, i64)> {
        self.columns.times.first().copied().zip(self.columns.times.last().copied())
    }

    fn timestamps(&self) -> &[i64] {
        &self.columns.times
    }

    fn ingestion_times(&self) -> &[i64] {
        &self.columns.times
    }

    fn message(&self, _row: usize) -> &str {
        unreachable!("a block with templates is asked for messages by rows")
    }

    fn messages(&self, rows: &[u32], into: &mut Texts) {
        rows.iter().for_each(|row| into.push(&self.columns.message(*row as usize)));
    }

    fn rows_containing(&self, text: &str) -> Option<Vec<u32>> {
        let mut found = self.found.borrow_mut();
        let rows = found.entry(text.to_owned()).or_insert_with(|| {
            let mut rows = Vec::new();
            self.columns.held.iter().for_each(|held| held.containing(text, &mut rows));
            rows.sort_unstable();
            rows.dedup();
            rows
        });
        Some(rows.clone())
    }

    fn templates(&self) -> Option<&dyn Templates> {
        Some(self)
    }

    fn stream_name(&self, _row: usize) -> &str {
        &self.columns.stream
    }

    fn stream(&self) -> Option<&str> {
        Some(&self.columns.stream)
    }

    fn log_identifier(&self) -> &str {
        self.columns.group
    }

    fn pointer(&self, row: usize) -> String {
        row.to_string()
    }

    fn position(&self, row: usize) -> (u32, u64) {
        (0, row as u64)
    }

    fn bytes(&self) -> u64 {
        self.columns.times.len() as u64 * 272
    }
}

fn dictionary(rows: usize, values: &[&str], random: &mut Random) -> Held {
    // The first value is the most frequent by far.
    let code = |random: &mut Random| match random.below(10) {
        0..6 => 0,
        _ => u8::try_from(random.below(values.len() as u64)).unwrap_or(0),
    };
    Held::Dictionary(
        (0..rows).map(|_| code(random)).collect(),
        values.iter().map(ToString::to_string).collect(),
    )
}

fn texts(rows: usize, mut one: impl FnMut(usize) -> String) -> Held {
    let mut texts = Texts::default();
    (0..rows).for_each(|row| texts.push(&one(row)));
    Held::Texts(texts)
}

const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
    "okhttp/4.12.0",
    "curl/8.7.1",
    "kube-probe/1.29",
];
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE"];
const STATUS: &[&str] = &["200", "201", "204", "400", "404", "500", "502", "503"];

fn times(block: usize, blocks: usize, rows: usize) -> Vec<i64> {
    let (block, blocks) = (block as i64, blocks as i64);
    let start = START_MS + block * DAY_MS / blocks;
    (0..rows as i64).map(|row| start + row * (DAY_MS / blocks) / rows as i64).collect()
}

/// A JSON line of a service.
fn service(block: usize, blocks: usize, rows: usize, random: &mut Random) -> Columns {
    let names = [
        "timestamp",
        "level",
        "service",
        "traceId",
        "userId",
        "method",
        "path",
        "status",
        "latency",
        "bytes",
        "user-agent",
        "x-forwarded-for",
        "msg",
    ];
    let bare = ["status", "latency", "bytes"];
    let mut parts = Vec::new();
    let mut open = "{".to_owned();
    for name in names {
        let quote = if bare.contains(&name) { "" } else { "\"" };
        parts.push(format!("{open}\"{name}\":{quote}"));
        open = format!("{quote},");
    }
    parts.push("\"}".to_owned());
    let user = |random: &mut Random| random.number(50_000);
    let held = vec![
        texts(rows, |row| format!("2026-11-20T04:00:00.{row:05}Z")),
        dictionary(rows, &["INFO", "DEBUG", "WARN", "ERROR"], random),
        Held::Constant(format!("service-{}", block % 12)),
        texts(rows, |_| format!("{:016x}{:016x}", random.below(u64::MAX), random.below(u64::MAX))),
        Held::Users((0..rows).map(|_| user(random)).collect()),
        dictionary(rows, METHODS, random),
        texts(rows, |_| format!("/api/v1/orders/{}", random.below(99_999))),
        dictionary(rows, STATUS, random),
        Held::Decimals((0..rows).map(|_| random.number(400_000)).collect()),
        Held::Ints((0..rows).map(|_| random.number(50_000)).collect()),
        dictionary(rows, AGENTS, random),
        texts(rows, |_| format!("10.0.{}.{}", random.below(256), random.below(256))),
        texts(rows, |_| match random.below(60) {
            0 => format!("upstream timed out after {}ms", random.below(30_000)),
            1 => format!("upstream reset after {}ms", random.below(30_000)),
            _ => format!("order {} persisted", random.below(30_000)),
        }),
    ];
    let numbers = (0..names.len()).filter_map(|n| u32::try_from(n).ok()).collect();
    let times = times(block, blocks, rows);
    Columns { group: "1:svc", stream: format!("s{block}"), times, parts, numbers, object: true, held }
}

/// An access line.
fn access(block: usize, blocks: usize, rows: usize, random: &mut Random) -> Columns {
    let parts =
        ["", " - - [", " ", "] \"", " ", " ", "\" ", " ", " \"-\" \"", "\""].map(str::to_owned).to_vec();
    let held = vec![
        texts(rows, |_| format!("9.205.{}.{}", random.below(256), random.below(256))),
        texts(rows, |row| format!("20/Nov/2026:04:{:02}:{:02}", row / 60 % 60, row % 60)),
        Held::Constant("+0000".to_owned()),
        dictionary(rows, METHODS, random),
        texts(rows, |_| format!("/api/v1/cart/{}/items", random.below(99_999))),
        Held::Constant("HTTP/1.1".to_owned()),
        dictionary(rows, STATUS, random),
        Held::Ints((0..rows).map(|_| random.number(50_000)).collect()),
        dictionary(rows, AGENTS, random),
    ];
    let numbers = (0..held.len()).filter_map(|n| u32::try_from(n).ok()).collect();
    let times = times(block, blocks, rows);
    Columns { group: "1:nginx", stream: format!("edge-{block}"), times, parts, numbers, object: false, held }
}

/// A line of text.
fn line(block: usize, blocks: usize, rows: usize, random: &mut Random) -> Columns {
    let parts = ["", " INFO worker job ", " done in ", ""].map(str::to_owned).to_vec();
    let held = vec![
        texts(rows, |row| format!("2026-11-20T04:00:00.{row:05}Z")),
        Held::Ints((0..rows).map(|_| random.number(1 << 40)).collect()),
        texts(rows, |_| format!("{}ms", random.below(9999))),
    ];
    let times = times(block, blocks, rows);
    let group = if block.is_multiple_of(3) { "1:/aws/lambda/f" } else { "1:text" };
    Columns { group, stream: format!("t{block}"), times, parts, numbers: vec![0, 1, 2], object: false, held }
}

fn run(query: &Query, blocks: &[Lent]) -> Output {
    let mut execution = Execution::new(query);
    for block in blocks {
        let (oldest, newest) = block.time_bounds().unwrap_or((0, 0));
        if execution.wants(oldest, newest)
            && let Err(error) = execution.push(block)
        {
            println!("{error}");
        }
    }
    execution.finish().unwrap_or_default()
}

const QUERIES: &[(&str, &str, f64)] = &[
    ("Q2 like, count", "filter @message like /kube-probe/ | stats count(*) as n", 8.0),
    (
        "Q3 regex, bins",
        r"filter @message like /upstream (timed out|reset) after \d{4,}ms/ | stats count(*) as n by bin(5m)",
        12.0,
    ),
    ("Q4 filter, pct", "filter status = 500 | stats count(*) as n, pct(latency, 99) as p by service", 4.0),
    ("Q5 top 10", "fields @timestamp, service, latency, traceId | sort latency desc | limit 10", 5.0),
    ("Q6 one stream", "filter @logStream = \"s7\" | sort @timestamp desc | limit 100", 1.0),
    ("Q7 count by level", "stats count(*) as n by level", 3.0),
    ("Q8 distinct", "stats count_distinct(userId) as n", 12.0),
    ("Q9 one trace", "filter traceId = \"0123456789abcdef0123456789abcdef\"", f64::INFINITY),
    (
        "Q10 parse, groups",
        r#"parse @message '* - - [*] "* * *" * * *' as ip, ts, method, path, proto, code, size, rest | stats count(*) as n, avg(size) as a by method, code"#,
        25.0,
    ),
    ("by minute", "stats count(*) as n, avg(latency) as l by bin(1m), level", f64::INFINITY),
];

/// Milliseconds that this thread has been at work, as Linux counts them; 0 elsewhere.
fn worked_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

fn main() {
    let mut random = Random(7);
    let mut blocks = Vec::new();
    (0..200).for_each(|block| blocks.push(Lent::new(service(block, 200, 2_500, &mut random))));
    (0..28).for_each(|block| blocks.push(Lent::new(access(block, 28, 7_143, &mut random))));
    (0..42).for_each(|block| blocks.push(Lent::new(line(block, 42, 7_143, &mut random))));
    let rows: usize = blocks.iter().map(Block::len).sum();
    println!("{rows} rows in {} blocks; CPU time, mean of {ROUNDS}", blocks.len());
    let window = Window { start_ms: START_MS, end_ms: START_MS + DAY_MS };
    for (name, text, goal) in QUERIES {
        let query = match Query::compile(text, &NoFunctions, START_MS, window) {
            Ok(query) => query,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let mut output = run(&query, &blocks);
        let began = worked_ms();
        for _ in 0..ROUNDS {
            output = run(&query, &blocks);
        }
        let mean = (worked_ms() - began) / f64::from(ROUNDS);
        #[allow(clippy::cast_precision_loss)]
        let per_row = mean * 1e6 / rows as f64;
        let rows = output.rows.len();
        println!(
            "{name:18} {mean:7.2} ms (goal {goal:4}) {per_row:6.2} ns/row, {rows} rows, {} matched",
            output.matched
        );
    }
}
