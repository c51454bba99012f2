//! Owns `GET /_logboom/consumers`: who reads the log in the background, how far each is, what it missed and
//! what it gave up. Refuses to change any of it. Where access keys are configured, the request is signed like
//! one of Logs.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::json;
use wasm::Records as _;
use wire::Service;

use super::Answer;
use super::dead_letters::check_door;
use crate::app::App;
use crate::ingest::fan_out::Consumer;
use crate::ingest::lag;
use crate::meta::{MetaError, Tx};
use crate::records::{deliveries, gaps, groups};

/// Dead letters shown.
const DEAD_LETTERS: usize = 100;

/// Until when the function of a subscription rests, if it does.
fn resting(app: &App, tx: &mut Tx<'_>, consumer: &Consumer) -> Result<Option<i64>, MetaError> {
    let open = app.functions.breakers.open();
    let Some(name) = consumer.about.get("function").filter(|_| !open.is_empty()) else { return Ok(None) };
    let Some(group) = groups::by_id(tx, consumer.group)? else { return Ok(None) };
    let found = tx.function(&group.scope.account, &group.scope.region, name)?;
    let id = found.map(|record| record.id);
    Ok(open.into_iter().find(|(function, _)| Some(*function) == id).map(|(_, circuit)| circuit.until_ms))
}

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
            if let Some(until_ms) = resting(app, tx, consumer)? {
                row["circuit"] = json!({ "state": "open", "until_ms": until_ms });
            }
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
