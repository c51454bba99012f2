//! Owns the JSON that subscribers receive: notification and the two handshake messages, with signature
//! and links. Refuses to know transports. Member names and order are AWS's.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use crate::message::Message;
use crate::signature::{Signer, canonical};
use crate::text::iso;

/// What is percent-encoded in a query value; colons stay readable, as AWS leaves them.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'\\');

/// The links in messages, all under the configured public URL, never under a request's Host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    public_url: String,
}

impl Links {
    /// `public_url` is scheme and authority, with or without a trailing slash.
    pub fn new(public_url: &str) -> Self {
        Self { public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// Confirms a subscription when visited.
    pub fn subscribe(&self, topic_arn: &str, token: &str) -> String {
        let topic_arn = utf8_percent_encode(topic_arn, QUERY);
        format!("{}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}", self.public_url)
    }

    /// Ends a subscription when visited.
    pub fn unsubscribe(&self, subscription_arn: &str) -> String {
        let arn = utf8_percent_encode(subscription_arn, QUERY);
        format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}", self.public_url)
    }

    /// Where the signing certificate is served.
    pub fn certificate(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }
}

/// An attribute as envelopes show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownAttribute {
    r#type: String,
    value: String,
}

/// A message as subscribers receive it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// `MessageId`.
    pub message_id: String,
    /// `Token` of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Subject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `Message`.
    pub message: String,
    /// `SubscribeURL` of the handshake.
    #[serde(rename = "SubscribeURL", skip_serializing_if = "Option::is_none")]
    pub subscribe_url: Option<String>,
    /// `Timestamp`.
    pub timestamp: String,
    /// `SignatureVersion`.
    pub signature_version: String,
    /// `Signature`, base64.
    pub signature: String,
    /// `SigningCertURL`.
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    /// `UnsubscribeURL`.
    #[serde(rename = "UnsubscribeURL", skip_serializing_if = "Option::is_none")]
    pub unsubscribe_url: Option<String>,
    /// `MessageAttributes`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub message_attributes: BTreeMap<String, ShownAttribute>,
}

/// What is asked in a handshake message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// To confirm a new subscription.
    Subscribe,
    /// To come back after the end of one.
    Return,
}

/// The parts of a handshake message.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// What is asked.
    pub asking: Asking,
    /// Id of this message.
    pub message_id: &'a str,
    /// Topic.
    pub topic_arn: &'a str,
    /// Subscription.
    pub subscription_arn: &'a str,
    /// Token.
    pub token: &'a str,
    /// When, milliseconds.
    pub timestamp_ms: i64,
}

/// A notification for one subscription; `text` is the variant for its protocol.
pub fn notification(message: &Message, text: &str, subscription_arn: &str, signer: &Signer<'_>) -> Envelope {
    let attributes = message.attributes.iter().map(|(name, a)| {
        (name.clone(), ShownAttribute { r#type: a.data_type.clone(), value: a.value.clone() })
    });
    let unsigned = Envelope {
        kind: "Notification",
        message_id: message.id.clone(),
        token: None,
        topic_arn: message.topic_arn.clone(),
        subject: message.subject.clone(),
        message: text.to_owned(),
        subscribe_url: None,
        timestamp: iso(message.timestamp_ms),
        signature_version: String::new(),
        signature: String::new(),
        signing_cert_url: String::new(),
        unsubscribe_url: Some(signer.links.unsubscribe(subscription_arn)),
        message_attributes: attributes.collect(),
    };
    sign(unsigned, signer)
}

/// A handshake message.
pub fn handshake(parts: &Handshake<'_>, signer: &Signer<'_>) -> Envelope {
    let (kind, message) = match parts.asking {
        Asking::Subscribe => (
            "SubscriptionConfirmation",
            format!(
                "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the \
                 SubscribeURL included in this message.",
                parts.topic_arn
            ),
        ),
        Asking::Return => (
            "UnsubscribeConfirmation",
            format!(
                "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the \
                 subscription, visit the SubscribeURL included in this message.",
                parts.subscription_arn
            ),
        ),
    };
    let unsigned = Envelope {
        kind,
        message_id: parts.message_id.to_owned(),
        token: Some(parts.token.to_owned()),
        topic_arn: parts.topic_arn.to_owned(),
        subject: None,
        message,
        subscribe_url: Some(signer.links.subscribe(parts.topic_arn, parts.token)),
        timestamp: iso(parts.timestamp_ms),
        signature_version: String::new(),
        signature: String::new(),
        signing_cert_url: String::new(),
        unsubscribe_url: None,
        message_attributes: BTreeMap::new(),
    };
    sign(unsigned, signer)
}

fn sign(mut envelope: Envelope, signer: &Signer<'_>) -> Envelope {
    let mut signed = vec![
        ("Message", envelope.message.as_str()),
        ("MessageId", &envelope.message_id),
        ("Timestamp", &envelope.timestamp),
        ("TopicArn", &envelope.topic_arn),
        ("Type", envelope.kind),
    ];
    signed.extend(envelope.subject.as_deref().map(|v| ("Subject", v)));
    signed.extend(envelope.subscribe_url.as_deref().map(|v| ("SubscribeURL", v)));
    signed.extend(envelope.token.as_deref().map(|v| ("Token", v)));
    envelope.signature = signer.key.sign(signer.version, canonical(&mut signed).as_bytes());
    envelope.signature_version = signer.version.as_str().to_owned();
    envelope.signing_cert_url = signer.links.certificate(&signer.key.certificate_path());
    envelope
}
