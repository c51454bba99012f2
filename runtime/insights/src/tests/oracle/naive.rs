//! The interpreter: every row is a list of names and values, every command a loop over rows. Shares
//! the grammar of expressions and what operators do to two values; nothing of how blocks are read.

use std::collections::{BTreeMap, HashSet};

use regex::Regex;

use super::generate::{Aggregate, Command, Story};
use crate::discover::{Kind, Wanted};
use crate::function::{self, Build};
use crate::run::vector::Lent;
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, ExprKind, Pattern};
use crate::value::Value;
use crate::value::compare::{Comparison, natural_order};
use crate::value::json::{Next, Scalar, Scanner, number_of};
use crate::value::number::Number;
use crate::{Output, Window};

#[derive(Clone, Debug, Default)]
struct Row {
    event: Option<usize>,
    /// Names that commands have defined, the newest last.
    defined: Vec<(String, Value)>,
}

struct Naive<'s> {
    story: &'s Story,
    rows: Vec<Row>,
    /// No `limit`, `dedup` or `stats` yet.
    first: bool,
    matched: u64,
}

pub(super) fn run(commands: &[Command], story: &Story, window: Window) -> Output {
    let mut events: Vec<usize> = (0..story.events.len())
        .filter(|at| (window.start_ms..=window.end_ms).contains(&story.events[*at].timestamp))
        .collect();
    events.sort_by_key(|at| std::cmp::Reverse(age(story, *at)));
    let rows = events.into_iter().map(|event| Row { event: Some(event), ..Row::default() }).collect();
    let mut naive = Naive { story, rows, first: true, matched: 0 };
    let mut shown = Vec::new();
    for command in commands {
        if let Command::Display(names) = command {
            shown.clone_from(names);
        }
        naive.command(command);
    }
    naive.barrier();
    let rows = naive.rows.iter().map(|row| {
        let mut out: Vec<(String, String)> = Vec::new();
        for name in &shown {
            out.extend(naive.value(row, name).cell().print().map(|text| (name.clone(), text)));
        }
        out.extend(row.event.map(|event| ("@ptr".to_owned(), story.events[event].pointer.clone())));
        out
    });
    Output { rows: rows.collect(), matched: naive.matched, ..Output::default() }
}

fn age(story: &Story, event: usize) -> (i64, u32, u64) {
    let event = &story.events[event];
    (event.timestamp, event.position.0, event.position.1)
}

fn parsed(text: &str) -> Expr {
    Parser::new(text).and_then(|mut parser| parser.expression()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// `a.b.0` and its value, for every scalar that is not null, in the order of the text.
fn flattened(scanner: &mut Scanner<'_>, path: &str, out: &mut Vec<(String, Value)>) -> Option<()> {
    let below = |key: &str, top: bool| if top { key.to_owned() } else { format!("{path}.{key}") };
    let top = scanner.at_top();
    match scanner.next()? {
        Next::Scalar => {
            let value = match scanner.scalar()? {
                Scalar::Null => return Some(()),
                Scalar::Bool(b) => Value::Bool(b),
                Scalar::Number(token) => number_of(token).map_or_else(|| Value::text(token), Value::from),
                Scalar::Text(raw) => Value::text(raw.decode()),
            };
            out.push((path.to_owned(), value));
        }
        Next::Object => {
            let mut more = scanner.open(b'}')?;
            while more {
                let key = scanner.key()?.decode().into_owned();
                flattened(scanner, &below(&key, top), out)?;
                more = scanner.more(b'}')?;
            }
        }
        Next::Array => {
            let mut more = scanner.open(b']')?;
            let mut index = 0;
            while more {
                flattened(scanner, &below(&index.to_string(), top), out)?;
                index += 1;
                more = scanner.more(b']')?;
            }
        }
    }
    Some(())
}

fn discovered(log: &str, message: &str, name: &str) -> Value {
    let start = message.trim_start_matches([' ', '\t', '\r', '\n']);
    if start.starts_with('{') {
        let mut fields = Vec::new();
        let mut scanner = Scanner::new(message, 0);
        if flattened(&mut scanner, "", &mut fields).and_then(|()| scanner.end()).is_none() {
            return Value::Null;
        }
        let found = fields.into_iter().take(200).find(|(path, _)| path == name);
        return found.map_or(Value::Null, |(_, value)| value);
    }
    let wanted = Wanted::new(vec![name.to_owned()]);
    let mut values = [Lent::Null];
    wanted.extract(Kind::of_log(log), message, &mut wanted.scratch(), &mut values);
    values[0].cell().to_value()
}

impl Naive<'_> {
    /// The end of the first stage is where matching events are counted.
    fn barrier(&mut self) {
        if self.first {
            let events: HashSet<Option<usize>> = self.rows.iter().map(|row| row.event).collect();
            self.matched = events.len() as u64;
        }
        self.first = false;
    }

    fn value(&self, row: &Row, name: &str) -> Value {
        if let Some((_, value)) = row.defined.iter().rev().find(|(defined, _)| defined == name) {
            return value.clone();
        }
        let Some(event) = row.event.map(|event| &self.story.events[event]) else {
            return Value::Null;
        };
        match name {
            "@timestamp" => Value::Time(event.timestamp),
            "@ingestionTime" => Value::Time(event.ingestion_time),
            "@message" => Value::text(&event.message),
            "@logStream" => Value::text(&event.stream),
            "@log" => Value::text(&self.story.log),
            name => discovered(&self.story.log, &event.message, name),
        }
    }

    fn evaluate(&self, row: &Row, expr: &Expr) -> Value {
        let inner = |expr: &Expr| self.evaluate(row, expr);
        match &expr.kind {
            ExprKind::Literal(value) => value.clone(),
            ExprKind::Name(name) => self.value(row, &name.text),
            ExprKind::Not(of) => Value::Bool(!inner(of).cell().truthy()),
            ExprKind::And(list) => Value::Bool(list.iter().all(|e| inner(e).cell().truthy())),
            ExprKind::Or(list) => Value::Bool(list.iter().any(|e| inner(e).cell().truthy())),
            ExprKind::Negate(of) => match inner(of).cell().number() {
                Some(Number::Int(n)) => n.checked_neg().map_or(Value::Null, Value::Int),
                Some(Number::Float(x)) => Value::float(-x),
                None => Value::Null,
            },
            ExprKind::Arithmetic(op, a, b) => match (inner(a).cell().number(), inner(b).cell().number()) {
                (Some(a), Some(b)) => op.apply(a, b).map_or(Value::Null, Value::from),
                _ => Value::Null,
            },
            ExprKind::Compare(op, a, b) => Value::Bool(op.holds(inner(a).cell(), inner(b).cell())),
            ExprKind::In { subject, negated, list } => {
                let subject = inner(subject);
                let found = list.iter().any(|v| Comparison::Equal.holds(subject.cell(), v.cell()));
                Value::Bool(found != *negated)
            }
            ExprKind::Match { subject, negated, pattern, .. } => {
                let subject = inner(subject);
                let found = subject.cell().text().is_some_and(|text| match pattern {
                    Pattern::Text(part) => text.contains(part.as_str()),
                    Pattern::Regex(source) => Regex::new(source).expect("valid").is_match(&text),
                });
                Value::Bool(found != *negated)
            }
            ExprKind::Call { name, arguments, .. } => self.call(row, name, arguments),
            ExprKind::Period(_) | ExprKind::Access(..) => panic!("not generated: {expr}"),
        }
    }

    fn call(&self, row: &Row, name: &str, arguments: &[Expr]) -> Value {
        let period = arguments.iter().find_map(|argument| match argument.kind {
            ExprKind::Period(period) => Some(period),
            _ => None,
        });
        if let Some(period) = period {
            let time = match name {
                "bin" => self.value(row, "@timestamp"),
                _ => self.evaluate(row, &arguments[0]),
            };
            let start = time.cell().number().and_then(Number::whole).and_then(|ms| period.floor(ms));
            return start.map_or(Value::Null, Value::Time);
        }
        let function = function::find(name).expect("a function");
        let Build::Row(body) = function.build else { panic!("not generated: {name}") };
        let values: Vec<Value> = arguments.iter().map(|argument| self.evaluate(row, argument)).collect();
        body(&values.iter().map(Value::cell).collect::<Vec<_>>())
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Display(_) => {}
            Command::Fields(list) => {
                for (text, alias) in list {
                    let expr = parsed(text);
                    if let Some(alias) = alias {
                        self.define(|naive, row| vec![(alias.clone(), naive.evaluate(row, &expr))]);
                    }
                }
            }
            Command::Filter(text) => {
                let expr = parsed(text);
                let rows = std::mem::take(&mut self.rows);
                self.rows =
                    rows.into_iter().filter(|row| self.evaluate(row, &expr).cell().truthy()).collect();
            }
            Command::Glob { subject, pattern, names } => {
                self.define(|naive, row| {
                    let text = naive.value(row, subject.as_deref().unwrap_or("@message"));
                    let text = text.cell().text().map(std::borrow::Cow::into_owned);
                    let found = text.and_then(|text| glob(pattern, &text));
                    let value =
                        |at: usize| found.as_ref().map_or(Value::Null, |found| Value::text(&found[at]));
                    names.iter().enumerate().map(|(at, name)| (name.clone(), value(at))).collect()
                });
            }
            Command::Regex { subject, pattern, names, multi } => {
                self.regex(subject.as_deref(), pattern, names, *multi);
            }
            Command::Sort(keys) => self.sort(keys),
            Command::Limit(rows) => {
                self.barrier();
                self.rows.truncate(*rows);
            }
            Command::Dedup(names) => {
                self.barrier();
                let mut seen = HashSet::new();
                let rows = std::mem::take(&mut self.rows);
                self.rows = rows
                    .into_iter()
                    .filter(|row| {
                        let key: Vec<Value> = names.iter().map(|name| self.value(row, name)).collect();
                        key.contains(&Value::Null) || seen.insert(key.iter().map(printed).collect::<Vec<_>>())
                    })
                    .collect();
            }
            Command::Stats { items, keys } => self.stats(items, keys),
        }
    }

    fn define(&mut self, values: impl Fn(&Self, &Row) -> Vec<(String, Value)>) {
        let mut rows = std::mem::take(&mut self.rows);
        for row in &mut rows {
            let new = values(self, row);
            row.defined.extend(new);
        }
        self.rows = rows;
    }

    fn regex(&mut self, subject: Option<&str>, pattern: &str, names: &[String], multi: bool) {
        let regex = Regex::new(pattern).expect("valid");
        let rows = std::mem::take(&mut self.rows);
        for row in rows {
            let text = self.value(&row, subject.unwrap_or("@message"));
            let text = text.cell().text().map(std::borrow::Cow::into_owned);
            let matches: Vec<regex::Captures<'_>> =
                text.iter().flat_map(|text| regex.captures_iter(text)).collect();
            let wanted = if multi { matches.len().max(1) } else { 1 };
            for at in 0..wanted {
                let value = |name: &String| {
                    let found = matches.get(at).and_then(|captures| captures.name(name));
                    (name.clone(), found.map_or(Value::Null, |m| Value::text(m.as_str())))
                };
                let mut row = row.clone();
                row.defined.extend(names.iter().map(value));
                self.rows.push(row);
            }
        }
    }

    fn sort(&mut self, keys: &[(String, bool)]) {
        let mut keys: Vec<(Expr, bool)> = keys.iter().map(|(text, down)| (parsed(text), *down)).collect();
        let by_time = |(expr, _): &(Expr, bool)| expr.as_name().is_some_and(|n| n.text == "@timestamp");
        if self.first && keys.last().is_some_and(by_time) {
            // Events are in order of time: the key says in which direction, whatever was sorted before.
            let down = keys.pop().is_some_and(|(_, down)| down);
            let story = self.story;
            let of = |row: &Row| row.event.map(|event| age(story, event));
            self.rows.sort_by(|a, b| if down { of(b).cmp(&of(a)) } else { of(a).cmp(&of(b)) });
        }
        let mut rows: Vec<(Vec<Value>, Row)> = std::mem::take(&mut self.rows)
            .into_iter()
            .map(|row| (keys.iter().map(|(expr, _)| self.evaluate(&row, expr)).collect(), row))
            .collect();
        rows.sort_by(|(a, _), (b, _)| {
            let mut order = std::cmp::Ordering::Equal;
            for (at, (_, down)) in keys.iter().enumerate() {
                let nulls = a[at].cell().is_null() || b[at].cell().is_null();
                let ascending = natural_order(a[at].cell(), b[at].cell());
                order = order.then(if *down && !nulls { ascending.reverse() } else { ascending });
            }
            order
        });
        self.rows = rows.into_iter().map(|(_, row)| row).collect();
    }

    fn stats(&mut self, items: &[Aggregate], keys: &[(String, String)]) {
        self.barrier();
        let exprs: Vec<Expr> = keys.iter().map(|(text, _)| parsed(text)).collect();
        let mut groups: BTreeMap<Vec<String>, (Vec<Value>, Vec<Row>)> = BTreeMap::new();
        for row in &self.rows {
            let values: Vec<Value> = exprs.iter().map(|expr| self.evaluate(row, expr)).collect();
            let key = values.iter().map(printed).collect();
            groups.entry(key).or_insert_with(|| (values, Vec::new())).1.push(row.clone());
        }
        let mut out: Vec<(Vec<Value>, Row)> = Vec::new();
        for (values, rows) in groups.into_values() {
            let mut defined: Vec<(String, Value)> =
                keys.iter().map(|(_, alias)| alias.clone()).zip(values.iter().cloned()).collect();
            for item in items {
                defined.push((item.alias.clone(), self.aggregate(item, &rows)));
            }
            out.push((values, Row { event: None, defined }));
        }
        out.sort_by(|(a, _), (b, _)| {
            let order = a.iter().zip(b).map(|(a, b)| natural_order(a.cell(), b.cell()));
            let print = |list: &[Value]| list.iter().map(|v| v.cell().print()).collect::<Vec<_>>();
            order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(print(a).cmp(&print(b)))
        });
        self.rows = out.into_iter().map(|(_, row)| row).collect();
    }

    fn aggregate(&self, item: &Aggregate, rows: &[Row]) -> Value {
        let Some(field) = &item.field else {
            return whole(rows.len());
        };
        let expr = parsed(field);
        let values: Vec<(Value, &Row)> = rows
            .iter()
            .map(|row| (self.evaluate(row, &expr), row))
            .filter(|(value, _)| *value != Value::Null)
            .collect();
        let numbers: Vec<Number> = values.iter().filter_map(|(value, _)| value.cell().number()).collect();
        match item.function {
            "count" => whole(values.len()),
            "count_distinct" => {
                whole(values.iter().map(|(value, _)| printed(value)).collect::<HashSet<_>>().len())
            }
            "min" | "max" => extreme(item.function == "max", &values, &numbers),
            "earliest" | "latest" => self.edge(item.function == "latest", &values),
            "values" => listed(&values),
            function => numeric(function, item.parameter.unwrap_or(50.0), &numbers),
        }
    }

    fn edge(&self, latest: bool, values: &[(Value, &Row)]) -> Value {
        let of = |row: &Row| row.event.map(|event| age(self.story, event));
        let mut best: Option<&(Value, &Row)> = None;
        for entry in values {
            let better = |held: &&(Value, &Row)| {
                if latest { of(entry.1) > of(held.1) } else { of(entry.1) < of(held.1) }
            };
            if best.as_ref().is_none_or(better) {
                best = Some(entry);
            }
        }
        untimed(best.map_or(Value::Null, |(value, _)| value.clone()))
    }
}

fn whole(count: usize) -> Value {
    Value::Int(i64::try_from(count).expect("few"))
}

fn untimed(value: Value) -> Value {
    if let Value::Time(ms) = value { Value::Int(ms) } else { value }
}

/// What tells one group from another: the text, and that times are times.
fn printed(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Time(ms) => format!("time {ms}"),
        other => format!("text {}", other.cell().print().unwrap_or_default()),
    }
}

fn extreme(greatest: bool, values: &[(Value, &Row)], numbers: &[Number]) -> Value {
    if !numbers.is_empty() {
        let order = |a: &&Number, b: &&Number| a.compare(**b);
        let best = if greatest { numbers.iter().max_by(order) } else { numbers.iter().min_by(order) };
        return best.map_or(Value::Null, |n| Value::from(*n));
    }
    let texts = values.iter().filter_map(|(value, _)| value.cell().print());
    let best = if greatest { texts.max() } else { texts.min() };
    best.map_or(Value::Null, Value::text)
}

fn listed(values: &[(Value, &Row)]) -> Value {
    let texts: HashSet<String> = values.iter().filter_map(|(value, _)| value.cell().print()).collect();
    let mut list: Vec<Value> = texts.into_iter().map(Value::text).collect();
    let print = |value: &Value| value.cell().print();
    list.sort_by(|a, b| natural_order(a.cell(), b.cell()).then_with(|| print(a).cmp(&print(b))));
    if list.is_empty() { Value::Null } else { Value::List(list.into()) }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn numeric(function: &str, parameter: f64, numbers: &[Number]) -> Value {
    if numbers.is_empty() {
        return Value::Null;
    }
    let mut floats: Vec<f64> = numbers.iter().map(|n| n.float()).collect();
    let count = floats.len() as f64;
    let sum: f64 = floats.iter().sum();
    match function {
        "sum" => {
            let ints: Option<i128> = numbers
                .iter()
                .map(|n| if let Number::Int(n) = n { Some(i128::from(*n)) } else { None })
                .sum();
            match ints.and_then(|sum| i64::try_from(sum).ok()) {
                Some(sum) => Value::Int(sum),
                None => Value::float(sum),
            }
        }
        "avg" => Value::float(sum / count),
        "stddev" => {
            // Times are large and close to each other.
            let apart: Vec<f64> = floats.iter().map(|x| x - floats[0]).collect();
            let mean = apart.iter().sum::<f64>() / count;
            let squares: f64 = apart.iter().map(|x| (x - mean) * (x - mean)).sum();
            Value::float((squares / count).sqrt())
        }
        "pct" => {
            floats.sort_by(f64::total_cmp);
            let rank = parameter / 100.0 * (count - 1.0);
            let below = rank.floor() as usize;
            let above = (below + 1).min(floats.len() - 1);
            Value::float(floats[below] + (floats[above] - floats[below]) * rank.fract())
        }
        other => panic!("not generated: {other}"),
    }
}

/// The texts of the wildcards; the globs made here escape no asterisk.
fn glob(pattern: &str, text: &str) -> Option<Vec<String>> {
    let pieces: Vec<&str> = pattern.split('*').collect();
    let mut at = text.find(pieces[0])? + pieces[0].len();
    let mut out = Vec::new();
    for (index, piece) in pieces.iter().enumerate().skip(1) {
        let last = index == pieces.len() - 1 && piece.is_empty();
        let end = if last { text.len() } else { at + text[at..].find(piece)? };
        out.push(text[at..end].to_owned());
        at = end + piece.len();
    }
    Some(out)
}
