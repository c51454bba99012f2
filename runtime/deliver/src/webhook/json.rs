//! Owns the plain JSON body for one's own receiver: nothing to unwrap, nothing escaped but by JSON.
//! Refuses to know other channels.

use serde_json::{Value, json};

use crate::message::Message;
use crate::notice::Notice;
use crate::text;

pub(super) fn body(notice: &Notice, message: &Message) -> Value {
    let mut body = json!({
        "messageId": message.id,
        "topicArn": message.topic_arn,
        "timestamp": text::iso(message.timestamp_ms),
        "title": notice.title,
    });
    if let Some(subject) = &message.subject {
        body["subject"] = subject.as_str().into();
    }
    if !message.attributes.is_empty() {
        body["attributes"] = message
            .attributes
            .iter()
            .map(|(name, a)| (name.clone(), Value::from(a.value.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into();
    }
    match &notice.alarm {
        Some(alarm) => {
            body["alarm"] = json!({
                "name": alarm.name,
                "description": alarm.description,
                "state": alarm.state,
                "previousState": alarm.previous,
                "reason": alarm.reason,
                "arn": alarm.arn,
                "account": alarm.account,
                "region": alarm.region,
                "at": alarm.at,
            });
            body["lines"] = notice
                .lines
                .iter()
                .map(|line| {
                    json!({
                        "logGroup": line.group,
                        "logStream": line.stream,
                        "timestamp": line.at,
                        "message": line.message,
                        "eventId": line.event_id,
                        "truncated": line.truncated,
                    })
                })
                .collect();
        }
        None => body["message"] = notice.text.as_str().into(),
    }
    body
}
