//! Owns what waits to leave the process: the outbox record, its state machine, dead letters, and the
//! fan-out of a message to a topic's subscriptions. Pure. Refuses to know transports and storage.

use serde::{Deserialize, Serialize};

use crate::message::Message;
use crate::retry::{self, RetryPolicy};
use crate::signature::Version;
use crate::subscription::{Protocol, State, SubscriptionRecord};
use crate::topic::TopicRecord;
use crate::webhook::WebhookFormat;

/// Something that is to leave the process. Written in the transaction that causes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// Never-reused id.
    pub id: u64,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Idempotency key, the same for every try: message id and subscription.
    pub key: String,
    /// What leaves.
    pub payload: Payload,
    /// Tries made.
    #[serde(default)]
    pub attempt: u32,
    /// Tries in which a function ran and failed.
    #[serde(default)]
    pub function_failures: u32,
    /// When to try, milliseconds.
    pub due_ms: i64,
    /// When it was made, milliseconds.
    pub created_ms: i64,
    /// The last failure.
    #[serde(default)]
    pub last_error: Option<String>,
    /// How its function is tried, as of the last try; other receivers have a policy of their own.
    #[serde(default)]
    pub patience: Patience,
}

/// How often and how long a function is tried with one asynchronous call. The defaults are AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patience {
    /// Tries after the first one in which the function ran and failed (`MaximumRetryAttempts`).
    pub retries_max: u32,
    /// Milliseconds after which a call is given up (`MaximumEventAgeInSeconds`).
    pub age_max_ms: i64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { retries_max: 2, age_max_ms: 6 * 3600 * 1000 }
    }
}

/// What leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Payload {
    /// A message for one subscription.
    Notification(Box<Notification>),
    /// A handshake message.
    Handshake(HandshakeRecord),
    /// A direct call of a function, for example an alarm action.
    Invoke(InvokeRecord),
    /// A line for a log group: what became of an asynchronous call.
    Append(AppendRecord),
}

/// A message for one subscription, with what was in force when it was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The message.
    pub message: Message,
    /// Subscription.
    pub subscription_arn: String,
    /// How it is reached.
    pub protocol: Protocol,
    /// URL, address or function ARN.
    pub endpoint: String,
    /// `RawMessageDelivery`.
    #[serde(default)]
    pub raw: bool,
    /// `WebhookFormat`.
    #[serde(default)]
    pub format: WebhookFormat,
    /// `SignatureVersion` of the topic.
    #[serde(default)]
    pub version: Version,
    /// `DisplayName` of the topic.
    #[serde(default)]
    pub sender_name: String,
    /// `Content-Type` for HTTP.
    pub content_type: String,
    /// Retry policy.
    pub retry: RetryPolicy,
    /// Most deliveries per second to this subscription.
    #[serde(default)]
    pub max_per_second: Option<u32>,
}

/// A handshake message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandshakeRecord {
    /// The end of a subscription instead of a new one.
    #[serde(default)]
    pub leaving: bool,
    /// Id of this message.
    pub message_id: String,
    /// Topic.
    pub topic_arn: String,
    /// Subscription.
    pub subscription_arn: String,
    /// How it is reached.
    pub protocol: Protocol,
    /// URL or address.
    pub endpoint: String,
    /// Token.
    pub token: String,
    /// When it was asked, milliseconds.
    pub timestamp_ms: i64,
    /// `SignatureVersion` of the topic.
    #[serde(default)]
    pub version: Version,
    /// `DisplayName` of the topic.
    #[serde(default)]
    pub sender_name: String,
    /// `Content-Type` for HTTP.
    pub content_type: String,
    /// Retry policy.
    pub retry: RetryPolicy,
}

/// A direct call of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvokeRecord {
    /// Function.
    pub function_arn: String,
    /// The event, JSON.
    pub payload: String,
    /// Who calls, as resource policies name it.
    pub principal: String,
    /// On whose behalf: the alarm's ARN.
    pub source_arn: String,
    /// Loop backstop.
    #[serde(default)]
    pub hop: u32,
}

/// A line for a log group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppendRecord {
    /// Log group.
    pub log_group_arn: String,
    /// Log stream; made if it is missing.
    pub log_stream: String,
    /// The line.
    pub message: String,
    /// Loop backstop.
    #[serde(default)]
    pub hop: u32,
}

/// A record that is not tried any more, kept to be seen and sent again by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterRecord {
    /// What did not leave; its id is the dead letter's too.
    pub record: OutboxRecord,
    /// The last failure.
    pub error: String,
    /// When it was given up, milliseconds.
    pub died_ms: i64,
    /// Whether it was given up for its age, and not because it was tried often enough.
    #[serde(default)]
    pub expired: bool,
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendResult {
    /// Done.
    Delivered,
    /// Worth another try.
    Retry {
        /// What happened.
        error: String,
        /// At least so many milliseconds later, as the receiver asked.
        after_ms: Option<u64>,
    },
    /// A function ran and failed.
    FunctionFailed {
        /// What happened.
        error: String,
    },
    /// Not tried (throttled, key not made yet); counts as no try.
    Later {
        /// Try after so many milliseconds.
        after_ms: u64,
        /// Why.
        reason: String,
    },
    /// Trying again cannot help.
    Refused {
        /// What happened.
        error: String,
    },
}

/// What becomes of a record after a try.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Delete it.
    Done,
    /// Keep it as it is here.
    Retry(Box<OutboxRecord>),
    /// Delete it and keep the dead letter.
    Dead(Box<DeadLetterRecord>),
}

/// A function that failed is tried again a minute later, and two minutes after that (asynchronous calls on AWS).
const FUNCTION_DELAY_MS: u64 = 60_000;
/// A function that cannot be called now is tried after a second, then after twice the time each, up to this.
const BUSY_DELAY_MAX_MS: u64 = 5 * 60_000;
/// A taken record comes back when nobody reported on it for so long: longer than any single try.
pub const LEASE_MS: i64 = 5 * 60 * 1000;

impl OutboxRecord {
    /// The subscription it is for, if it is for one.
    pub fn subscription_arn(&self) -> Option<&str> {
        match &self.payload {
            Payload::Notification(n) => Some(&n.subscription_arn),
            Payload::Handshake(h) => Some(&h.subscription_arn),
            Payload::Invoke(_) | Payload::Append(_) => None,
        }
    }

    /// Whether a function is to be called.
    pub fn calls_function(&self) -> bool {
        match &self.payload {
            Payload::Notification(n) => n.protocol == Protocol::Lambda,
            Payload::Handshake(_) | Payload::Append(_) => false,
            Payload::Invoke(_) => true,
        }
    }

    /// When it is tried again that could not be delivered now; `None` when it was tried often enough.
    fn delay_ms(&self, jitter: f64) -> Option<u64> {
        match &self.payload {
            Payload::Notification(n) => n.retry.delay_ms(self.attempt + 1, jitter),
            Payload::Handshake(h) => h.retry.delay_ms(self.attempt + 1, jitter),
            Payload::Append(_) => retry::FUNCTION.delay_ms(self.attempt + 1, jitter),
            // As long as its age allows.
            Payload::Invoke(_) => {
                let busy = self.attempt.saturating_sub(self.function_failures).min(16);
                Some(jittered((1_000 << busy).min(BUSY_DELAY_MAX_MS), jitter))
            }
        }
    }

    /// The record as it is kept while it is being tried.
    pub fn leased(&self, now_ms: i64) -> Self {
        Self { due_ms: now_ms.saturating_add(LEASE_MS), ..self.clone() }
    }
}

/// The state machine: what becomes of `record` after a try. `jitter` in 0..=1 spreads retries.
pub fn next(mut record: OutboxRecord, result: SendResult, now_ms: i64, jitter: f64) -> Step {
    let at = |delay: u64| now_ms.saturating_add(i64::try_from(delay).unwrap_or(i64::MAX));
    let (error, delay) = match result {
        SendResult::Delivered => return Step::Done,
        SendResult::Later { after_ms, reason } => {
            record.due_ms = at(after_ms.max(1));
            record.last_error = Some(reason);
            return Step::Retry(Box::new(record));
        }
        SendResult::Refused { error } => (error, None),
        SendResult::FunctionFailed { error } => {
            record.function_failures += 1;
            let again = record.function_failures <= record.patience.retries_max;
            let delay = FUNCTION_DELAY_MS * u64::from(record.function_failures);
            (error, again.then(|| jittered(delay, jitter)))
        }
        SendResult::Retry { error, after_ms } => {
            let delay = record.delay_ms(jitter);
            (error, delay.map(|delay| delay.max(after_ms.unwrap_or(0))))
        }
    };
    record.attempt += 1;
    record.last_error = Some(error.clone());
    let due_ms = delay.map(at);
    let expired = due_ms.is_some_and(|due_ms| {
        record.calls_function() && due_ms.saturating_sub(record.created_ms) > record.patience.age_max_ms
    });
    match due_ms.filter(|_| !expired) {
        Some(due_ms) => {
            record.due_ms = due_ms;
            Step::Retry(Box::new(record))
        }
        None => Step::Dead(Box::new(DeadLetterRecord { record, error, died_ms: now_ms, expired })),
    }
}

/// A delay with up to a tenth more; `jitter` is 0..=1.
fn jittered(delay_ms: u64, jitter: f64) -> u64 {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    // At most minutes: exact in a float.
    delay_ms + (delay_ms as f64 * jitter / 10.0).round() as u64
}

/// A dead letter as a fresh record, to be sent again.
pub fn redrive(letter: DeadLetterRecord, id: u64, now_ms: i64) -> OutboxRecord {
    OutboxRecord { id, attempt: 0, function_failures: 0, due_ms: now_ms, created_ms: now_ms, ..letter.record }
}

/// Fans a message out: a record for every confirmed subscription whose filter policy lets it pass.
/// `ids` gives never-reused ids.
pub fn expand(
    topic: &TopicRecord,
    subscriptions: &[SubscriptionRecord],
    message: &Message,
    ids: &mut dyn FnMut() -> u64,
    now_ms: i64,
) -> Vec<OutboxRecord> {
    subscriptions
        .iter()
        .filter(|sub| sub.topic_id == topic.id && sub.state == State::Confirmed && wants(sub, message))
        .map(|sub| OutboxRecord {
            id: ids(),
            account: sub.account.clone(),
            region: sub.region.clone(),
            key: format!("{}/{}", message.id, sub.arn),
            payload: Payload::Notification(Box::new(addressed(topic, sub, message))),
            attempt: 0,
            function_failures: 0,
            due_ms: now_ms,
            created_ms: now_ms,
            last_error: None,
            patience: Patience::default(),
        })
        .collect()
}

/// Policies are checked when they are set; one that cannot be read any more hides nothing.
fn wants(sub: &SubscriptionRecord, message: &Message) -> bool {
    match sub.filter() {
        Some(Ok(policy)) => policy.matches(&message.attributes, message.text_for(sub.protocol)),
        Some(Err(_)) | None => true,
    }
}

fn addressed(topic: &TopicRecord, sub: &SubscriptionRecord, message: &Message) -> Notification {
    let delivery = sub.delivery(topic);
    // Only the variant for this protocol travels on.
    let message = Message {
        body: message.text_for(sub.protocol).to_owned(),
        variants: std::collections::BTreeMap::new(),
        ..message.clone()
    };
    Notification {
        message,
        subscription_arn: sub.arn.clone(),
        protocol: sub.protocol,
        endpoint: sub.endpoint.clone(),
        raw: sub.is_raw(),
        format: sub.format(),
        version: version(topic),
        sender_name: sender_name(topic),
        content_type: delivery.content_type,
        retry: match sub.protocol {
            Protocol::Http | Protocol::Https => delivery.retry,
            Protocol::Email | Protocol::EmailJson => retry::MAIL,
            Protocol::Lambda => retry::FUNCTION,
        },
        max_per_second: delivery.max_per_second.filter(|_| sub.protocol.is_http()),
    }
}

fn version(topic: &TopicRecord) -> Version {
    Version::of(topic.attributes.get("SignatureVersion").map(String::as_str))
}

fn sender_name(topic: &TopicRecord) -> String {
    topic.attributes.get("DisplayName").cloned().unwrap_or_default()
}

/// The message that asks a new subscriber to confirm, or (`leaving`) tells one of the end.
pub fn handshake(
    topic: &TopicRecord,
    sub: &SubscriptionRecord,
    leaving: bool,
    id: u64,
    message_id: &str,
    now_ms: i64,
) -> OutboxRecord {
    let delivery = sub.delivery(topic);
    OutboxRecord {
        id,
        account: sub.account.clone(),
        region: sub.region.clone(),
        key: format!("{message_id}/{}", sub.arn),
        payload: Payload::Handshake(HandshakeRecord {
            leaving,
            message_id: message_id.to_owned(),
            topic_arn: topic.arn.clone(),
            subscription_arn: sub.arn.clone(),
            protocol: sub.protocol,
            endpoint: sub.endpoint.clone(),
            token: sub.token.clone(),
            timestamp_ms: now_ms,
            version: version(topic),
            sender_name: sender_name(topic),
            content_type: delivery.content_type,
            retry: if sub.protocol.is_http() { delivery.retry } else { retry::MAIL },
        }),
        attempt: 0,
        function_failures: 0,
        due_ms: now_ms,
        created_ms: now_ms,
        last_error: None,
        patience: Patience::default(),
    }
}

/// A direct call of a function; `key` is the caller's idempotency key.
pub fn invoke(
    account: &str,
    region: &str,
    call: InvokeRecord,
    key: &str,
    id: u64,
    now_ms: i64,
) -> OutboxRecord {
    OutboxRecord {
        id,
        account: account.to_owned(),
        region: region.to_owned(),
        key: key.to_owned(),
        payload: Payload::Invoke(call),
        attempt: 0,
        function_failures: 0,
        due_ms: now_ms,
        created_ms: now_ms,
        last_error: None,
        patience: Patience::default(),
    }
}

/// A line for a log group; `key` is the same for every try.
pub fn append(
    account: &str,
    region: &str,
    line: AppendRecord,
    key: &str,
    id: u64,
    now_ms: i64,
) -> OutboxRecord {
    OutboxRecord {
        id,
        account: account.to_owned(),
        region: region.to_owned(),
        key: key.to_owned(),
        payload: Payload::Append(line),
        attempt: 0,
        function_failures: 0,
        due_ms: now_ms,
        created_ms: now_ms,
        last_error: None,
        patience: Patience::default(),
    }
}

#[cfg(test)]
mod tests;
