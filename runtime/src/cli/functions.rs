//! `logboom functions`: what every function did and what it cost.
//!
//! Owns the columns. Refuses to count: the server does.

use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::client::{Client, ClientError, Endpoint};
use super::query::table;
use crate::clock::Clock;

/// Shows what functions did and cost, by version and log group.
#[derive(Debug, Args)]
pub(crate) struct FunctionsArgs {
    /// Only these functions.
    names: Vec<String>,
    /// Print what the server counts as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Runs the command.
pub(crate) async fn run(args: FunctionsArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint, clock.clone());
    let mut books = client.own("logs", Method::GET, "/_logboom/functions", Value::Null).await?;
    let wanted = |row: &Value| {
        args.names.is_empty() || args.names.iter().any(|name| row["function"].as_str() == Some(name))
    };
    for member in ["functions", "open_circuits"] {
        if let Some(rows) = books[member].as_array_mut() {
            rows.retain(wanted);
        }
    }
    if args.json {
        println!("{books:#}");
        return Ok(());
    }
    let rows: Vec<_> = rows(&books, clock.now_ms());
    if rows.is_empty() {
        eprintln!("no function has been called");
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
}

fn rows(books: &Value, now_ms: i64) -> Vec<Vec<(String, String)>> {
    let all = || books["functions"].as_array().into_iter().flatten();
    let place = |row: &Value| (row["account"].clone(), row["region"].clone());
    // One account and region are where one is; several are told apart.
    let several = all().map(place).any(|one| all().next().map(place) != Some(one));
    all().map(|row| one(row, books, several, now_ms)).collect()
}

fn one(row: &Value, books: &Value, several: bool, now_ms: i64) -> Vec<(String, String)> {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| row[name].as_u64().unwrap_or(0);
    let mut columns = Vec::new();
    if several {
        columns.extend([("account", text("account")), ("region", text("region"))]);
    }
    let group = Some(text("log_group")).filter(|group| !group.is_empty());
    columns.extend([
        ("function", text("function")),
        ("version", text("version")),
        ("group", group.unwrap_or_else(|| "-".to_owned())),
        ("calls", number("calls").to_string()),
        ("errors", number("errors").to_string()),
        ("traps", number("traps").to_string()),
        ("CPU", format!("{:.1} ms", number("cpu_us") as f64 / 1_000.0)),
        ("in", bytes(number("bytes_in"))),
        ("out", bytes(number("bytes_out"))),
        ("kept", number("events_kept").to_string()),
        ("dropped", number("events_dropped").to_string()),
        ("failed", number("events_failed").to_string()),
        ("peak", bytes(number("memory_peak_bytes"))),
        ("breaker", breaker(row, books, now_ms)),
    ]);
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whether the function rests, and for how long yet.
fn breaker(row: &Value, books: &Value, now_ms: i64) -> String {
    let mut open = books["open_circuits"].as_array().into_iter().flatten();
    let same = |circuit: &&Value| {
        ["account", "region", "function"].iter().all(|member| circuit[*member] == row[*member])
    };
    let Some(circuit) = open.find(same) else { return "closed".to_owned() };
    let left_ms = circuit["until_ms"].as_i64().unwrap_or(now_ms).saturating_sub(now_ms).max(0);
    format!("open, {} s more", left_ms / 1_000)
}

fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_of_a_function_a_version_and_a_group() {
        let mut books = json!({
            "functions": [
                {"account": "1", "region": "r", "function": "f", "version": "2", "log_group": "/g", "calls": 3,
                    "cpu_us": 1500, "bytes_in": 2048, "bytes_out": 7, "events_kept": 5, "events_dropped": 1,
                    "memory_peak_bytes": 3_145_728},
                {"account": "1", "region": "r", "function": "g", "version": "$LATEST", "log_group": ""},
            ],
            "open_circuits": [{"account": "1", "region": "r", "function": "g", "until_ms": 12_000}],
        });
        let shown = table(&rows(&books, 2_000));
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        let first = "f 2 /g 3 0 0 1.5 ms 2.0 KiB 7 B 5 1 0 3.0 MiB closed";
        assert_eq!(lines[1].join(" "), first);
        assert!(lines[2].join(" ").starts_with("g $LATEST - 0") && shown.ends_with("open, 10 s more\n"));
        assert!(!shown.contains("account"));
        books["functions"][1]["account"] = json!("2");
        assert!(table(&rows(&books, 0)).starts_with("account  region  function"));
    }
}
