//! Owns Invoke: at once, later (`Event`), or not at all (`DryRun`). Refuses to know how a function runs.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;
use wasm::{InvokeError, Role, State, Stdout};
use wire::Fault;
use wire::shape::lambda::{InvocationRequest, InvocationResponse};

use super::lookup::{self, Named};
use super::settings::refuse;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::functions::{self, Answer, Cause, NotReady, Ready, Throttled, Work, registry};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::Invoke => invoke)];

/// Bytes of a payload: of a synchronous call, and of one that is queued.
const PAYLOAD_MAX: usize = 6_291_456;
const EVENT_PAYLOAD_MAX: usize = 1_048_576;

/// Bytes of lines in the answer to `LogType=Tail`.
const TAIL_BYTES: usize = 4 << 10;

async fn invoke(
    app: &Arc<App>,
    caller: &Caller,
    request: InvocationRequest,
) -> Result<InvocationResponse, Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    let unserved = [
        ("DurableExecutionName", request.durable_execution_name.is_some()),
        ("ClientContext", request.client_context.is_some()),
        ("TenantId", request.tenant_id.is_some()),
    ];
    if let Some((setting, _)) = unserved.iter().find(|(_, given)| *given) {
        return refuse(format!("{setting} is not served by Logboom."));
    }
    let payload = BASE64_STANDARD.decode(request.payload.unwrap_or_default());
    let payload = payload.or_else(|_| refuse("The payload is not base64."))?;
    let kind = request.invocation_type.as_deref().unwrap_or("RequestResponse");
    let target = app.meta.read(|tx| lookup::target(tx, caller, &named))?;
    check_payload(&payload, if kind == "Event" { EVENT_PAYLOAD_MAX } else { PAYLOAD_MAX })?;
    match kind {
        "DryRun" => Ok(InvocationResponse { status_code: Some(204), ..InvocationResponse::default() }),
        "Event" => {
            let payload = if payload.is_empty() { b"{}".to_vec() } else { payload };
            let payload = String::from_utf8(payload).or_else(|_| not_json("it is not UTF-8"))?;
            functions::enqueue(app, &caller.scope(), &named.text(), payload, &caller.request_id).await?;
            Ok(InvocationResponse { status_code: Some(202), ..InvocationResponse::default() })
        }
        _ => {
            if target.version().state == State::Pending {
                return Err(not_ready(caller, &named, &NotReady::Pending));
            }
            let ready = registry::ready(app, &caller.scope(), &named.text(), &caller.request_id).await;
            let ready = ready.map_err(|error| not_ready(caller, &named, &error))?;
            let tail = request.log_type.as_deref() == Some("Tail");
            call(app, caller, &ready, payload, tail).await
        }
    }
}

async fn call(
    app: &Arc<App>,
    caller: &Caller,
    ready: &Ready,
    payload: Vec<u8>,
    tail: bool,
) -> Result<InvocationResponse, Fault> {
    let cause = Cause {
        request_id: caller.request_id.clone(),
        delivery_id: caller.request_id.clone(),
        hop: caller.hop,
        ..Cause::default()
    };
    let payload = if payload.is_empty() { b"{}".to_vec() } else { payload };
    let has = |role| ready.module.has(role);
    let work = match [Role::Lambda, Role::Command, Role::Http].into_iter().find(|role| has(*role)) {
        Some(Role::Command) => Work::Command(Bytes::copy_from_slice(&payload), Stdout::Answer),
        Some(Role::Http) => Work::Http(Bytes::copy_from_slice(&payload), 1),
        _ => Work::Lambda(&payload),
    };
    let ran = functions::try_run(app, ready, &cause, work).await.map_err(|Throttled| throttled())?;
    let log_result = tail.then(|| BASE64_STANDARD.encode(last(&ran.lines)));
    let answered = |bytes: Vec<u8>| Some(BASE64_STANDARD.encode(bytes));
    let (payload, function_error) = match ran.result {
        Ok(Answer::Bytes(bytes)) => (answered(bytes), None),
        Ok(_) => (answered(b"null".to_vec()), None),
        Err(InvokeError::Throttled { reason, .. }) => {
            return Err(
                Fault::new("TooManyRequestsException", format!("Rate Exceeded: {reason}.")).status(429)
            );
        }
        Err(error) => (answered(failure(&error, caller)), Some("Unhandled".to_owned())),
    };
    Ok(InvocationResponse {
        status_code: Some(200),
        payload,
        function_error,
        log_result,
        executed_version: Some(ready.record.version.clone()),
        ..InvocationResponse::default()
    })
}

fn throttled() -> Fault {
    Fault::new("TooManyRequestsException", "Rate Exceeded.")
        .status(429)
        .field("Type", Value::from("User"))
        .field("Reason", Value::from("ReservedFunctionConcurrentInvocationLimitExceeded"))
}

fn failure(error: &InvokeError, caller: &Caller) -> Vec<u8> {
    error.lambda_payload(&caller.request_id).to_string().into_bytes()
}

/// The last lines that fit.
fn last(lines: &[String]) -> String {
    let all = lines.iter().fold(String::new(), |all, line| all + line + "\n");
    let from = all.ceil_char_boundary(all.len().saturating_sub(TAIL_BYTES));
    all[from..].to_owned()
}

fn check_payload(payload: &[u8], bytes_max: usize) -> Result<(), Fault> {
    if payload.len() > bytes_max {
        let text = format!(
            "{} byte payload is too large for the Invoke API (limit {bytes_max} bytes)",
            payload.len()
        );
        return Err(Fault::new("RequestTooLargeException", text).status(413));
    }
    if payload.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(payload) {
        Ok(_) => Ok(()),
        Err(error) => not_json(&error.to_string()),
    }
}

fn not_json<T>(reason: &str) -> Result<T, Fault> {
    let text = format!("Could not parse request body into json: {reason}");
    Err(Fault::new("InvalidRequestContentException", text).status(400).field("Type", Value::from("User")))
}

fn not_ready(caller: &Caller, named: &Named, error: &NotReady) -> Fault {
    let state = |state: &str, reason: &str| {
        let text = format!(
            "The operation cannot be performed at this time. The function is currently in the following state: \
             {state}{reason}"
        );
        Fault::new("ResourceConflictException", text).status(409)
    };
    match error {
        NotReady::Missing => lookup::not_found(caller, &named.text()),
        NotReady::Pending => state("Pending", ""),
        NotReady::Failed(reason) => state("Failed", &format!(" ({reason})")),
        NotReady::Broken(reason) => {
            tracing::error!(reason, "a function could not be read");
            Fault::new("ServiceException", "The service cannot complete the request.").status(500).receiver()
        }
    }
}
