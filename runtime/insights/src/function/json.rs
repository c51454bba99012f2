//! Lists and maps from JSON text and back.

use super::{Build, Function, or_null, row, text_of};
use crate::value::compare::Comparison;
use crate::value::{Cell, Value, json};

const fn with_structures(
    names: &'static [&'static str],
    arguments: usize,
    body: fn(&[Cell<'_>]) -> Value,
) -> Function {
    Function { names, least: arguments, most: arguments, structures: true, build: Build::Row(body) }
}

pub(super) const FUNCTIONS: &[Function] = &[
    row(&["jsonParse"], 1, 1, |a| or_null(text_of(a, 0).and_then(|s| json::parse(&s)))),
    with_structures(&["jsonStringify"], 1, |a| {
        if a[0].is_null() { Value::Null } else { Value::text(json::stringify(a[0])) }
    }),
    with_structures(&["jsonArraySize"], 1, |a| {
        or_null(list(a[0]).and_then(|items| i64::try_from(items.len()).ok()).map(Value::Int))
    }),
    with_structures(&["jsonArrayContains"], 2, |a| {
        let has = |items: Vec<Value>| items.iter().any(|item| Comparison::Equal.holds(item.cell(), a[1]));
        or_null(list(a[0]).map(|items| Value::Bool(has(items))))
    }),
];

/// A list, or text that is a JSON array.
fn list(cell: Cell<'_>) -> Option<Vec<Value>> {
    match cell {
        Cell::List(items) => Some(items.to_vec()),
        Cell::Text(text) => match json::parse(text)? {
            Value::List(items) => Some(items.to_vec()),
            _ => None,
        },
        _ => None,
    }
}
