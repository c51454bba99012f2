//! Presence, choice, and the query's own window.

use super::{Build, Call, Function, MANY, Refusal, row, special};
use crate::run::node::Node;
use crate::value::{Cell, Value};

const fn with_structures(
    names: &'static [&'static str],
    least: usize,
    most: usize,
    body: fn(&[Cell<'_>]) -> Value,
) -> Function {
    Function { names, least, most, structures: true, build: Build::Row(body) }
}

pub(super) const FUNCTIONS: &[Function] = &[
    with_structures(&["ispresent"], 1, 1, |a| Value::Bool(!a[0].is_null())),
    with_structures(&["coalesce"], 1, MANY, |a| {
        a.iter().find(|cell| !cell.is_null()).map_or(Value::Null, |cell| cell.to_value())
    }),
    with_structures(&["if"], 2, 3, chosen),
    // Ten branches and a default.
    with_structures(&["case"], 2, 21, chosen),
    row(&["isNumeric"], 1, 1, |a| Value::Bool(a[0].number().is_some())),
    special(&["queryStartTime"], 0, 0, |call| constant(call.window.start_ms)),
    special(&["queryEndTime"], 0, 0, |call| constant(call.window.end_ms)),
    special(&["queryTimeRange"], 0, 0, range),
];

/// Condition, value, condition, value, …, and the default if one is left.
fn chosen(cells: &[Cell<'_>]) -> Value {
    for branch in cells.chunks(2) {
        match branch {
            [condition, value] if condition.truthy() => return value.to_value(),
            [default] => return default.to_value(),
            _ => {}
        }
    }
    Value::Null
}

fn constant(n: i64) -> Result<Node, Refusal> {
    Ok(Node::Constant(Value::Int(n)))
}

#[allow(clippy::needless_pass_by_value)]
fn range(call: Call<'_>) -> Result<Node, Refusal> {
    constant(call.window.end_ms.saturating_sub(call.window.start_ms))
}
