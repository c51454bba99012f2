//! Owns AWS operations: one folder per service, one file per family, `table.rs` lists them all. Refuses to
//! know encodings (`wire`) and connections (`server`).
//!
//! To add an operation: an `async fn(&Arc<App>, &Caller, XRequest) -> Result<XResponse, Fault>` (`()` where
//! the model has no output) and its line in the family's `OPERATIONS`.

mod call;
pub(crate) mod cloudwatch;
mod in_flight;
mod lambda;
pub(crate) mod logs;
mod needs;
pub(crate) mod page;
mod scheduler;
pub(crate) mod sns;
pub(crate) mod sts;
mod table;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use tracing::Instrument as _;
use wire::Fault;

use crate::app::App;
use crate::doors;
use crate::functions::way_out;
use crate::meta::MetaError;
use crate::server::{Body, Taken};
use crate::telemetry::requests;

pub(crate) use call::{Call, Caller};
pub(crate) use in_flight::InFlight;
pub(crate) use needs::needs;

/// Answers a request for an AWS operation, whatever it is: every refusal is in the caller's protocol.
pub(crate) async fn answer(
    app: &Arc<App>,
    peer: SocketAddr,
    head: &Parts,
    body: Taken,
) -> hyper::Response<Body> {
    let request_id = app.clock.uuid();
    let began_us = app.clock.monotonic_us();
    let (request, shared) = (into_wire(head, body.bytes), Arc::clone(app));
    let performing = async move {
        let mut name = ("none", requests::UNSERVED);
        let asked = (request, body.is_large);
        let answer = perform(&shared, peer, request_id, asked, body.room, &mut name).await;
        (name, answer)
    };
    // To read one takes milliseconds, in which the thread answers nobody else.
    let performed = if body.is_large { app.functions.run(performing).await } else { Some(performing.await) };
    let Some((name, answer)) = performed else { return refuse(app, head, &stopping()) };
    let took_us = app.clock.monotonic_us().saturating_sub(began_us);
    // One that is streamed has only begun: how long a client reads says nothing about the operation.
    app.telemetry.requests.answered(name, answer.status(), took_us);
    match answer {
        Answer::Whole(answer) => into_hyper(answer),
        Answer::Streamed(head, body) => into_hyper(head).map(|_empty| body),
    }
}

/// Answers a request whose body was not taken in.
pub(crate) fn refuse_body(
    app: &App,
    head: &Parts,
    (status, code): (StatusCode, &str),
    reason: String,
) -> hyper::Response<Body> {
    let fault = Fault::new(code, reason).status(status.as_u16());
    refuse(app, head, &if status.is_server_error() { fault.receiver() } else { fault })
}

fn refuse(app: &App, head: &Parts, fault: &Fault) -> hyper::Response<Body> {
    into_hyper(wire::refuse(&into_wire(head, Bytes::new()), &app.clock.uuid(), fault))
}

/// The process ends while the threads of guests work at a request.
fn stopping() -> Fault {
    Fault::new("ServiceException", "Logboom is stopping.").status(500)
}

/// An operation's answer.
pub(crate) enum Answer {
    /// All of it.
    Whole(wire::Response),
    /// Its head, and a body that comes bit by bit.
    Streamed(wire::Response, Body),
}

impl Answer {
    fn status(&self) -> u16 {
        match self {
            Answer::Whole(head) | Answer::Streamed(head, _) => head.status,
        }
    }
}

impl From<wire::Response> for Answer {
    fn from(answer: wire::Response) -> Answer {
        Answer::Whole(answer)
    }
}

/// `room` is what the body takes, held for as long as it is needed.
async fn perform(
    app: &Arc<App>,
    peer: SocketAddr,
    request_id: String,
    (request, is_large): (wire::Request, bool),
    room: impl Send + 'static,
    name: &mut requests::Name,
) -> Answer {
    let target = match wire::identify(&request) {
        Ok(target) => target,
        Err(fault) => return wire::refuse(&request, &request_id, &fault).into(),
    };
    let found = table::find(&target);
    // Under the names of the table: those of clients are not bounded.
    *name = (target.service.action_prefix(), found.map_or(requests::UNSERVED, |operation| operation.name));
    let caller = match call::read(is_large, || doors::admit(app, &target, &request)) {
        Ok(admitted) => {
            let (source, secure) = (peer.ip(), app.tls.is_some());
            let (identity, region) = (admitted.identity, admitted.region);
            let hop = way_out::hop_of(request.header(way_out::HOP));
            Caller { identity, region, request_id, source, hop, secure }
        }
        Err(fault) => return wire::encode(&target, &request_id, Err(fault)).into(),
    };
    let Some(operation) = found else {
        let fault = Fault::not_served(target.service, &target.operation);
        return wire::encode(&target, &caller.request_id, Err(fault)).into();
    };
    let place = match app.in_flight.operation().await {
        Ok(place) => place,
        Err(fault) => return wire::encode(&target, &caller.request_id, Err(fault)).into(),
    };
    let (caller, asked) = (Arc::new(caller), target.clone());
    let call = Call { target, request, is_large };
    let running = (operation.run)(Arc::clone(app), Arc::clone(&caller), call);
    // A task of its own: it is finished when the client goes away, and a panic in it ends nothing else. What it
    // takes is given back when it ends, not when the client goes.
    let span = tracing::error_span!("request", request_id = caller.request_id, operation = operation.name);
    let running = async move {
        let _held = (place, room);
        running.await
    };
    let running = running.instrument(span);
    tokio::spawn(running).await.unwrap_or_else(|error| {
        tracing::error!(operation = asked.operation, %error, "an operation panicked");
        let fault = Fault::internal("The operation failed inside Logboom; its log says more.");
        wire::encode(&asked, &caller.request_id, Err(fault)).into()
    })
}

pub(crate) fn into_wire(head: &Parts, body: Bytes) -> wire::Request {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    wire::Request {
        method: head.method.as_str().to_owned(),
        uri: head.uri.path_and_query().map_or("/", |uri| uri.as_str()).to_owned(),
        headers: headers.collect(),
        body,
    }
}

pub(crate) fn into_hyper(answer: wire::Response) -> hyper::Response<Body> {
    let mut response = hyper::Response::new(Full::new(answer.body).boxed());
    if let Ok(status) = StatusCode::from_u16(answer.status) {
        *response.status_mut() = status;
    }
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

impl From<MetaError> for Fault {
    /// The client learns that it was not its fault; the log learns why.
    fn from(error: MetaError) -> Fault {
        tracing::error!(%error, "metadata failed");
        Fault::new("ServiceUnavailableException", "The service cannot complete the request.")
            .status(503)
            .receiver()
    }
}
