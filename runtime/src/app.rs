//! Owns the struct that every operation and worker is given. Refuses to build it: `wiring.rs` does.

use std::sync::Arc;

use store::Store;

use crate::alarms::Alarms;
use crate::api::InFlight;
use crate::clock::Clock;
use crate::config::Config;
use crate::functions::Functions;
use crate::ingest::fan_out::FanOut;
use crate::ingest::followers::Followers;
use crate::ingest::makers::Makers;
use crate::keyring::Keyring;
use crate::limits::Limits;
use crate::meta::Meta;
use crate::outbox::Outbox;
use crate::query::Queries;
use crate::schedules::Schedules;
use crate::tail::Tails;
use crate::telemetry::Telemetry;
use crate::tls::Tls;

/// The running process: one of each room, and what they share.
pub(crate) struct App {
    /// Time, sleep, randomness, ids.
    pub(crate) clock: Clock,
    /// Metadata.
    pub(crate) meta: Meta,
    /// The keys of what is on disk.
    pub(crate) keyring: Arc<Keyring>,
    /// Log data. Its methods may block on the disk, but for `append`: call them through [`App::blocking`].
    pub(crate) store: Arc<Store>,
    /// Who reads events by position in the background.
    pub(crate) followers: Arc<Followers>,
    /// Logs Insights queries and their results.
    pub(crate) queries: Queries,
    /// What those readers share: definitions, progress.
    pub(crate) fan_out: Arc<FanOut>,
    /// Which modules stored events went through.
    pub(crate) makers: Arc<Makers>,
    /// The way out of the process.
    pub(crate) outbox: Arc<Outbox>,
    /// What tells the ticker of alarms about new ones.
    pub(crate) alarms: Arc<Alarms>,
    /// What tells the ticker of schedules about new ones.
    pub(crate) schedules: Arc<Schedules>,
    /// Guests at work.
    pub(crate) functions: Functions,
    /// The configuration as it was read.
    pub(crate) config: Config,
    /// The access keys; none is open mode.
    pub(crate) keys: access::Keys,
    /// The TLS side of the listener, where it serves HTTPS.
    pub(crate) tls: Option<Tls>,
    /// What the process counts of itself.
    pub(crate) telemetry: Telemetry,
    /// Places for operations at work.
    pub(crate) in_flight: InFlight,
    /// Live tails.
    pub(crate) tails: Arc<Tails>,
    /// Numbers of the limits in force.
    pub(crate) limits: Limits,
}

impl App {
    /// Whether no access keys are configured: then requests are not verified, and only loopback is served.
    pub(crate) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Runs `work`, which reads the disk, where it does not hold up other requests.
    /// A panic in it goes on here.
    pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Writes out what is to be written and releases the files. After it every change is refused.
    pub(crate) fn close(&self) {
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "the log data were not sealed at the end; they are replayed at the next start");
        }
        self.meta.close();
    }
}
