//! Owns one try of a run: the function, what it is given, and whether a failure is worth another try. Refuses to
//! write anything down.

use std::sync::Arc;

use serde_json::{Value, json};
use wasm::Tick;

use crate::app::App;
use crate::functions::{Cause, registry, scheduled};
use crate::records::schedules::Run;

/// Why a try came to nothing.
#[derive(Debug)]
pub(super) struct Failed {
    /// Whether another try may help.
    pub(super) retry: bool,
    /// The pause the function asks for; 0 = it does not say.
    pub(super) after_ms: u32,
    /// What happened.
    pub(super) message: String,
}

impl Failed {
    /// Worth another try.
    pub(super) fn again(message: String) -> Failed {
        Failed { retry: true, after_ms: 0, message }
    }
}

/// Calls the function of a run.
pub(super) async fn make(app: &Arc<App>, run: &Run) -> Result<(), Failed> {
    // A function that is not there may come: it is deployed at this moment, say.
    let ready = registry::ready(app, &run.scope, &run.target.function, &run.delivery_id()).await;
    let ready = ready.map_err(|reason| Failed::again(format!("{}: {reason}", run.target.function)))?;
    let cause = Cause { request_id: app.clock.uuid(), delivery_id: run.delivery_id(), ..Cause::default() };
    let tick = Tick {
        schedule: run.name.clone(),
        due_at: run.due_ms,
        attempt: run.attempts + 1,
        input_json: run.target.input.clone(),
    };
    let payload = if run.target.bare { run.target.input.clone() } else { event(run).to_string() };
    let ran = scheduled::call(app, &ready, &cause, &tick, payload).await;
    ran.map_err(|error| Failed {
        retry: error.may_retry(),
        after_ms: match &error {
            wasm::InvokeError::Handler { after_ms, .. } => *after_ms,
            _ => 0,
        },
        message: format!("{}: {error}", run.target.function),
    })
}

/// What a function without a world of schedules is given.
pub(super) fn event(run: &Run) -> Value {
    // It was checked to be JSON when the schedule was made.
    let input: Value = serde_json::from_str(&run.target.input).unwrap_or(Value::Null);
    json!({ "schedule": run.name, "dueAt": run.due_ms, "attempt": run.attempts + 1, "input": input })
}
