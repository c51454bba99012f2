//! Owns `GET /_logboom/consumers`: who reads the log in the background, how far each is, what it missed and
//! what it gave up. Refuses to change any of it. Where access keys are configured, the request is signed like
//! one of Logs.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::json;
use wire::Service;

use super::Answer;
use super::dead_letters::check_door;
use crate::app::App;
use crate::ingest::lag;
use crate::meta::MetaError;
use crate::records::{deliveries, gaps};

/// Dead letters shown.
const DEAD_LETTERS: usize = 100;

pub(super) async fn read(app: &Arc<App>, head: &Parts) -> Answer {
    check_door(app, head, &bytes::Bytes::new(), Service::Logs, "DescribeConsumers")?;
    let end = app.store.durable_position().seq;
    let shared = Arc::clone(app);
    let consumers = App::blocking(move || lag::of_all(&shared)).await;
    let read = app.meta.read(|tx| -> Result<_, MetaError> {
        let mut shown = Vec::new();
        for (name, (consumer, lag)) in &consumers {
            let mut row = json!(consumer);
            row["name"] = json!(name);
            row["lag_events"] = json!(lag.events);
            row["lag_ms"] = json!(lag.age_ms);
            row["gaps"] = json!(gaps::of(tx, name)?);
            shown.push(row);
        }
        Ok((shown, deliveries::dead_letters(tx, DEAD_LETTERS)?))
    });
    match read {
        Ok((shown, letters)) => Ok(json!({ "position": end, "consumers": shown, "dead_letters": letters })),
        Err(error) => {
            tracing::error!(%error, "the consumers cannot be shown");
            Err((StatusCode::SERVICE_UNAVAILABLE, "metadata cannot be read".to_owned()))
        }
    }
}
