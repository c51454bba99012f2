//! Sends the events it is subscribed to on to an HTTP endpoint, as lines of JSON. Settings: URL; SECRET, the name of
//! the secret that is sent as a bearer token (the host puts it in on the way out, the guest never sees it).
//! Grant it the endpoint: `logboom:allow-http=https://audit.example.com`.
//!
//! At least once: a batch that is sent again carries the same `idempotency-key`, so that the receiver can tell.

use logboom_sdk::prelude::*;
use serde_json::json;

struct AuditForwarder;

impl Subscription for AuditForwarder {
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome {
        let Some(url) = config::get("URL") else {
            return Err(permanent("the setting URL names no endpoint"));
        };
        let mut headers =
            vec![("content-type", "application/x-ndjson"), ("idempotency-key", context.delivery_id.as_str())];
        let token;
        if let Some(name) = config::get("SECRET") {
            token = format!("Bearer {}", secrets::placeholder(&name)?);
            headers.push(("authorization", &token));
        }
        let answer = http::post(&url, &headers, lines(context, &events).as_bytes())?.success()?;
        info!("{} events sent, status {}", events.len(), answer.status);
        done()
    }
}

logboom_sdk::export!(AuditForwarder: subscription);

/// One object per line; a message that is JSON itself stays an object.
fn lines(context: &Context, events: &[LogEvent]) -> String {
    let line = |(index, event): (u64, &LogEvent)| {
        let message = serde_json::from_str(&event.message).unwrap_or_else(|_| json!(event.message));
        let line = json!({
            "account": context.account_id, "region": context.region, "logGroup": context.log_group,
            "logStream": context.log_stream, "sequence": context.first_sequence + index,
            "timestamp": event.timestamp, "ingestionTime": event.ingestion_time, "message": message,
        });
        format!("{line}\n")
    };
    (0..).zip(events).map(line).collect()
}

#[cfg(test)]
mod tests;
