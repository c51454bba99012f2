//! Owns the events that functions receive from topics, and the seam through which they are called.
//! Refuses to know what a function is.

use serde_json::{Value, json};

use crate::egress::BoxFuture;
use crate::envelope;
use crate::message::Message;
use crate::signature::Signer;

/// One asynchronous call of a function.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Account that owns the subscription or alarm.
    pub account: &'a str,
    /// Region.
    pub region: &'a str,
    /// Function ARN, with or without version or alias.
    pub function_arn: &'a str,
    /// The event, JSON.
    pub payload: &'a str,
    /// The same for every try of one delivery.
    pub idempotency_key: &'a str,
    /// Who calls, as resource policies name it: `sns.amazonaws.com`, `lambda.alarms.cloudwatch.amazonaws.com`.
    pub principal: &'a str,
    /// ARN of the topic or alarm, for the policy condition.
    pub source_arn: &'a str,
    /// Loop backstop, already counted up for this call.
    pub hop: u32,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvokeError {
    /// No such function, or no permission: trying again cannot help.
    Missing(String),
    /// Not now: throttled, pending, shutting down.
    Busy(String),
    /// The function ran and failed. As with asynchronous calls on AWS it gets two more tries.
    Failed(String),
}

/// A line on its way to a log group.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Account that owns the group.
    pub account: &'a str,
    /// Region.
    pub region: &'a str,
    /// Log group ARN.
    pub log_group_arn: &'a str,
    /// Log stream.
    pub log_stream: &'a str,
    /// What is to be stored.
    pub message: &'a str,
    /// Loop backstop.
    pub hop: u32,
}

/// Calls functions, and stores what became of it; the root implements it.
pub trait LambdaInvoker: Send + Sync {
    /// Runs the function to its end.
    fn invoke<'a>(&'a self, call: Invocation<'a>) -> BoxFuture<'a, Result<(), InvokeError>>;

    /// Stores a line in a log group.
    fn append<'a>(&'a self, line: Line<'a>) -> BoxFuture<'a, Result<(), InvokeError>>;
}

/// The event of an SNS subscription: one record.
pub fn event(message: &Message, text: &str, subscription_arn: &str, signer: &Signer<'_>) -> String {
    let envelope = envelope::notification(message, text, subscription_arn, signer);
    let attributes: Value = envelope
        .message_attributes
        .iter()
        .map(|(name, attribute)| (name.clone(), json!(attribute)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription_arn,
            "Sns": {
                "Type": envelope.kind,
                "MessageId": envelope.message_id,
                "TopicArn": envelope.topic_arn,
                "Subject": envelope.subject,
                "Message": envelope.message,
                "Timestamp": envelope.timestamp,
                "SignatureVersion": envelope.signature_version,
                "Signature": envelope.signature,
                "SigningCertUrl": envelope.signing_cert_url,
                "UnsubscribeUrl": envelope.unsubscribe_url,
                "MessageAttributes": attributes,
            },
        }],
    })
    .to_string()
}
