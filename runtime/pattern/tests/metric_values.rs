//! Where metric values and dimensions come from, and which pattern can provide which.

use pattern::{Document, Options, Pattern, ValueSelector};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn selector(text: &str) -> ValueSelector {
    ValueSelector::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn values_are_read_from_matching_messages() {
    let line = "10.0.0.1 - [a b] \"GET /\" 404 1.5e3 x y";
    let json =
        r#"{"ms": 12.5, "text": "-7", "n": null, "o": {}, "b": true, "a": [{"v": 1}, {"v": 2}], "k.x": 3}"#;
    for (pattern_text, selector_text, message, number, text) in [
        ("", "1", "any", Some(1.0), Some("1")),
        ("ERROR", " -0.5 ", "any", Some(-0.5), Some("-0.5")),
        ("{ $.ms = * }", "$.ms", json, Some(12.5), Some("12.5")),
        ("{ $.ms = * }", "$.text", json, Some(-7.0), Some("-7")),
        ("{ $.ms = * }", "$.n", json, None, None),
        ("{ $.ms = * }", "$.o", json, None, None),
        ("{ $.ms = * }", "$.b", json, None, Some("true")),
        ("{ $.ms = * }", "$.missing", json, None, None),
        ("{ $.ms = * }", "$.a[1].v", json, Some(2.0), Some("2")),
        ("{ $.ms = * }", "$.a[*].v", json, Some(1.0), Some("1")),
        ("{ $.ms = * }", "$.['k.x']", json, Some(3.0), Some("3")),
        ("{ wasm:f }", "$.ms", "text", None, None),
        ("[ip, id, tag, req, status, size, rest]", "$status", line, Some(404.0), Some("404")),
        ("[ip, id, tag, req, status, size, rest]", "$rest", line, None, Some("x y")),
        ("[ip, id, tag, req, status, size, rest]", "$6", line, Some(1500.0), Some("1.5e3")),
        ("[ip, id, tag, req, status, size, rest]", "$7", line, None, Some("x y")),
        ("[ip, ..., last]", "$last", line, None, Some("y")),
        ("[ip, ..., last]", "$8", line, None, Some("y")),
        ("[ip, ..., last]", "$9", line, None, None),
        ("[]", "$5", line, Some(404.0), Some("404")),
        ("[a, b]", "$b", "alone", None, None),
    ] {
        let (pattern, selector, document) =
            (pattern(pattern_text), selector(selector_text), Document::new(message));
        assert_eq!(selector.check(&pattern), Ok(()), "{pattern_text} {selector_text}");
        assert_eq!(selector.number(&pattern, &document), number, "{pattern_text} {selector_text}");
        assert_eq!(selector.text(&pattern, &document).as_deref(), text, "{pattern_text} {selector_text}");
    }
}

#[test]
fn a_selector_must_fit_the_pattern() {
    for (pattern_text, selector_text, complaint) in [
        ("ERROR", "$.ms", "needs a JSON pattern, this is a text pattern"),
        ("[a, b]", "$.ms", "needs a JSON pattern, this is a space-delimited pattern"),
        ("{ $.a = 1 }", "$ms", "needs a space-delimited pattern, this is a JSON pattern"),
        ("[a, b]", "$c", "its named fields: $a, $b"),
        ("[,]", "$c", "its named fields: none"),
        ("[a, b]", "$3", "beyond the fields"),
        ("[]", "$0", "beyond the fields"),
        ("%x%", "$1", "this is a regular-expression pattern"),
    ] {
        let error = selector(selector_text).check(&pattern(pattern_text)).unwrap_err();
        assert!(error.message.starts_with("Invalid metric transformation: '"), "{error}");
        assert!(error.message.contains(complaint), "{pattern_text} {selector_text}: {error}");
    }
}

#[test]
fn dimensions_need_fields() {
    let unsupported = "The specified filter pattern does not support dimensions";
    for text in ["", "ERROR", "%x%", "[ERROR]"] {
        assert_eq!(
            selector("$.a").check_dimension(&pattern(text)).unwrap_err().message,
            unsupported,
            "{text}"
        );
    }
    assert_eq!(selector("$.a").check_dimension(&pattern("{ $.b = 1 }")), Ok(()));
    assert_eq!(selector("$b").check_dimension(&pattern("[a, b]")), Ok(()));
    assert!(selector("5").check_dimension(&pattern("[a, b]")).is_err());
    assert!(selector("wasm:f").check_dimension(&pattern("[a, b]")).is_err());
}

#[test]
fn what_is_no_selector_says_so() {
    for (text, offset) in [
        ("", 0),
        ("length", 0),
        ("$", 1),
        ("$.a b", 3),
        ("$a.b", 2),
        ("wasm:", 5),
        ("$.", 2),
        ("$.a[", 4),
        ("1e999", 0),
    ] {
        let error = ValueSelector::parse(text).expect_err(text);
        assert_eq!(error.offset, offset, "{text}: {error}");
        assert!(error.message.starts_with("Invalid metric transformation: expected "), "{error}");
    }
    assert_eq!(selector("2.5").literal(), Some(2.5));
    assert_eq!(selector("wasm:f:live").guest(), Some("f:live"));
    assert_eq!(selector("$.a").source(), "$.a");
}

#[test]
fn a_selector_can_bring_back_the_field_in_brackets() {
    let lone = pattern("[ERROR]");
    let document = Document::new("5");
    assert!(!lone.may_match(&document));
    let read = lone.for_metric(&selector("$ERROR"), &[]).unwrap();
    assert!(read.may_match(&document));
    assert_eq!(selector("$ERROR").number(&read, &document), Some(5.0));
    assert!(lone.for_metric(&selector("1"), &[selector("$ERROR")]).unwrap().may_match(&document));
    assert!(!lone.for_metric(&selector("1"), &[]).unwrap().may_match(&document));
    assert!(lone.for_metric(&selector("$OTHER"), &[]).is_err());
}

#[test]
fn a_pattern_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&pattern("{ $.a = %x% }"));
    fn lent<T: Send + Sync>(_: &T) {}
    lent(&Document::new("x"));
}
