//! `logboom query`: a Logs Insights query from the command line.
//!
//! Owns the waiting and the printing. Refuses to know the query language: the server says what is wrong.

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Endpoint};
use super::span;
use crate::clock::Clock;

/// Runs a Logs Insights query and prints the rows.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The query, for example `filter @message like /ERROR/ | stats count(*) by bin(5m)`.
    query: String,
    /// Log groups to read; repeat for several.
    #[arg(long = "group", short = 'g', required = true)]
    groups: Vec<String>,
    /// How far back to read: 90s, 15m, 3h, 2d.
    #[arg(long, default_value = "1h", value_parser = span::parse)]
    since: i64,
    /// Rows at most (1 to 100,000).
    #[arg(long)]
    limit: Option<u32>,
    /// Print each row as one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

type Row = Vec<(String, String)>;

/// Runs the command.
pub(crate) async fn run(args: QueryArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint, clock.clone());
    let now = clock.now_ms();
    let mut input = json!({
        "logGroupNames": args.groups, "queryString": args.query,
        "startTime": (now - args.since).div_euclid(1000), "endTime": now.div_euclid(1000) + 1,
    });
    if let Some(limit) = args.limit {
        input["limit"] = limit.into();
    }
    let rows = rows(&client, &clock, input).await?;
    if args.json {
        for row in &rows {
            let object: serde_json::Map<String, Value> =
                row.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
            println!("{}", Value::Object(object));
        }
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
}

/// Starts the query `input`, waits for its end and gives its rows without `@ptr`.
pub(crate) async fn rows(client: &Client, clock: &Clock, input: Value) -> Result<Vec<Row>, ClientError> {
    let started = client.logs("StartQuery", input).await?;
    loop {
        let answer = client.logs("GetQueryResults", json!({"queryId": started["queryId"]})).await?;
        match answer["status"].as_str().unwrap_or_default() {
            "Scheduled" | "Running" => clock.sleep(100).await,
            "Complete" => return Ok(answer["results"].as_array().into_iter().flatten().map(row).collect()),
            other => {
                let path = format!("/_logboom/queries/{}", started["queryId"].as_str().unwrap_or_default());
                // A query that failed says why; nothing else does.
                let why =
                    client.own("logs", hyper::Method::GET, &path, Value::Null).await.unwrap_or_default();
                let why = why["reason"].as_str().map_or_else(String::new, |why| format!(": {why}"));
                let message = format!("the query ended as {other}{why}");
                return Err(ClientError::Refused { code: other.to_owned(), message });
            }
        }
    }
}

fn row(fields: &Value) -> Row {
    let text = |f: &Value, key: &str| f[key].as_str().unwrap_or_default().to_owned();
    let fields = fields.as_array().into_iter().flatten();
    fields.map(|f| (text(f, "field"), text(f, "value"))).filter(|(name, _)| name != "@ptr").collect()
}

/// The rows as aligned columns under their names; absent values are empty.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let cell = |row: &Row, name: &str| {
        let found = row.iter().find(|(n, _)| n == name);
        found.map_or_else(String::new, |(_, value)| value.replace('\n', "\\n"))
    };
    let mut lines: Vec<Vec<String>> = vec![names.iter().map(|n| (*n).to_owned()).collect()];
    lines.extend(rows.iter().map(|row| names.iter().map(|n| cell(row, n)).collect()));
    let widths: Vec<usize> =
        (0..names.len()).map(|i| lines.iter().map(|l| l[i].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        out.push_str(padded.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_columns_and_leaves_absent_values_empty() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let rows = vec![vec![pair("status", "200"), pair("n", "12")], vec![pair("n", "3")]];
        assert_eq!(table(&rows), "status  n\n200     12\n        3\n");
    }
}
