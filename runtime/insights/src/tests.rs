//! What a caller of the room relies on besides rows: outside functions, bounds, early stop, needs.

mod cases;
mod oracle;
mod properties;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crate::{
    CompileError, Control, Error, Execution, Functions, Guest, Limits, Literal, LiteralKind, MemoryBlock,
    MemoryEvent, NoFunctions, Order, Query, Resolution, Signature, Type, Value, Window,
};

const ALWAYS: Window = Window { start_ms: 0, end_ms: i64::MAX };

fn compile(text: &str) -> Query {
    Query::compile(text, &NoFunctions, 0, ALWAYS).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Events `from..to`, one per millisecond, `{"n":i,"k":i % 7}`.
fn block(from: i64, to: i64) -> MemoryBlock {
    let event = |n: i64| MemoryEvent {
        timestamp: n,
        message: format!("{{\"n\":{n},\"k\":{}}}", n % 7),
        position: (0, n.unsigned_abs()),
        pointer: n.to_string(),
        ..MemoryEvent::default()
    };
    MemoryBlock::new("1:g", (from..to).map(event).collect())
}

#[test]
fn queries_and_executions_travel_between_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Query>();
    sync::<Query>();
    send::<Execution>();
}

struct Doubler {
    signature: Signature,
    calls: Arc<AtomicUsize>,
}

impl Guest for Doubler {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn evaluate(&self, columns: &[Vec<Value>], rows: usize) -> Result<Vec<Value>, String> {
        self.calls.fetch_add(1, SeqCst);
        if columns[0].contains(&Value::Int(13)) {
            return Err("unlucky".to_owned());
        }
        let double = |v: &Value| if let Value::Int(n) = v { Value::Int(n * 2) } else { Value::Null };
        let short = columns[0].contains(&Value::Int(99));
        Ok(columns[0].iter().map(double).take(if short { 1 } else { rows }).collect())
    }
}

struct Registry(Arc<Doubler>);

impl Functions for Registry {
    fn resolve(&self, name: &str) -> Resolution {
        match name {
            "double" => Resolution::Found(self.0.clone()),
            "twice" => Resolution::Ambiguous("modules a and b".to_owned()),
            _ => Resolution::Unknown,
        }
    }

    fn names(&self) -> Vec<String> {
        vec!["double".to_owned(), "twice".to_owned()]
    }
}

fn registry() -> (Registry, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let signature = Signature {
        name: "double".to_owned(),
        parameters: vec![Type::Integer],
        variadic: false,
        returns: Type::Integer,
        help: String::new(),
    };
    (Registry(Arc::new(Doubler { signature, calls: Arc::clone(&calls) })), calls)
}

#[test]
fn outside_functions_are_called_once_per_block_and_only_for_surviving_rows() {
    let (functions, calls) = registry();
    let text = "fields double(n) as d | filter k = 3 and d > 20 | sort d asc | limit 2";
    let query = Query::compile(text, &functions, 0, ALWAYS).expect("compiles");
    let mut execution = Execution::new(&query);
    // Row 13 would fail; it is filtered out first, for it is cheaper to look at k.
    execution.push(&block(0, 30)).expect("runs");
    execution.push(&block(30, 60)).expect("runs");
    let rows = execution.finish().expect("finishes").rows;
    let got: Vec<&str> = rows.iter().map(|row| row[0].1.as_str()).collect();
    assert_eq!(got, ["34", "48"]);
    assert_eq!(calls.load(SeqCst), 2);
}

/// Notes the arguments it is called with, and joins them.
struct Noted(Signature, Mutex<Vec<Vec<Vec<Value>>>>);

impl Guest for Noted {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn evaluate(&self, columns: &[Vec<Value>], rows: usize) -> Result<Vec<Value>, String> {
        self.1.lock().expect("no panic").push(columns.to_vec());
        let one = |row: usize| {
            let texts = columns.iter().map(|column| column[row].cell().print().unwrap_or_default());
            Value::Text(texts.collect::<Vec<_>>().join("+").into())
        };
        Ok((0..rows).map(one).collect())
    }
}

struct One(Arc<Noted>);

impl Functions for One {
    fn resolve(&self, name: &str) -> Resolution {
        let found = name.eq_ignore_ascii_case("joined");
        if found { Resolution::Found(self.0.clone()) } else { Resolution::Unknown }
    }

    fn names(&self) -> Vec<String> {
        vec!["joined".to_owned()]
    }
}

/// What `text` gives on thirty events, and the rows of each call.
fn joined(text: &str) -> (Vec<String>, Vec<usize>) {
    let signature = Signature {
        name: "joined".to_owned(),
        parameters: vec![Type::Text],
        variadic: true,
        returns: Type::Text,
        help: String::new(),
    };
    let guest = Arc::new(Noted(signature, Mutex::default()));
    let query = Query::compile(text, &One(Arc::clone(&guest)), 0, ALWAYS).expect("compiles");
    let mut execution = Execution::new(&query);
    execution.push(&block(0, 30)).expect("runs");
    let rows = execution.finish().expect("finishes").rows;
    let calls = guest.1.lock().expect("no panic");
    let sizes = calls.iter().map(|columns| columns.first().map_or(0, Vec::len)).collect();
    (rows.into_iter().map(|row| row[0].1.clone()).collect(), sizes)
}

#[test]
fn equal_arguments_are_called_for_once_where_that_is_known() {
    let (rows, calls) = joined("fields joined('a', 1 + 1) as j | limit 2");
    assert_eq!((rows, calls), (vec!["a+2".to_owned(), "a+2".to_owned()], vec![1]));
    let (rows, calls) = joined("fields JOINED(n, k) as j | sort n asc | limit 30");
    assert_eq!((&rows[..2], calls), (&["0+0".to_owned(), "1+1".to_owned()][..], vec![30]));
    let (rows, calls) = joined("fields JOINED(n, k) as j | sort n asc | limit 2");
    assert_eq!((rows.len(), calls), (2, vec![2]), "rows that are not shown are not asked about");
    let (rows, calls) = joined("filter joined('a') = 'none' | stats count(*)");
    assert!(rows.is_empty() && calls == [1], "{rows:?} {calls:?}");
    let (_, calls) = joined("filter k > 99 | fields joined(n) as j | filter j = 'x'");
    assert!(calls.is_empty(), "{calls:?}");
    let error = Query::compile("fields haversine(n)", &NoFunctions, 0, ALWAYS).expect_err("not there yet");
    assert!(error.message.contains("not supported"), "{}", error.message);
}

#[test]
fn failing_outside_functions_fail_the_query_by_name() {
    let (functions, _) = registry();
    let query = Query::compile("stats sum(double(n))", &functions, 0, ALWAYS).expect("compiles");
    for (from, part) in [(10, "unlucky"), (98, "it returned 1 values for 5 rows")] {
        let error = Execution::new(&query).push(&block(from, from + 5)).expect_err("fails");
        assert!(error.to_string().contains(part), "{error}");
        assert!(matches!(error, Error::Guest { function, .. } if function == "double"));
    }
}

#[test]
fn outside_names_are_checked_when_compiling() {
    let (functions, _) = registry();
    let refused = |text: &str| -> CompileError {
        Query::compile(text, &functions, 0, ALWAYS).err().unwrap_or_else(|| panic!("{text} compiled"))
    };
    assert!(refused("fields double()").message.contains("'double' takes 1 argument, not 0"));
    assert!(
        refused("fields twice(n)")
            .message
            .contains("ambiguous at line 1 and position 7; it is offered by modules a and b")
    );
    assert!(refused("fields duoble(n)").message.contains("did you mean 'double'?"));
}

#[test]
fn bounds_are_errors_that_name_the_limit() {
    let limits = Limits { groups: 5, group_bytes: 2_000, row_bytes: 4_000 };
    let cases = [
        ("stats count(*) by n", "5 groups of one stats command"),
        ("stats values(n) by k % 3", "2000 bytes of groups"),
        ("stats pct(n, 50), count_distinct(n)", "2000 bytes of groups"),
        ("fields @message | limit 1000", "4000 bytes of result rows"),
        ("fields @message | dedup n", "4000 bytes of result rows"),
    ];
    for (text, part) in cases {
        let mut execution = Execution::with_limits(&compile(text), limits);
        let error = execution.push(&block(0, 500)).expect_err("too much");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    for text in ["stats count(*) by k % 2", "fields @message | limit 5", "fields n | dedup k | limit 3"] {
        let mut execution = Execution::with_limits(&compile(text), limits);
        execution.push(&block(0, 5_000)).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
}

#[test]
fn rows_made_from_one_block_are_bounded() {
    let query = compile(
        "parse @message /(?<a>)/ multi | parse @message /(?<b>)/ multi | parse @message /(?<c>)/ multi",
    );
    let event = MemoryEvent { message: "x".repeat(2_000), ..MemoryEvent::default() };
    let error = Execution::new(&query).push(&MemoryBlock::new("1:g", vec![event])).expect_err("too many");
    assert!(error.to_string().contains("rows made from one block"), "{error}");
}

#[test]
fn the_number_of_regular_expressions_is_bounded() {
    let many = |n: usize| format!("filter {}", vec!["a like /x/"; n].join(" or "));
    compile(&many(64));
    let error = Query::compile(&many(65), &NoFunctions, 0, ALWAYS).expect_err("too many");
    assert!(error.message.contains("at most 64 regular expressions"), "{error}");
}

#[test]
fn executions_of_different_queries_do_not_merge() {
    let mut one = Execution::new(&compile("stats count(*)"));
    assert_eq!(one.merge(Execution::new(&compile("stats count(n)"))), Err(Error::Mismatch));
    assert_eq!(one.merge(Execution::new(&compile("stats  count(*) # same"))), Ok(()));
}

#[test]
fn a_full_page_of_the_newest_wants_nothing_older() {
    let mut execution = Execution::new(&compile("fields n | filter k = 1 | limit 3"));
    assert!(execution.wants(0, 10));
    assert_eq!(execution.push(&block(100, 200)), Ok(Control::Continue));
    // The newest three with k = 1 are 197, 190 and 183.
    assert!(execution.wants(150, 183));
    assert!(!execution.wants(0, 182));
    let mut oldest = Execution::new(&compile("sort @timestamp asc | limit 3"));
    oldest.push(&block(100, 200)).expect("runs");
    assert!(oldest.wants(0, 99));
    assert!(!oldest.wants(103, 200));
    let mut sorted = Execution::new(&compile("sort n | limit 3"));
    sorted.push(&block(100, 200)).expect("runs");
    assert!(sorted.wants(0, 10) && sorted.wants(300, 400));
}

#[test]
fn limit_any_stops_as_soon_as_it_has_its_rows() {
    let mut execution = Execution::new(&compile("filter k = 1 | limit any 2"));
    assert_eq!(execution.push(&block(0, 3)), Ok(Control::Continue));
    assert_eq!(execution.push(&block(3, 30)), Ok(Control::Stop));
    assert_eq!(execution.finish().expect("finishes").rows.len(), 2);
}

#[test]
fn needs_say_what_is_read() {
    let query = compile(
        "filter @message like /a ERROR+/ and level = \"WARN\" and status = 500 | fields latency, @logStream | limit 20",
    );
    let needs = query.needs();
    assert_eq!(needs.fields, ["level", "status", "latency"]);
    assert!(needs.message && needs.stream && !needs.ingestion_time);
    assert_eq!((needs.limit, needs.order), (Some(20), Order::NewestFirst));
    let literal =
        |field: &str, text: &str, kind| Literal { field: field.to_owned(), text: text.to_owned(), kind };
    assert_eq!(
        needs.literals,
        [literal("@message", "a ERRO", LiteralKind::Contains), literal("level", "WARN", LiteralKind::Equals),]
    );
}

#[test]
fn needs_follow_the_query() {
    let cases = [
        ("stats count(*) by bin(5m)", false, None, Order::Any),
        ("fields n", false, Some(10_000), Order::NewestFirst),
        ("filter n = 1", true, Some(10_000), Order::NewestFirst),
        ("fields n | sort @timestamp", false, Some(10_000), Order::OldestFirst),
        ("fields n | sort n | limit 5", false, None, Order::Any),
        ("fields n | limit any 5", false, Some(5), Order::Any),
        ("fields n | dedup n", false, None, Order::Any),
        ("limit 7 | stats count(*)", false, Some(7), Order::NewestFirst),
    ];
    for (text, message, limit, order) in cases {
        let query = compile(text);
        let needs = query.needs();
        assert_eq!((needs.message, needs.limit, needs.order), (message, limit, order), "{text}");
    }
    // Text that numbers and booleans can equal in other words is no required literal, nor is one
    // behind a limit, an `or` or a negation, or in a column that was defined.
    for text in [
        "filter a = \"5\"",
        "filter a = \"true\"",
        "limit 5 | filter a = \"x\"",
        "filter a = \"x\" or b = \"y\"",
        "filter a not like \"x\"",
        "fields toupper(a) as a | filter a = \"X\"",
        "parse @message \"*\" as a | filter a = \"x\"",
    ] {
        assert_eq!(compile(text).needs().literals, [], "{text}");
    }
    assert_eq!(compile("fields n").default_limit(5).needs().limit, Some(5));
    assert_eq!(compile("fields n | limit 9").default_limit(5).needs().limit, Some(9));
}

#[test]
fn ten_thousand_rows_unless_told() {
    let mut execution = Execution::new(&compile("fields n"));
    let mut grouped = Execution::new(&compile("stats count(*) by n"));
    for start in [0, 6_000] {
        execution.push(&block(start, start + 6_000)).expect("runs");
        grouped.push(&block(start, start + 6_000)).expect("runs");
    }
    let output = execution.finish().expect("finishes");
    assert_eq!((output.rows.len(), output.matched, output.scanned), (10_000, 12_000, 12_000));
    assert_eq!(output.rows[0][0], ("n".to_owned(), "11999".to_owned()));
    assert_eq!(grouped.finish().expect("finishes").rows.len(), 10_000);
}

#[test]
fn the_window_includes_both_ends() {
    let window = Window { start_ms: 10, end_ms: 19 };
    let query = Query::compile("stats count(*) as n, min(n) as lo, max(n) as hi", &NoFunctions, 0, window);
    let mut execution = Execution::new(&query.expect("compiles"));
    execution.push(&block(0, 100)).expect("runs");
    assert!(!execution.wants(20, 30) && execution.wants(19, 30));
    let output = execution.finish().expect("finishes");
    let values: Vec<&str> = output.rows[0].iter().map(|(_, v)| v.as_str()).collect();
    assert_eq!(values, ["10", "10", "19"]);
    assert_eq!((output.scanned, output.bytes), (10, 10 * "{\"n\":10,\"k\":3}".len() as u64));
}
