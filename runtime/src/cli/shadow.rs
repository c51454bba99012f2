//! `logboom shadow`: runs a version beside the one that serves, and shows how they compare.
//!
//! Owns what is printed. Refuses to compare: the server does.

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Endpoint, escape};
use super::span;
use crate::clock::Clock;

/// Runs a version of a function beside the one that serves, on the same events, without any effect; without --version
/// and --stop shows the comparison.
#[derive(Debug, Args)]
pub(crate) struct ShadowArgs {
    /// Name of the function.
    name: String,
    /// Begin: the version to run, a number or $LATEST.
    #[arg(long, value_name = "V", conflicts_with = "stop")]
    version: Option<String>,
    /// End it.
    #[arg(long)]
    stop: bool,
    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Runs the command.
pub(crate) async fn run(args: ShadowArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint, clock);
    let path = format!("/_logboom/functions/{}/shadow", escape(&args.name));
    if let Some(version) = args.version {
        client.own("lambda", Method::PUT, &path, json!({ "version": version })).await?;
        eprintln!("version {version} of {} runs beside the one that serves, without effects", args.name);
        return Ok(());
    }
    let shown = client.own("lambda", Method::GET, &path, Value::Null).await?;
    if args.json {
        println!("{shown:#}");
    } else {
        print!("{}", text(&shown));
    }
    if args.stop {
        client.own("lambda", Method::DELETE, &path, Value::Null).await?;
        eprintln!("the shadow of {} has ended", args.name);
    }
    Ok(())
}

fn text(shown: &Value) -> String {
    let number = |path: &str| shown.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let name = |path: &str| shown.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let time = |name: &str| shown[name].as_i64().unwrap_or(0);
    let age_ms = time("nowMs").saturating_sub(time("countedFromMs"));
    let mut out = format!(
        "{}: version {} is the shadow, compared for {}\n",
        name("/function"),
        name("/version"),
        span::shown(age_ms)
    );
    let served = shown["servedVersions"].as_object().into_iter().flatten();
    let served: Vec<String> = served.map(|(version, calls)| format!("{version} ({calls} calls)")).collect();
    let none = "nothing yet".to_owned();
    let rows = [
        ("served by", if served.is_empty() { none } else { served.join(", ") }),
        (
            "calls",
            format!(
                "{} compared: {} same, {} different ({} in their effects)",
                number("/calls/compared"),
                number("/calls/same"),
                number("/calls/different"),
                number("/calls/effectsDifferent")
            ),
        ),
        (
            "events",
            format!("{} compared, {} different", number("/events/compared"), number("/events/different")),
        ),
        ("failures", format!("{} served, {} shadow", number("/failures/served"), number("/failures/shadow"))),
        ("CPU", format!("{} served, {} shadow", ms(number("/cpuUs/served")), ms(number("/cpuUs/shadow")))),
    ];
    for (what, how) in rows {
        out.push_str(&format!("  {what:<10} {how}\n"));
    }
    let left_out = [
        ("/calls/skipped", "left out: the shadow could not keep up".to_owned()),
        ("/calls/incomparable", format!("not comparable: {}", name("/calls/incomparableReason"))),
        ("/calls/servedByShadow", "served by the shadow's own version".to_owned()),
    ];
    for (path, why) in left_out {
        if number(path) > 0 {
            out.push_str(&format!("  {:<10} {} {why}\n", "", number(path)));
        }
    }
    shown["examples"].as_array().into_iter().flatten().for_each(|one| out.push_str(&example(one)));
    out
}

fn example(one: &Value) -> String {
    let name = |path: &str| one.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let what = match one.pointer("/event/message").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => format!("{} events, delivery {}", one["events"], name("/deliveryId")),
    };
    format!(
        "\n{} {}\n  {what}\n  served: {}\n  shadow: {}\n",
        name("/logGroup"),
        name("/logStream"),
        name("/served"),
        name("/shadow")
    )
}

fn ms(us: u64) -> String {
    format!("{}.{:03} ms", us / 1_000, us % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_is_told_with_its_examples() {
        let shown = json!({
            "function": "f", "version": "2", "countedFromMs": 0, "nowMs": 90_000, "servedVersions": {"1": 3},
            "calls": {"compared": 3, "same": 2, "different": 1, "effectsDifferent": 0, "skipped": 4},
            "events": {"compared": 30, "different": 1}, "failures": {"served": 0, "shadow": 0},
            "cpuUs": {"served": 1500, "shadow": 20},
            "examples": [{"logGroup": "/g", "logStream": "s", "events": 1, "event": {"message": "hello"},
                "served": "keep", "shadow": "drop"}],
        });
        let told = text(&shown);
        for part in [
            "f: version 2 is the shadow, compared for 1m30s",
            "served by  1 (3 calls)",
            "calls      3 compared: 2 same, 1 different (0 in their effects)",
            "events     30 compared, 1 different",
            "CPU        1.500 ms served, 0.020 ms shadow",
            "4 left out: the shadow could not keep up",
            "/g s\n  hello\n  served: keep\n  shadow: drop\n",
        ] {
            assert!(told.contains(part), "{part:?} is not in\n{told}");
        }
        assert!(!told.contains("not comparable"));
    }
}
