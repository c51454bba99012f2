//! Owns `/_logboom/clock`: read the time, and move it when it is virtual. Refuses to know who waits.
//!
//! `{"advance_ms": n}` moves forward by n, `{"set_ms": t}` to t. The answer comes when everything that was due
//! on the way has happened.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::app::App;
use crate::clock::AdvanceError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Move {
    #[serde(rename = "advance_ms")]
    Advance(u64),
    #[serde(rename = "set_ms")]
    Set(i64),
}

pub(super) fn read(app: &App) -> Value {
    json!({ "now_ms": app.clock.now_ms(), "virtual": app.clock.is_virtual() })
}

pub(super) async fn change(app: &App, body: &[u8]) -> Answer {
    let wanted = serde_json::from_slice(body).map_err(|error| {
        let expected = "expected {\"advance_ms\": n} or {\"set_ms\": epoch_ms}";
        (StatusCode::BAD_REQUEST, format!("{expected}: {error}"))
    })?;
    let moved = match wanted {
        Move::Advance(ms) => app.clock.advance(ms).await,
        Move::Set(target_ms) => app.clock.advance_until(target_ms).await,
    };
    match moved {
        Ok(done) => Ok(json!({ "now_ms": done.now_ms, "woken": done.woken, "settled": done.settled })),
        Err(AdvanceError::Real) => Err((
            StatusCode::CONFLICT,
            "time is real here; it moves by hand under --clock virtual".to_owned(),
        )),
        Err(AdvanceError::Backwards) => {
            Err((StatusCode::BAD_REQUEST, "time does not go backwards".to_owned()))
        }
    }
}
