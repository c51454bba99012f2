//! `logboom schedule`: schedules from the command line.
//!
//! Owns the shape of what is sent and printed. Refuses to know expressions: the server says what is wrong with one.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Endpoint, escape};
use super::query::table;
use super::span;
use crate::clock::Clock;

/// Runs functions at times.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a schedule, or change it
    Put(PutArgs),
    /// List schedules
    List(ListArgs),
    /// Show one schedule as JSON
    Show(NameArgs),
    /// Delete a schedule and the runs that wait
    Delete(NameArgs),
    /// Run a schedule now
    Run(NameArgs),
}

#[derive(Debug, Args)]
struct PutArgs {
    /// Name of the schedule.
    name: String,
    /// When: `rate(5 minutes)`, `cron(0 12 * * ? *)` or `at(2026-12-24T18:00:00)`.
    expression: String,
    /// The function to call, NAME or NAME:QUALIFIER.
    #[arg(long, short)]
    function: String,
    /// What the function is given, JSON.
    #[arg(long, default_value = "null")]
    input: String,
    /// IANA name of the time zone of the expression, as in Europe/Berlin.
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    /// Keep the schedule, and do not run it.
    #[arg(long)]
    disabled: bool,
    /// For people.
    #[arg(long, default_value = "")]
    description: String,
    /// Tries after the first.
    #[arg(long)]
    retries: Option<u32>,
    /// How long after its time a run is still begun or tried again: 90s, 15m, 3h.
    #[arg(long, value_parser = span::parse)]
    max_age: Option<i64>,
    /// ARN of the topic that is told of runs that are given up.
    #[arg(long)]
    dead_letter: Option<String>,
    /// Delete the schedule when nothing is due any more.
    #[arg(long)]
    delete_when_over: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Names that begin with this.
    #[arg(long, default_value = "")]
    prefix: String,
    #[command(flatten)]
    endpoint: Endpoint,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// Name of the schedule.
    name: String,
    #[command(flatten)]
    endpoint: Endpoint,
}

const ROOT: &str = "/_logboom/schedules";

fn path(name: &str) -> String {
    format!("{ROOT}/{}", escape(name))
}

/// Runs the command.
pub(crate) async fn run(args: ScheduleArgs, clock: Clock) -> Result<(), ClientError> {
    match args.what {
        What::Put(args) => {
            let client = Client::new(args.endpoint.clone(), clock);
            let shown = client.own("scheduler", Method::PUT, &path(&args.name), body(args)?).await?;
            println!("{}", shown["arn"].as_str().unwrap_or_default());
            match shown["nextMs"].as_i64() {
                Some(ms) => eprintln!("next due {}", time(ms)),
                None => eprintln!("not due: it is disabled"),
            }
        }
        What::List(args) => list(&Client::new(args.endpoint, clock), &args.prefix).await?,
        What::Show(args) => {
            let client = Client::new(args.endpoint, clock);
            let shown = client.own("scheduler", Method::GET, &path(&args.name), Value::Null).await?;
            println!("{shown:#}");
        }
        What::Delete(args) => {
            let client = Client::new(args.endpoint, clock);
            client.own("scheduler", Method::DELETE, &path(&args.name), Value::Null).await?;
        }
        What::Run(args) => {
            let client = Client::new(args.endpoint, clock);
            let path = format!("{}/run", path(&args.name));
            let run = client.own("scheduler", Method::POST, &path, Value::Null).await?;
            println!("{}", run["deliveryId"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}

fn body(args: PutArgs) -> Result<Value, ClientError> {
    let input: Value = serde_json::from_str(&args.input).map_err(|error| ClientError::Refused {
        code: "ValidationException".to_owned(),
        message: format!("--input is not JSON: {error}"),
    })?;
    let mut body = json!({
        "expression": args.expression, "function": args.function, "input": input, "timeZone": args.time_zone,
        "state": if args.disabled { "DISABLED" } else { "ENABLED" }, "description": args.description,
        "deleteWhenOver": args.delete_when_over,
    });
    let more = [
        ("retries", args.retries.map(Value::from)),
        ("maxAgeSeconds", args.max_age.map(|ms| Value::from(ms / 1_000))),
        ("deadLetter", args.dead_letter.map(Value::from)),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    Ok(body)
}

async fn list(client: &Client, prefix: &str) -> Result<(), ClientError> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{ROOT}?prefix={}&limit=1000{after}", escape(prefix));
        let page = client.own("scheduler", Method::GET, &path, Value::Null).await?;
        rows.extend(page["schedules"].as_array().into_iter().flatten().map(row));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", escape(next)),
            None => break,
        }
    }
    if !rows.is_empty() {
        print!("{}", table(&rows));
    }
    Ok(())
}

fn row(schedule: &Value) -> Vec<(String, String)> {
    let text = |name: &str| schedule[name].as_str().unwrap_or_default().to_owned();
    let last = &schedule["last"];
    let ended = match (last["error"].as_str(), last["endedMs"].as_i64()) {
        (Some(error), _) => format!("failed: {error}"),
        (None, Some(ms)) => format!("done {}", time(ms)),
        (None, None) => "-".to_owned(),
    };
    let next = schedule["nextMs"].as_i64().map_or_else(|| "-".to_owned(), time);
    let columns = [
        ("name", text("name")),
        ("expression", text("expression")),
        ("zone", text("timeZone")),
        ("state", text("state")),
        ("function", text("function")),
        ("next", next),
        ("last", ended),
    ];
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn time(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms);
    time.map_or_else(|| ms.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_when_and_how_it_went() {
        let shown = json!({
            "name": "s", "expression": "rate(1 day)", "timeZone": "UTC", "state": "ENABLED", "function": "f",
            "nextMs": 1_767_225_600_000_i64, "last": {"error": "f: it broke", "endedMs": 1},
        });
        let cells: Vec<String> = row(&shown).into_iter().map(|(_, value)| value).collect();
        assert_eq!(cells[5..], ["2026-01-01T00:00:00Z", "failed: f: it broke"]);
    }
}
