//! Properties: parsing never panics, a fast answer is the plain answer, required literals are
//! required. The references here are as naive as can be and share no code with the crate.

use pattern::{Document, NoGuests, Options, Pattern, ValueSelector};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rounds(few: u32) -> ProptestConfig {
    let times = if std::env::var_os("LOGBOOM_LONG").is_some() { 100 } else { 1 };
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(few * times) }
}

fn parsed(text: &str) -> Pattern {
    Pattern::parse(text, Options::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn matches(pattern: &Pattern, message: &str) -> bool {
    pattern.matches(&Document::new(message), &mut NoGuests)
}

/// What must hold for any pattern and any message.
fn assert_sound(pattern: &Pattern, message: &str) {
    let document = Document::new(message);
    let matched = pattern.matches(&document, &mut NoGuests);
    assert!(pattern.may_match(&document) || !matched);
    document.is_json_object();
    assert_eq!(
        pattern.matches(&document, &mut NoGuests),
        matched,
        "parsing changes {pattern} on {message:?}"
    );
    let holds = |literals: &[String]| literals.iter().all(|literal| message.contains(literal.as_str()));
    if matched {
        assert!(holds(pattern.required_literals()), "{pattern} on {message:?}");
        assert!(
            message.contains('\\') || holds(pattern.required_literals_unless_escaped()),
            "{pattern} on {message:?}"
        );
    }
    if let Some(literal) = pattern.literal_only() {
        assert_eq!(matched, message.contains(literal), "{pattern} on {message:?}");
    }
    pattern.extract(&document);
}

/// Text made of the pieces of all grammars, so that much of it parses.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", "(", ")", "$", ".", "*", "...", ",", "=", "!=", "<", ">=", "&&", "||", " ", "a",
        "b1", "ERROR", "$.a", "$.b[*]", "$.*", "[0]", "['k']", "\"x\"", "\"*y*\"", "\"", "%", "%a+%", "^",
        "\\", "\\d", "{2,3}", "+", "|", "IS", "NULL", "TRUE", "NOT", "EXISTS", "5", "-1.5e3", "wasm:f", "-",
        "?", "é", "“",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn wrapped(inside: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (0..4, inside).prop_map(|(shape, inside)| match shape {
        0 => inside,
        1 => format!("{{{inside}}}"),
        2 => format!("[{inside}]"),
        _ => format!("%{inside}%"),
    })
}

fn parse_any(text: &str, message: &str, strict: bool) {
    match Pattern::parse(text, Options { strict }) {
        Ok(pattern) => {
            assert_eq!(pattern.source(), text);
            let again =
                Pattern::parse(&pattern.to_string(), Options { strict }).expect("a source parses again");
            assert_eq!(again.kind(), pattern.kind());
            assert_eq!(matches(&again, message), matches(&pattern, message));
            assert_sound(&pattern, message);
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "{text:?}: {error}");
            assert!(
                ["Invalid", "If a", "1 vali"].iter().any(|head| error.message.starts_with(head)),
                "{error}"
            );
        }
    }
}

proptest! {
    #![proptest_config(rounds(512))]

    #[test]
    fn any_text_is_a_pattern_or_an_error(text in "\\PC{0,40}", message in "\\PC{0,40}", strict: bool) {
        parse_any(&text, &message, strict);
        let _ = ValueSelector::parse(&text);
    }

    #[test]
    fn pieces_of_patterns_are_a_pattern_or_an_error(text in wrapped(pieces()), message in wrapped(pieces()), strict: bool) {
        parse_any(&text, &message, strict);
        let _ = ValueSelector::parse(&text);
    }
}

/// A term with its sign, as written and as meant.
fn term() -> impl Strategy<Value = (char, String)> {
    (prop::sample::select(vec!['+', '-', '?']), "[ab \"\\\\]{1,3}")
}

fn written((sign, text): &(char, String)) -> String {
    let sign = if *sign == '+' { String::new() } else { sign.to_string() };
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric());
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    if plain { format!("{sign}{text}") } else { format!("{sign}\"{escaped}\"") }
}

fn naive_terms(terms: &[(char, String)], message: &str) -> bool {
    let signed = |wanted: char| terms.iter().filter(move |(sign, _)| *sign == wanted);
    let found = |(_, text): &(char, String)| message.contains(text.as_str());
    if let [('+', only)] = terms
        && only.trim().is_empty()
    {
        return true;
    }
    if terms.iter().all(|(sign, _)| *sign == '?') {
        return terms.iter().any(found);
    }
    signed('+').all(found) && !signed('-').any(found)
}

/// Names, values and messages from a tiny world, so that they meet often.
fn scalar() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("x"),
        json!("xy"),
        json!("yx"),
        json!("1"),
        json!("1.0"),
        json!("1e0"),
        json!("x\"y"),
        json!("é\n"),
        json!(1),
        json!(1.5),
        json!(-2),
        json!(true),
        json!(false),
        json!(null),
        json!(""),
        json!("*"),
        json!("true"),
    ])
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec(("[ab]", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec(("[ab]", tree()), 0..3)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

#[derive(Debug, Clone)]
enum Formula {
    Condition(Vec<&'static str>, &'static str, &'static str),
    Both(Box<Formula>, Box<Formula>),
    Either(Box<Formula>, Box<Formula>),
}

fn formula() -> impl Strategy<Value = Formula> {
    let step = prop::sample::select(vec![".a", ".b", "[0]", "[1]"]);
    let wild = prop::sample::select(vec!["", "", "", ".*", "[*]"]);
    let path = (prop::collection::vec(step.clone(), 1..3), wild, prop::collection::vec(step, 0..2));
    let path = path.prop_map(|(mut front, wild, back)| {
        front.push(wild);
        front.extend(back);
        front.retain(|step| !step.is_empty());
        front
    });
    let test = prop::sample::select(vec![
        ("=", "x"),
        ("!=", "x"),
        ("=", "x*"),
        ("=", "*x"),
        ("!=", "*y*"),
        ("=", "*"),
        ("=", "1"),
        ("!=", "1"),
        ("=", "\"1\""),
        (">", "0"),
        ("<=", "1"),
        ("<", "1.5"),
        (">=", "-2"),
        ("=", "true"),
        ("IS", "NULL"),
        ("IS", "TRUE"),
        ("IS", "FALSE"),
        ("NOT", "EXISTS"),
    ]);
    let condition =
        (path, test).prop_map(|(path, (operator, value))| Formula::Condition(path, operator, value));
    condition.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Formula::Both(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Formula::Either(Box::new(a), Box::new(b))),
        ]
    })
}

impl Formula {
    fn text(&self) -> String {
        match self {
            Formula::Condition(path, operator, value) => format!("${} {operator} {value}", path.concat()),
            Formula::Both(a, b) => format!("({}) && ({})", a.text(), b.text()),
            Formula::Either(a, b) => format!("({}) || ({})", a.text(), b.text()),
        }
    }

    fn wildcards(&self) -> usize {
        match self {
            Formula::Condition(path, ..) => usize::from(path.iter().any(|step| step.contains('*'))),
            Formula::Both(a, b) | Formula::Either(a, b) => a.wildcards() + b.wildcards(),
        }
    }

    fn holds(&self, root: &Value) -> bool {
        match self {
            Formula::Condition(path, "NOT", _) => landings(root, path).is_empty(),
            Formula::Condition(path, operator, value) => {
                landings(root, path).into_iter().any(|landed| naive_test(landed, operator, value))
            }
            Formula::Both(a, b) => a.holds(root) && b.holds(root),
            Formula::Either(a, b) => a.holds(root) || b.holds(root),
        }
    }
}

fn landings<'v>(root: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    path.iter().fold(vec![root], |values, step| {
        let next = |value: &'v Value| -> Vec<&'v Value> {
            match *step {
                ".*" => value.as_object().into_iter().flat_map(|object| object.values()).collect(),
                "[*]" => value.as_array().into_iter().flatten().collect(),
                "[0]" | "[1]" => value
                    .as_array()
                    .and_then(|list| list.get(usize::from(*step == "[1]")))
                    .into_iter()
                    .collect(),
                name => value.as_object().and_then(|object| object.get(&name[1..])).into_iter().collect(),
            }
        };
        values.into_iter().flat_map(next).collect()
    })
}

fn naive_test(value: &Value, operator: &str, operand: &str) -> bool {
    match (operator, operand) {
        ("IS", "NULL") => return value.is_null(),
        ("IS", "TRUE") => return *value == Value::Bool(true),
        ("IS", _) => return *value == Value::Bool(false),
        _ => {}
    }
    let text = match value {
        Value::Object(_) | Value::Array(_) => return false,
        Value::Null => return if operand == "*" { operator == "=" } else { operator == "!=" },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if let Ok(wanted) = operand.parse::<f64>() {
        let Ok(number) = text.parse::<f64>() else { return operator == "!=" };
        return match operator {
            "=" => number == wanted,
            "!=" => number != wanted,
            "<" => number < wanted,
            ">" => number > wanted,
            "<=" => number <= wanted,
            _ => number >= wanted,
        };
    }
    let equal = match operand {
        "*" => true,
        "x*" => text.starts_with('x'),
        "*x" => text.ends_with('x'),
        "*y*" => text.contains('y'),
        "\"1\"" => text == "1",
        plain => text == plain,
    };
    equal == (operator == "=")
}

/// Slots as text with the test each stands for.
fn slot() -> impl Strategy<Value = (&'static str, fn(&str) -> bool)> {
    prop::sample::select(vec![
        ("", (|_| true) as fn(&str) -> bool),
        ("n", |_| true),
        ("n = aa", |value| value == "aa"),
        ("n != aa", |value| value != "aa"),
        ("n = a*", |value| value.starts_with('a')),
        ("n = \"*aa*\"", |value| value.contains("aa")),
        ("n > 1", |value| value.parse::<f64>().is_ok_and(|number| number > 1.0)),
        ("n = aa || n = b", |value| value == "aa" || value == "b"),
    ])
}

/// A line of plain fields, as the fields and as the text.
fn line() -> impl Strategy<Value = (Vec<String>, String)> {
    prop::collection::vec(("(a|aa|aaa|b|1|2|10)", "[ \t]{1,2}"), 0..6).prop_map(|parts| {
        let text = parts.iter().map(|(field, blank)| format!("{field}{blank}")).collect();
        (parts.into_iter().map(|(field, _)| field).collect(), text)
    })
}

proptest! {
    #![proptest_config(rounds(512))]

    #[test]
    fn terms_are_substrings(terms in prop::collection::vec(term(), 1..5), message in "[ab \"\\\\]{0,8}") {
        let text: Vec<String> = terms.iter().map(written).collect();
        let pattern = parsed(&text.join(" "));
        prop_assert_eq!(matches(&pattern, &message), naive_terms(&terms, &message), "{}", pattern);
        assert_sound(&pattern, &message);
    }

    #[test]
    fn conditions_are_asked_of_every_landing(formula in formula(), value in object(), pretty: bool) {
        prop_assume!(formula.wildcards() <= 3);
        let message = if pretty { format!("{value:#}") } else { value.to_string() };
        let pattern = parsed(&format!("{{ {} }}", formula.text()));
        prop_assert_eq!(matches(&pattern, &message), formula.holds(&value), "{} on {}", pattern, message);
        assert_sound(&pattern, &message);
        let not_json = format!("x {message}");
        prop_assert!(!matches(&pattern, &not_json));
    }

    #[test]
    fn slots_are_laid_over_fields(
        front in prop::collection::vec(slot(), 1..4),
        back in prop::option::of(prop::collection::vec(slot(), 0..3)),
        (fields, message) in line(),
    ) {
        let mut written: Vec<&str> = front.iter().map(|(text, _)| *text).collect();
        if let Some(back) = &back {
            written.push("...");
            written.extend(back.iter().map(|(text, _)| *text));
        }
        let mut slots: Vec<fn(&str) -> bool> = front.iter().map(|(_, test)| *test).collect();
        let mut values = fields.clone();
        let wanted = front.len() + back.as_ref().map_or(0, Vec::len);
        match &back {
            Some(back) => {
                slots.extend(back.iter().map(|(_, test)| *test));
                if values.len() >= wanted {
                    values.drain(front.len()..fields.len() - back.len());
                }
            }
            None if values.len() > wanted => {
                // Where the last slot's field starts, counted by hand: fields hold no blanks.
                let mut rest = message.as_str();
                for field in &fields[..wanted - 1] {
                    rest = rest[field.len()..].trim_start();
                }
                values.truncate(wanted - 1);
                values.push(rest.trim_end().to_string());
            }
            None => {}
        }
        let text = format!("[{}]", written.join(","));
        // One empty slot is no slot: `[]` matches everything.
        let everything = text == "[]";
        let expected = everything || (fields.len() >= wanted && slots.iter().zip(&values).all(|(test, value)| test(value)));
        let pattern = parsed(&text);
        prop_assert_eq!(matches(&pattern, &message), expected, "{} on {:?}", pattern, message);
        assert_sound(&pattern, &message);
    }
}
