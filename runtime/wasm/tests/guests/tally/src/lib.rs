//! A guest that leaves one of every effect for each event it handles, so that they can be counted against each
//! other: state, a metric, a log event, a message for each call. It panics on `poison` unless the setting `cured` is
//! there, and wants events with `later` again at their first attempt.

use logboom_sdk::prelude::*;
use logboom_sdk::{NewEvent, StateError};

struct Tally;

impl Subscription for Tally {
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome {
        let cured = config::get("cured").is_some();
        let (mut again, mut handled) = (Vec::new(), Vec::new());
        for (index, event) in (0..).zip(&events) {
            assert!(cured || !event.message.contains("poison"), "poisoned by {}", event.message);
            if context.attempt == 1 && event.message.contains("later") {
                again.push(index);
            } else {
                handled.push(NewEvent { timestamp: event.timestamp, message: event.message.clone() });
            }
        }
        if handled.is_empty() {
            return failed(again);
        }
        state::increment("handled", handled.len() as i64)?;
        metrics::put(&[MetricDatum::new("Tally", "Handled", handled.len() as f64)])?;
        log_sink::put("/tally/out", "lines", &handled)?;
        notify::publish("tally", &format!("{} {}", context.delivery_id, handled.len()))?;
        failed(again)
    }
}

/// Compare-and-swap by hand: gives the count after it, or says that it lost.
impl Lambda for Tally {
    fn invoke(payload: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        if payload == b"\"read\"" {
            let found = state::get_text("handled").map_err(|error| format!("{error:?}"))?;
            return Ok(found.unwrap_or_else(|| "0".to_owned()).into_bytes());
        }
        let found = state::get("swapped").map_err(|error| format!("{error:?}"))?;
        let (count, version) = match &found {
            Some(entry) => (String::from_utf8_lossy(&entry.value).parse::<u64>().unwrap_or(0), entry.version),
            None => (0, 0),
        };
        let next = (count + 1).to_string();
        match state::put_if("swapped", next.as_bytes(), Some(version), None) {
            Ok(_) => Ok(next.into_bytes()),
            Err(StateError::Conflict) => Err("lost".into()),
            Err(error) => Err(format!("{error:?}").into()),
        }
    }
}

logboom_sdk::export!(Tally: subscription, lambda);
