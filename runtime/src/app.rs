//! Owns the struct that every operation and worker is given. Refuses to build it: `wiring.rs` does.

use crate::clock::Clock;
use crate::config::Config;
use crate::limits::Limits;
use crate::meta::Meta;

/// The running process: one of each room, and what they share.
pub(crate) struct App {
    /// Time, sleep, randomness, ids.
    pub(crate) clock: Clock,
    /// Metadata.
    pub(crate) meta: Meta,
    /// The configuration as it was read.
    pub(crate) config: Config,
    /// The access keys; none is open mode.
    pub(crate) keys: access::Keys,
    /// Numbers of the limits in force.
    pub(crate) limits: Limits,
}

impl App {
    /// Whether no access keys are configured: then requests are not verified, and only loopback is served.
    pub(crate) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Writes out what is to be written and releases the files. After it every change is refused.
    pub(crate) fn close(&self) {
        self.meta.close();
    }
}
