//! Owns subscriptions: the record, endpoints, attributes and the confirmation handshake, with AWS's texts.
//! Refuses to know how a message is written or sent.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::egress::Rules;
use crate::filter_policy::{FilterPolicy, Scope};
use crate::refusal::Refusal;
use crate::topic::TopicRecord;
use crate::webhook::{self, WebhookFormat};
use crate::{arn, delivery_policy, email};

/// How a subscriber is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Plain HTTP POST.
    Http,
    /// HTTPS POST.
    Https,
    /// Mail for people.
    Email,
    /// Mail whose body is the notification JSON.
    EmailJson,
    /// A function of this server.
    Lambda,
}

impl Protocol {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Email => "email",
            Self::EmailJson => "email-json",
            Self::Lambda => "lambda",
        }
    }

    /// Reads AWS's name; the other protocols of AWS are refused by name.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "email" => Ok(Self::Email),
            "email-json" => Ok(Self::EmailJson),
            "lambda" => Ok(Self::Lambda),
            "sms" | "sqs" | "firehose" | "application" => Err(Refusal::unsupported(
                "Protocol",
                format_args!("delivery by {text} (use http, https, email, email-json or lambda) is"),
            )),
            other => Err(Refusal::invalid(format_args!(
                "Amazon SNS does not support this protocol string: {other}"
            ))),
        }
    }

    /// Whether delivery is an HTTP request.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for the handshake; nothing is delivered.
    Pending,
    /// Receives messages.
    Confirmed,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// Never-reused id.
    pub id: u64,
    /// `TOPIC_ARN:UUID`.
    pub arn: String,
    /// Id of the topic.
    pub topic_id: u64,
    /// ARN of the topic.
    pub topic_arn: String,
    /// Owner, twelve digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// How the subscriber is reached.
    pub protocol: Protocol,
    /// URL, address or function ARN.
    pub endpoint: String,
    /// Attributes that were set, by AWS's names.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Where it stands.
    pub state: State,
    /// The secret of the handshake, 64 hexadecimal digits; kept after it, so that a link works twice.
    #[serde(default)]
    pub token: String,
    /// When the token ends, milliseconds.
    #[serde(default)]
    pub token_expires_ms: i64,
    /// `AuthenticateOnUnsubscribe` of the confirmation.
    #[serde(default)]
    pub authenticate_on_unsubscribe: bool,
    /// `ConfirmationWasAuthenticated`.
    #[serde(default)]
    pub confirmation_was_authenticated: bool,
    /// Creation time, milliseconds.
    #[serde(default)]
    pub created_ms: i64,
}

/// A token lasts two days.
pub const TOKEN_LIFE_MS: i64 = 2 * 24 * 3600 * 1000;
const TOKEN_DIGITS: usize = 64;
const ENDPOINT_BYTES_MAX: usize = 2048;

/// A `Subscribe` request.
#[derive(Debug, Clone, Default)]
pub struct Subscribe {
    /// `Protocol`.
    pub protocol: String,
    /// `Endpoint`.
    pub endpoint: Option<String>,
    /// `Attributes`.
    pub attributes: BTreeMap<String, String>,
}

/// What the root supplies for a new subscription.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// Never-reused id.
    pub id: u64,
    /// The last part of the ARN.
    pub uuid: String,
    /// 32 random bytes, the secret of the handshake.
    pub token: [u8; 32],
    /// Now, milliseconds.
    pub now_ms: i64,
}

/// What `subscribe` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// The record to keep (also when it existed: its token may be new).
    pub record: SubscriptionRecord,
    /// A confirmation message is to be sent (`outbox::confirmation`).
    pub handshake: bool,
    /// Nothing of that endpoint was there before.
    pub is_new: bool,
}

impl SubscriptionRecord {
    /// The message format of an HTTP subscription.
    pub fn format(&self) -> WebhookFormat {
        self.attributes.get("WebhookFormat").and_then(|t| WebhookFormat::parse(t)).unwrap_or_default()
    }

    /// `RawMessageDelivery`.
    pub fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|v| v == "true")
    }

    /// The delivery policy in force.
    pub fn delivery(&self, topic: &TopicRecord) -> delivery_policy::Effective {
        let text = |attributes: &BTreeMap<String, String>| attributes.get("DeliveryPolicy").cloned();
        delivery_policy::effective(text(&topic.attributes).as_deref(), text(&self.attributes).as_deref())
    }

    /// The filter policy, if one is set.
    pub fn filter(&self) -> Option<Result<FilterPolicy, String>> {
        let text = self.attributes.get("FilterPolicy")?;
        Some(FilterPolicy::parse(text, scope(&self.attributes)))
    }

    /// A handshake that was never finished: the record may be swept.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.state == State::Pending && now_ms >= self.token_expires_ms
    }

    /// What `Subscribe` answers; `always` is `ReturnSubscriptionArn`.
    pub fn answered_arn(&self, always: bool) -> &str {
        if self.state == State::Pending && !always { "pending confirmation" } else { &self.arn }
    }

    /// The endpoint as lists and attributes show it: the password of a URL is starred, as AWS does.
    pub fn shown_endpoint(&self) -> String {
        let masked = || {
            let (scheme, rest) = self.endpoint.split_once("://")?;
            let authority = rest.split(['/', '?', '#']).next()?;
            let (user, _) = authority.rsplit_once('@')?.0.split_once(':')?;
            let tail = &rest[authority.rfind('@')?..];
            Some(format!("{scheme}://{user}:****{tail}"))
        };
        let masked = if self.protocol.is_http() { masked() } else { None };
        masked.unwrap_or_else(|| self.endpoint.clone())
    }

    /// What the lists show as `SubscriptionArn`.
    pub fn listed_arn(&self) -> &str {
        if self.state == State::Pending { "PendingConfirmation" } else { &self.arn }
    }
}

fn scope(attributes: &BTreeMap<String, String>) -> Scope {
    attributes.get("FilterPolicyScope").and_then(|t| Scope::parse(t)).unwrap_or(Scope::MessageAttributes)
}

/// Subscribes an endpoint. `existing` is this topic's subscription of the same protocol and endpoint.
/// Subscribing again while the handshake is open makes a new token and asks again.
pub fn subscribe(
    topic: &TopicRecord,
    request: &Subscribe,
    existing: Option<SubscriptionRecord>,
    fresh: &Fresh,
    rules: &Rules,
) -> Result<Subscribed, Refusal> {
    let protocol = Protocol::parse(&request.protocol)?;
    let endpoint = request.endpoint.as_deref().unwrap_or_default();
    check_endpoint(protocol, endpoint)?;
    let attributes = check_attributes(protocol, endpoint, &request.attributes, rules)?;
    let token: String = fresh.token.iter().map(|byte| format!("{byte:02x}")).collect();
    let token_expires_ms = fresh.now_ms.saturating_add(TOKEN_LIFE_MS);
    if let Some(mut record) = existing {
        if attributes.iter().any(|(name, value)| record.attributes.get(name) != Some(value)) {
            return Err(Refusal::invalid(
                "Attributes Reason: Subscription already exists with different attributes",
            ));
        }
        let handshake = record.state == State::Pending;
        if handshake {
            record.token = token;
            record.token_expires_ms = token_expires_ms;
        }
        return Ok(Subscribed { record, handshake, is_new: false });
    }
    let format = attributes.get("WebhookFormat").and_then(|t| WebhookFormat::parse(t)).unwrap_or_default();
    let handshake = protocol != Protocol::Lambda && !format.is_human();
    let record = SubscriptionRecord {
        id: fresh.id,
        arn: arn::subscription(&topic.arn, &fresh.uuid),
        topic_id: topic.id,
        topic_arn: topic.arn.clone(),
        account: topic.account.clone(),
        region: topic.region.clone(),
        protocol,
        endpoint: endpoint.to_owned(),
        attributes,
        state: if handshake { State::Pending } else { State::Confirmed },
        token,
        token_expires_ms,
        authenticate_on_unsubscribe: false,
        confirmation_was_authenticated: !handshake,
        created_ms: fresh.now_ms,
    };
    Ok(Subscribed { record, handshake, is_new: true })
}

/// Finishes the handshake. `found` is the subscription that has the token.
pub fn confirm(
    topic_arn: &str,
    token: &str,
    found: Option<SubscriptionRecord>,
    authenticate_on_unsubscribe: bool,
    authenticated: bool,
    now_ms: i64,
) -> Result<SubscriptionRecord, Refusal> {
    arn::parse_topic("TopicArn", topic_arn)?;
    if token.len() != TOKEN_DIGITS || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::new("InvalidParameter", "Invalid token"));
    }
    let usable = found.filter(|sub| {
        sub.topic_arn == topic_arn
            && sub.token == token
            && (sub.state == State::Confirmed || !sub.is_expired(now_ms))
    });
    let Some(mut record) = usable else { return Err(Refusal::invalid("Token")) };
    if record.state == State::Pending {
        record.state = State::Confirmed;
        record.authenticate_on_unsubscribe = authenticate_on_unsubscribe;
        record.confirmation_was_authenticated = authenticated;
    }
    Ok(record)
}

/// `SetSubscriptionAttributes`. An empty value removes the attribute where that means something.
pub fn set_attribute(
    record: &mut SubscriptionRecord,
    name: &str,
    value: &str,
    rules: &Rules,
) -> Result<(), Refusal> {
    let mut next = record.attributes.clone();
    match check_attribute(record.protocol, &record.endpoint, name, value, "", rules)? {
        Some(value) => next.insert(name.to_owned(), value),
        None => next.remove(name),
    };
    check_together(&next, "")?;
    if name == "WebhookFormat" {
        let (old, new) = (record.format(), WebhookFormat::parse(value).unwrap_or_default());
        if old.is_human() && !new.is_human() {
            return Err(Refusal::invalid(
                "WebhookFormat Reason: this subscription made no handshake; subscribe again to use the format sns",
            ));
        }
        if new.is_human() {
            record.state = State::Confirmed;
        }
    }
    record.attributes = next;
    Ok(())
}

fn check_attributes(
    protocol: Protocol,
    endpoint: &str,
    given: &BTreeMap<String, String>,
    rules: &Rules,
) -> Result<BTreeMap<String, String>, Refusal> {
    const PREFIX: &str = "Attributes Reason: ";
    let mut kept = BTreeMap::new();
    for (name, value) in given {
        if let Some(value) = check_attribute(protocol, endpoint, name, value, PREFIX, rules)? {
            kept.insert(name.clone(), value);
        }
    }
    check_together(&kept, PREFIX)?;
    Ok(kept)
}

/// Rules between attributes.
fn check_together(attributes: &BTreeMap<String, String>, prefix: &str) -> Result<(), Refusal> {
    if let Some(text) = attributes.get("FilterPolicy") {
        FilterPolicy::parse(text, scope(attributes))
            .map_err(|reason| Refusal::invalid(format_args!("{prefix}{reason}")))?;
    }
    let human = attributes.get("WebhookFormat").is_some_and(|text| text != "sns");
    if human && attributes.get("RawMessageDelivery").is_some_and(|v| v == "true") {
        return Err(Refusal::invalid(format_args!(
            "{prefix}RawMessageDelivery: cannot be combined with a WebhookFormat other than sns"
        )));
    }
    Ok(())
}

/// Checks one attribute; `None` means it is to be absent.
fn check_attribute(
    protocol: Protocol,
    endpoint: &str,
    name: &str,
    value: &str,
    prefix: &str,
    rules: &Rules,
) -> Result<Option<String>, Refusal> {
    let bad = |reason: &str| Refusal::invalid(format_args!("{prefix}{name}: {reason}"));
    match name {
        "RawMessageDelivery" => match value.to_ascii_lowercase().as_str() {
            "true" if !protocol.is_http() => Err(Refusal::invalid(format_args!(
                "{prefix}Delivery protocol [{protocol}] does not support raw message delivery."
            ))),
            "true" | "false" => Ok(Some(value.to_ascii_lowercase())),
            _ => Err(bad(&format!("Invalid value [{value}]. Must be true or false."))),
        },
        "FilterPolicyScope" => match Scope::parse(value) {
            Some(_) => Ok(Some(value.to_owned())),
            None => {
                let reason =
                    format!("Invalid value [{value}]. Please use either MessageBody or MessageAttributes");
                Err(bad(&reason))
            }
        },
        "FilterPolicy" => Ok((!FilterPolicy::is_absent(value)).then(|| value.to_owned())),
        "DeliveryPolicy" if value.is_empty() => Ok(None),
        "DeliveryPolicy" => {
            delivery_policy::check_subscription(value).map_err(|reason| bad(&reason))?;
            Ok(Some(value.to_owned()))
        }
        "RedrivePolicy" => check_redrive(value, prefix).map(|()| None),
        "WebhookFormat" => {
            webhook::check(protocol, endpoint, value, rules).map_err(|reason| bad(&reason))?;
            Ok(Some(value.to_owned()))
        }
        "SubscriptionRoleArn" | "ReplayPolicy" | "ReplayStatus" if value.is_empty() => Ok(None),
        "SubscriptionRoleArn" => {
            Err(Refusal::unsupported(&format!("{prefix}{name}"), "delivery by firehose is"))
        }
        "ReplayPolicy" | "ReplayStatus" => {
            Err(Refusal::unsupported(&format!("{prefix}{name}"), "message replay (FIFO topics) is"))
        }
        _ if prefix.is_empty() => Err(Refusal::invalid("AttributeName")),
        _ => Err(Refusal::invalid(format_args!("Attributes Reason: Unknown attribute: {name}"))),
    }
}

/// AWS's dead-letter queues are SQS queues. Undeliverable messages are kept here as dead letters.
fn check_redrive(value: &str, prefix: &str) -> Result<(), Refusal> {
    if value.trim().is_empty() || value.trim() == "{}" {
        return Ok(());
    }
    let policy = crate::filter_policy::check_json(value)
        .map_err(|e| Refusal::invalid(format_args!("{prefix}RedrivePolicy: failed to parse JSON. {e}")))?;
    let target = policy.get("deadLetterTargetArn").and_then(|v| v.as_str()).unwrap_or_default();
    if target.split(':').count() < 6 || !target.starts_with("arn:") {
        return Err(Refusal::invalid(format_args!(
            "{prefix}RedrivePolicy: deadLetterTargetArn is an invalid arn"
        )));
    }
    Err(Refusal::unsupported(
        &format!("{prefix}RedrivePolicy"),
        "an SQS queue for dead letters (they are kept by the server itself) is",
    ))
}

fn check_endpoint(protocol: Protocol, endpoint: &str) -> Result<(), Refusal> {
    if endpoint.is_empty() {
        return Err(Refusal::invalid("Endpoint"));
    }
    if endpoint.len() > ENDPOINT_BYTES_MAX {
        return Err(Refusal::invalid(format_args!(
            "Endpoint Reason: must be at most {ENDPOINT_BYTES_MAX} characters long"
        )));
    }
    match protocol {
        Protocol::Http | Protocol::Https => {
            let scheme = endpoint.split("://").next().unwrap_or_default();
            if !scheme.eq_ignore_ascii_case(protocol.as_str()) {
                return Err(Refusal::invalid("Endpoint must match the specified protocol"));
            }
            crate::http::Endpoint::parse(endpoint)
                .map(drop)
                .map_err(|reason| Refusal::invalid(format_args!("Endpoint Reason: {reason}")))
        }
        Protocol::Email | Protocol::EmailJson => {
            if email::is_address(endpoint) {
                Ok(())
            } else {
                Err(Refusal::invalid("Email address"))
            }
        }
        Protocol::Lambda => {
            let parts: Vec<&str> = endpoint.split(':').collect();
            let sound = matches!(parts.len(), 7 | 8)
                && parts[0] == "arn"
                && parts[2] == "lambda"
                && parts[5] == "function"
                && parts[6..].iter().all(|p| !p.is_empty());
            if sound { Ok(()) } else { Err(Refusal::invalid("Lambda endpoint ARN")) }
        }
    }
}

/// The attributes `GetSubscriptionAttributes` answers.
pub fn describe(record: &SubscriptionRecord, topic: &TopicRecord) -> BTreeMap<String, String> {
    let mut shown = record.attributes.clone();
    shown.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
    if shown.contains_key("FilterPolicy") {
        shown.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
    }
    if record.protocol.is_http() {
        shown.entry("WebhookFormat".to_owned()).or_insert_with(|| "sns".to_owned());
        let effective = delivery_policy::describe_subscription(&record.delivery(topic));
        shown.insert("EffectiveDeliveryPolicy".to_owned(), effective);
    }
    let pending = record.state == State::Pending;
    let partition = arn::partition(&record.region);
    for (name, value) in [
        ("SubscriptionArn", record.arn.clone()),
        ("TopicArn", record.topic_arn.clone()),
        ("Owner", record.account.clone()),
        ("Protocol", record.protocol.to_string()),
        ("Endpoint", record.shown_endpoint()),
        ("PendingConfirmation", pending.to_string()),
        ("ConfirmationWasAuthenticated", record.confirmation_was_authenticated.to_string()),
        ("SubscriptionPrincipal", format!("arn:{partition}:iam::{}:root", record.account)),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown
}

#[cfg(test)]
mod tests;
