//! Field discovery: which fields a message has, and how the wanted ones are found without making
//! the others. JSON objects, Lambda lines (with the first JSON object inside), VPC flow records and
//! Route 53 query records. Knows no query.

mod json;
mod lambda;
mod positional;
mod template;

use crate::run::vector::Lent;
use json::Paths;

pub(crate) use json::{Scratch, lend_quoted, lend_token};
pub(crate) use template::Layouts;

/// Fields found in one event at most.
const MAX_FIELDS: usize = 200;

/// What a log group's name says about its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Lambda,
    Other,
}

impl Kind {
    /// `log` is `account:group`.
    pub(crate) fn of_log(log: &str) -> Kind {
        let group = log.split_once(':').map_or(log, |(_, group)| group);
        if group.starts_with("/aws/lambda/") { Kind::Lambda } else { Kind::Other }
    }
}

/// The discovered fields of a message of unknown origin, in document order, as GetLogRecord shows them.
pub fn fields(message: &str) -> Vec<(String, String)> {
    let kind = if lambda::is_platform_line(message) { Kind::Lambda } else { Kind::Other };
    fields_of(kind, message)
}

/// The discovered fields of a message stored in `log` (`account:group`).
pub fn fields_in(log: &str, message: &str) -> Vec<(String, String)> {
    fields_of(Kind::of_log(log), message)
}

fn fields_of(kind: Kind, message: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut emit = |name: &str, value: Lent<'_>| {
        if let Some(text) = value.cell().print()
            && seen.insert(name.to_owned())
        {
            out.push((name.to_owned(), text));
        }
    };
    match json_start(message) {
        Some(at) => {
            json::flatten(message, at, true, &mut emit);
        }
        None if kind == Kind::Lambda => {
            lambda::fields(message, &mut |name, value| emit(name, value));
            json::fragment(message, |at| json::flatten(message, at, false, &mut emit));
        }
        None => {
            positional::fields(message, &mut |name, value| emit(name, value));
        }
    }
    out
}

/// Where the JSON object starts, if the message can be one.
fn json_start(message: &str) -> Option<usize> {
    let at = message.bytes().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'))?;
    (message.as_bytes()[at] == b'{').then_some(at)
}

/// The fields a query reads, prepared for finding them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    names: Vec<String>,
    paths: Paths,
    lambda: bool,
    positional: bool,
}

impl Wanted {
    pub(crate) fn new(names: Vec<String>) -> Wanted {
        let paths = Paths::new(&names);
        let any = |of: &dyn Fn(&str) -> bool| names.iter().any(|name| of(name));
        let (lambda, positional) = (any(&lambda::has_field), any(&positional::has_field));
        Wanted { names, paths, lambda, positional }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn name(&self, field: usize) -> &str {
        &self.names[field]
    }

    pub(crate) fn scratch(&self) -> Scratch {
        Scratch::default()
    }

    /// Puts the value of every wanted field that the message has into `values`, which are null before.
    pub(crate) fn extract<'b>(
        &self,
        kind: Kind,
        message: &'b str,
        scratch: &mut Scratch,
        values: &mut [Lent<'b>],
    ) {
        let by_name = |values: &mut [Lent<'b>], name: &str, value: Lent<'b>| {
            for (field, wanted) in self.names.iter().enumerate() {
                if wanted == name && values[field].is_null() {
                    values[field] = value.clone();
                }
            }
        };
        if let Some(at) = json_start(message) {
            self.paths.extract(message, at, true, scratch, values);
        } else if kind == Kind::Lambda {
            if self.lambda {
                lambda::fields(message, &mut |name, value| by_name(values, name, value));
            }
            json::fragment(message, |at| self.paths.extract(message, at, false, scratch, values));
        } else if self.positional {
            positional::fields(message, &mut |name, value| by_name(values, name, value));
        }
    }
}

#[cfg(test)]
mod tests;
