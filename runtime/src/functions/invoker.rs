//! Owns the calls that the outbox makes: of topics, of alarms, and Invoke with `Event`. Refuses to know when
//! they are tried again.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use deliver::lambda::{Invocation, InvokeError, LambdaInvoker};
use wasm::{Role, Stdout};

use super::once::Once;
use super::{Cause, HOPS_MAX, NotReady, Ready, Work, alarm, registry, run};
use crate::app::App;
use crate::outbox::call_key;
use crate::records::Scope;

/// The way from the outbox to functions. The process owns the outbox, so this does not own the process.
pub(crate) struct Invoker(Weak<App>);

impl Invoker {
    /// Calls functions of `app`.
    pub(crate) fn of(app: &Arc<App>) -> Arc<Invoker> {
        Arc::new(Invoker(Arc::downgrade(app)))
    }
}

impl LambdaInvoker for Invoker {
    fn invoke<'a>(
        &'a self,
        call: Invocation<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), InvokeError>> + Send + 'a>> {
        Box::pin(async move {
            let app = self.0.upgrade().ok_or_else(|| InvokeError::Busy("it is shutting down".to_owned()))?;
            invoke(&app, call).await
        })
    }
}

async fn invoke(app: &Arc<App>, call: Invocation<'_>) -> Result<(), InvokeError> {
    let hop = u8::try_from(call.hop).unwrap_or(u8::MAX);
    if hop > HOPS_MAX {
        let reason = format!("what caused this call came through {HOPS_MAX} deliveries in a row: a loop");
        return Err(InvokeError::Missing(reason));
    }
    let name = name_of(call.function_arn).ok_or_else(|| {
        InvokeError::Missing(format!("{} is not the ARN of a function's latest version", call.function_arn))
    })?;
    let scope = Scope { account: call.account.to_owned(), region: call.region.to_owned() };
    let ready = match registry::ready(app, &scope, name).await {
        Ok(ready) => ready,
        Err(reason @ (NotReady::Pending | NotReady::Broken(_))) => {
            return Err(InvokeError::Busy(reason.to_string()));
        }
        Err(reason) => return Err(InvokeError::Missing(reason.to_string())),
    };
    let cause = Cause {
        request_id: app.clock.uuid(),
        delivery_id: call.idempotency_key.to_owned(),
        hop,
        sources: Vec::new(),
        once: Once::Outbox(call_key(call.function_arn, call.idempotency_key)),
        newest: None,
    };
    let ran = hand_over(app, &ready, &cause, call).await?;
    ran.result.map(drop).map_err(|error| {
        if error.may_retry() {
            InvokeError::Failed(error.to_string())
        } else {
            InvokeError::Missing(error.to_string())
        }
    })
}

async fn hand_over(
    app: &Arc<App>,
    ready: &Ready,
    cause: &Cause,
    call: Invocation<'_>,
) -> Result<super::Ran, InvokeError> {
    if ready.module.has(Role::AlarmAction)
        && let Some(event) = alarm::event(call.payload, 1)
    {
        return Ok(run(app, ready, cause, Work::Alarm(&event)).await);
    }
    if ready.module.has(Role::Lambda) {
        return Ok(run(app, ready, cause, Work::Lambda(call.payload.as_bytes())).await);
    }
    if ready.module.has(Role::Command) {
        let payload = Bytes::from(call.payload.to_owned());
        return Ok(run(app, ready, cause, Work::Command(payload, Stdout::Lines)).await);
    }
    let roles = ready.record.roles.join(", ");
    Err(InvokeError::Missing(format!(
        "the function {} exports {roles}: it takes no such call",
        ready.record.name
    )))
}

/// The name in a function's ARN, unless that names a version.
fn name_of(arn: &str) -> Option<&str> {
    let (_, name) = arn.split_once(":function:")?;
    match name.split_once(':') {
        None => Some(name),
        Some((name, "$LATEST")) => Some(name),
        Some(_) => None,
    }
}
