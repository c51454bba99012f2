//! Runs the case files of `cases/`: a query and the rows it returns, an expression and its value, or
//! a text and the error it is refused with. Every query that compiles is also printed back and
//! compiled again, and run with each event in a block and an execution of its own.
//!
//! One JSON object per line:
//! - `{"query", "on", "columns", "rows"}`: rows in order, null for an absent field; `on` names an
//!   event set of `data.json`; `limit` is the request's own.
//! - `{"expr", "is"}`: the value of an expression in the one event of set `one`; null is absent.
//! - `{"text", "at": [start, end], "error"}`: the refusal's place and a part of its message.

use serde_json::Value as Json;

use crate::{Execution, MemoryBlock, MemoryEvent, NoFunctions, Output, Query, Window};

/// 2023-11-14 22:00:00 UTC; times in the files count from here.
pub(crate) const BASE: i64 = 1_699_999_200_000;
const NOW: i64 = BASE + 7_200_000;

pub(crate) fn window() -> Window {
    Window { start_ms: BASE - 3_600_000, end_ms: BASE + 7_200_000 }
}

fn lines(file: &str) -> Vec<Json> {
    let path = format!("{}/cases/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a case file");
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{file}: {e}: {line}"));
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

/// `[offset, message or object, stream]` per event, under the name of the set.
fn events(set: &str) -> (String, Vec<MemoryEvent>) {
    let path = format!("{}/cases/data.json", env!("CARGO_MANIFEST_DIR"));
    let data: Json = serde_json::from_str(&std::fs::read_to_string(path).expect("data")).expect("JSON");
    let list = data[set].as_array().unwrap_or_else(|| panic!("no event set {set}"));
    let group = if set.starts_with("lambda") { "/aws/lambda/f" } else { "/app" };
    let event = |(sequence, event): (usize, &Json)| MemoryEvent {
        timestamp: BASE + event[0].as_i64().expect("an offset"),
        ingestion_time: BASE + event[0].as_i64().expect("an offset") + 5,
        message: event[1].as_str().expect("a message").to_owned(),
        stream: event[2].as_str().unwrap_or("s1").to_owned(),
        position: (0, sequence as u64),
        pointer: format!("p{sequence}"),
    };
    (format!("123456789012:{group}"), list.iter().enumerate().map(event).collect())
}

fn run_whole(query: &Query, log: &str, events: &[MemoryEvent]) -> Output {
    let mut execution = Execution::new(query);
    execution.push(&MemoryBlock::new(log, events.to_vec())).expect("runs");
    execution.finish().expect("finishes")
}

/// Every event in a block and an execution of its own, merged in another order.
fn run_split(query: &Query, log: &str, events: &[MemoryEvent]) -> Output {
    let mut whole = Execution::new(query);
    for event in events.iter().rev() {
        let mut part = Execution::new(query);
        part.push(&MemoryBlock::new(log, vec![event.clone()])).expect("runs");
        whole.merge(part).expect("merges");
    }
    whole.finish().expect("finishes")
}

fn compile(text: &str) -> Query {
    let query = Query::compile(text, &NoFunctions, NOW, window()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let printed = query.to_string();
    let again = Query::compile(&printed, &NoFunctions, NOW, window());
    let again = again.unwrap_or_else(|e| panic!("{text}: printed as {printed}: {e}"));
    assert_eq!(format!("{query:?}"), format!("{again:?}"), "{text}: printed as {printed}");
    assert_eq!(again.to_string(), printed, "printing is stable");
    query
}

fn check_query(case: &Json) {
    let text = case["query"].as_str().expect("a query");
    let (log, events) = events(case["on"].as_str().expect("an event set"));
    let mut query = compile(text);
    if let Some(limit) = case["limit"].as_u64() {
        query = query.default_limit(usize::try_from(limit).expect("small"));
    }
    let output = run_whole(&query, &log, &events);
    let columns: Vec<&str> =
        case["columns"].as_array().expect("columns").iter().map(|c| c.as_str().expect("a name")).collect();
    let row = |values: &Json| -> Vec<(String, String)> {
        let values = values.as_array().expect("a row");
        assert_eq!(values.len(), columns.len(), "{text}: the case's own row");
        let pairs = columns.iter().zip(values);
        pairs.filter_map(|(c, v)| Some(((*c).to_owned(), v.as_str()?.to_owned()))).collect()
    };
    let want: Vec<_> = case["rows"].as_array().expect("rows").iter().map(row).collect();
    let mut got = output.rows.clone();
    if !query.is_aggregate() && !columns.contains(&"@ptr") {
        for row in &mut got {
            let last = row.pop().unwrap_or_default();
            assert_eq!(last.0, "@ptr", "{text}: an event row ends with its pointer");
        }
    }
    assert_eq!(got, want, "{text}");
    if let Some(matched) = case["matched"].as_u64() {
        assert_eq!(output.matched, matched, "{text}: matched");
    }
    assert_eq!(run_split(&query, &log, &events), output, "{text}: split and merged");
}

fn check_expression(case: &Json) {
    let text = case["expr"].as_str().expect("an expression");
    let (log, events) = events("one");
    let query = compile(&format!("fields {text} as r"));
    let output = run_whole(&query, &log, &events);
    let got = output.rows[0].iter().find(|(name, _)| name == "r").map(|(_, value)| value.as_str());
    assert_eq!(got, case["is"].as_str(), "{text}");
}

fn check_refusal(case: &Json) {
    let text = case["text"].as_str().expect("a text");
    let error = match Query::compile(text, &NoFunctions, NOW, window()) {
        Ok(query) => panic!("{text} compiled to {query}"),
        Err(error) => error,
    };
    let part = case["error"].as_str().expect("a part of the message");
    assert!(error.message.contains(part), "{text}: {error}");
    let at = (case["at"][0].as_u64(), case["at"][1].as_u64());
    assert_eq!(at, (Some(error.start as u64), Some(error.end as u64)), "{text}: {error}");
}

fn files() -> Vec<String> {
    let folder = format!("{}/cases", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the case folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    files.sort();
    files
}

#[test]
fn all_cases() {
    let cases: Vec<Json> = files().iter().flat_map(|file| lines(file)).collect();
    let check = |case: &Json| match () {
        () if case.get("query").is_some() => check_query(case),
        () if case.get("expr").is_some() => check_expression(case),
        () => check_refusal(case),
    };
    // Every failing case is reported, not only the first.
    let failed = cases.iter().filter(|case| std::panic::catch_unwind(|| check(case)).is_err()).count();
    assert_eq!(failed, 0, "of {} cases", cases.len());
    assert!(cases.len() > 400, "only {} cases were found", cases.len());
}

/// Every name of every table is used by some case.
#[test]
fn every_name_has_a_case() {
    let text: String = files()
        .iter()
        .flat_map(|file| lines(file))
        .filter_map(|case| Some(case.get("query").or(case.get("expr"))?.as_str()?.to_lowercase()))
        .collect::<Vec<_>>()
        .join("\n");
    let functions = crate::function::all().flat_map(|f| f.names);
    let aggregates = crate::aggregate::AGGREGATES.iter().flat_map(|a| a.names);
    for name in functions.chain(aggregates) {
        assert!(text.contains(&format!("{}(", name.to_lowercase())), "no case calls {name}");
    }
    for name in crate::command::COMMANDS.iter().flat_map(|(names, _)| *names) {
        assert!(text.contains(&format!("{name} ")), "no case uses {name}");
    }
}
