//! Owns `GET /_logboom/functions`: the books of functions, by version and log group, and which of them rest. Refuses
//! to change any of it. Where access keys are configured, the request is signed like one of Logs.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::json;
use wire::Service;

use super::Answer;
use super::dead_letters::check_door;
use crate::app::App;
use crate::meta::{MetaError, every_function};

pub(super) async fn read(app: &Arc<App>, head: &Parts) -> Answer {
    check_door(app, head, &bytes::Bytes::new(), Service::Logs, "DescribeFunctions")?;
    let shared = Arc::clone(app);
    let every = App::blocking(move || shared.meta.read(|tx| every_function(tx))).await;
    let every = every.map_err(|error: MetaError| {
        tracing::error!(%error, "the functions cannot be shown");
        (StatusCode::SERVICE_UNAVAILABLE, "metadata cannot be read".to_owned())
    })?;
    let named: HashMap<u64, _> =
        every.into_iter().map(|(account, region, record)| (record.id, (account, region, record))).collect();
    let mut rows = Vec::new();
    for (key, row) in app.functions.ledger.snapshot() {
        let Some((account, region, record)) = named.get(&key.function) else { continue };
        let mut shown = json!(row);
        shown["account"] = json!(account);
        shown["region"] = json!(region);
        shown["function"] = json!(record.name);
        shown["version"] = json!(key.version);
        shown["log_group"] = json!(key.group);
        rows.push(shown);
    }
    let resting = app.functions.breakers.open();
    let circuits = resting.iter().filter_map(|(function, circuit)| {
        let (account, region, record) = named.get(function)?;
        Some(json!({
            "account": account, "region": region, "function": record.name,
            "failures": circuit.failures, "until_ms": circuit.until_ms, "reason": circuit.reason,
        }))
    });
    Ok(json!({ "functions": rows, "open_circuits": circuits.collect::<Vec<_>>() }))
}
