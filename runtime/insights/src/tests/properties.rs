//! Properties of the whole room: no text makes the compiler panic, what is printed back compiles to
//! the same plan, and neither blocks nor columns nor merges change a result.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cases::{BASE, window};
use crate::discover::{Kind, Wanted};
use crate::plan::query::proptest_rounds;
use crate::run::vector::Lent;
use crate::{Block, Column, Execution, MemoryBlock, MemoryEvent, NoFunctions, Output, Query, Value};

fn compile(text: &str) -> Option<Query> {
    match Query::compile(text, &NoFunctions, BASE, window()) {
        Ok(query) => Some(query),
        Err(error) => {
            let length = text.chars().count();
            assert!(error.start <= error.end && error.end <= length, "{text:?}: {error:?}");
            assert!(error.message.contains(" at line "), "{text:?}: {error:?}");
            None
        }
    }
}

const WORDS: &[&str] = &[
    "fields",
    "filter",
    "stats",
    "sort",
    "limit",
    "parse",
    "dedup",
    "display",
    "unnest",
    "into",
    "by",
    "as",
    "and",
    "or",
    "not",
    "like",
    "in",
    "any",
    "multi",
    "desc",
    "asc",
    "@timestamp",
    "@message",
    "a",
    "b.c",
    "`x y`",
    "5",
    "1.5",
    "5m",
    "\"t*\"",
    "'q'",
    "/r(?<n>x)/",
    "|",
    "|",
    ",",
    "(",
    ")",
    "[",
    "]",
    "=",
    "!=",
    "<",
    ">=",
    "=~",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "!",
    ".",
    "count(*)",
    "sum(",
    "bin(",
    "max(a)",
    "strlen(",
    "coalesce(",
    "#\n",
    "\n",
    "é",
];

fn field() -> impl Strategy<Value = String> {
    select(&["a", "b", "c", "d.e", "d.f", "@message", "@timestamp", "@logStream", "`a`", "nosuch"][..])
        .prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => field(),
        2 => (-5i64..20).prop_map(|n| n.to_string()),
        1 => select(&["\"x\"", "'y\\'z'", "1.5", "true", "\"3\"", "2e3"][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            (pair.clone(), select(&["+", "-", "*", "/", "%", "^"][..]))
                .prop_map(|((a, b), op)| format!("({a}) {op} ({b})")),
            (pair.clone(), select(&["=", "!=", "<", "<=", ">", ">="][..]))
                .prop_map(|((a, b), op)| format!("({a}) {op} ({b})")),
            (pair.clone(), select(&["and", "or"][..])).prop_map(|((a, b), op)| format!("({a}) {op} ({b})")),
            inner.clone().prop_map(|a| format!("not ({a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (
                inner.clone(),
                select(
                    &["like /[xy]/", "not like \"x\"", "=~ /(?i)X|3/", "in [1, \"x\", -2]", "not in [3]"][..]
                )
            )
                .prop_map(|(a, test)| format!("({a}) {test}")),
            (
                inner.clone(),
                select(&["strlen", "toupper", "abs", "ispresent", "isempty", "trim", "floor"][..])
            )
                .prop_map(|(a, f)| format!("{f}({a})")),
            (pair.clone(), select(&["coalesce", "concat", "greatest", "if", "strcontains"][..]))
                .prop_map(|((a, b), f)| format!("{f}({a}, {b})")),
            pair.prop_map(|(a, _)| format!("datefloor({a}, 5m)")),
        ]
    })
}

/// Row commands, then perhaps stats, then perhaps an end.
fn query() -> impl Strategy<Value = String> {
    let row = prop_oneof![
        (expression(), select(&["p", "q", "a"][..])).prop_map(|(e, n)| format!("fields {e} as {n}")),
        expression().prop_map(|e| format!("filter {e}")),
        (expression(), select(&["asc", "desc"][..])).prop_map(|(e, d)| format!("sort {e} {d}")),
        Just("sort @timestamp asc".to_owned()),
        Just("parse @message \"\\\"b\\\":*,\" as p".to_owned()),
        Just("parse @message /\"(?<q>[a-d])\":(?<r>\\d)/".to_owned()),
        Just("parse @message /(?<q>[xy])/ multi".to_owned()),
        Just("fields jsonParse(@message) as j | unnest j.d into u".to_owned()),
        (1usize..6).prop_map(|n| format!("limit {n}")),
    ];
    let aggregate = (
        select(
            &[
                "sum",
                "avg",
                "min",
                "max",
                "count",
                "count_distinct",
                "median",
                "latest",
                "earliest",
                "sortsFirst",
                "values",
            ][..],
        ),
        field(),
    );
    let stats = (vec(aggregate, 1..4), prop::option::of(expression())).prop_map(|(list, key)| {
        let items: Vec<String> =
            list.iter().enumerate().map(|(i, (f, field))| format!("{f}({field}) as s{i}")).collect();
        format!(
            "stats {}{}",
            items.join(", "),
            key.map_or_else(String::new, |k| format!(" by {k} as key, bin(1m)"))
        )
    });
    let end = prop_oneof![
        Just(String::new()),
        (1usize..6).prop_map(|n| format!(" | limit {n}")),
        Just(" | dedup a".to_owned()),
        Just(" | display a, p, @timestamp".to_owned()),
        stats.prop_map(|s| format!(" | {s}")),
    ];
    (vec(row, 1..4), end).prop_map(|(rows, end)| format!("{}{end}", rows.join(" | ")))
}

fn event() -> impl Strategy<Value = MemoryEvent> {
    let scalar = select(&["1", "2", "3", "\"3\"", "\"x\"", "\"y\"", "null", "true", "-4", "\"\\u0078\""][..]);
    let member = (
        select(&["a", "b", "c", "d"][..]),
        prop_oneof![
            4 => scalar.clone().prop_map(str::to_owned),
            1 => (scalar.clone(), scalar.clone()).prop_map(|(e, f)| format!("{{\"e\":{e},\"f\":[{f}]}}")),
            1 => vec(scalar, 0..3).prop_map(|l| format!("[{}]", l.join(","))),
        ],
    );
    let message = prop_oneof![
        5 => vec(member, 0..5).prop_map(|m| {
            let members: Vec<String> = m.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            format!("{{{}}}", members.join(","))
        }),
        1 => "[xy \"a:1,]{0,12}",
    ];
    // A few events lie outside the window.
    (prop_oneof![9 => 0i64..600_000, 1 => -4_000_000i64..-3_500_000], message, select(&["s1", "s2"][..]))
        .prop_map(|(offset, message, stream)| MemoryEvent {
            timestamp: BASE + offset / 20_000 * 20_000,
            ingestion_time: BASE,
            message,
            stream: stream.to_owned(),
            ..MemoryEvent::default()
        })
}

/// A block that has every discovered field as a column, in the shape that fits.
struct Columns {
    inner: MemoryBlock,
    fields: Vec<(String, Held)>,
}

enum Held {
    Nothing,
    Ints(Vec<i64>, Vec<bool>),
    Texts(String, Vec<u32>, Vec<bool>),
    Dictionary(Vec<u32>, Vec<Value>),
}

impl Columns {
    fn new(log: &str, events: Vec<MemoryEvent>) -> Columns {
        let names: Vec<String> = ["a", "b", "c", "d.e", "d.f", "nosuch"].map(str::to_owned).to_vec();
        let wanted = Wanted::new(names.clone());
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); names.len()];
        for event in &events {
            let mut row = vec![Lent::Null; names.len()];
            wanted.extract(Kind::Other, &event.message, &mut wanted.scratch(), &mut row);
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value.cell().to_value()));
        }
        let fields = names.into_iter().zip(columns.iter().map(|c| hold(c))).collect();
        Columns { inner: MemoryBlock::new(log, events), fields }
    }
}

fn hold(column: &[Value]) -> Held {
    let present: Vec<bool> = column.iter().map(|v| *v != Value::Null).collect();
    let some: Vec<&Value> = column.iter().filter(|v| **v != Value::Null).collect();
    if some.is_empty() {
        return Held::Nothing;
    }
    if some.iter().all(|v| matches!(v, Value::Int(_))) {
        return Held::Ints(
            column.iter().map(|v| if let Value::Int(n) = v { *n } else { 0 }).collect(),
            present,
        );
    }
    if some.iter().all(|v| matches!(v, Value::Text(_))) {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for value in column {
            if let Value::Text(s) = value {
                text.push_str(s);
            }
            ends.push(u32::try_from(text.len()).expect("small"));
        }
        return Held::Texts(text, ends, present);
    }
    let mut values: Vec<Value> = Vec::new();
    let codes = column.iter().map(|v| {
        let at = values.iter().position(|w| w == v).unwrap_or_else(|| {
            values.push(v.clone());
            values.len() - 1
        });
        u32::try_from(at).expect("small")
    });
    Held::Dictionary(codes.collect(), values)
}

impl Block for Columns {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn timestamps(&self) -> &[i64] {
        self.inner.timestamps()
    }

    fn ingestion_times(&self) -> &[i64] {
        self.inner.ingestion_times()
    }

    fn message(&self, row: usize) -> &str {
        self.inner.message(row)
    }

    fn stream_name(&self, row: usize) -> &str {
        self.inner.stream_name(row)
    }

    fn log_identifier(&self) -> &str {
        self.inner.log_identifier()
    }

    fn pointer(&self, row: usize) -> String {
        self.inner.pointer(row)
    }

    fn position(&self, row: usize) -> (u32, u64) {
        self.inner.position(row)
    }

    fn column(&self, field: &str) -> Option<Column<'_>> {
        let (_, held) = self.fields.iter().find(|(name, _)| name == field)?;
        Some(match held {
            Held::Nothing => Column::Constant(crate::Cell::Null),
            Held::Ints(values, present) => Column::Ints { values, present: Some(present) },
            Held::Texts(text, ends, present) => Column::Texts { text, ends, present: Some(present) },
            Held::Dictionary(codes, values) => {
                Column::Dictionary { codes, values: values.iter().map(Value::cell).collect() }
            }
        })
    }
}

fn whole(query: &Query, events: &[MemoryEvent]) -> Output {
    let mut execution = Execution::new(query);
    execution.push(&MemoryBlock::new("1:g", events.to_vec())).expect("runs");
    execution.finish().expect("finishes")
}

/// Events cut into blocks at `cuts`, the blocks dealt to two executions that are merged.
fn split(query: &Query, events: &[MemoryEvent], cuts: &[Index], columns: bool) -> Output {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(events.len() + 1)).collect();
    cuts.extend([0, events.len()]);
    cuts.sort_unstable();
    let mut parts = [Execution::new(query), Execution::new(query)];
    for (number, ends) in cuts.windows(2).enumerate() {
        let block = events[ends[0]..ends[1]].to_vec();
        let part = &mut parts[number % 2];
        if columns {
            part.push(&Columns::new("1:g", block)).expect("runs");
        } else {
            part.push(&MemoryBlock::new("1:g", block)).expect("runs");
        }
    }
    let [even, mut odd] = parts;
    odd.merge(even).expect("merges");
    odd.finish().expect("finishes")
}

proptest! {
    #![proptest_config(proptest_rounds(300))]

    #[test]
    fn no_text_makes_the_compiler_panic(text in "\\PC{0,80}") {
        compile(&text);
        compile(&format!("fields {text}"));
    }

    #[test]
    fn no_soup_of_words_makes_the_compiler_panic(words in vec(select(WORDS), 0..24), glue in select(&[" ", ""][..])) {
        compile(&words.join(glue));
        compile(&format!("filter {}", words.join(glue)));
    }

    #[test]
    fn a_damaged_query_never_panics(text in query(), at in any::<Index>(), with in "\\PC{0,3}") {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        chars.splice(at..(at + 2).min(chars.len()), with.chars());
        compile(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn what_is_printed_compiles_to_the_same_plan(text in query()) {
        if let Some(query) = compile(&text) {
            let printed = query.to_string();
            let again = compile(&printed);
            prop_assert!(again.is_some(), "{} printed as {}", text, printed);
            let again = again.map(|again| format!("{again:?}"));
            prop_assert_eq!(Some(format!("{query:?}")), again, "{} printed as {}", text, printed);
        }
    }

    #[test]
    fn blocks_columns_and_merges_do_not_show(
        text in query(),
        mut events in vec(event(), 0..30),
        cuts in vec(any::<Index>(), 0..5),
    ) {
        for (sequence, event) in events.iter_mut().enumerate() {
            event.position = (0, sequence as u64);
            event.pointer = format!("p{sequence}");
        }
        if let Some(query) = compile(&text) {
            let want = whole(&query, &events);
            prop_assert_eq!(&split(&query, &events, &cuts, false), &want, "{}", text);
            prop_assert_eq!(&split(&query, &events, &cuts, true), &want, "columns: {}", text);
        }
    }
}
