//! AWS's sentences, word by word.

use serde_json::json;

use super::*;

fn message(service: Service, operation: &str, input: &Value) -> (String, String) {
    let shape = service.model().operation(operation).unwrap().input.unwrap();
    let fault = check(service, operation, shape, input).unwrap_err();
    (fault.code().to_owned(), fault.message().to_owned())
}

#[test]
fn one_violation_each() {
    let long = "X".repeat(1025);
    for (service, operation, input, code, expected) in [
        (Service::Logs, "CreateLogGroup", json!({}), "InvalidParameterException",
            "Value null at 'logGroupName' failed to satisfy constraint: Member must not be null".to_owned()),
        (Service::Logs, "CreateLogGroup", json!({"logGroupName": "a b"}), "InvalidParameterException",
            "Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+".to_owned()),
        (Service::Logs, "FilterLogEvents", json!({"logGroupName": "g", "limit": 10_001}), "InvalidParameterException",
            "Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000".to_owned()),
        (Service::Logs, "FilterLogEvents", json!({"logGroupName": "g", "filterPattern": long}), "InvalidParameterException",
            format!("Value '{long}' at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to 1024")),
        (Service::Logs, "PutLogEvents",
            json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}, {"timestamp": 2, "message": ""}]}),
            "InvalidParameterException",
            "Value '' at 'logEvents.2.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned()),
        (Service::Logs, "FilterLogEvents", json!({"logGroupName": "g", "logStreamNames": ["ok", "a:b"]}), "InvalidParameterException",
            "Value '[ok, a:b]' at 'logStreamNames' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 512, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [^:*]*]".to_owned()),
        (Service::Logs, "FilterLogEvents", json!({"logGroupName": "g", "logStreamNames": []}), "InvalidParameterException",
            "Value '[]' at 'logStreamNames' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned()),
        (Service::Logs, "PutMetricFilter",
            json!({"logGroupName": "g", "filterName": "f", "filterPattern": "", "metricTransformations": [
                {"metricName": "metric1", "metricNamespace": "n", "metricValue": "1"},
                {"metricName": "metric2", "metricNamespace": "n", "metricValue": "1", "dimensions": {"a": "$.b"}}]}),
            "InvalidParameterException",
            "Value '[MetricTransformation(metricName=metric1, metricNamespace=n, metricValue=1, defaultValue=null, dimensions=null, unit=null), MetricTransformation(metricName=metric2, metricNamespace=n, metricValue=1, defaultValue=null, dimensions={a=$.b}, unit=null)]' at 'metricTransformations' failed to satisfy constraint: Member must have length less than or equal to 1".to_owned()),
        (Service::Logs, "TagResource", json!({"resourceArn": "arn:aws:logs:a", "tags": {"a{": "v"}}), "InvalidParameterException",
            "Value '{a{=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+)$]".to_owned()),
        (Service::CloudWatch, "SetAlarmState", json!({"AlarmName": "a", "StateValue": "INVALID", "StateReason": "r"}), "ValidationError",
            "Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]".to_owned()),
        (Service::Sns, "Publish", json!({"Message": "m", "MessageAttributes": {"attr1": {}}}), "ValidationError",
            "Value null at 'messageAttributes.attr1.member.dataType' failed to satisfy constraint: Member must not be null".to_owned()),
        (Service::Sns, "PublishBatch",
            json!({"TopicArn": "t", "PublishBatchRequestEntries": [{"Id": "1", "Message": "m", "MessageAttributes": {"attr1": {}}}]}), "ValidationError",
            "Value null at 'publishBatchRequestEntries.1.member.messageAttributes.attr1.member.dataType' failed to satisfy constraint: Member must not be null".to_owned()),
        (Service::Lambda, "GetFunction", json!({"FunctionName": "a b"}), "ValidationException",
            "Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?".to_owned()),
        (Service::Lambda, "CreateFunction",
            json!({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "Architectures": ["vax"]}), "ValidationException",
            "Value '[vax]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]".to_owned()),
    ] {
        let found = message(service, operation, &input);
        assert_eq!(found, (code.to_owned(), format!("1 validation error detected: {expected}")), "{input}");
    }
}

#[test]
fn several_violations_in_one_text() {
    let (code, text) = message(Service::Logs, "PutRetentionPolicy", &json!({"logGroupName": ""}));
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(
        text,
        "3 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint: Member must have \
         length greater than or equal to 1; Value '' at 'logGroupName' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+; Value null at 'retentionInDays' failed to \
         satisfy constraint: Member must not be null"
    );
}

#[test]
fn services_with_words_of_their_own() {
    for (service, operation, input, code, text) in [
        (
            Service::CloudWatch,
            "PutMetricData",
            json!({"Namespace": "N", "MetricData": [{}]}),
            "MissingParameter",
            "The parameter MetricData.member.1.MetricName is required.",
        ),
        (
            Service::CloudWatch,
            "PutMetricData",
            json!({}),
            "MissingParameter",
            "The parameter Namespace is required.",
        ),
        (
            Service::Sns,
            "GetSubscriptionAttributes",
            json!({}),
            "InvalidParameter",
            "Invalid parameter: SubscriptionArn Reason: no value for required parameter",
        ),
        (
            Service::Sns,
            "Publish",
            json!({"TopicArn": "t"}),
            "InvalidParameter",
            "Invalid parameter: Empty message",
        ),
    ] {
        assert_eq!(message(service, operation, &input), (code.to_owned(), text.to_owned()));
    }
}

#[test]
fn quoted_values_are_bounded() {
    let events: Vec<Value> =
        (0..10_001).map(|at| json!({"timestamp": at, "message": "x".repeat(100)})).collect();
    let input = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
    let (_, text) = message(Service::Logs, "PutLogEvents", &input);
    assert!(text.len() < MAX_QUOTED_BYTES * 2, "{}", text.len());
    assert!(text.ends_with("Member must have length less than or equal to 10000"));
}

#[test]
fn lengths_are_utf_16() {
    assert_eq!(java_length("a🚀"), 3);
    assert_eq!(java_length("aé"), 2);
}
