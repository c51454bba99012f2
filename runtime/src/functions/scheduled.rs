//! Owns handing a run of a schedule to a function, in the shape the function takes. Refuses to know when it is due
//! and when it is tried again.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use wasm::{InvokeError, Role, Stdout, Tick};

use super::{Cause, Ready, Work, run};
use crate::app::App;

/// Calls the function: with the tick if it has the world of schedules, else with `payload`.
///
/// # Errors
/// Why it did not succeed.
pub(crate) async fn call(
    app: &Arc<App>,
    ready: &Ready,
    cause: &Cause,
    tick: &Tick,
    payload: String,
) -> Result<(), InvokeError> {
    let module = &ready.module;
    let ran = if module.has(Role::Scheduled) {
        run(app, ready, cause, Work::Scheduled(tick)).await
    } else if module.has(Role::Lambda) {
        run(app, ready, cause, Work::Lambda(payload.as_bytes())).await
    } else if module.has(Role::Command) {
        run(app, ready, cause, Work::Command(Bytes::from(payload), Stdout::Lines)).await
    } else if module.has(Role::Http) {
        run(app, ready, cause, Work::Http(Bytes::from(payload), tick.attempt)).await
    } else {
        let roles = ready.record.roles.join(", ");
        let name = &ready.record.name;
        return Err(InvokeError::Refused(format!(
            "the function {name} exports {roles}: no schedule can call it"
        )));
    };
    ran.result.map(drop)
}

/// The tick in the payload of a run that is sent again by hand; `None` when it is of something else.
pub(super) fn tick(payload: &str) -> Option<Tick> {
    let event: Value = serde_json::from_str(payload).ok()?;
    let attempt = event["attempt"].as_u64().and_then(|attempt| u32::try_from(attempt).ok())?;
    Some(Tick {
        schedule: event["schedule"].as_str()?.to_owned(),
        due_at: event["dueAt"].as_i64()?,
        attempt,
        input_json: event.get("input")?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_read_from_the_event_of_a_run() {
        let read = tick(r#"{"schedule":"s","dueAt":5,"attempt":2,"input":{"a":1}}"#).unwrap();
        let wanted = Tick { schedule: "s".into(), due_at: 5, attempt: 2, input_json: r#"{"a":1}"#.into() };
        assert_eq!(read, wanted);
        assert!(
            tick("{}").is_none() && tick("x").is_none() && tick(r#"{"schedule":"s","dueAt":5}"#).is_none()
        );
    }
}
