//! The language by example: `cases/matches.jsonl` and `cases/errors.jsonl`, one case per line.
//!
//! A match case names messages that match (`yes`) and that do not (`no`), and optionally what is
//! extracted, warned about, required. An error case names offset, text and suggestion.

use std::collections::{BTreeMap, HashMap};

use pattern::{Document, Guests, Options, Pattern};
use serde_json::Value;

struct Verdicts(HashMap<String, bool>);

impl Guests for Verdicts {
    fn verdict(&mut self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(false)
    }
}

fn cases(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a string").to_string();
    value.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}

fn check_messages(case: &Value, pattern: &Pattern) {
    let verdicts = case["guests"].as_object().into_iter().flatten();
    let mut guests = Verdicts(verdicts.map(|(name, yes)| (name.clone(), yes == true)).collect());
    for (messages, expected) in [(strings(&case["yes"]), true), (strings(&case["no"]), false)] {
        for message in messages {
            let document = Document::new(&message);
            assert_eq!(pattern.matches(&document, &mut guests), expected, "{} on {message:?}", case["name"]);
            // The same answer once everything about the message is known.
            document.is_json_object();
            assert_eq!(
                pattern.matches(&document, &mut guests),
                expected,
                "{} again on {message:?}",
                case["name"]
            );
            assert!(!expected || pattern.may_match(&document), "{}", case["name"]);
            if expected {
                assert_contains(case, &message, pattern);
            }
        }
    }
}

fn assert_contains(case: &Value, message: &str, pattern: &Pattern) {
    let lacking =
        |literals: &[String]| literals.iter().find(|literal| !message.contains(literal.as_str())).cloned();
    assert_eq!(lacking(pattern.required_literals()), None, "{} on {message:?}", case["name"]);
    if !message.contains('\\') {
        assert_eq!(
            lacking(pattern.required_literals_unless_escaped()),
            None,
            "{} on {message:?}",
            case["name"]
        );
    }
}

fn check_extraction(case: &Value, pattern: &Pattern) {
    let Some([message, expected]) = case["extract"].as_array().map(Vec::as_slice) else { return };
    let document = Document::new(message.as_str().expect("a message"));
    let values = pattern.extract(&document);
    let found: BTreeMap<String, Value> =
        values.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    assert_eq!(found.len(), values.len(), "{}: a name occurs twice in {values:?}", case["name"]);
    let expected: BTreeMap<String, Value> =
        expected.as_object().expect("values").clone().into_iter().collect();
    assert_eq!(found, expected, "{}", case["name"]);
}

fn check_facts(case: &Value, pattern: &Pattern) {
    let name = &case["name"];
    if let Some(kind) = case["kind"].as_str() {
        assert_eq!(pattern.kind().to_string(), kind, "{name}");
    }
    for (field, found) in [
        ("literals", pattern.required_literals()),
        ("unless_escaped", pattern.required_literals_unless_escaped()),
        ("asks", pattern.guests()),
        ("selectors", &pattern.selectors().iter().map(ToString::to_string).collect::<Vec<_>>()),
    ] {
        if !case[field].is_null() {
            assert_eq!(found, strings(&case[field]), "{name}: {field}");
        }
    }
    if !case["literal_only"].is_null() {
        assert_eq!(pattern.literal_only(), case["literal_only"].as_str(), "{name}");
    }
    if let Some(guest) = case.get("guest_only") {
        assert_eq!(pattern.guest_only(), guest.as_str(), "{name}");
    }
    match case["warn"].as_str() {
        Some(warning) => assert!(
            pattern.warnings().iter().any(|w| w.contains(warning)),
            "{name}: {:?}",
            pattern.warnings()
        ),
        None => assert!(pattern.warnings().is_empty(), "{name}: {:?}", pattern.warnings()),
    }
    assert_eq!(pattern.to_string(), case["pattern"].as_str().expect("a pattern"), "{name}");
}

#[test]
fn patterns_that_parse() {
    for case in cases(include_str!("../cases/matches.jsonl")) {
        let options = Options { strict: case["strict"] == true };
        let text = case["pattern"].as_str().expect("a pattern");
        let pattern =
            Pattern::parse(text, options).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        check_messages(&case, &pattern);
        check_extraction(&case, &pattern);
        check_facts(&case, &pattern);
    }
}

/// What is wrong with the error that a case gets, if anything is.
fn complaint(case: &Value) -> Option<String> {
    let (name, text) = (&case["name"], case["pattern"].as_str().expect("a pattern"));
    let Err(error) = Pattern::parse(text, Options::default()) else {
        return Some(format!("{name}: accepted"));
    };
    let right = error.message.contains(case["error"].as_str().expect("an error"))
        && Some(error.offset as u64) == case["offset"].as_u64()
        && error.suggestion.as_deref() == case["suggest"].as_str()
        && text.is_char_boundary(error.offset);
    (!right).then(|| format!("{name}: {error}"))
}

#[test]
fn patterns_that_do_not() {
    let cases = cases(include_str!("../cases/errors.jsonl"));
    let complaints: Vec<String> = cases.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
