//! Owns what is counted of the process as a server: its build, its connections. Refuses to know requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::exposition::{Kind, Page};
use super::gate;
use crate::app::App;
use crate::ingest::activity::Count;

/// Connections to the port.
#[derive(Default)]
pub(crate) struct Connections {
    open: Arc<AtomicU64>,
    accepted: Count,
    /// TLS connections that were not made.
    pub(crate) refused: Count,
}

/// A connection while it lasts.
pub(crate) struct Connected(Arc<AtomicU64>);

impl Connections {
    /// Counts one that was accepted.
    pub(crate) fn enter(&self) -> Connected {
        self.accepted.add(1);
        self.open.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.open))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn families(app: &App, page: &mut Page) {
    let clock = if app.clock.is_virtual() { "virtual" } else { "real" };
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("clock", clock)];
    page.family("logboom_build_info", Kind::Gauge, "Always 1; the labels say what runs.").sample(&labels, 1);
    let connections = &app.telemetry.connections;
    let help = "Connections that are open now.";
    page.single("logboom_connections", Kind::Gauge, help, connections.open.load(Ordering::Relaxed));
    let help = "Connections accepted.";
    page.single("logboom_connections_accepted_total", Kind::Counter, help, connections.accepted.get());
    let help = "TLS connections that ended before or in their handshake.";
    page.single("logboom_tls_handshake_failures_total", Kind::Counter, help, connections.refused.get());
    let help = "Lines for stderr that were left out because too many came from one place.";
    page.single("logboom_trace_lines_left_out_total", Kind::Counter, help, gate::left_out());
}
