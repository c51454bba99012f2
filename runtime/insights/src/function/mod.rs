//! The scalar functions and their table. Each answers for one row from borrowed arguments; the few
//! that need a period, a constant or the clock of the query build their own expression.
//! Knows no command and no field.

mod encoding;
mod general;
mod ip;
mod json;
mod md5;
mod numeric;
mod text;
mod time;

use std::sync::Arc;

use crate::aggregate;
use crate::plan::query::Window;
use crate::run::node::{Apply, Body, Node};
use crate::text::period::Period;
use crate::value::{Cell, Value};

/// One function.
pub(crate) struct Function {
    /// The documented name first, then other spellings.
    pub(crate) names: &'static [&'static str],
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// Lists and maps reach it; to all others they are null.
    pub(crate) structures: bool,
    pub(crate) build: Build,
}

/// How a call becomes an expression.
pub(crate) enum Build {
    /// The value of one row from its arguments.
    Row(fn(&[Cell<'_>]) -> Value),
    /// Something else.
    Special(fn(Call<'_>) -> Result<Node, Refusal>),
    /// As `Special`, with the event's time as first argument.
    OnTimestamp(fn(Call<'_>) -> Result<Node, Refusal>),
}

/// A call whose arguments are compiled.
pub(crate) struct Call<'c> {
    pub(crate) name: &'c str,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) now_ms: i64,
    pub(crate) window: Window,
}

/// One argument: an expression or a period.
#[derive(Clone)]
pub(crate) enum Argument {
    Node(Node),
    Period(Period),
}

/// Which argument is wrong, and why.
pub(crate) struct Refusal {
    pub(crate) argument: usize,
    pub(crate) message: String,
}

impl Call<'_> {
    fn refuse<T>(argument: usize, message: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal { argument, message: message.into() })
    }

    fn period(&self, argument: usize) -> Result<Period, Refusal> {
        match self.arguments.get(argument) {
            Some(Argument::Period(period)) => Ok(*period),
            _ => Self::refuse(argument, "expected a period such as 5m"),
        }
    }

    fn constant_text(&self, argument: usize, what: &str) -> Result<Option<String>, Refusal> {
        match self.arguments.get(argument) {
            None => Ok(None),
            Some(Argument::Node(node)) => match node.constant() {
                Some(Value::Text(text)) => Ok(Some(text.to_string())),
                _ => Self::refuse(argument, format!("expected {what} in quotes")),
            },
            Some(Argument::Period(_)) => Self::refuse(argument, format!("expected {what} in quotes")),
        }
    }

    /// The call with a closure in place of the function, over the first `count` arguments.
    fn apply(
        self,
        count: usize,
        body: impl Fn(&[Cell<'_>]) -> Value + Send + Sync + 'static,
    ) -> Result<Node, Refusal> {
        let nodes = self.arguments.into_iter().take(count).enumerate().map(|(i, argument)| match argument {
            Argument::Node(node) => Ok(node),
            Argument::Period(_) => Self::refuse(i, "a period cannot stand here"),
        });
        let arguments = nodes.collect::<Result<Vec<_>, _>>()?;
        let body: Body = Arc::new(body);
        Ok(Node::Apply(Apply { name: self.name.to_owned(), body, arguments, structures: false }))
    }
}

const fn row(
    names: &'static [&'static str],
    least: usize,
    most: usize,
    body: fn(&[Cell<'_>]) -> Value,
) -> Function {
    Function { names, least, most, structures: false, build: Build::Row(body) }
}

const fn special(
    names: &'static [&'static str],
    least: usize,
    most: usize,
    build: fn(Call<'_>) -> Result<Node, Refusal>,
) -> Function {
    Function { names, least, most, structures: false, build: Build::Special(build) }
}

/// Any number of arguments.
const MANY: usize = 64;

/// Every family of functions.
const FAMILIES: &[&[Function]] = &[
    numeric::FUNCTIONS,
    general::FUNCTIONS,
    text::FUNCTIONS,
    encoding::FUNCTIONS,
    time::FUNCTIONS,
    json::FUNCTIONS,
    ip::FUNCTIONS,
];

/// Functions of the current language that are not built yet: named in the refusal.
pub(crate) const UNSUPPORTED: &[&str] =
    &["haversine", "messageSize", "parseDate", "cidrlookup", "logcompare", "unmask"];

/// Every function.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().copied().flatten()
}

/// Looks one up, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    all().find(|f| f.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// Whether the language has a function or an aggregate of this name, in any case, or refuses it by name: no function
/// from outside is ever called by it.
pub fn is_built_in(name: &str) -> bool {
    let refused = UNSUPPORTED.iter().chain(aggregate::UNSUPPORTED);
    find(name).is_some()
        || aggregate::find(name).is_some()
        || refused.into_iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// `null` in, null out; else the text.
fn text_of<'c>(cells: &[Cell<'c>], index: usize) -> Option<std::borrow::Cow<'c, str>> {
    cells.get(index).copied().and_then(Cell::text)
}

/// The argument as a number.
fn number_of(cells: &[Cell<'_>], index: usize) -> Option<f64> {
    cells.get(index)?.number().map(crate::value::number::Number::float)
}

/// The argument as a whole number, truncated.
fn whole_of(cells: &[Cell<'_>], index: usize) -> Option<i64> {
    cells.get(index)?.number()?.whole()
}

/// None is null.
fn or_null(value: Option<Value>) -> Value {
    value.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_used_once() {
        let mut names: Vec<String> =
            all().flat_map(|f| f.names).chain(UNSUPPORTED).map(|n| n.to_lowercase()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
