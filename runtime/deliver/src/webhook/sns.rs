//! Owns AWS's own HTTP format: the three envelopes and their headers.
//! Refuses to know how a signature is computed and how a request is sent.

use serde::Serialize;

use crate::envelope::{self, Envelope};
use crate::message::Message;
use crate::signature::Signer;

/// A request body with its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsBody {
    /// The text.
    pub body: String,
    /// Headers, `Content-Type` and `User-Agent` included.
    pub headers: Vec<(String, String)>,
}

const AGENT: &str = "Amazon Simple Notification Service Agent";

/// Everything about a delivery that goes into headers.
struct Kind<'a> {
    name: &'a str,
    message_id: &'a str,
    topic_arn: &'a str,
    subscription_arn: Option<&'a str>,
    content_type: &'a str,
}

fn headers(kind: &Kind<'_>) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type", kind.content_type),
        ("user-agent", AGENT),
        ("x-amz-sns-message-type", kind.name),
        ("x-amz-sns-message-id", kind.message_id),
        ("x-amz-sns-topic-arn", kind.topic_arn),
    ];
    headers.extend(kind.subscription_arn.map(|arn| ("x-amz-sns-subscription-arn", arn)));
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A notification; raw delivery sends the message alone.
pub fn notification(
    message: &Message,
    text: &str,
    subscription_arn: &str,
    raw: bool,
    content_type: &str,
    signer: &Signer<'_>,
) -> SnsBody {
    let kind = Kind {
        name: "Notification",
        message_id: &message.id,
        topic_arn: &message.topic_arn,
        subscription_arn: Some(subscription_arn),
        content_type,
    };
    let mut headers = headers(&kind);
    if message.hop > 0 {
        headers.push(("x-logboom-hop".to_owned(), message.hop.to_string()));
    }
    if raw {
        headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
        return SnsBody { body: text.to_owned(), headers };
    }
    let envelope = envelope::notification(message, text, subscription_arn, signer);
    SnsBody { body: pretty(&envelope), headers }
}

/// Asks the subscriber to confirm.
pub fn confirmation(envelope: &Envelope, content_type: &str) -> SnsBody {
    body_of(envelope, None, content_type)
}

/// Tells the subscriber that it was unsubscribed, with a link to come back.
pub fn unsubscribed(envelope: &Envelope, subscription_arn: &str, content_type: &str) -> SnsBody {
    body_of(envelope, Some(subscription_arn), content_type)
}

fn body_of(envelope: &Envelope, subscription_arn: Option<&str>, content_type: &str) -> SnsBody {
    let kind = Kind {
        name: envelope.kind,
        message_id: &envelope.message_id,
        topic_arn: &envelope.topic_arn,
        subscription_arn,
        content_type,
    };
    SnsBody { body: pretty(envelope), headers: headers(&kind) }
}
