//! Owns a small measurement: what the columns of real messages cost to store, to read and to search.
//! `cargo run --release -p store --example columns -- FILE [lines]`, FILE with one JSON object with a `message` per
//! line, as the benchmark's generator writes it.

// What is measured is private to the room, so its files are compiled in again.
#[allow(dead_code)]
#[path = "../src/codec.rs"]
mod codec;
#[allow(dead_code, unused_imports, unreachable_pub)]
#[path = "../src/column/mod.rs"]
mod column;
#[allow(dead_code)]
#[path = "../src/filter/mod.rs"]
mod filter;

#[path = "../src/frame.rs"]
mod frame;

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use column::{Column, Strings, encode, read_head};
use filter::{Builder, Filter};

/// Messages of a stream that make a block.
const BLOCK_BYTES: usize = 1 << 20;

/// The values of one variable of a block.
#[derive(Default)]
struct Values {
    strings: Strings,
    times: Vec<i64>,
}

/// Columns by (group, stream or block, name).
type Columns = BTreeMap<(String, String), Values>;

#[derive(serde::Deserialize)]
struct Line {
    timestamp: i64,
    group: String,
    message: String,
}

/// The scalars of a JSON object by path; for other lines, the runs of bytes around a digit by slot and shape.
fn variables(line: &Line, each: &mut impl FnMut(String, &[u8])) {
    match serde_json::from_str::<serde_json::Value>(&line.message) {
        Ok(value @ serde_json::Value::Object(_)) => flatten("", &value, each),
        _ => tokens(&line.message, each),
    }
}

fn flatten(path: &str, value: &serde_json::Value, each: &mut impl FnMut(String, &[u8])) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, each));
        }
        serde_json::Value::String(text) => each(path.to_owned(), text.as_bytes()),
        other => each(path.to_owned(), other.to_string().as_bytes()),
    }
}

fn tokens(message: &str, each: &mut impl FnMut(String, &[u8])) {
    let of_token = |byte: char| byte.is_ascii_alphanumeric() || "_.:/+-".contains(byte);
    let words: Vec<&str> = message.split(|byte| !of_token(byte)).collect();
    let variable = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
    let shape: String = words.iter().map(|word| if variable(word) { "*" } else { word }).collect();
    for (slot, word) in words.iter().filter(|word| variable(word)).enumerate() {
        each(format!("{shape}#{slot}"), word.as_bytes());
    }
}

fn load(path: &str, lines: usize) -> std::io::Result<Vec<Columns>> {
    let mut open: BTreeMap<String, (usize, Columns)> = BTreeMap::new();
    let mut done = Vec::new();
    for line in BufReader::new(File::open(path)?).lines().take(lines) {
        let line: Line = serde_json::from_str(&line?)?;
        let (bytes, columns) = open.entry(line.group.clone()).or_default();
        *bytes += line.message.len();
        variables(&line, &mut |name, value| {
            let column = columns.entry((line.group.clone(), name)).or_default();
            column.strings.push(value);
            column.times.push(line.timestamp);
        });
        if *bytes > BLOCK_BYTES {
            done.push(std::mem::take(columns));
            *bytes = 0;
        }
    }
    done.extend(open.into_values().map(|(_, columns)| columns));
    Ok(done)
}

#[derive(Default, Clone)]
struct Sum {
    columns: usize,
    values: usize,
    raw: usize,
    stored: usize,
    encode: Duration,
    decode: Duration,
    render: Duration,
    find: Duration,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.columns += other.columns;
        self.values += other.values;
        self.raw += other.raw;
        self.stored += other.stored;
        self.encode += other.encode;
        self.decode += other.decode;
        self.render += other.render;
        self.find += other.find;
    }

    fn print(&self, name: &str) {
        let per = |time: Duration| time.as_nanos() as f64 / self.values.max(1) as f64;
        println!(
            "{name:44} {:6} {:8} {:7.2} {:7.2} {:7.0} {:7.1} {:7.2} {:7.1} {:7.2}",
            self.columns,
            self.values,
            self.raw as f64 / self.values.max(1) as f64,
            self.stored as f64 / self.values.max(1) as f64,
            self.raw as f64 / self.encode.as_secs_f64() / 1e6,
            per(self.encode),
            per(self.decode),
            per(self.render),
            per(self.find),
        );
    }
}

const ROUNDS: u32 = 3;

/// The best of some rounds.
#[allow(clippy::disallowed_methods)] // a measurement outside the server
fn timed<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut best = Duration::MAX;
    let mut last = None;
    for _ in 0..ROUNDS {
        let start = std::time::Instant::now();
        let made = black_box(work());
        best = best.min(start.elapsed());
        last = Some(made);
    }
    // Invariant: there is at least one round.
    (best, last.expect("no rounds"))
}

fn measure(values: &Values, filter: &mut Builder) -> (String, Sum) {
    let (strings, times) = (&values.strings, &values.times);
    let (encode_time, encoded) = timed(|| encode(strings, times, filter));
    // Invariant: what was written is read.
    let head = read_head(&mut codec::Reader::new(&encoded.head)).expect("head");
    // Invariant: as above.
    let (decode_time, column) = timed(|| Column::decode(&head, &encoded.body, times).expect("body"));
    let (render_time, back) = timed(|| {
        let mut back = Strings::default();
        column.push_values(None, &mut back.text, &mut back.ends);
        back
    });
    assert_eq!(&back, strings);
    let (find_time, _) = timed(|| column.find(b"538453d") == column.find(b"4711"));
    let sum = Sum {
        columns: 1,
        values: strings.len(),
        raw: strings.text.len(),
        stored: encoded.head.len() + encoded.body.len(),
        encode: encode_time,
        decode: decode_time,
        render: render_time,
        find: find_time / 2,
    };
    (format!("{:?}", head.kind()), sum)
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "events.jsonl".into());
    let lines = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(50_000);
    let blocks = load(&path, lines)?;
    let (mut kinds, mut names) = (BTreeMap::<String, Sum>::new(), BTreeMap::<String, Sum>::new());
    let (mut all, mut filters, mut excluded, mut asked) = (Sum::default(), 0, 0, 0_u64);
    for columns in &blocks {
        let mut filter = Builder::new();
        for ((group, name), values) in columns {
            let (kind, sum) = measure(values, &mut filter);
            kinds.entry(kind.clone()).or_default().add(&sum);
            let short: String = name.chars().rev().take(24).collect::<Vec<_>>().into_iter().rev().collect();
            names.entry(format!("{group} {short} {kind}")).or_default().add(&sum);
            all.add(&sum);
        }
        let bytes = filter.finish();
        filters += bytes.len();
        // Invariant: what was written is read.
        let filter = Filter::read(&bytes).expect("filter");
        for number in 0..2000_u64 {
            let id = format!("{:032x}", u128::from(number + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            asked += 1;
            excluded += u64::from(!filter.may_contain(id.as_bytes(), true));
        }
    }
    println!(
        "{:44} {:>6} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "", "cols", "values", "raw B", "B", "MB/s", "encode", "decode", "render", "find ns"
    );
    names.iter().filter(|(_, sum)| sum.values > all.values / 500).for_each(|(name, sum)| sum.print(name));
    println!();
    kinds.iter().for_each(|(name, sum)| sum.print(name));
    all.print("all");
    println!(
        "{} blocks, filters {filters} bytes, false positives {:.2} %",
        blocks.len(),
        100.0 - excluded as f64 * 100.0 / asked as f64
    );
    Ok(())
}
