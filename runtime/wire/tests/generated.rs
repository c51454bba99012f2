//! The generated types: fresh, and shaped as clients expect. Runs the generator where Python has the right
//! botocore; knows nothing of how it works.

// The whole file is tests.
#![allow(clippy::unwrap_used)]

mod python;

use serde_json::{Value, json};
use wire::shape::{cloudwatch, lambda, logs, sns};

#[test]
fn generated_files_are_fresh() {
    python::run("codegen/generate.py", &["--check"], "", "are the generated AWS shapes fresh?");
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
    let attributes = json!({"a": {"DataType": "Binary", "BinaryValue": "AAE="}});
    same::<sns::PublishInput>(&json!({"Message": "m", "MessageAttributes": attributes}));
    same::<lambda::FunctionConfiguration>(
        &json!({"FunctionName": "f", "CodeSha256": "x", "KMSKeyArn": "k", "MemorySize": 128}),
    );
    assert_eq!(serde_json::to_value(logs::DescribeLogGroupsResponse::default()).unwrap(), json!({}));
}
