//! Owns AWS operations: one folder per service, one file per family, `table.rs` lists them all. Refuses to
//! know encodings (`wire`) and connections (`server`).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use crate::app::App;
use crate::server::{Body, plain};

/// Answers a request for an AWS operation.
pub(crate) async fn answer(_app: &Arc<App>, _peer: SocketAddr, _head: Parts, _body: Bytes) -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "no AWS operation is served yet")
}
