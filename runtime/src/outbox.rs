//! Owns the way out of the process: rows are written in the transaction that causes them, and one worker
//! sends those that are due, a bounded number at once. Refuses to know formats, retries and what a function
//! is (`deliver` does).
//!
//! A row stays until its end is written: delivered, tried again later, or a dead letter. A process that dies
//! between sending and writing sends again after its restart, under the same key.

mod publish;
mod sending;
mod signing;
mod worker;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use deliver::egress::Rules;
use deliver::outbox::Payload;
use deliver::subscription::Protocol;
use deliver::{Limits, OutboxRecord, Records};
use tokio::sync::watch;

use crate::app::App;
use crate::clock::{Clock, Nudge};
use crate::config::Config;
use crate::functions::Invoker;
use crate::ingest::activity::Count;
use crate::meta::MetaError;

pub(crate) use publish::Refused;
pub(crate) use signing::Signing;

/// How attempts to send ended.
#[derive(Default)]
pub(crate) struct Tally {
    /// The receiver took it.
    pub(crate) delivered: Count,
    /// It is tried again.
    pub(crate) put_off: Count,
    /// It became a dead letter.
    pub(crate) given_up: Count,
}

/// What those share who write to the outbox and those who empty it.
pub(crate) struct Outbox {
    clock: Clock,
    /// Bounds of what accumulates.
    pub(crate) limits: Limits,
    /// Where requests may go.
    pub(crate) rules: Arc<Rules>,
    /// The key that signs notifications.
    pub(crate) signing: Arc<Signing>,
    /// Where the server listens, known once it does: links point there unless `public_url` is set.
    address: OnceLock<SocketAddr>,
    functions: OnceLock<Arc<Invoker>>,
    nudge: OnceLock<Nudge>,
    /// How attempts ended.
    pub(crate) tally: Tally,
    /// Deliveries at work.
    flying: watch::Sender<usize>,
}

impl Outbox {
    /// Reads the configuration. `signing` is where the signing key comes from.
    ///
    /// # Errors
    /// A sentence that says which setting is wrong.
    pub(crate) fn new(config: &Config, clock: &Clock, signing: Signing) -> Result<Arc<Outbox>, String> {
        let outbox = Outbox {
            clock: clock.clone(),
            limits: Limits::default(),
            rules: Arc::new(sending::rules(config)?),
            signing: Arc::new(signing),
            address: OnceLock::new(),
            functions: OnceLock::new(),
            nudge: OnceLock::new(),
            tally: Tally::default(),
            flying: watch::Sender::new(0),
        };
        // Wrong settings are said at the start, not when the first mail is due.
        sending::sender(config, &outbox, "http://localhost")?;
        Ok(Arc::new(outbox))
    }

    /// Tells where the server listens. Once.
    pub(crate) fn listening_on(&self, address: SocketAddr) {
        // Told twice is told: there is one listener.
        let _told = self.address.set(address);
    }

    /// Connects the functions: from now on topics and alarms may call them. Once.
    pub(crate) fn connect_functions(&self, functions: Arc<Invoker>) {
        let _connected = self.functions.set(functions);
    }

    /// Whether functions can be called.
    pub(crate) fn has_functions(&self) -> bool {
        self.functions.get().is_some()
    }

    /// Tells the worker that rows were written. To be called after the change that wrote them.
    pub(crate) fn nudge(&self) {
        if let Some(nudge) = self.nudge.get() {
            nudge.nudge();
        }
    }

    /// Waits until no delivery is at work: at the end, so that what was sent is written down as sent.
    pub(crate) async fn landed(&self) {
        let mut flying = self.flying.subscribe();
        // The sender lives as long as `self`.
        let _landed = flying.wait_for(|flying| *flying == 0).await;
    }

    /// The base of links in messages: configured, or the listener.
    pub(crate) fn public_url(&self, config: &Config) -> String {
        match (&config.public_url, self.address.get()) {
            (Some(url), _) => url.clone(),
            (None, Some(address)) => format!("{}://{address}", config.tls.scheme()),
            (None, None) => format!("{}://{}", config.tls.scheme(), config.listen),
        }
    }
}

/// Whom a record is for: one who is slow must not hold up the others.
pub(crate) fn whom(record: &OutboxRecord) -> &str {
    match &record.payload {
        Payload::Notification(notification) => &notification.subscription_arn,
        Payload::Handshake(handshake) => &handshake.subscription_arn,
        Payload::Invoke(call) => &call.function_arn,
        Payload::Append(line) => &line.log_group_arn,
    }
}

/// What the call of a function is remembered by until its row is settled: of a topic's message and of an alarm
/// there is a row for each function.
pub(crate) fn call_key(function_arn: &str, idempotency_key: &str) -> String {
    format!("{function_arn} {idempotency_key}")
}

/// [`call_key`] of a row that calls a function.
fn call_of(record: &OutboxRecord) -> Option<String> {
    let function = match &record.payload {
        Payload::Notification(notification) if notification.protocol == Protocol::Lambda => {
            &notification.endpoint
        }
        Payload::Invoke(call) => &call.function_arn,
        Payload::Notification(_) | Payload::Handshake(_) | Payload::Append(_) => return None,
    };
    Some(call_key(function, &record.key))
}

/// Starts the worker; it ends when `stopping` changes.
pub(crate) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    let outbox = &app.outbox;
    if outbox.signing.exists() {
        outbox.signing.want();
    }
    let worker = app.clock.worker("outbox");
    let _first = outbox.nudge.set(worker.nudge_handle());
    let url = outbox.public_url(&app.config);
    match sending::sender(&app.config, outbox, &url) {
        Ok(sender) => drop(tokio::spawn(worker::run(Arc::clone(app), sender, worker, stopping.clone()))),
        // `Outbox::new` made one of the same settings.
        Err(error) => tracing::error!(error, "nothing will be delivered"),
    }
}

/// Removes dead letters that are old or too many, and handshakes that were never finished.
///
/// # Errors
/// A sentence for the log.
pub(crate) async fn sweep(app: Arc<App>) -> Result<(), String> {
    let (now_ms, limits) = (app.clock.now_ms(), app.outbox.limits);
    let swept = app.meta.change(move |tx| -> Result<(), MetaError> {
        tx.dead_letters_sweep(now_ms.saturating_sub(limits.dead_letter_life_ms), limits.dead_letters_max)?;
        tx.subscriptions_sweep(now_ms)?;
        Ok(())
    });
    swept.await.map_err(|error| error.to_string())
}
