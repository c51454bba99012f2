//! Owns `/_logboom/schedules`: schedules as JSON, `GET` all or one, `PUT`, `DELETE`, and `POST NAME/run`. Refuses to
//! know when they are due. Where access keys are configured, a request is signed like one of EventBridge Scheduler,
//! and its key needs what AWS's operation of the same meaning needs.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Fault, Service};

use super::caller;
use crate::app::App;
use crate::meta::MetaError;
use crate::records::Scope;
use crate::records::schedules::{self, Progress, Schedule, Target};
use crate::schedules::define::{self, Mode, Wanted};
use crate::server::Body;

const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Tries after the first, and the age of a run, unless the schedule says.
const RETRIES: u32 = 2;
const MAX_AGE_S: i64 = 15 * 60;

/// The body of `PUT`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Put {
    expression: String,
    function: String,
    #[serde(default)]
    input: Value,
    #[serde(default = "utc")]
    time_zone: String,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    #[serde(default = "enabled")]
    state: State,
    #[serde(default)]
    description: String,
    retries: Option<u32>,
    max_age_seconds: Option<i64>,
    dead_letter: Option<String>,
    #[serde(default)]
    delete_when_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Enabled,
    Disabled,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn enabled() -> State {
    State::Enabled
}

/// Answers `/_logboom/schedules{path}`.
pub(super) async fn answer(app: &Arc<App>, head: &Parts, body: &Bytes, path: &str) -> Response<Body> {
    caller::json(perform(app, head, body, path).await)
}

async fn perform(app: &Arc<App>, head: &Parts, body: &Bytes, path: &str) -> Result<Value, Fault> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let (name, action) = name.split_once('/').map_or((name, None), |(name, action)| (name, Some(action)));
    let operation = match (&head.method, name, action) {
        (&Method::GET, "", None) => "ListSchedules",
        (&Method::GET, _, None) => "GetSchedule",
        (&Method::PUT, _, None) if !name.is_empty() => "UpdateSchedule",
        (&Method::DELETE, _, None) if !name.is_empty() => "DeleteSchedule",
        (&Method::POST, _, Some("run")) => "RunSchedule",
        _ => return Err(caller::no_method(head)),
    };
    let scope = caller::admit(app, head, body, (Service::Scheduler, operation), &json!({ "Name": name }))?;
    match operation {
        "ListSchedules" => list(app, &scope, head.uri.query().unwrap_or_default()),
        "GetSchedule" => get(app, &scope, name),
        "UpdateSchedule" => put(app, &scope, name, body).await,
        "DeleteSchedule" => define::delete(app, &scope, name).await.map(|()| json!({})),
        _ => {
            let run = define::run(app, &scope, name).await?;
            Ok(json!({ "dueMs": run.due_ms, "deliveryId": run.delivery_id() }))
        }
    }
}

async fn put(app: &Arc<App>, scope: &Scope, name: &str, body: &Bytes) -> Result<Value, Fault> {
    let put: Put = serde_json::from_slice(body).map_err(|error| {
        Fault::new("ValidationException", format!("The schedule cannot be read: {error}"))
    })?;
    let target = Target {
        function: put.function,
        input: put.input.to_string(),
        bare: false,
        retries: put.retries.unwrap_or(RETRIES),
        age_ms: put.max_age_seconds.unwrap_or(MAX_AGE_S).saturating_mul(1_000),
        dead_letter: put.dead_letter,
        role: None,
    };
    let wanted = Wanted {
        name: name.to_owned(),
        expression: put.expression,
        time_zone: put.time_zone,
        start_ms: put.start_ms,
        end_ms: put.end_ms,
        enabled: put.state == State::Enabled,
        target,
        description: put.description,
        delete_when_over: put.delete_when_over,
        window_minutes: None,
    };
    define::define(app, scope, wanted, Mode::Put).await?;
    get(app, scope, name)
}

fn get(app: &App, scope: &Scope, name: &str) -> Result<Value, Fault> {
    app.meta.read(|tx| {
        let found = define::find(tx, scope, name)?;
        let progress = schedules::progress(tx, found.id)?.unwrap_or_default();
        Ok(shown(&found, &progress))
    })
}

fn list(app: &App, scope: &Scope, query: &str) -> Result<Value, Fault> {
    let (mut prefix, mut after, mut limit) = ("", None, PAGE);
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-")) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, text.parse()) {
            ("prefix", _) => prefix = text,
            ("after", _) => after = Some(text),
            ("limit", Ok(number @ 1..)) => limit = number,
            _ => {
                let known = "prefix=TEXT, after=NAME and limit=N";
                let text = format!("{pair:?} is not understood: {known} (up to {PAGE_MAX}) are");
                return Err(Fault::new("ValidationException", text));
            }
        }
    }
    let limit = limit.min(PAGE_MAX);
    app.meta.read(|tx| {
        let mut found = schedules::list(tx, scope, prefix, after, limit + 1, |_| true)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.name.clone());
        let rows = found.iter().map(|one| {
            let progress = schedules::progress(tx, one.id)?.unwrap_or_default();
            Ok(shown(one, &progress))
        });
        Ok(json!({ "schedules": rows.collect::<Result<Vec<_>, MetaError>>()?, "next": next }))
    })
}

fn shown(schedule: &Schedule, progress: &Progress) -> Value {
    let Target { function, input, retries, age_ms, dead_letter, .. } = &schedule.target;
    let last = progress.last.as_ref().map(|last| {
        json!({ "dueMs": last.due_ms, "endedMs": last.ended_ms, "attempts": last.attempts, "error": last.error })
    });
    json!({
        "name": schedule.name,
        "arn": schedule.arn(),
        "expression": schedule.expression,
        "timeZone": schedule.time_zone,
        "startMs": schedule.start_ms,
        "endMs": schedule.end_ms,
        "state": if schedule.enabled { "ENABLED" } else { "DISABLED" },
        "function": function,
        "input": serde_json::from_str::<Value>(input).unwrap_or_default(),
        "description": schedule.description,
        "retries": retries,
        "maxAgeSeconds": age_ms / 1_000,
        "deadLetter": dead_letter,
        "deleteWhenOver": schedule.delete_when_over,
        "createdMs": schedule.created_ms,
        "modifiedMs": schedule.modified_ms,
        "nextMs": define::next_ms(schedule, progress),
        "done": progress.done,
        "failed": progress.failed,
        "missed": progress.missed,
        "last": last,
    })
}
