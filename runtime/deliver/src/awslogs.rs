//! Owns the payload of CloudWatch Logs subscriptions: the data message, its compression and the event a
//! function receives. Refuses to know filters and where events come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

/// One log event of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadEvent<'a> {
    /// 56 decimal digits.
    pub id: Cow<'a, str>,
    /// Milliseconds.
    pub timestamp: i64,
    /// The line.
    pub message: Cow<'a, str>,
    /// Fields a space-delimited or JSON pattern took out, without `$`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extracted_fields: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// The events of one stream that a subscription filter matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataMessage<'a> {
    message_type: &'static str,
    /// Account.
    pub owner: &'a str,
    /// Log group.
    pub log_group: &'a str,
    /// Log stream.
    pub log_stream: &'a str,
    /// Filter names.
    pub subscription_filters: Vec<&'a str>,
    /// Events.
    pub log_events: Vec<PayloadEvent<'a>>,
}

impl<'a> DataMessage<'a> {
    /// A `DATA_MESSAGE`.
    pub fn new(
        owner: &'a str,
        log_group: &'a str,
        log_stream: &'a str,
        subscription_filters: Vec<&'a str>,
        log_events: Vec<PayloadEvent<'a>>,
    ) -> Self {
        Self { message_type: "DATA_MESSAGE", owner, log_group, log_stream, subscription_filters, log_events }
    }

    /// The JSON text.
    pub fn json(&self) -> String {
        // Strings, integers and maps with string keys always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The JSON, gzip-compressed: the record of a stream destination.
    pub fn gzip(&self) -> Vec<u8> {
        gzip(self.json().as_bytes())
    }

    /// The event a function receives: `{"awslogs":{"data":"<base64 of the gzip>"}}`.
    pub fn lambda_event(&self) -> String {
        // base64 needs no JSON escapes.
        format!("{{\"awslogs\":{{\"data\":\"{}\"}}}}", STANDARD.encode(self.gzip()))
    }
}

/// The message with which AWS checks that a stream destination is there; consumers skip it.
pub fn control_message(timestamp: i64) -> String {
    serde_json::json!({
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [{
            "id": "",
            "timestamp": timestamp,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.",
        }],
    })
    .to_string()
}

/// Gzip with a fixed header, so that the same events give the same bytes.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4 + 64), Compression::fast());
    // Writing into a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn event<'a>(message: &'a str) -> PayloadEvent<'a> {
        PayloadEvent {
            id: "0".repeat(56).into(),
            timestamp: 5,
            message: message.into(),
            extracted_fields: BTreeMap::new(),
        }
    }

    #[test]
    fn the_json_is_awss() {
        let mut one = event("m \"q\"");
        let data = DataMessage::new("111111111111", "g", "s", vec!["f"], vec![one.clone()]);
        assert_eq!(
            data.json(),
            format!(
                r#"{{"messageType":"DATA_MESSAGE","owner":"111111111111","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{{"id":"{}","timestamp":5,"message":"m \"q\""}}]}}"#,
                "0".repeat(56)
            )
        );
        one.extracted_fields.insert("w1".into(), "x".into());
        let data = DataMessage::new("1", "g", "s", vec![], vec![one]);
        assert!(data.json().ends_with(r#""extractedFields":{"w1":"x"}}]}"#));
        assert!(control_message(0).contains("CWL CONTROL MESSAGE"));
    }

    proptest! {
        #![proptest_config(crate::tests::rounds(64))]
        #[test]
        fn a_function_reads_back_what_was_sent(messages in prop::collection::vec(any::<String>(), 0..8)) {
            let events = messages.iter().map(|m| event(m)).collect();
            let data = DataMessage::new("1", "g", "s", vec!["f"], events);
            let outer: serde_json::Value = serde_json::from_str(&data.lambda_event()).unwrap();
            let packed = STANDARD.decode(outer["awslogs"]["data"].as_str().unwrap()).unwrap();
            let mut text = String::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
            let inner: serde_json::Value = serde_json::from_str(&text).unwrap();
            let got: Vec<_> = inner["logEvents"].as_array().unwrap().iter()
                .map(|e| e["message"].as_str().unwrap().to_owned()).collect();
            prop_assert_eq!(got, messages);
        }
    }
}
