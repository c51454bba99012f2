//! Owns `GET /_logboom/queries/ID`: how far a query is, and why it failed, which no operation of AWS tells. Refuses to
//! give rows. Where access keys are configured, the request is signed like one of Logs.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};
use wire::{Fault, Service};

use super::caller;
use crate::app::App;
use crate::query::State;
use crate::server::Body;

pub(super) fn answer(app: &Arc<App>, head: &Parts, id: &str) -> Response<Body> {
    caller::json(read(app, head, id))
}

fn read(app: &Arc<App>, head: &Parts, id: &str) -> Result<Value, Fault> {
    if head.method != Method::GET {
        let text = format!("{} is not a method of /_logboom/queries", head.method);
        return Err(Fault::new("MethodNotAllowed", text).status(405));
    }
    let scope = caller::admit(app, head, &Bytes::new(), (Service::Logs, "GetQueryResults"), &json!({}))?;
    let missing =
        || Fault::new("ResourceNotFoundException", format!("The query {id} does not exist.")).status(404);
    let session = app.queries.find(&scope, id).ok_or_else(missing)?;
    let state = session.state();
    let reason = if let State::Failed(reason) = &state { Some(&**reason) } else { None };
    Ok(json!({ "queryId": id, "status": state.name(), "reason": reason }))
}
