//! Owns the operations under `/_logboom/`, one file each. Refuses to know AWS operations.

mod alarms;
mod caller;
mod clock;
mod code;
mod consumers;
mod dead_letters;
mod functions;
mod health;
mod promotions;
mod queries;
mod redrive;
mod reset;
mod schedules;
mod shadows;
mod tail;
mod transformers;

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::Value;
use wire::{Fault, Service};

pub(crate) use dead_letters::check_door;

use promotions::Way;

use crate::app::App;
use crate::server::{Body, plain, respond};

/// Where Logboom's own operations are.
pub(crate) const PREFIX: &str = "/_logboom/";

/// The path that tells whether the server is up: answered over plain HTTP too where the port serves HTTPS.
pub(crate) const HEALTH: &str = "/_logboom/health";

/// Answers an own operation; what there is not says so by name.
pub(crate) async fn answer(app: &Arc<App>, head: &Parts, body: &Bytes) -> Response<Body> {
    let name = &head.uri.path()[PREFIX.len()..];
    if let Some(path) = name.strip_prefix("alarms/") {
        return alarms::answer(app, head, path).await;
    }
    if let (&Method::GET, Some(digest)) = (&head.method, name.strip_prefix("code/")) {
        return code::read(app, digest);
    }
    if let Some(path) = name.strip_prefix("schedules").filter(|path| path.is_empty() || path.starts_with('/'))
    {
        return schedules::answer(app, head, body, path).await;
    }
    if let Some(path) = name.strip_prefix("functions/") {
        return caller::json(of_function(app, head, body, path).await);
    }
    if let Some(id) = name.strip_prefix("queries/") {
        return queries::answer(app, head, id);
    }
    if name == "transformers" {
        return transformers::answer(app, head);
    }
    if name == "tail" {
        return tail::answer(app, head, body);
    }
    if head.method == Method::POST
        && let Err((status, reason)) = check_door(app, head, body, Service::Logs, "ChangeServer")
    {
        return plain(status, reason);
    }
    let answer = match (&head.method, name) {
        (&Method::GET, "health") => Ok(health::read(app)),
        (&Method::GET, "clock") => Ok(clock::read(app)),
        (&Method::GET, "dead-letters") => dead_letters::read(app, head),
        (&Method::POST, "dead-letters/redrive") => redrive::run(app, body).await,
        (&Method::POST, "clock") => clock::change(app, body).await,
        (&Method::POST, "reset") => reset::run(app).await,
        (&Method::GET, "consumers") => consumers::read(app, head).await,
        (&Method::GET, "functions") => functions::read(app, head).await,
        (
            _,
            "health"
            | "functions"
            | "clock"
            | "consumers"
            | "dead-letters"
            | "dead-letters/redrive"
            | "reset",
        ) => Err((StatusCode::METHOD_NOT_ALLOWED, format!("{} is not a method of {name}", head.method))),
        _ => Err((StatusCode::NOT_FOUND, format!("logboom has no operation {PREFIX}{name}"))),
    };
    match answer {
        Ok(value) => respond(StatusCode::OK, "application/json", Bytes::from(value.to_string())),
        Err((status, reason)) => plain(status, reason),
    }
}

/// What there is of one function, at `functions/NAME/WHAT`.
async fn of_function(app: &Arc<App>, head: &Parts, body: &Bytes, path: &str) -> Result<Value, Fault> {
    match path.split_once('/') {
        Some((function, "shadow")) => shadows::perform(app, head, body, function).await,
        Some((function, "promote")) => promotions::perform(app, head, body, (function, Way::Promote)).await,
        Some((function, "rollback")) => promotions::perform(app, head, body, (function, Way::RollBack)).await,
        _ => {
            let text = format!("logboom has no operation {PREFIX}functions/{path}");
            Err(Fault::new("ResourceNotFoundException", text).status(404))
        }
    }
}

/// What an own operation answers: JSON, or a status with a sentence.
type Answer = Result<Value, (StatusCode, String)>;
