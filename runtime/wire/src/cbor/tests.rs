//! CBOR as the AWS SDKs write it, hostile CBOR, and round trips.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Member, Service};

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_form_of_item() {
    for (hex, expected) in [
        ("", json!({})),
        ("a0", json!({})),
        ("bf ff", json!({})),
        ("a1 61 61 01", json!({"a": 1})),
        ("bf 61 61 9f 01 02 ff ff", json!({"a": [1, 2]})),
        ("a1 61 61 7f 61 78 62 79 7a ff", json!({"a": "xyz"})),
        ("a1 61 61 5f 41 00 41 01 ff", json!({"a": "AAE="})),
        ("a1 61 61 42 00 01", json!({"a": "AAE="})),
        ("a1 61 61 38 63", json!({"a": -100})),
        ("a1 61 61 1b ff ff ff ff ff ff ff ff", json!({"a": u64::MAX})),
        ("a1 61 61 f9 3e 00", json!({"a": 1.5})),
        ("a1 61 61 fa 3f c0 00 00", json!({"a": 1.5})),
        ("a1 61 61 fb 3f f8 00 00 00 00 00 00", json!({"a": 1.5})),
        ("a1 61 61 f9 7e 00", json!({"a": "NaN"})),
        ("a1 61 61 f9 fc 00", json!({"a": "-Infinity"})),
        ("a1 61 61 c1 1a 69 7d ee c0", json!({"a": 1_769_860_800})),
        ("a1 61 61 c1 fb 41 da 5f 7b b0 10 00 00", json!({"a": 1_769_860_800.25})),
        ("a3 61 61 f4 61 62 f5 61 63 f6", json!({"a": false, "b": true, "c": null})),
        ("a1 61 61 f7", json!({"a": null})),
    ] {
        assert_eq!(decode(&bytes(hex)).unwrap(), expected, "{hex}");
    }
}

#[test]
fn what_is_refused() {
    let deep = "81".repeat(MAX_DEPTH * 2) + "01";
    let endless = "9f".repeat(100_000);
    for hex in [
        "ff",
        "a1",
        "a1 61 61",
        "61",
        "a1 01 01",
        "a0 00",
        "a1 61 61 c1 61 78",
        "a1 61 61 c2 41 00",
        "1c",
        "9b ff ff ff ff ff ff ff ff",
        "bb ff ff ff ff ff ff ff ff",
        "7b ff ff ff ff ff ff ff ff",
        "62 ff fe",
        "3b ff ff ff ff ff ff ff ff",
        "bf 61 61 ff",
        &deep,
        &endless,
    ] {
        let fault = decode(&bytes(hex)).unwrap_err();
        assert_eq!(fault.code(), "SerializationException", "{}", &hex[..hex.len().min(40)]);
    }
    let shallow = "81".repeat(MAX_DEPTH - 1) + "01";
    assert!(decode(&bytes(&shallow)).is_ok());
}

static TEXT: Shape = Shape::string("Text");
static NUMBER: Shape = Shape::double("Number");
static TIME: Shape = Shape::timestamp("Time");
static BLOB: Shape = Shape::blob("Blob");
static NUMBERS: Shape = Shape::list("Numbers", &NUMBER);
static NAMES: Shape = Shape::map("Names", &TEXT, &TEXT, "key", "value");
static OUTPUT: Shape = Shape::structure(
    "Output",
    &[
        Member::new("At", &TIME),
        Member::new("Blob", &BLOB),
        Member::new("Values", &NUMBERS),
        Member::new("Names", &NAMES),
    ],
);

#[test]
fn outputs_take_their_shapes_types() {
    let value = json!({"At": 1.5, "Blob": "AAE=", "Values": [1, 2.5], "Names": {"k": "v"}, "Unknown": 1});
    let written = encode(Some(&OUTPUT), &value);
    let expected = "a4 62 4174 c1 fb 3ff8000000000000 64 426c6f62 42 0001 66 56616c756573 82 fb 3ff0000000000000 \
                    fb 4004000000000000 65 4e616d6573 a1 61 6b 61 76";
    assert_eq!(written, bytes(expected));
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300f64).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn rounds() -> u32 {
    if std::env::var_os("LOGBOOM_LONG").is_some() { 100_000 } else { 500 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds()))]

    #[test]
    fn what_is_written_is_read(value in document()) {
        prop_assert_eq!(decode(&encode(None, &value)).unwrap(), value);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(value) = decode(&bytes) {
            for operation in Service::CloudWatch.model().served {
                let _ = crate::decode::conform(operation.input.unwrap_or(&crate::decode::EMPTY), value.clone());
            }
        }
    }

    #[test]
    fn no_damage_panics(value in document(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut written = encode(None, &value);
        let at = at.index(written.len());
        written[at] = byte;
        let _ = decode(&written);
        let _ = decode(&written[..at]);
    }
}
