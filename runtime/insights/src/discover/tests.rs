//! Discovery against an independent JSON reader, and line formats by example.

use proptest::prelude::*;

use super::*;

fn found(kind: Kind, message: &str) -> Vec<(String, String)> {
    fields_of(kind, message)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn json_objects_are_flattened() {
    let message = r#" {"a":{"b":[1,{"c":"x"}],"n":null},"t":true,"f":1.50,"@x":"at","a.b":"dot","big":12345678901234567890,"e":{},"t":9}
"#;
    let want = pairs(&[
        ("a.b.0", "1"),
        ("a.b.1.c", "x"),
        ("t", "1"),
        ("f", "1.5"),
        ("@@x", "at"),
        ("a.b", "dot"),
        ("big", "12345678901234567890"),
    ]);
    assert_eq!(fields(message), want);
}

#[test]
fn what_is_no_json_object_has_no_fields() {
    for message in ["", "text", "[1,2]", "{\"b\":", "{\"a\":1} trailing", "{\"a\":1}{\"b\":2}", "7"] {
        assert_eq!(fields(message), [], "{message}");
    }
}

#[test]
fn at_most_two_hundred_fields_are_found() {
    let members: Vec<String> = (0..250).map(|i| format!("\"k{i}\":{i}")).collect();
    let message = format!("{{{}}}", members.join(","));
    assert_eq!(fields(&message).len(), 200);
    let wanted = Wanted::new(vec!["k199".into(), "k200".into()]);
    let mut values = vec![Lent::Null; 2];
    wanted.extract(Kind::Other, &message, &mut wanted.scratch(), &mut values);
    assert_eq!(values, [Lent::Int(199), Lent::Null]);
}

#[test]
fn lambda_lines() {
    let id = "f612fbaf-65ce-4fd2-8d1b-6718fcb0b269";
    let report = format!(
        "REPORT RequestId: {id}\tDuration: 2.03 ms\tBilled Duration: 3 ms\tMemory Size: 512 MB\tMax Memory Used: 70 MB\tInit Duration: 150.10 ms\t\nXRAY TraceId: 1-5e\tSegmentId: 0a1b\tSampled: true\t\n"
    );
    let cases = [
        (format!("START RequestId: {id} Version: 3\n"), vec![("@type", "START"), ("@requestId", id)]),
        (format!("END RequestId: {id}\n"), vec![("@type", "END"), ("@requestId", id)]),
        (
            report,
            vec![
                ("@type", "REPORT"),
                ("@requestId", id),
                ("@duration", "2.03"),
                ("@billedDuration", "3"),
                ("@memorySize", "512000000"),
                ("@maxMemoryUsed", "70000000"),
                ("@initDuration", "150.1"),
                ("@xrayTraceId", "1-5e"),
                ("@xraySegmentId", "0a1b"),
            ],
        ),
        (
            format!(
                "2024-01-02T03:04:05.000Z\t{id}\tINFO\tgot {{x}} {{\"foo\":{{\"bar\":7}}}} and {{\"z\":1}}\n"
            ),
            vec![("@requestId", id), ("foo.bar", "7")],
        ),
        (format!("[INFO]\t2024-01-02T03:04:05.000Z\t{id}\thello"), vec![("@requestId", id)]),
        ("plain".to_owned(), vec![]),
    ];
    for (line, want) in cases {
        assert_eq!(found(Kind::Lambda, &line), pairs(&want), "{line}");
    }
    assert_eq!(fields_in("000000000000:/aws/lambda/f", "END RequestId: x"), fields("END RequestId: x"));
    assert_eq!(fields_in("000000000000:app", "END RequestId: x"), []);
}

#[test]
fn positional_records() {
    let flow = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA";
    assert_eq!(
        fields(flow),
        pairs(&[
            ("version", "2"),
            ("accountId", "123456789010"),
            ("interfaceId", "eni-1235b8ca123456789"),
            ("startTime", "1431280876"),
            ("endTime", "1431280934"),
            ("logStatus", "NODATA"),
        ])
    );
    let dns = "1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com A NOERROR UDP FRA6 192.168.1.1 -";
    assert!(fields(dns).contains(&("queryName".to_owned(), "example.com".to_owned())));
    assert_eq!(fields("2 words only"), []);
}

/// Every leaf of a document, by the other JSON library.
fn reference(value: &serde_json::Value, path: &str, out: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::Bool(b) => out.push((path.to_owned(), if *b { "1" } else { "0" }.to_owned())),
        serde_json::Value::Number(n) => out.push((path.to_owned(), n.to_string())),
        serde_json::Value::String(s) => out.push((path.to_owned(), s.clone())),
        serde_json::Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| reference(v, &below(&i.to_string()), out));
        }
        serde_json::Value::Object(map) => map.iter().for_each(|(k, v)| reference(v, &below(k), out)),
    }
}

fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        "[a-z\"\\\\\n\u{e4}\u{1f600}]{0,12}".prop_map(serde_json::Value::from),
    ];
    let inner = leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-c]{1,2}", inner, 0..5)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]{1,2}", inner, 0..6)
        .prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
}

/// Full flattening and targeted extraction of every name (and one that is not there) agree.
fn agree(message: &str) {
    let full = fields(message);
    let mut names: Vec<String> = full.iter().map(|(name, _)| name.clone()).collect();
    names.extend(["a".to_owned(), "a.b".to_owned(), "a.0".to_owned(), "nosuch".to_owned()]);
    names.sort();
    names.dedup();
    let wanted = Wanted::new(names.clone());
    let mut values = vec![Lent::Null; names.len()];
    wanted.extract(Kind::Other, message, &mut wanted.scratch(), &mut values);
    for (name, value) in names.iter().zip(&values) {
        let expected = full.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        assert_eq!(value.cell().print(), expected, "{name} of {message}");
    }
}

proptest! {
    #![proptest_config(crate::plan::query::proptest_rounds(200))]

    #[test]
    fn flattening_agrees_with_another_reader(doc in document()) {
        let message = doc.to_string();
        let mut want = Vec::new();
        reference(&doc, "", &mut want);
        want.sort();
        let mut got = fields(&message);
        got.sort();
        prop_assert_eq!(got, want);
        agree(&message);
    }

    #[test]
    fn broken_documents_agree_too(doc in document(), at in any::<prop::sample::Index>(), byte in "[\\{\\}\\[\\]\",:x0 ]") {
        let mut message = doc.to_string();
        let cut = at.index(message.len());
        if message.is_char_boundary(cut) {
            message.insert_str(cut, &byte);
        }
        let valid = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&message);
        if valid.is_err() {
            prop_assert_eq!(fields(&message), vec![]);
        }
        agree(&message);
    }

    #[test]
    fn any_text_is_survived(message in ".{0,200}") {
        agree(&message);
        agree(&format!("{{{message}"));
    }
}
