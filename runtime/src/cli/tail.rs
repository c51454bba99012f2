//! `logboom tail`: prints events as they arrive.
//!
//! Owns the position in the stream of answers and the printing. It polls FilterLogEvents; an event is printed once,
//! in the order in which the server has them.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Endpoint};
use super::span;
use crate::clock::Clock;

/// Prints the events of log groups as they arrive.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Log groups to follow.
    #[arg(required = true)]
    groups: Vec<String>,
    /// Filter pattern, for example `ERROR` or `{ $.status >= 500 }`.
    #[arg(long, short = 'p', default_value = "")]
    pattern: String,
    /// Also print what arrived in this time before now.
    #[arg(long, default_value = "0s", value_parser = span::parse)]
    since: i64,
    /// End after this many events.
    #[arg(long)]
    count: Option<usize>,
    /// Print each event as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// How far behind the newest event a late one is still found.
const OVERLAP_MS: i64 = 60_000;
const POLL_MS: u64 = 250;

/// Follows one group: where it stands and what it has printed of the overlap.
struct Follower {
    group: String,
    from_ms: i64,
    seen: BTreeSet<String>,
}

/// Runs the command; ends with `--count`, or when the reader of its output goes away.
pub(crate) async fn run(args: TailArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint, clock.clone());
    let start = clock.now_ms() - args.since;
    let follow = |group: &String| Follower { group: group.clone(), from_ms: start, seen: BTreeSet::new() };
    let mut followers: Vec<Follower> = args.groups.iter().map(follow).collect();
    let mut printed = 0;
    loop {
        for follower in &mut followers {
            for event in follower.poll(&client, &args.pattern).await? {
                if !print_event(&follower.group, &event, args.json, args.groups.len() > 1) {
                    return Ok(());
                }
                printed += 1;
                if args.count.is_some_and(|count| printed >= count) {
                    return Ok(());
                }
            }
        }
        clock.sleep(POLL_MS).await;
    }
}

impl Follower {
    /// The events that are new since the last poll, oldest first.
    async fn poll(&mut self, client: &Client, pattern: &str) -> Result<Vec<Value>, ClientError> {
        let mut fresh = Vec::new();
        let mut input = json!({"logGroupName": self.group, "startTime": self.from_ms.max(0)});
        if !pattern.is_empty() {
            input["filterPattern"] = pattern.into();
        }
        let mut window = BTreeSet::new();
        let mut newest = self.from_ms;
        loop {
            let mut page = client.logs("FilterLogEvents", input.clone()).await?;
            let events = page["events"].as_array_mut().map(std::mem::take).unwrap_or_default();
            for event in events {
                let id = event["eventId"].as_str().unwrap_or_default().to_owned();
                newest = newest.max(event["timestamp"].as_i64().unwrap_or(newest));
                if !self.seen.contains(&id) {
                    fresh.push(event);
                }
                window.insert(id);
            }
            match page["nextToken"].as_str() {
                Some(token) => input["nextToken"] = token.into(),
                None => break,
            }
        }
        self.from_ms = self.from_ms.max(newest - OVERLAP_MS);
        self.seen = window;
        Ok(fresh)
    }
}

/// Prints one event; false when nobody reads any more.
fn print_event(group: &str, event: &Value, as_json: bool, with_group: bool) -> bool {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let done = if as_json {
        let mut event = event.clone();
        event["logGroupName"] = group.into();
        writeln!(out, "{event}")
    } else {
        let prefix = if with_group { format!("{group} ") } else { String::new() };
        let stream = event["logStreamName"].as_str().unwrap_or_default();
        let time = event["timestamp"].as_i64().and_then(chrono::DateTime::from_timestamp_millis);
        let time = time.map_or_else(String::new, |t| t.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
        writeln!(out, "{time} {prefix}{stream} {}", event["message"].as_str().unwrap_or_default())
    };
    done.and_then(|()| out.flush()).is_ok()
}
