//! Owns the tests of the filter: what it must not deny, and what it should.

use proptest::prelude::*;

use super::*;
use crate::column::tests::{hex, unhex};

fn filter<T: AsRef<[u8]>>(texts: &[T]) -> Filter {
    let mut builder = Builder::new();
    texts.iter().for_each(|text| builder.add(text.as_ref()));
    Filter::read(&builder.finish()).unwrap()
}

const TEXTS: [&str; 4] = [
    "GET /users/4711 by u-0000623 deadbeef beef",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736 done",
    "blk_77 worker_a1b2c3",
    "Gr\u{fc}\u{df}e at 2026-11-20T04:00:01.728Z",
];

/// The filter of `TEXTS` as version 2 of the format stores it.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/columns-v2/filter.txt");

#[test]
fn a_filter_stored_before_is_read() {
    if std::env::var_os("LOGBOOM_WRITE_SAMPLES").is_some() {
        write_sample();
    }
    let stored = unhex(std::fs::read_to_string(SAMPLE).unwrap().trim());
    check_texts(&Filter::read(&stored).unwrap());
}

/// Written anew for a new version of the format, under `LOGBOOM_WRITE_SAMPLES=1`.
fn write_sample() {
    let mut builder = Builder::new();
    TEXTS.iter().for_each(|text| builder.add(text.as_bytes()));
    std::fs::write(SAMPLE, hex(&builder.finish()) + "\n").unwrap();
}

#[test]
fn absent_words_are_excluded() {
    check_texts(&filter(&TEXTS));
}

fn check_texts(filter: &Filter) {
    for (needle, whole, may) in [
        // What occurs, whole or cut.
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736 done", false, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736", true, true),
        ("77b34da6a3ce929d0e0e47", false, true),
        ("race 4bf9", false, true),
        ("k_7", false, true),
        ("orker_a1b", false, true),
        ("fe at 2026-11-20T04", false, true),
        ("\u{df}e at", false, true),
        ("", false, true),
        ("- /", true, true),
        // The needle of the benchmark, whole and cut within words.
        ("needle-538453d7", false, false),
        ("edle-538453d", false, false),
        // Ids: only whole words can be told apart.
        ("4bf92f3577b34da6a3ce929d0e0e4737", true, false),
        (" 4bf92f3577b34da6a3ce929d0e0e4737 ", false, false),
        ("4bf92f3577b34da6a3ce929d0e0e4737", false, true),
        ("deadbeef", true, true),
        ("deadbeee", true, false),
        ("u-0000624", true, false),
        ("feed", true, true),
        // Words.
        ("trace ", false, true),
        ("rac ", false, false),
        (" tra", false, true),
        (" rac", false, false),
        (" unknown", false, false),
        ("unknown", false, false),
        ("done", true, true),
        ("don", true, false),
        // Words with digits: their skeletons.
        ("blk_7", true, true),
        ("blk_123456", true, false),
        ("lk_77", true, false),
        ("kbl_7", false, false),
        ("worker_a1b2c4", true, false),
    ] {
        assert_eq!(filter.may_contain(needle.as_bytes(), whole), may, "{needle} {whole}");
    }
}

#[test]
fn a_joined_filter_has_room_for_all_bits_of_a_set() {
    let texts: Vec<String> =
        (0..joined::BLOCKS_MAX).map(|block| format!("word {}", letters(block as u32))).collect();
    let filters: Vec<_> = texts.iter().map(|text| Some(filter(&[text]))).collect();
    let joined = joined::Joined::of(&filters);
    assert_eq!(joined.may_contain(b"word", true, joined::Set::MAX), joined::Set::MAX);
    for block in [0, 1, 63, 64, joined::BLOCKS_MAX - 1] {
        let found = joined.may_contain(texts[block].as_bytes(), true, joined::Set::MAX);
        assert_eq!(joined::each(found).collect::<Vec<_>>(), [block]);
    }
    assert_eq!([0, 1, 127, 128].map(joined::first).map(joined::Set::count_ones), [0, 1, 127, 128]);
}

#[test]
fn an_empty_block_contains_no_word() {
    let filter = filter::<&str>(&[]);
    assert!(!filter.may_contain(b"word", false));
    assert!(!filter.may_contain(b"123456", true));
    assert!(filter.may_contain(b"123", true));
}

#[test]
fn too_many_words_are_given_up_and_ids_are_not() {
    let words: Vec<String> = (0..9000_u32)
        .map(|number| format!("w{}", number.to_string().replace(char::is_numeric, "x") + &letters(number)))
        .collect();
    let mut texts: Vec<String> = words;
    texts.push("abcdef0123456789".into());
    let filter = filter(&texts);
    assert!(filter.may_contain(b"unknown", true));
    assert!(filter.may_contain(b"abcdef0123456789", true));
    assert!(!filter.may_contain(b"abcdef0123456788", true));
    assert!(!filter.may_contain(b"un1known", true), "the words with digits are still known");
}

fn letters(number: u32) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect()
}

/// The share of absent ids that the filter does not exclude, and what a key costs.
#[test]
fn false_positives_are_few() {
    let id = |number: u64| format!("{:016x}", (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for count in [100, 3000, 20_000] {
        let mut builder = Builder::new();
        (0..count).for_each(|number| builder.add(id(number).as_bytes()));
        let bytes = builder.finish();
        let filter = Filter::read(&bytes).unwrap();
        let wrong =
            (count..count + 20_000).filter(|&number| filter.may_contain(id(number).as_bytes(), true)).count();
        assert!(wrong < 400, "{wrong} of 20000 with {count} keys");
        assert!(bytes.len() * 8 <= count as usize * 10 + 400, "{} bytes for {count} keys", bytes.len());
    }
}

/// The hash is part of the format.
#[test]
fn hashes_stay_what_they_are() {
    let hashes = ["", "abc", "abcdef", "0123456789", "0123456789abcdef", "0123456789abcdef0"]
        .map(|word| words::hash(word.as_bytes()));
    assert_eq!(
        hashes,
        [
            16_325_314_592_318_339_460,
            17_964_914_390_985_644_192,
            6_573_200_411_567_144_944,
            6_235_012_709_991_309_395,
            2_907_920_529_835_866_972,
            13_169_574_100_609_784_384
        ]
    );
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("LOGBOOM_LONG").is_some();
    ProptestConfig {
        cases: if long { 20_000 } else { 200 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,30}".prop_map(String::into_bytes),
        "([a-gx_]{1,4}[0-9]{0,4}[ :/-]?){0,6}".prop_map(String::into_bytes),
        "[0-9a-f]{4,20}(-[0-9a-f]{4,8}){0,2}".prop_map(String::into_bytes),
        "\\PC{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_occurs_is_never_denied(
        messages in prop::collection::vec(message(), 1..8),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
    ) {
        let filter = filter(&messages);
        for (which, from, to) in cuts {
            let message = &messages[which.index(messages.len())];
            let (from, to) = (from.index(message.len() + 1), to.index(message.len() + 1));
            let needle = &message[from.min(to)..from.max(to)];
            prop_assert!(filter.may_contain(needle, false), "{:?}", String::from_utf8_lossy(needle));
            prop_assert!(filter.may_contain(message, true));
        }
    }

    /// Joined filters answer for each block what its own filter answers, and so deny nothing that occurs either.
    #[test]
    fn joined_filters_answer_as_each_does(
        blocks in prop::collection::vec(prop::option::weighted(0.9, prop::collection::vec(message(), 0..5)), 1..20),
        others in prop::collection::vec(message(), 1..5),
        among in any::<u128>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 12),
    ) {
        let full = "too_many_words_are_given_up".repeat(300);
        let given_up = |block: usize| block % 7 == 3;
        let filters: Vec<Option<Filter>> = blocks.iter().enumerate().map(|(block, messages)| {
            let mut messages = messages.clone()?;
            if given_up(block) {
                let words = (0..full.len()).step_by(20).map(|at| format!("{at}{}", &full[..at % 40]));
                let letters = (1..200).map(|length| full[..length].to_owned());
                messages.extend(words.chain(letters).map(String::into_bytes));
            }
            Some(filter(&messages))
        }).collect();
        for (block, it) in filters.iter().enumerate() {
            prop_assert_eq!(it.as_ref().is_some_and(|it| it.plain.is_none()), it.is_some() && given_up(block));
        }
        let joined = joined::Joined::of(&filters);
        let texts: Vec<&Vec<u8>> = blocks.iter().flatten().flatten().chain(&others).collect();
        for (which, from, to) in cuts {
            let text = texts[which.index(texts.len())];
            let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
            let needle = &text[from.min(to)..from.max(to)];
            for whole in [false, true] {
                let found = joined.may_contain(needle, whole, among);
                prop_assert_eq!(found & !joined::first(filters.len()), 0);
                for (block, own) in filters.iter().enumerate() {
                    let own = own.as_ref().is_none_or(|own| own.may_contain(needle, whole));
                    let asked = among >> block & 1 == 1;
                    prop_assert_eq!(found >> block & 1 == 1, own && asked, "{} {}", block, String::from_utf8_lossy(needle));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), flip in any::<prop::sample::Index>(), by in 1..=255_u8) {
        if let Ok(filter) = Filter::read(&bytes) {
            filter.may_contain(b"word 123456", false);
        }
        let mut builder = Builder::new();
        builder.add(&bytes);
        TEXTS.iter().for_each(|text| builder.add(text.as_bytes()));
        let mut stored = builder.finish();
        prop_assert!(Filter::read(&stored).is_ok());
        let at = flip.index(stored.len());
        stored[at] ^= by;
        if let Ok(filter) = Filter::read(&stored) {
            filter.may_contain(b"word 123456", false);
            prop_assert!(filter.memory_bytes() < 1 << 20);
        }
        prop_assert!(Filter::read(&stored[..at]).is_err());
    }
}
