//! A set answers as its patterns do one by one: over all patterns of the case file at once, over messages that follow
//! each other without a break, with bytes that are no text, and again once the set has learnt what is frequent.

use pattern::{Document, Messages, NoGuests, Options, Pattern, Set, ValueSelector};
use proptest::prelude::*;
use serde_json::Value;

fn cases() -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    include_str!("../cases/matches.jsonl").lines().map(line).collect()
}

fn strings(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned))
}

/// Every pattern of the cases.
fn patterns() -> Vec<Pattern> {
    let parse = |case: Value| {
        let strict = case["strict"] == true;
        let text = case["pattern"].as_str().expect("a case has a pattern");
        Pattern::parse(text, Options { strict }).expect("the pattern of a case parses")
    };
    cases().into_iter().map(parse).collect()
}

/// Every message of the cases.
fn messages() -> Vec<Vec<u8>> {
    let cases = cases();
    let all = cases.iter().flat_map(|case| strings(&case["yes"]).chain(strings(&case["no"])));
    all.map(String::into_bytes).collect()
}

fn found(set: &Set, messages: &[Vec<u8>]) -> Vec<(usize, usize)> {
    // Something before and behind that does not belong to them.
    let (mut text, mut ends) = (b"ERROR{".to_vec(), Vec::new());
    for message in messages {
        text.extend_from_slice(message);
        ends.push(text.len() as u32);
    }
    text.extend_from_slice(b"}ERROR");
    let mut found = Vec::new();
    set.each_match(&Messages { text: &text, start: 6, ends: &ends }, &mut |hit| {
        assert_eq!(hit.document().text(), String::from_utf8_lossy(&messages[hit.row]));
        found.push((hit.row, hit.pattern));
    });
    found
}

fn set(patterns: &[Pattern]) -> Set {
    Set::new(patterns.iter().map(|pattern| (pattern.clone(), Vec::new())))
}

fn one_by_one(patterns: &[Pattern], messages: &[Vec<u8>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (row, message) in messages.iter().enumerate() {
        let text = String::from_utf8_lossy(message);
        let matching =
            |(_, pattern): &(usize, &Pattern)| pattern.matches(&Document::new(&text), &mut NoGuests);
        found.extend(patterns.iter().enumerate().filter(matching).map(|(at, _)| (row, at)));
    }
    found
}

#[test]
fn all_patterns_over_all_messages() {
    let (patterns, mut messages) = (patterns(), messages());
    let set = set(&patterns);
    assert!(set.len() > 64, "more than one word of bits");
    for with_bad_bytes in [false, true] {
        if with_bad_bytes {
            messages.push(b"ERROR \xff {\"a\": 1}".to_vec());
        }
        let expected = one_by_one(&patterns, &messages);
        for _ in 0..8 {
            assert_eq!(found(&set, &messages), expected);
        }
    }
}

/// Once most messages were parsed, strings end at the next quote where nothing is escaped.
#[test]
fn messages_without_escapes_are_read_alike() {
    let plain = |message: &Vec<u8>| !message.iter().any(|byte| *byte < 0x20 || *byte == b'\\');
    let mut messages: Vec<Vec<u8>> = messages().into_iter().filter(plain).collect();
    // What is no JSON, with quotes that close in the next message or never.
    for text in [
        r#"{"a": 1}"#,
        r#"{"a": "1}"#,
        r#"{"a": "1" ""}"#,
        r#"{"a" "1"}"#,
        r#"{"a":"","":"a"}"#,
        r#"{"a": ""#,
        "\"}",
    ] {
        messages.push(text.as_bytes().to_vec());
    }
    messages.extend(std::iter::repeat_n(
        br#"{"a": 7, "b": "text", "c": {"a": "8"}}"#.to_vec(),
        2 * messages.len(),
    ));
    let mut patterns = patterns();
    patterns.push(Pattern::parse("{ $.a >= 0 }", Options::default()).unwrap());
    let (set, expected) = (set(&patterns), one_by_one(&patterns, &messages));
    for _ in 0..8 {
        assert_eq!(found(&set, &messages), expected);
    }
}

#[test]
fn values_of_matches_are_those_of_their_selectors() {
    let filters = [
        ("{ $.a >= 0 }", &["$.a", "$.b", "$.c.a", "$['a']", "7", "$.d[1]", "$.none"][..]),
        ("{ $.b = * || $.a < 0 }", &["$.b", "$.a", "$.c"]),
        ("[x, y = 1*, ..., z]", &["$x", "$y", "$z", "$2", "$3", "$9"]),
        ("[x, x, y]", &["$x", "$y", "$1"]),
        ("error", &["1"]),
    ];
    let messages = [
        r#"{"a": 7, "b": "text", "c": {"a": "8"}, "d": [1, "2"]}"#,
        r#"{"a": "12.50", "b": 3, "c": null, "a": 0.5}"#,
        r#"{"a": -1, "b": true, "c": 1e3}"#,
        r#"{"a": 1, "b": null, "c": "\u0041\n"}"#,
        "error 10 [a b] \"c d\" 5",
        "error 1",
        "a b c d",
    ];
    let parse = |text: &&str| ValueSelector::parse(text).unwrap();
    let filters: Vec<(Pattern, Vec<ValueSelector>)> = filters
        .iter()
        .map(|(text, values)| {
            (Pattern::parse(text, Options::default()).unwrap(), values.iter().map(parse).collect())
        })
        .collect();
    let set = Set::new(filters.clone());
    // All at once, and each by itself: with and without a backslash on the page, frequent and rare.
    let all: Vec<Vec<u8>> = messages.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut seen = 0;
    for page in (0..12).flat_map(|_| all.chunks(1).chain([&all[..]])) {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for message in page {
            text.extend_from_slice(message);
            ends.push(text.len() as u32);
        }
        set.each_match(&Messages { text: &text, start: 0, ends: &ends }, &mut |hit| {
            let message = String::from_utf8(page[hit.row].clone()).unwrap();
            let (document, (pattern, values)) = (Document::new(&message), &filters[hit.pattern]);
            for (at, value) in values.iter().enumerate() {
                assert_eq!(hit.number(at), value.number(pattern, &document), "{} {message}", value.source());
                assert_eq!(hit.text(at), value.text(pattern, &document), "{} {message}", value.source());
                seen += 1;
            }
            assert_eq!((hit.number(values.len()), hit.text(values.len())), (None, None));
        });
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn what_spans_two_messages_is_in_neither() {
    let patterns: Vec<Pattern> = ["ERROR", "?ERROR ?OR", "[a = ERROR]"]
        .iter()
        .map(|text| Pattern::parse(text, Options::default()).unwrap())
        .collect();
    let messages: Vec<Vec<u8>> =
        ["ERR", "OR", "", "ERRERROR", "ERR", "ERROR"].map(|text| text.as_bytes().to_vec()).to_vec();
    let found = found(&set(&patterns), &messages);
    assert_eq!(found, [(1, 1), (3, 0), (3, 1), (5, 0), (5, 1), (5, 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("LOGBOOM_LONG").is_some() { 2_000 } else { 60 }))]
    #[test]
    fn some_patterns_over_some_messages(
        chosen in proptest::collection::vec(any::<prop::sample::Index>(), 1..12),
        lines in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..40),
    ) {
        let (all, texts) = (patterns(), messages());
        let patterns: Vec<Pattern> = chosen.iter().map(|index| index.get(&all).clone()).collect();
        let line = |(first, second, joined): &(prop::sample::Index, prop::sample::Index, bool)| {
            let mut line: Vec<u8> = first.get(&texts).clone();
            if *joined {
                let more: &Vec<u8> = second.get(&texts);
                line.extend_from_slice(more);
            }
            line
        };
        let messages: Vec<Vec<u8>> = lines.iter().map(line).collect();
        let set = set(&patterns);
        let expected = one_by_one(&patterns, &messages);
        for _ in 0..3 {
            prop_assert_eq!(found(&set, &messages), expected.clone());
        }
    }
}
