//! Owns `GET /_logboom/health`: 200 once requests are served. Refuses to know more than that.

use serde_json::{Value, json};

use crate::app::App;

pub(super) fn read(app: &App) -> Value {
    json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "clock": if app.clock.is_virtual() { "virtual" } else { "real" } })
}
