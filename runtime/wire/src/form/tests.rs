//! Forms as clients send them, and as nobody should.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::Service;

fn read(service: Service, operation: &str, body: &str) -> Result<Value, Fault> {
    let shape = service.model().operation(operation).unwrap().input.unwrap();
    Ok(Form::parse(body.as_bytes())?.read(shape, "")?.unwrap())
}

#[test]
fn structures_lists_maps_and_scalars() {
    for (service, operation, body, expected) in [
        (
            Service::Sns,
            "CreateTopic",
            "Name=a+b%2Bc%C3%A9&Attributes.entry.1.key=k&Attributes.entry.1.value=v",
            json!({"Name": "a b+cé", "Attributes": {"k": "v"}}),
        ),
        (
            Service::Sns,
            "Publish",
            "Message=m&MessageAttributes.entry.2.Name=b&MessageAttributes.entry.2.Value.DataType=String\
             &MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.DataType=Binary\
             &MessageAttributes.entry.1.Value.BinaryValue=AAE%3D",
            json!({"Message": "m", "MessageAttributes": {
                "a": {"DataType": "Binary", "BinaryValue": "AAE="}, "b": {"DataType": "String"}}}),
        ),
        (
            Service::Sns,
            "PublishBatch",
            "PublishBatchRequestEntries.member.10.Id=j&PublishBatchRequestEntries.member.2.Id=b\
             &PublishBatchRequestEntries.member.01.Id=x&PublishBatchRequestEntries.member.x.Id=y",
            json!({"PublishBatchRequestEntries": [{"Id": "b"}, {"Id": "j"}]}),
        ),
        (
            Service::CloudWatch,
            "PutMetricData",
            "Namespace=N&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1.5e3\
             &MetricData.member.1.Timestamp=2026-01-31T12%3A00%3A00Z&MetricData.member.1.StorageResolution=1\
             &MetricData.member.1.Values.member.1=2&MetricData.member.1.Dimensions.member.1.Name=d",
            json!({"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 1500.0,
                "Timestamp": 1_769_860_800.0, "StorageResolution": 1, "Values": [2.0], "Dimensions": [{"Name": "d"}]}]}),
        ),
        (
            Service::CloudWatch,
            "DescribeAlarms",
            "AlarmNames=&MaxRecords=5&Unknown=1&&=x",
            json!({"AlarmNames": [], "MaxRecords": 5}),
        ),
        (
            Service::CloudWatch,
            "PutMetricAlarm",
            "ActionsEnabled=false&AlarmName=&AlarmName=second",
            json!({"ActionsEnabled": false, "AlarmName": ""}),
        ),
    ] {
        let found = read(service, operation, body).unwrap();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn what_is_not_what_it_should_be() {
    for (body, code) in [
        ("MaxRecords=five", "MalformedInput"),
        ("MaxRecords=99999999999", "MalformedInput"),
        ("AlarmNames.member.1=%FF", "MalformedQueryString"),
    ] {
        assert_eq!(read(Service::CloudWatch, "DescribeAlarms", body).unwrap_err().code(), code, "{body}");
    }
    for (body, code) in [
        ("ActionsEnabled=maybe", "MalformedInput"),
        ("Threshold=NaN", "InvalidParameterValue"),
        ("Threshold=inf", "InvalidParameterValue"),
    ] {
        assert_eq!(read(Service::CloudWatch, "PutMetricAlarm", body).unwrap_err().code(), code, "{body}");
    }
    let blob = "MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.BinaryValue=%21";
    assert_eq!(read(Service::Sns, "Publish", blob).unwrap_err().code(), "MalformedInput");
}

/// Writes a value as clients do.
fn write(out: &mut Vec<(String, String)>, shape: &Shape, value: &Value, path: &str) {
    match (shape.kind, value) {
        (Kind::Structure(members), Value::Object(fields)) => {
            for member in members.iter().filter(|member| fields.contains_key(member.name)) {
                write(out, member.shape, &fields[member.name], &joined(path, member.name));
            }
        }
        (Kind::List(element), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                write(out, element, item, &format!("{path}.member.{}", at + 1));
            }
        }
        (Kind::Map { value: element, key_name, value_name, .. }, Value::Object(fields)) => {
            for (at, (key, item)) in fields.iter().enumerate() {
                out.push((format!("{path}.entry.{}.{key_name}", at + 1), key.clone()));
                write(out, element, item, &format!("{path}.entry.{}.{value_name}", at + 1));
            }
        }
        (_, Value::String(text)) => out.push((path.to_owned(), text.clone())),
        (_, other) => out.push((path.to_owned(), other.to_string())),
    }
}

fn rounds() -> u32 {
    if std::env::var_os("LOGBOOM_LONG").is_some() { 20_000 } else { 200 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds()))]

    #[test]
    fn what_is_written_is_read(
        message in ".*",
        attributes in proptest::collection::btree_map(".{0,8}", ".{0,8}", 1..5),
    ) {
        let shape = Service::Sns.model().operation("Publish").unwrap().input.unwrap();
        let attributes: Map<String, Value> = attributes
            .into_iter()
            .map(|(name, value)| (name, json!({"DataType": "String", "StringValue": value})))
            .collect();
        let value = json!({"Message": message, "MessageAttributes": attributes});
        let mut pairs = Vec::new();
        write(&mut pairs, shape, &value, "");
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body: Vec<String> = pairs.iter().map(|(name, text)| format!("{}={}", encode(name), encode(text))).collect();
        prop_assert_eq!(read(Service::Sns, "Publish", &body.join("&")).unwrap(), value);
    }

    #[test]
    fn no_form_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        parts in proptest::collection::vec("(MetricData|member|entry|1|2|Value|Dimensions|Name|\\.|=|&|%|%4|\\+|NaN|é){0,12}", 0..6),
    ) {
        for service in [Service::Sns, Service::CloudWatch, Service::Sts] {
            for operation in service.model().served {
                let Some(shape) = operation.input else { continue };
                for body in [&bytes[..], parts.concat().as_bytes()] {
                    if let Ok(form) = Form::parse(body) {
                        let _ = form.read(shape, "");
                    }
                }
            }
        }
    }
}
