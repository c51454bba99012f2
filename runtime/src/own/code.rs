//! Owns `GET /_logboom/code/DIGEST`: the WebAssembly of a function, where `Code.Location` of GetFunction leads.
//! In open mode only: without presigned links there is nothing that says who asks.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Response, StatusCode};
use wasm::Records;

use crate::app::App;
use crate::meta::MetaError;
use crate::server::{Body, plain, respond};

pub(super) fn read(app: &Arc<App>, digest: &str) -> Response<Body> {
    if !app.is_open() {
        return plain(StatusCode::FORBIDDEN, "code is served without access keys only".to_owned());
    }
    match app.meta.read(|tx| tx.code(digest)) {
        Ok(Some(code)) => respond(StatusCode::OK, "application/wasm", Bytes::from(code)),
        Ok(None) => plain(StatusCode::NOT_FOUND, "there is no code of this digest".to_owned()),
        Err(error) => {
            let error: MetaError = error;
            plain(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
    }
}
