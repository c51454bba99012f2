//! A real client library on both ends of the wire: every served operation in every protocol, as botocore
//! writes the request and as it reads the answer or the error. Needs Python with the pinned botocore.

// The whole file is tests.
#![allow(clippy::unwrap_used)]

mod python;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wire::{Fault, Request};

#[test]
fn botocore_is_understood_and_understands() {
    let what = "does botocore understand every answer?";
    let Some(lines) = python::run("tests/clients.py", &["requests"], "", what) else { return };
    let mut answers = String::new();
    let mut count = 0;
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        answers.push_str(&answer(&case).to_string());
        answers.push('\n');
        count += 1;
    }
    assert!(count > 200, "{count}");
    python::run("tests/clients.py", &["answers"], &answers, what);
}

fn answer(case: &Value) -> Value {
    let text = |name: &str| case[name].as_str().unwrap().to_owned();
    let headers = case["headers"].as_object().unwrap();
    let request = Request {
        method: text("method"),
        uri: text("uri"),
        headers: headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        body: STANDARD.decode(text("body")).unwrap().into(),
    };
    let target = wire::identify(&request).unwrap();
    assert_eq!(target.operation, text("operation"));
    let input = wire::decode(&target, &request).unwrap_or_else(|fault| panic!("{target:?}: {fault}"));
    assert_eq!(input, case["input"], "{target:?}");
    let result = match case["fault"].as_array() {
        Some(fault) => Err(Fault::new(fault[0].as_str().unwrap(), fault[1].as_str().unwrap())),
        None => Ok(case["output"].clone()),
    };
    let response = wire::encode(&target, "request-id", result);
    json!({"status": response.status, "headers": response.headers, "body": STANDARD.encode(&response.body)})
}
