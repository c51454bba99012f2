//! Owns the calls that the outbox makes: of topics, of alarms, of destinations, and Invoke with `Event`. Refuses to
//! know when they are tried again, and whom their function tells (`destinations`).

use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use deliver::lambda::{Invocation, InvokeError, LambdaInvoker, Line};
use store::Events;
use wasm::{Role, Stdout};

use super::destinations::{Destination, Executed, Told, parsed};
use super::once::Once;
use super::{
    Answer, Cause, HOPS_MAX, NotReady, Ran, Ready, Throttled, Work, alarm, lock, registry, resolve,
    scheduled, try_run,
};
use crate::app::App;
use crate::ingest::accept::{AcceptError, Arrival, accept};
use crate::meta::{MetaError, Tx};
use crate::outbox::call_key;
use crate::records::{Scope, groups, streams};

/// Who makes asynchronous calls of Invoke and calls of destinations, as resource policies name it.
pub(crate) const PRINCIPAL: &str = "lambda.amazonaws.com";

/// The way from the outbox to functions. The process owns the outbox, so this does not own the process.
pub(crate) struct Invoker(Weak<App>);

impl Invoker {
    /// Calls functions of `app`.
    pub(crate) fn of(app: &Arc<App>) -> Arc<Invoker> {
        Arc::new(Invoker(Arc::downgrade(app)))
    }

    /// The calls of one delivery, which was written at `created_ms`.
    pub(crate) fn calling(&self, created_ms: i64) -> Calling<'_> {
        Calling { invoker: self, created_ms, told: Mutex::default() }
    }
}

/// Makes the call of one delivery, and keeps what is to be told of it.
pub(crate) struct Calling<'i> {
    invoker: &'i Invoker,
    created_ms: i64,
    told: Mutex<Option<Told>>,
}

impl Calling<'_> {
    /// What is to be told, if a function was to be called and is there.
    pub(crate) fn told(&self) -> Option<Told> {
        lock(&self.told).take()
    }
}

type Called<'a> = Pin<Box<dyn Future<Output = Result<(), InvokeError>> + Send + 'a>>;

impl LambdaInvoker for Calling<'_> {
    fn invoke<'a>(&'a self, call: Invocation<'a>) -> Called<'a> {
        Box::pin(async move {
            let app = self.invoker.0.upgrade().ok_or_else(closing)?;
            let scope = Scope { account: call.account.to_owned(), region: call.region.to_owned() };
            let function = resolve::of_arn(&scope, call.function_arn).ok_or_else(|| {
                InvokeError::Missing(format!("{} is not the ARN of a function here", call.function_arn))
            })?;
            let told = app.meta.read(|tx| Told::of(tx, &scope, function, &call));
            let told = told.map_err(|error| InvokeError::Busy(error.to_string()))?;
            let age_ms = app.clock.now_ms().saturating_sub(self.created_ms);
            let is_too_old = told.as_ref().is_some_and(|told| age_ms > told.patience.age_max_ms);
            lock(&self.told).clone_from(&told);
            if is_too_old {
                // The state machine sees the same and ends it.
                return Err(InvokeError::Busy("it is older than calls of this function may be".to_owned()));
            }
            let executed = |executed| {
                if let Some(told) = &mut *lock(&self.told) {
                    told.executed = Some(executed);
                }
            };
            invoke(&app, &scope, function, call, executed).await
        })
    }

    fn append<'a>(&'a self, line: Line<'a>) -> Called<'a> {
        Box::pin(async move {
            let app = self.invoker.0.upgrade().ok_or_else(closing)?;
            append(&app, line).await
        })
    }
}

fn closing() -> InvokeError {
    InvokeError::Busy("it is shutting down".to_owned())
}

async fn invoke(
    app: &Arc<App>,
    scope: &Scope,
    function: &str,
    call: Invocation<'_>,
    executed: impl FnOnce(Executed),
) -> Result<(), InvokeError> {
    let hop = u8::try_from(call.hop).unwrap_or(u8::MAX);
    if hop > HOPS_MAX {
        let reason = format!("what caused this call came through {HOPS_MAX} deliveries in a row: a loop");
        return Err(InvokeError::Missing(reason));
    }
    let ready = match registry::ready(app, scope, function, call.idempotency_key).await {
        Ok(ready) => ready,
        Err(reason @ (NotReady::Pending | NotReady::Broken(_))) => {
            return Err(InvokeError::Busy(reason.to_string()));
        }
        Err(reason) => return Err(InvokeError::Missing(reason.to_string())),
    };
    let cause = Cause {
        request_id: request_id(app, &call),
        delivery_id: call.idempotency_key.to_owned(),
        hop,
        sources: Vec::new(),
        events: 0,
        once: Once::Outbox(call_key(call.function_arn, call.idempotency_key)),
        newest: None,
    };
    let (ran, says_when_never) = hand_over(app, &ready, &cause, call).await?;
    let (response, failed) = match &ran.result {
        Ok(Answer::Bytes(bytes)) => (parsed(&String::from_utf8_lossy(bytes)), false),
        Ok(_) => (serde_json::Value::Null, false),
        Err(error) => (error.lambda_payload(&cause.request_id), true),
    };
    executed(Executed { version: ready.record.version, failed, response });
    ran.result.map(drop).map_err(|error| {
        let failed = matches!(error, wasm::InvokeError::Handler { .. });
        if error.may_retry() || failed && !says_when_never {
            InvokeError::Failed(error.to_string())
        } else {
            InvokeError::Missing(error.to_string())
        }
    })
}

/// A call of Invoke keeps the id that its caller was told, over all tries.
fn request_id(app: &App, call: &Invocation<'_>) -> String {
    const UUID_CHARS: usize = 36;
    if call.principal == PRINCIPAL && call.idempotency_key.len() == UUID_CHARS {
        call.idempotency_key.to_owned()
    } else {
        app.clock.uuid()
    }
}

/// Makes the call in the shape that the function takes; whether that is one in which a function can say that it
/// must not be tried again. AWS tries every other failure again.
async fn hand_over(
    app: &Arc<App>,
    ready: &Ready,
    cause: &Cause,
    call: Invocation<'_>,
) -> Result<(Ran, bool), InvokeError> {
    let throttled = |Throttled| InvokeError::Busy("its reserved concurrency is used up".to_owned());
    if ready.module.has(Role::AlarmAction)
        && let Some(event) = alarm::event(call.payload, 1)
    {
        return Ok((try_run(app, ready, cause, Work::Alarm(&event)).await.map_err(throttled)?, true));
    }
    // A run of a schedule that was given up and is sent again by hand.
    if ready.module.has(Role::Scheduled)
        && let Some(tick) = scheduled::tick(call.payload)
    {
        return Ok((try_run(app, ready, cause, Work::Scheduled(&tick)).await.map_err(throttled)?, true));
    }
    if ready.module.has(Role::Lambda) {
        let work = Work::Lambda(call.payload.as_bytes());
        return Ok((try_run(app, ready, cause, work).await.map_err(throttled)?, false));
    }
    if ready.module.has(Role::Command) {
        let work = Work::Command(Bytes::from(call.payload.to_owned()), Stdout::Lines);
        return Ok((try_run(app, ready, cause, work).await.map_err(throttled)?, false));
    }
    if ready.module.has(Role::Http) {
        let payload = Bytes::from(call.payload.to_owned());
        return Ok((try_run(app, ready, cause, Work::Http(payload, 1)).await.map_err(throttled)?, false));
    }
    let roles = ready.record.roles.join(", ");
    Err(InvokeError::Missing(format!(
        "the function {} exports {roles}: it takes no such call",
        ready.record.name
    )))
}

/// Stores what became of a call in a log group; the stream is made if it is missing.
async fn append(app: &Arc<App>, line: Line<'_>) -> Result<(), InvokeError> {
    let scope = Scope { account: line.account.to_owned(), region: line.region.to_owned() };
    let Ok(Destination::LogGroup(name)) = Destination::parse(&scope, line.log_group_arn) else {
        return Err(InvokeError::Missing(format!("{} is not a log group here", line.log_group_arn)));
    };
    let (name, log_stream, now_ms) = (name.to_owned(), line.log_stream.to_owned(), app.clock.now_ms());
    let found = app.meta.change(move |tx: &mut Tx<'_>| {
        let Some(group) = groups::find(tx, &scope, &name)? else { return Ok(None) };
        let stream = match streams::find(tx, group.id, &log_stream)? {
            Some(stream) => stream,
            None => streams::insert(tx, group.id, &log_stream, now_ms)?,
        };
        Ok::<_, MetaError>(Some((group, stream)))
    });
    let found = found.await.map_err(|error| InvokeError::Busy(error.to_string()))?;
    let Some((group, stream)) = found else {
        return Err(InvokeError::Missing(format!("{} does not exist", line.log_group_arn)));
    };
    let events: Events = std::iter::once((now_ms, line.message)).collect();
    let hop = u8::try_from(line.hop).unwrap_or(u8::MAX);
    match accept(app, Arrival { group: &group, stream: &stream, hop, events }).await {
        Ok(_) => Ok(()),
        Err(AcceptError::Batch(error)) => Err(InvokeError::Missing(error.to_string())),
        Err(AcceptError::Append(error)) => Err(InvokeError::Busy(error.to_string())),
        Err(AcceptError::Unrecorded(error)) => Err(InvokeError::Busy(error.to_string())),
        Err(AcceptError::Transform { function, reason }) => {
            Err(InvokeError::Busy(format!("the transformer {function} failed: {reason}")))
        }
    }
}
