//! Owns who asks for an own operation that belongs to an account and a region, and how it is answered. Refuses to
//! know what is asked.

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use wire::{Credential, Fault, Protocol, Service, Target};

use crate::api::{self, Caller};
use crate::app::App;
use crate::doors;
use crate::records::Scope;
use crate::server::{Body, respond};

/// The region of a request that names none.
const REGION: &str = "us-east-1";

/// The account and region of a request, if it may come in: without keys anybody on this machine may, and a request
/// without a credential is the default account's. With keys the policies of the caller's key decide about the
/// operation and its `input`.
///
/// # Errors
/// The service's own faults.
pub(super) fn admit(
    app: &App,
    head: &Parts,
    body: &Bytes,
    (service, operation): (Service, &str),
    input: &Value,
) -> Result<Scope, Fault> {
    let request = api::into_wire(head, body.clone());
    let target = Target {
        service,
        protocol: Protocol::RestJson,
        operation: operation.to_owned(),
        query_mode: false,
        credential: Credential::of(&request),
    };
    if app.is_open() && target.credential.is_none() {
        return Ok(Scope { account: app.config.account.clone(), region: REGION.to_owned() });
    }
    let admitted = doors::admit(app, &target, &request).map_err(|fault| fault.status(403))?;
    let source = head.extensions.get::<SocketAddr>().map_or([127, 0, 0, 1].into(), SocketAddr::ip);
    let (identity, region) = (admitted.identity, admitted.region);
    let secure = app.tls.is_some();
    let caller = Caller { identity, region, request_id: app.clock.uuid(), source, secure, hop: 0 };
    doors::authorize(&caller, &target, input).map_err(|fault| fault.status(403))?;
    Ok(caller.scope())
}

/// What a path answers to a method that it does not have.
pub(super) fn no_method(head: &Parts) -> Fault {
    let text = format!("{} is not a method of {}", head.method, head.uri.path());
    Fault::new("MethodNotAllowed", text).status(StatusCode::METHOD_NOT_ALLOWED.as_u16())
}

/// JSON, or a fault as JSON.
pub(super) fn json(answer: Result<Value, Fault>) -> Response<Body> {
    let (status, value) = match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(fault) => {
            let status = fault.explicit_status().and_then(|status| StatusCode::from_u16(status).ok());
            let value = json!({ "__type": fault.code(), "message": fault.message() });
            (status.unwrap_or(StatusCode::BAD_REQUEST), value)
        }
    };
    respond(status, "application/json", Bytes::from(value.to_string()))
}
