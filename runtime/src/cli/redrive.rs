//! `logboom redrive`: hands dead letters over again.
//!
//! Owns the asking, a hundred letters at a time, and the printing. Refuses to know what a letter holds.

use clap::{ArgGroup, Args};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Endpoint};
use crate::clock::Clock;

/// Hands dead letters over again: what is taken this time is removed from them.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).multiple(true).args(["id", "function", "subscription"])))]
pub(crate) struct RedriveArgs {
    /// Only the dead letter with this id.
    #[arg(long)]
    id: Option<u64>,
    /// Dead letters of this function.
    #[arg(long)]
    function: Option<String>,
    /// Dead letters of this subscription filter, or of the SNS subscription with this ARN.
    #[arg(long)]
    subscription: Option<String>,
    /// Only events of this log group.
    #[arg(long, short = 'g')]
    group: Option<String>,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Runs the command.
pub(crate) async fn run(args: RedriveArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint, clock);
    let mut wanted = json!({
        "id": args.id, "function": args.function, "subscription": args.subscription, "logGroup": args.group,
    });
    let mut left = 0;
    loop {
        let answer = ask(&client, &wanted).await?;
        let done = answer["redriven"].as_array().cloned().unwrap_or_default();
        for one in &done {
            println!("{}", line(one));
            left += one["left"].as_u64().unwrap_or(0);
        }
        if answer["more"] != true {
            break;
        }
        wanted["after"] = done.iter().filter_map(|one| one["id"].as_u64()).max().into();
    }
    if left == 0 {
        return Ok(());
    }
    let message = format!("{left} events were not handled and stay dead letters");
    Err(ClientError::Refused { code: "Redrive".to_owned(), message })
}

async fn ask(client: &Client, wanted: &Value) -> Result<Value, ClientError> {
    let bad = |error: &dyn std::fmt::Display| ClientError::Unreachable(format!("the answer: {error}"));
    let body = client.stream("/_logboom/dead-letters/redrive", wanted.to_string().into()).await?;
    let body = body.collect().await.map_err(|error| bad(&error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| bad(&error))
}

fn line(one: &Value) -> String {
    let id = &one["id"];
    if one["kind"] == "outbox" {
        return format!("{id}: waits in the outbox as {}", one["newId"]);
    }
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let counts = format!("{} events handled, {} left", one["handled"], one["left"]);
    match one["error"].as_str() {
        Some(error) => format!("{id}: {} {counts}: {error}", text("function")),
        None => format!("{id}: {} {counts}", text("function")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_became_of_a_letter() {
        let one =
            json!({"id": 7, "kind": "events", "function": "f", "handled": 2, "left": 1, "error": "it broke"});
        assert_eq!(line(&one), "7: f 2 events handled, 1 left: it broke");
        assert_eq!(line(&json!({"id": 7, "kind": "outbox", "newId": 9})), "7: waits in the outbox as 9");
    }
}
