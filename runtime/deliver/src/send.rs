//! Owns one try to deliver one outbox record: composing what its kind and format ask for, and sending it.
//! Refuses to know records' storage, time and retries; `outbox::next` says what follows.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::egress::{Dial, Gate, Resolve, Rules, System};
use crate::email::{self, Mailer, SmtpOptions};
use crate::envelope::{self, Asking, Handshake, Links};
use crate::http::{self, Endpoint, Poster};
use crate::lambda::{self, Invocation, InvokeError, LambdaInvoker, Line};
use crate::notice::Notice;
use crate::outbox::{
    AppendRecord, HandshakeRecord, InvokeRecord, Notification, OutboxRecord, Payload, SendResult,
};
use crate::signature::{Signer, SigningKey, Version};
use crate::subscription::Protocol;
use crate::throttle::Throttle;
use crate::webhook::{self, SnsBody};

/// What a sender needs.
pub struct SenderOptions {
    /// The mail server; without one, mail is refused with a text that says so.
    pub smtp: Option<SmtpOptions>,
    /// Which targets are allowed.
    pub rules: Arc<Rules>,
    /// Scheme and authority of this server as subscribers reach it.
    pub public_url: String,
    /// The signing key; while it is being made, what needs it waits.
    pub key: Arc<OnceLock<SigningKey>>,
    /// Further trusted roots for https, PEM.
    pub extra_roots: Vec<String>,
    /// Longest wait for a subscriber.
    pub timeout: Duration,
    /// Name resolution.
    pub resolver: Arc<dyn Resolve>,
    /// Connections.
    pub dialer: Arc<dyn Dial>,
}

impl SenderOptions {
    /// Defaults: no mail, public targets only, the system's resolver, 15 seconds.
    pub fn new(public_url: &str, key: Arc<OnceLock<SigningKey>>) -> Self {
        Self {
            smtp: None,
            rules: Arc::new(Rules::default()),
            public_url: public_url.to_owned(),
            key,
            extra_roots: Vec::new(),
            timeout: http::TIMEOUT,
            resolver: Arc::new(System),
            dialer: Arc::new(System),
        }
    }
}

/// Sends outbox records.
pub struct Sender {
    poster: Poster,
    mailer: Option<Mailer>,
    rules: Arc<Rules>,
    links: Links,
    key: Arc<OnceLock<SigningKey>>,
    throttle: Mutex<Throttle>,
}

/// How long a record waits for the signing key.
const KEY_WAIT_MS: u64 = 1000;
/// A function or receiver that would be the ninth on one path is taken for a loop.
pub const HOPS_MAX: u32 = 8;

impl Sender {
    /// Reads the options; the error says which one is wrong.
    pub fn new(options: SenderOptions) -> Result<Self, String> {
        let gate = Gate::new(options.rules.clone(), options.resolver, options.dialer);
        Ok(Self {
            poster: Poster::new(gate, &options.extra_roots, options.timeout)?,
            mailer: options.smtp.as_ref().map(Mailer::new).transpose()?,
            rules: options.rules,
            links: Links::new(&options.public_url),
            key: options.key,
            throttle: Mutex::default(),
        })
    }

    /// Tries to deliver a record once. `now_ms` is for throttling.
    pub async fn send(&self, record: &OutboxRecord, lambda: &dyn LambdaInvoker, now_ms: i64) -> SendResult {
        let Some(key) = self.key.get() else {
            let reason = "the signing key is being made".to_owned();
            return SendResult::Later { after_ms: KEY_WAIT_MS, reason };
        };
        let signer = |version: Version| Signer { key, version, links: &self.links };
        match &record.payload {
            Payload::Notification(n) => {
                if let Some(held) = self.held(n, now_ms) {
                    return held;
                }
                let signer = signer(n.version);
                match n.protocol {
                    Protocol::Http | Protocol::Https => self.post_notification(record, n, &signer).await,
                    Protocol::Email | Protocol::EmailJson => self.mail_notification(n, &signer).await,
                    Protocol::Lambda => call_subscriber(record, n, &signer, lambda).await,
                }
            }
            Payload::Handshake(h) => self.handshake(h, &signer(h.version)).await,
            Payload::Invoke(call) => call_directly(record, call, lambda).await,
            Payload::Append(line) => store(record, line, lambda).await,
        }
    }

    /// The throttle policy and the loop backstop.
    fn held(&self, n: &Notification, now_ms: i64) -> Option<SendResult> {
        if n.message.hop >= HOPS_MAX {
            return Some(looped());
        }
        let per_second = n.max_per_second?;
        // The map holds no half-made state: a poisoned lock is still good.
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let after_ms = throttle.admit(&n.subscription_arn, per_second, now_ms).err()?;
        Some(SendResult::Later { after_ms, reason: "held back by maxReceivesPerSecond".to_owned() })
    }

    async fn post_notification(
        &self,
        record: &OutboxRecord,
        n: &Notification,
        signer: &Signer<'_>,
    ) -> SendResult {
        let text = n.message.text_for(n.protocol);
        let notice = || Notice::read(&n.message, text);
        let human =
            n.format.is_human().then(|| webhook::human_body(n.format, &notice(), &n.message)).flatten();
        let body = match human {
            Some(body) => {
                let mut headers = vec![
                    ("content-type".to_owned(), "application/json".to_owned()),
                    ("user-agent".to_owned(), concat!("logboom/", env!("CARGO_PKG_VERSION")).to_owned()),
                    ("x-logboom-delivery".to_owned(), record.key.clone()),
                ];
                if n.message.hop > 0 {
                    headers.push(("x-logboom-hop".to_owned(), n.message.hop.to_string()));
                }
                SnsBody { body, headers }
            }
            None => {
                webhook::notification(&n.message, text, &n.subscription_arn, n.raw, &n.content_type, signer)
            }
        };
        self.post(&n.endpoint, n.format, body).await
    }

    async fn post(&self, endpoint: &str, format: webhook::WebhookFormat, body: SnsBody) -> SendResult {
        let endpoint = match Endpoint::parse(endpoint) {
            Ok(endpoint) => endpoint,
            Err(error) => return SendResult::Refused { error },
        };
        // The list may have changed since the subscription was made.
        if let Err(error) = webhook::host_allowed(format, &endpoint, &self.rules) {
            return SendResult::Refused { error };
        }
        match self.poster.post(&endpoint, &body.headers, Bytes::from(body.body)).await {
            http::Outcome::Accepted => SendResult::Delivered,
            http::Outcome::Retry { error, after_ms } => SendResult::Retry { error, after_ms },
            http::Outcome::Permanent { error } => SendResult::Refused { error },
        }
    }

    async fn mail_notification(&self, n: &Notification, signer: &Signer<'_>) -> SendResult {
        let text = n.message.text_for(n.protocol);
        let mail = if n.protocol == Protocol::EmailJson {
            let envelope = envelope::notification(&n.message, text, &n.subscription_arn, signer);
            let json = serde_json::to_string_pretty(&envelope).unwrap_or_default();
            let url = self.links.unsubscribe(&n.subscription_arn);
            email::notification_json(&n.message, json, &n.sender_name, url)
        } else {
            email::notification(&n.message, text, &n.sender_name, &n.subscription_arn, &self.links)
        };
        self.mail(&n.endpoint, &mail).await
    }

    async fn mail(&self, to: &str, mail: &email::Mail) -> SendResult {
        let Some(mailer) = &self.mailer else {
            let error = "no mail server is configured (smtp)".to_owned();
            return SendResult::Retry { error, after_ms: None };
        };
        match mailer.send(to, mail).await {
            email::Outcome::Accepted => SendResult::Delivered,
            email::Outcome::Retry(error) => SendResult::Retry { error, after_ms: None },
            email::Outcome::Permanent(error) => SendResult::Refused { error },
        }
    }

    async fn handshake(&self, h: &HandshakeRecord, signer: &Signer<'_>) -> SendResult {
        let parts = Handshake {
            asking: if h.leaving { Asking::Return } else { Asking::Subscribe },
            message_id: &h.message_id,
            topic_arn: &h.topic_arn,
            subscription_arn: &h.subscription_arn,
            token: &h.token,
            timestamp_ms: h.timestamp_ms,
        };
        let envelope = envelope::handshake(&parts, signer);
        match h.protocol {
            Protocol::Http | Protocol::Https => {
                let body = if h.leaving {
                    webhook::unsubscribed(&envelope, &h.subscription_arn, &h.content_type)
                } else {
                    webhook::confirmation(&envelope, &h.content_type)
                };
                self.post(&h.endpoint, webhook::WebhookFormat::Sns, body).await
            }
            Protocol::Email | Protocol::EmailJson => {
                let url = self.links.subscribe(&h.topic_arn, &h.token);
                let write = if h.leaving { email::unsubscribed } else { email::confirmation };
                let mut mail = write(&h.topic_arn, &url, &h.sender_name, &h.message_id, parts.timestamp_ms);
                if h.protocol == Protocol::EmailJson {
                    mail.body = serde_json::to_string_pretty(&envelope).unwrap_or_default();
                }
                self.mail(&h.endpoint, &mail).await
            }
            Protocol::Lambda => SendResult::Delivered,
        }
    }
}

fn looped() -> SendResult {
    SendResult::Refused { error: format!("stopped as a loop: it has passed through here {HOPS_MAX} times") }
}

async fn call_subscriber(
    record: &OutboxRecord,
    n: &Notification,
    signer: &Signer<'_>,
    lambda: &dyn LambdaInvoker,
) -> SendResult {
    let text = n.message.text_for(n.protocol);
    let payload = lambda::event(&n.message, text, &n.subscription_arn, signer);
    let call = Invocation {
        account: &record.account,
        region: &record.region,
        function_arn: &n.endpoint,
        payload: &payload,
        idempotency_key: &record.key,
        principal: "sns.amazonaws.com",
        source_arn: &n.message.topic_arn,
        hop: n.message.hop + 1,
    };
    called(lambda.invoke(call).await)
}

async fn call_directly(record: &OutboxRecord, call: &InvokeRecord, lambda: &dyn LambdaInvoker) -> SendResult {
    if call.hop >= HOPS_MAX {
        return looped();
    }
    let call = Invocation {
        account: &record.account,
        region: &record.region,
        function_arn: &call.function_arn,
        payload: &call.payload,
        idempotency_key: &record.key,
        principal: &call.principal,
        source_arn: &call.source_arn,
        hop: call.hop + 1,
    };
    called(lambda.invoke(call).await)
}

async fn store(record: &OutboxRecord, line: &AppendRecord, lambda: &dyn LambdaInvoker) -> SendResult {
    let line = Line {
        account: &record.account,
        region: &record.region,
        log_group_arn: &line.log_group_arn,
        log_stream: &line.log_stream,
        message: &line.message,
        hop: line.hop,
    };
    called(lambda.append(line).await)
}

fn called(outcome: Result<(), InvokeError>) -> SendResult {
    match outcome {
        Ok(()) => SendResult::Delivered,
        Err(InvokeError::Missing(error)) => SendResult::Refused { error },
        Err(InvokeError::Busy(error)) => SendResult::Retry { error, after_ms: None },
        Err(InvokeError::Failed(error)) => SendResult::FunctionFailed { error },
    }
}

#[cfg(test)]
mod tests;
