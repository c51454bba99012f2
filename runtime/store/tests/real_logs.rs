//! Owns the check that log files of well-known systems come back byte for byte, are searched exactly, and the
//! report of how small they get. Kept excerpts in their shapes (`tests/real_logs`, our own lines) are always read;
//! `LOGBOOM_LOGHUB=FOLDER cargo test -p store --test real_logs -- --nocapture` takes every file in a folder too.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use store::measure::{Maker, Part, Reading};

const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_ROWS: usize = 16_384;
/// How often an excerpt is repeated with other numbers.
const ROUNDS: u8 = 40;
const SYSTEMS: [&str; 12] = [
    "Android",
    "Apache",
    "BGL",
    "HDFS",
    "Hadoop",
    "HealthApp",
    "Linux",
    "OpenSSH",
    "OpenStack",
    "Proxifier",
    "Spark",
    "Zookeeper",
];

#[test]
fn excerpts_in_the_shapes_of_real_logs_come_back_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_logs");
    for system in SYSTEMS {
        let file = folder.join(format!("{system}.log"));
        let bytes = std::fs::read(&file).unwrap();
        assert!(memchr::memmem::find(&bytes, b"\r\n").is_some(), "{system}: its lines end in CR LF");
        check(&file, &bytes, 1);
        // So few lines have no templates: all rows of the block would be whole.
        let many: Vec<u8> = (0..ROUNDS).flat_map(|round| with_other_numbers(&bytes, round)).collect();
        let (whole, rows) = check(&file, &many, 7);
        assert!(whole < rows / 4, "{system}: {whole} of {rows} rows whole");
    }
}

/// The text with the last digit of every number moved on.
fn with_other_numbers(text: &[u8], round: u8) -> Vec<u8> {
    let is_last = |at: usize| !text.get(at + 1).is_some_and(u8::is_ascii_digit);
    let moved = |(at, &byte): (usize, &u8)| match byte {
        b'0'..=b'9' if is_last(at) => b'0' + (byte - b'0' + round) % 10,
        _ => byte,
    };
    text.iter().enumerate().map(moved).collect()
}

#[test]
fn real_log_files_come_back_byte_for_byte() {
    let Some(folder) = std::env::var_os("LOGBOOM_LOGHUB") else {
        // Not by a macro that prints: the output of a test that passes is not shown.
        let skipped = "SKIPPED: LOGBOOM_LOGHUB is not set, the full files were not read";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|file| file.extension().is_some_and(|it| it == "log")).collect();
    assert!(!files.is_empty(), "LOGBOOM_LOGHUB holds no .log file");
    files.sort();
    for file in files {
        check(&file, &std::fs::read(&file).unwrap(), 97);
    }
}

/// Stores and reads a file back, and searches for parts of each `step`th line.
/// Returns how many rows were stored whole, without a template, of how many.
fn check(file: &Path, bytes: &[u8], step: usize) -> (usize, usize) {
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let (mut stored, mut templates, mut whole, mut blocks) = (0, 0, 0, 0);
    let mut parts: Vec<Part> = Vec::new();
    let mut maker = Maker::default();
    let mut left = &lines[..];
    while !left.is_empty() {
        let mut size = 0;
        let fits = |line: &&&[u8]| {
            size += line.len();
            size <= BLOCK_BYTES
        };
        let count = left.iter().take(BLOCK_ROWS).take_while(fits).count().max(1);
        let (now, later) = left.split_at(count);
        left = later;
        let rows = now.iter().enumerate();
        let made = maker
            .compose(rows.map(|(row, line)| (1_700_000_000_000 + row as i64 * 31, 7, row as u64, *line)));
        let reading = made.read(made.compress()).unwrap();
        assert!(made.is_read_back(&reading).unwrap(), "{}", file.display());
        search(now, &reading, step);
        blocks += 1;
        templates += reading.templates();
        whole += reading.whole_rows().unwrap();
        parts.extend(made.parts(&reading));
    }
    stored += parts.iter().map(|part| part.stored).sum::<usize>();
    let plain = zstd::bulk::compress(bytes, 1).unwrap().len();
    println!(
        "{:<14} {:>7} raw -> {stored:>6} = {:.4} per byte (zstd -1 of the text: {:.4}), {blocks} blocks, \
         {templates} templates, {whole} of {} rows whole",
        file.file_name().unwrap_or_default().to_string_lossy(),
        bytes.len(),
        stored as f64 / bytes.len() as f64,
        plain as f64 / bytes.len() as f64,
        lines.len(),
    );
    if std::env::var_os("LOGBOOM_PARTS").is_some() {
        parts.sort_by_key(|part| std::cmp::Reverse(part.stored));
        parts.iter().take(14).for_each(|part| println!("    {part:?}"));
    }
    (whole, lines.len())
}

fn search(lines: &[&[u8]], reading: &Reading, step: usize) {
    for line in lines.iter().step_by(step).filter(|line| !line.is_empty()) {
        let from = line.len() / 3;
        for needle in [&line[from..], &line[..from.max(1)], &line[from..line.len().min(from + 7)]] {
            let expected = lines.iter().filter(|line| memchr::memmem::find(line, needle).is_some()).count();
            assert_eq!(reading.find(needle).unwrap(), expected, "{:?}", String::from_utf8_lossy(needle));
        }
    }
}
