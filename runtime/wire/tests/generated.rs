//! The generated types: fresh, and shaped as clients expect. Runs the generator where Python has the right
//! botocore; knows nothing of how it works.

// The whole file is tests.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use wire::shape::{cloudwatch, lambda, logs, sns};

/// `LOGBOOM_PYTHON`, or the repository's `.venv`.
fn python(room: &Path) -> Option<(PathBuf, bool)> {
    if let Some(python) = std::env::var_os("LOGBOOM_PYTHON") {
        return Some((python.into(), true));
    }
    let python = room.join("../../.venv/bin/python");
    python.exists().then_some((python, false))
}

#[test]
fn generated_files_are_fresh() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let skipped = |why: &str| {
        // Past the test harness, which swallows what tests print.
        let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: are the generated AWS shapes fresh? {why} ***\n");
    };
    let Some((python, demanded)) = python(room) else {
        return skipped("No .venv and no LOGBOOM_PYTHON with botocore.");
    };
    let done = Command::new(&python).arg(room.join("codegen/generate.py")).arg("--check").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    match done.status.code() {
        Some(0) => {}
        Some(2) if !demanded => skipped(&said),
        _ => panic!("run runtime/wire/codegen/generate.py and commit: {said}"),
    }
}

fn same<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), *value);
}

#[test]
fn types_keep_wire_names_and_leave_absent_members_out() {
    same::<logs::CreateLogGroupRequest>(&json!({"logGroupName": "g", "kmsKeyId": "k", "tags": {"a": "b"}}));
    same::<logs::PutMetricFilterRequest>(&json!({
        "logGroupName": "g", "filterName": "f", "filterPattern": "", "metricTransformations": [
            {"metricName": "m", "metricNamespace": "n", "metricValue": "1", "defaultValue": 0.5}],
    }));
    same::<cloudwatch::PutMetricAlarmInput>(&json!({
        "AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 5.0,
        "OKActions": [], "AlarmActions": ["arn"], "Dimensions": [{"Name": "n", "Value": "v"}],
    }));
    same::<sns::PublishInput>(
        &json!({"Message": "m", "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "AAE="}}}),
    );
    same::<lambda::FunctionConfiguration>(
        &json!({"FunctionName": "f", "CodeSha256": "x", "KMSKeyArn": "k", "MemorySize": 128}),
    );
    assert_eq!(serde_json::to_value(logs::DescribeLogGroupsResponse::default()).unwrap(), json!({}));
}
