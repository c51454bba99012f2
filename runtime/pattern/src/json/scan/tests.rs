//! The scanner against another parser, and the tape it makes.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::json::tape::Value;

fn assert_same(value: Value<'_>, expected: &Json) {
    match expected {
        Json::Object(members) => {
            assert_eq!(value.kind(), Kind::Object);
            for (name, member) in members {
                assert_same(value.member(name).unwrap_or_else(|| panic!("no {name}")), member);
            }
        }
        Json::Array(elements) => {
            assert_eq!(value.children().count(), elements.len());
            for (at, element) in elements.iter().enumerate() {
                assert_same(value.element(at).expect("in range"), element);
            }
        }
        Json::String(text) => {
            assert_eq!(value.kind(), Kind::String);
            assert_eq!(&value.display(), text);
        }
        Json::Number(number) => {
            assert_eq!(value.kind(), Kind::Number);
            assert_eq!(value.display().parse::<f64>().ok(), number.as_f64());
        }
        Json::Bool(flag) => assert_eq!(value.kind(), if *flag { Kind::True } else { Kind::False }),
        Json::Null => assert_eq!(value.kind(), Kind::Null),
    }
}

fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::String),
        "[a\"\\\\\u{0}-\u{1f}\u{7f}é☕𝄞]{0,20}".prop_map(Json::String),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec(("[a-c\"\\\\é]{0,4}", inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(crate::pattern::rounds(256)) })]

    #[test]
    fn reads_what_another_writer_writes(members in prop::collection::vec(("[a-z]{0,3}", json()), 0..5), pretty: bool) {
        let expected = Json::Object(members.into_iter().collect());
        let text = if pretty { serde_json::to_string_pretty(&expected) } else { serde_json::to_string(&expected) };
        let text = text.expect("values are serialisable");
        let tape = object(&text).expect("valid JSON");
        assert_same(tape.root(&text), &expected);
    }

    /// Any small change of a valid document is judged as the other parser judges it.
    #[test]
    fn accepts_exactly_what_is_json(value in json(), at in any::<prop::sample::Index>(), with in "[\\{\\}\\[\\]\",:0-9eE+.trufalsn\\\\ \u{1}-]") {
        let mut text = serde_json::to_string(&serde_json::json!({ "k": value, "z": [1] })).expect("serialisable");
        let chars: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = chars[at.index(chars.len())];
        let width = text[at..].chars().next().map_or(0, char::len_utf8);
        text.replace_range(at..at + width, &with);
        let theirs = serde_json::from_str::<Json>(&text).is_ok_and(|value| value.is_object());
        // The other parser refuses lone surrogates and numbers beyond f64; both are JSON to us.
        let differs = text.contains("\\ud") || text.contains("\\uD") || text.contains(['e', 'E']);
        prop_assert!(object(&text).is_some() == theirs || (differs && !theirs), "{}", text);
    }
}

#[test]
fn only_one_whole_object_will_do() {
    for good in ["{}", " {\"a\": [1, {}]}\r\n", "{\"a\":-0.5e+7}", "{\"\":0}"] {
        assert!(object(good).is_some(), "{good}");
    }
    for bad in
        ["", " ", "[{}]", "{", "{}{}", "INFO {}", "{} x}", "{\"a\":01}", "{\"a\":1,}", "{,}", "{\"a\" 1}"]
    {
        assert!(object(bad).is_none(), "{bad}");
    }
    for bad in
        ["{\"a\":tru}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":\"\t\"}", "{\"a\":[1,]}", "{'a':1}", "{\"a\":1e}"]
    {
        assert!(object(bad).is_none(), "{bad}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(object(&nested(NESTING - 1)).is_some());
    assert!(object(&nested(NESTING)).is_none());
    assert!(object(&nested(1_000_000)).is_none());
}

#[test]
fn the_last_of_equal_names_wins_and_escapes_are_read() {
    let text = r#"{"a":1,"a":{"b":2},"a":3,"\u0062":"\ud834\udd1e\n\/","c":"\ud834x"}"#;
    let tape = object(text).expect("valid");
    let root = tape.root(text);
    assert_eq!(root.member("a").expect("a").display(), "3");
    assert_eq!(root.member("b").expect("b").display(), "\u{1d11e}\n/");
    assert_eq!(root.member("c").expect("c").display(), "\u{fffd}x");
    assert!(root.member("d").is_none());
}

#[test]
fn plain_finds_the_first_special_byte() {
    for special in [b'"', b'\\', 0x1f, 0, b'\n'] {
        for length in 0..40 {
            let mut bytes = "aé~\u{7f} ".repeat(8).into_bytes();
            bytes.truncate(length);
            bytes.push(special);
            bytes.extend_from_slice(b"tail\"tail");
            assert_eq!(plain(&bytes), length, "{special} after {length}");
        }
    }
    assert_eq!(plain(b"abc"), 3);
}
