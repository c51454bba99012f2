//! Round trips, searches and damage, over messages made to be awkward.

use proptest::prelude::*;

use std::sync::Arc;

use super::*;
use crate::block::{BlockMeta, Rows};
use crate::id::{GroupId, SegmentId, StreamId};

/// Chunks in memory.
pub(crate) struct Kept(pub(crate) Vec<Arc<Vec<u8>>>);

impl Chunks for Kept {
    fn chunk(&self, index: u32) -> Result<Arc<Vec<u8>>, ReadError> {
        self.0.get(index as usize).cloned().ok_or_else(|| self.corrupt(Malformed("no such chunk")))
    }

    fn corrupt(&self, malformed: Malformed) -> ReadError {
        ReadError::Corrupt { segment: SegmentId(1), what: malformed.0 }
    }
}

pub(crate) fn meta_of(rows: &Rows) -> BlockMeta {
    let bounds = |values: &[i64]| {
        (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0))
    };
    let (min_ms, max_ms) = bounds(&rows.timestamps);
    BlockMeta {
        group: rows.group,
        stream: rows.stream,
        min_ms,
        max_ms,
        min_seq: rows.seqs.iter().min().copied().unwrap_or(0),
        max_seq: rows.seqs.iter().max().copied().unwrap_or(0),
        events: rows.len() as u64,
        raw_bytes: rows.text.len() as u64,
    }
}

pub(crate) fn rows_of(messages: &[&[u8]]) -> Rows {
    let mut rows = Rows::empty(GroupId(1), StreamId(2));
    for (row, message) in messages.iter().enumerate() {
        let row = row as i64;
        rows.push(1_000 + row / 3 * 86, 5_000 + row / 7, 40 + row as u64 + row as u64 / 5, 0, message);
    }
    rows
}

pub(crate) fn stored(rows: &Rows) -> (Arc<Opened>, Kept) {
    let composed = Composer::new().compose(rows);
    let chunks = composed.chunks.into_iter().map(|(bytes, _)| Arc::new(bytes)).collect();
    (Opened::open(meta_of(rows), &composed.head).unwrap(), Kept(chunks))
}

fn naive(rows: &Rows, needle: &[u8]) -> Vec<u32> {
    let contains = |row: &usize| memchr::memmem::find(rows.message(*row), needle).is_some();
    (0..rows.len()).filter(contains).map(|row| row as u32).collect()
}

/// Everything that can be asked of a block gives what was put in.
fn check(messages: &[&[u8]]) {
    let rows = rows_of(messages);
    let (opened, chunks) = stored(&rows);
    let read = opened.rows(&chunks, 0..rows.len()).unwrap();
    for row in 0..rows.len() {
        let (read, put) = (read.message(row), rows.message(row));
        assert!(read == put, "{} for {}", String::from_utf8_lossy(read), String::from_utf8_lossy(put));
    }
    assert!(read == rows, "times and origins");
    let (third, half) = (rows.len() / 3, rows.len() / 2 + 1);
    let part = opened.rows(&chunks, third..half.max(third)).unwrap();
    for row in 0..part.len() {
        assert_eq!(part.message(row), rows.message(third + row));
    }
    let some: Vec<u32> = (0..rows.len() as u32).filter(|row| row % 3 == 1).collect();
    let (mut text, mut ends) = (b"before".to_vec(), Vec::new());
    opened.push_messages(&chunks, Some(&some), &mut text, &mut ends).unwrap();
    let mut start = 6;
    for (row, &end) in some.iter().zip(&ends) {
        assert_eq!(&text[start..end as usize], rows.message(*row as usize));
        start = end as usize;
    }
    borders_cut_no_word(&opened, &chunks, rows.len());
}

/// The last byte before a border and the first one behind it are never both of a word.
fn borders_cut_no_word(opened: &Opened, chunks: &Kept, rows: usize) {
    let map = opened.map(chunks).unwrap();
    for row in 0..rows {
        let template = &opened.templates()[map.of_rows().map_or(0, |numbers| numbers[row] as usize)];
        let mut pieces = vec![template.parts[0].clone()];
        for (part, &column) in template.parts[1..].iter().zip(&template.columns) {
            let index = map
                .column_rows(chunks, column)
                .map_or(row, |rows| rows.binary_search(&(row as u32)).unwrap());
            let mut value = Vec::new();
            opened.column(chunks, column).unwrap().push_value(index, &mut value);
            pieces.push(value);
            pieces.push(part.clone());
        }
        pieces.retain(|piece| !piece.is_empty());
        for pair in pieces.windows(2) {
            let (left, right) = (pair[0][pair[0].len() - 1], pair[1][0]);
            assert!(!text::joins_words(left, right), "{:?}", String::from_utf8_lossy(&pieces.concat()));
        }
    }
}

/// Searches give what looking into every message gives.
fn check_search(rows: &Rows, needles: &[Vec<u8>]) {
    let (opened, chunks) = stored(rows);
    let filter = Composer::new().compose(rows).filter;
    let filter = crate::filter::Filter::read(&filter).unwrap();
    for needle in needles {
        let expected = naive(rows, needle);
        let found = opened.rows_containing(&chunks, needle).unwrap();
        assert_eq!(found, expected, "needle {:?}", String::from_utf8_lossy(needle));
        assert!(expected.is_empty() || filter.may_contain(needle, false), "the filter denies {needle:?}");
    }
}

/// Hand-made lines in the manner of real systems.
const LINES: &str = include_str!("lines.txt");

fn lines() -> Vec<Vec<u8>> {
    LINES.lines().map(|line| line.as_bytes().to_vec()).collect()
}

#[test]
fn awkward_messages_read_back() {
    let deep = [b"{\"a\":".repeat(70), b"1".to_vec(), b"}".repeat(70)].concat();
    let wide = format!("{{{}}}", (0..600).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
    let huge = "0 a1 ".repeat(50_000);
    let quotes = "\"".repeat(1001);
    let table: &[&[u8]] = &[
        b"",
        b" ",
        b"\r\n",
        b"a1",
        b"1",
        b"-1",
        b"--1",
        b"a-1 -1 /-1- 1,2 a,1 1,a 1,",
        b"caf\xc3\xa91 \xff\xfe2 \x0071",
        b"{}",
        b" { } ",
        b"{\"a\":1}",
        b"{\"a\":1}",
        b"{\"a\":2}",
        b"{ \"a\" :\t3 }\r\n",
        b"{\"a\":1,\"a\":2,\"a\":\"3\"}",
        b"{\"a\":1,\"a\":2,\"a\":\"4\"}",
        b"{\"a\":[1,2,[],{},{\"b\":null}],\"c\":\"\"}",
        b"{\"a\":[1,2,[],{},{\"b\":true}],\"c\":\"\\u00e9\\\"\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":01}",
        b"{\"a\":1.}",
        b"{\"a\":-0.0e+10}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"line\nbreak\"}",
        b"{\"a\":1}{\"a\":2}",
        b"{\"a\":tru}",
        b"{\"\":{\"\":\"\"}}",
        b"say \"one two\" and \"one two three four\" and \"\" and \" \" \"open 1",
        b"say \"one 2\\\" two\" 12\" 13",
        deep.as_slice(),
        wide.as_bytes(),
        huge.as_bytes(),
        quotes.as_bytes(),
    ];
    check(table);
    for message in table {
        check(&[*message]);
        check(&[*message; 5]);
    }
}

#[test]
fn the_example_of_the_format_document_holds() {
    let composed = Composer::new().compose(&rows_of(&[b"GET /a 17 ms", b"GET /a 4 ms"]));
    assert!(composed.head.starts_with(b"\x02\x01\x00\x01\x07GET /a \x03 ms\x00\x01"), "{:?}", composed.head);
    assert!(composed.chunks[TEMPLATES as usize].0.is_empty());
}

#[test]
fn real_looking_lines_are_cut_up_and_found() {
    let lines = lines();
    let all: Vec<&[u8]> = lines.iter().cycle().take(lines.len() * 6).map(Vec::as_slice).collect();
    check(&all);
    let rows = rows_of(&all);
    let mut needles = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        for length in [1, 2, 3, 5, 8, 13, 21, 34] {
            let at = (number * 7 + length * 3) % line.len();
            needles.push(line[at..line.len().min(at + length)].to_vec());
        }
        needles.push(line.clone());
        needles.push([line.as_slice(), b"x"].concat());
    }
    check_search(&rows, &needles);
    let (opened, _) = stored(&rows);
    assert!(opened.templates().len() > 10, "{} templates", opened.templates().len());
    assert!(opened.templates().iter().any(|template| template.json && template.columns.len() > 5));
}

#[test]
fn variables_are_what_they_should_be() {
    let table: &[(&str, &[&str])] = &[
        (
            r#"{"a":1,"b":"x y","c":[true,null,"z"],"d":{"e":-1.5e3}}"#,
            &["1", "x y", "true", "null", "z", "-1.5e3"],
        ),
        (
            r#"10.0.0.1 - - [20/Nov/2026:04:00:00 +0000] "GET /a?b=1 HTTP/1.1" 200 -5 "-" "M (X; Y) Z 1""#,
            &[
                "10.0.0.1",
                "20/Nov/2026:04:00:00",
                "0000",
                "GET",
                "/a?b=1",
                "HTTP/1.1",
                "200",
                "-5",
                "-",
                "M (X; Y) Z 1",
            ],
        ),
        (
            "2026-11-20 04:00:00,086 - INFO  [Q[myid=1]/0.0.0.0:2181:F@774] - out: 60",
            &["2026-11-20", "04:00:00,086", "1", "0.0.0.0:2181:F@774", "60"],
        ),
        ("Nov 20 sshd[24200]: user=a1,b2 id blk_-69 (x1).", &["20", "24200", "a1", "b2", "blk_-69", "x1"]),
        ("nothing here", &[]),
    ];
    for (message, expected) in table {
        let mut splitter = split::Splitter::default();
        splitter.clear();
        splitter.push(message.as_bytes());
        splitter.push(message.as_bytes());
        let spans = &splitter.spans[splitter.starts[1] as usize..];
        let found: Vec<&str> =
            spans.iter().map(|&(start, end)| &message[start as usize..end as usize]).collect();
        assert_eq!(&found, expected, "{message}");
        assert_eq!(splitter.of_rows[0], splitter.of_rows[1]);
    }
}

fn json_value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "[0-9]{1,4}",
        "-?[1-9][0-9]{0,3}\\.[0-9]{1,3}",
        Just("null".to_owned()),
        Just("true".to_owned()),
        "\"[a-z0-9 .:\\\\\\\\/-]{0,12}\"",
        "\"[ -!#-\\[\\]-~é]{0,20}\"",
        Just("\"\\\\\\\"\\u00e9\"".to_owned()),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|items| {
                let items: Vec<String> =
                    items.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", items.join(","))
            }),
        ]
    })
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let lines = lines();
    prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..40),
        2 => "[a1 \"{}:,.\\[\\]\\\\-]{0,30}".prop_map(String::into_bytes),
        3 => json_value().prop_map(|value| format!("{{\"k\":{value},\"n\":7}}").into_bytes()),
        6 => (0..lines.len(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2)).prop_map(
            move |(line, flips)| {
                let mut line = lines[line].clone();
                for (at, byte) in flips {
                    let at = at.index(line.len());
                    line[at] = byte;
                }
                line
            }
        ),
        3 => (0_u32..500, 0_u32..3).prop_map(|(n, m)| format!("job-{n} took {m}.5 ms \"user u-{n:05}\" x").into_bytes()),
    ]
}

fn cases(few: u32) -> ProptestConfig {
    let times = if std::env::var_os("LOGBOOM_LONG").is_some() { 50 } else { 1 };
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(few * times) }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn any_messages_read_back(messages in prop::collection::vec(message(), 1..80)) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        check(&messages);
    }

    #[test]
    fn any_search_finds_what_is_there(
        messages in prop::collection::vec(message(), 1..60),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..30, any::<Option<u8>>()), 20),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let rows = rows_of(&messages);
        let mut needles = Vec::new();
        for (message, at, length, change) in cuts {
            let message = rows.message(message.index(rows.len()));
            if message.is_empty() {
                continue;
            }
            let at = at.index(message.len());
            let mut needle = message[at..message.len().min(at + length)].to_vec();
            // A near miss.
            if let Some(byte) = change {
                let last = needle.len() - 1;
                needle[last] = byte;
            }
            needles.push(needle);
        }
        check_search(&rows, &needles);
    }

    #[test]
    fn damage_is_read_or_refused(
        messages in prop::collection::vec(message(), 1..20),
        place in any::<prop::sample::Index>(), bit in 0..8_u32, cut in any::<bool>(), chunk in any::<prop::sample::Index>(),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let rows = rows_of(&messages);
        let composed = Composer::new().compose(&rows);
        let damage = |bytes: &mut Vec<u8>| {
            if bytes.is_empty() { return }
            let at = place.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        };
        let mut head = composed.head.clone();
        damage(&mut head);
        let mut chunks: Vec<Vec<u8>> = composed.chunks.into_iter().map(|(bytes, _)| bytes).collect();
        let read = |head: &[u8], chunks: &[Vec<u8>]| {
            let kept = Kept(chunks.iter().cloned().map(Arc::new).collect());
            let Ok(opened) = Opened::open(meta_of(&rows), head) else { return };
            let _ = opened.rows_containing(&kept, b"user 1");
            if let Ok(read) = opened.rows(&kept, 0..opened.len()) {
                assert_eq!(read.offsets.len(), rows.len() + 1);
            }
        };
        read(&head, &chunks);
        let chunk = chunk.index(chunks.len());
        damage(&mut chunks[chunk]);
        read(&composed.head, &chunks);
    }
}
#[test]
fn a_block_reads_back() {
    let rows = rows_of(&[b"one 1", b"", b"{\"a\":1}", b"\xff\r\n", b"one 2"]);
    let (opened, chunks) = stored(&rows);
    assert_eq!(opened.rows(&chunks, 0..rows.len()).unwrap(), rows);
    let part = opened.rows(&chunks, 1..3).unwrap();
    assert_eq!((part.message(0), part.message(1)), (rows.message(1), rows.message(2)));
}
