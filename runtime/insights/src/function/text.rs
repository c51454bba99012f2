//! Functions of text. Null in, null out, but for isempty and isblank.

use std::sync::Arc;

use super::{Call, Function, MANY, Refusal, or_null, row, special, text_of, whole_of};
use crate::run::matcher::compile_regex;
use crate::run::node::Node;
use crate::value::{Cell, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    row(&["isempty"], 1, 1, |a| Value::Bool(text_of(a, 0).is_none_or(|s| s.is_empty()))),
    row(&["isblank"], 1, 1, |a| Value::Bool(text_of(a, 0).is_none_or(|s| s.trim().is_empty()))),
    row(&["concat"], 1, MANY, concat),
    row(&["ltrim"], 1, 2, |a| trimmed(a, |s, set| s.trim_start_matches(set))),
    row(&["rtrim"], 1, 2, |a| trimmed(a, |s, set| s.trim_end_matches(set))),
    row(&["trim"], 1, 2, |a| trimmed(a, |s, set| s.trim_matches(set))),
    row(&["strlen"], 1, 1, |a| or_null(text_of(a, 0).and_then(|s| count(s.chars().count())))),
    row(&["toupper"], 1, 1, |a| or_null(text_of(a, 0).map(|s| Value::text(s.to_uppercase())))),
    row(&["tolower"], 1, 1, |a| or_null(text_of(a, 0).map(|s| Value::text(s.to_lowercase())))),
    row(&["substr"], 2, 3, substr),
    row(&["replace"], 3, 3, replace),
    // The third argument (ignore case) is documented but was measured to change nothing.
    row(&["strcontains"], 2, 3, |a| both(a, |s, part| s.contains(part))),
    row(&["startsWith"], 2, 2, |a| both(a, |s, part| s.starts_with(part))),
    row(&["endsWith"], 2, 2, |a| both(a, |s, part| s.ends_with(part))),
    row(&["split"], 2, 2, split),
    special(&["regexReplace", "regex_replace"], 3, 3, regex_replace),
];

fn count(n: usize) -> Option<Value> {
    i64::try_from(n).ok().map(Value::Int)
}

fn concat(cells: &[Cell<'_>]) -> Value {
    let mut out = String::new();
    for index in 0..cells.len() {
        let Some(part) = text_of(cells, index) else {
            return Value::Null;
        };
        out.push_str(&part);
    }
    Value::text(out)
}

/// The second argument is a set of characters; without it, white space goes.
fn trimmed(cells: &[Cell<'_>], trim: for<'s> fn(&'s str, &dyn Fn(char) -> bool) -> &'s str) -> Value {
    let Some(text) = text_of(cells, 0) else {
        return Value::Null;
    };
    if cells.len() < 2 {
        return Value::text(trim(&text, &char::is_whitespace));
    }
    or_null(text_of(cells, 1).map(|set| Value::text(trim(&text, &|c| set.contains(c)))))
}

/// Start (from 0) and length count code points.
fn substr(cells: &[Cell<'_>]) -> Value {
    let (Some(text), Some(start)) = (text_of(cells, 0), whole_of(cells, 1)) else {
        return Value::Null;
    };
    let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX);
    let rest = text.chars().skip(start);
    if cells.len() < 3 {
        return Value::text(rest.collect::<String>());
    }
    let Some(length) = whole_of(cells, 2) else {
        return Value::Null;
    };
    Value::text(rest.take(usize::try_from(length.max(0)).unwrap_or(usize::MAX)).collect::<String>())
}

fn replace(cells: &[Cell<'_>]) -> Value {
    match (text_of(cells, 0), text_of(cells, 1), text_of(cells, 2)) {
        (Some(text), Some(from), Some(_)) if from.is_empty() => Value::text(text),
        (Some(text), Some(from), Some(to)) => Value::text(text.replace(&*from, &to)),
        _ => Value::Null,
    }
}

fn both(cells: &[Cell<'_>], verdict: fn(&str, &str) -> bool) -> Value {
    match (text_of(cells, 0), text_of(cells, 1)) {
        (Some(text), Some(part)) => Value::Bool(verdict(&text, &part)),
        _ => Value::Null,
    }
}

fn split(cells: &[Cell<'_>]) -> Value {
    match (text_of(cells, 0), text_of(cells, 1)) {
        (Some(text), Some(separator)) if !separator.is_empty() => {
            Value::List(text.split(&*separator).map(Value::text).collect::<Vec<_>>().into())
        }
        _ => Value::Null,
    }
}

/// The expression is compiled once; the replacement may name its groups as `$1`.
fn regex_replace(call: Call<'_>) -> Result<Node, Refusal> {
    let source = call.constant_text(1, "a regular expression")?.unwrap_or_default();
    let regex = match compile_regex(&source) {
        Ok(regex) => Arc::new(regex),
        Err(message) => return Call::refuse(1, message),
    };
    call.apply(3, move |cells| match (text_of(cells, 0), text_of(cells, 2)) {
        (Some(text), Some(to)) => Value::text(regex.replace_all(&text, &*to)),
        _ => Value::Null,
    })
}
