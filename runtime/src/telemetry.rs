//! Owns what the process says about itself: `GET /metrics`, the `AWS/Logs` metrics, the lines on stderr. Refuses to
//! decide anything by it.
//!
//! `/metrics` is a table of families, one file each; what they show is counted where it happens, by atomics, and put
//! together when somebody asks. To add a family: a `fn(&App, &mut Page)` and its line in [`FAMILIES`].

mod consumers;
pub(crate) mod disk;
mod exposition;
mod functions;
mod gate;
mod histogram;
mod ingest;
mod lines;
mod outbox;
mod process;
mod queries;
pub(crate) mod requests;
mod server;
pub(crate) mod trace;
pub(crate) mod vended;
mod vended_functions;

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::app::App;
use crate::clock::Clock;
use crate::doors;
use crate::server::{Body, plain, respond};
use exposition::Page;
pub(crate) use queries::Tally as QueryTally;

/// Where Prometheus looks.
pub(crate) const PATH: &str = "/metrics";

const FAMILIES: &[fn(&App, &mut Page)] = &[
    server::families,
    requests::families,
    ingest::families,
    disk::families,
    queries::families,
    consumers::families,
    outbox::families,
    functions::families,
    process::families,
];

/// What is counted where it happens.
pub(crate) struct Telemetry {
    /// Operations of AWS's.
    pub(crate) requests: requests::Requests,
    /// Connections to the port.
    pub(crate) connections: server::Connections,
    /// Logs Insights queries.
    pub(crate) queries: Arc<QueryTally>,
    /// What became the `AWS/Logs` metrics.
    pub(crate) vended: vended::Vended,
    /// fsyncs of log data.
    pub(crate) syncs: Arc<disk::Syncs>,
    /// When the process began, epoch milliseconds of the system.
    started_ms: i64,
}

impl Telemetry {
    /// Everything at zero.
    pub(crate) fn new(clock: &Clock) -> Telemetry {
        Telemetry {
            requests: requests::Requests::default(),
            connections: server::Connections::default(),
            queries: Arc::default(),
            syncs: Arc::default(),
            vended: vended::Vended::new(clock.now_ms()),
            started_ms: clock.outside_ms(),
        }
    }
}

/// Answers `/metrics`.
pub(crate) async fn answer(app: &Arc<App>, head: &Parts) -> Response<Body> {
    if head.method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not a method of {PATH}", head.method));
    }
    if let Err((status, reason)) = doors::admit_observer(app, head) {
        return doors::challenged(status, reason);
    }
    let app = Arc::clone(app);
    // Some families read metadata, or an event that waits to be read.
    let text = App::blocking(move || {
        let mut page = Page::default();
        for family in FAMILIES {
            family(&app, &mut page);
        }
        page.into_text()
    });
    respond(StatusCode::OK, exposition::CONTENT_TYPE, Bytes::from(text.await))
}
