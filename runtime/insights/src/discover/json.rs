//! Flattening of JSON objects to `a.b.0.c`: all fields, or only those on wanted paths.
//! Both walk the same strict scanner to the end of the object and count the same fields, so a
//! wanted field is found exactly when full flattening would have it.

use std::borrow::Cow;

use super::MAX_FIELDS;
use crate::run::vector::Lent;
use crate::value::json::{Next, Raw, Scalar, Scanner, number_of};
use crate::value::number::Number;

/// JSON names that start with `@` are written with a second one.
const ESCAPED: &str = "@@";

/// Places in a Lambda line where an object may start.
const FRAGMENT_TRIES: usize = 8;

/// A number, `true`, `false` or `null`.
pub(crate) fn lend_token(text: &str) -> Lent<'_> {
    lend(match text {
        "null" => Scalar::Null,
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        number => Scalar::Number(number),
    })
}

/// What stands between the quotes of a string.
pub(crate) fn lend_quoted(text: &str) -> Lent<'_> {
    lend_text(Raw::between_quotes(text))
}

pub(super) fn lend(scalar: Scalar<'_>) -> Lent<'_> {
    match scalar {
        Scalar::Null => Lent::Null,
        Scalar::Bool(b) => Lent::Bool(b),
        Scalar::Number(token) => match number_of(token) {
            Some(Number::Int(n)) => Lent::Int(n),
            Some(Number::Float(x)) => Lent::Float(x),
            None => Lent::Borrowed(token),
        },
        Scalar::Text(raw) => lend_text(raw),
    }
}

fn lend_text(raw: Raw<'_>) -> Lent<'_> {
    match raw.decode() {
        Cow::Borrowed(text) => Lent::Borrowed(text),
        Cow::Owned(text) => Lent::Owned(text.into_boxed_str()),
    }
}

/// Tries the places where a JSON object may start, in order, until one is an object.
pub(super) fn fragment(message: &str, mut attempt: impl FnMut(usize) -> bool) {
    let _ = message.match_indices('{').take(FRAGMENT_TRIES).any(|(at, _)| attempt(at));
}

/// Emits every field of the object at `at`; false, and nothing emitted, if there is no object.
/// `whole`: nothing but white space may follow it.
pub(super) fn flatten(message: &str, at: usize, whole: bool, emit: &mut dyn FnMut(&str, Lent<'_>)) -> bool {
    let Some(fields) = scalars(message, at, whole, MAX_FIELDS) else {
        return false;
    };
    for (name, value) in fields {
        let value = lend(value);
        if name.starts_with('@') { emit(&format!("@{name}"), value) } else { emit(&name, value) }
    }
    true
}

/// The paths and scalars of the object at `at`, up to `most` of them, nulls left out.
pub(super) fn scalars(
    message: &str,
    at: usize,
    whole: bool,
    most: usize,
) -> Option<Vec<(String, Scalar<'_>)>> {
    let mut scanner = Scanner::new(message, at);
    let mut fields = Vec::new();
    flatten_value(&mut scanner, &mut String::new(), most, &mut fields)?;
    if whole {
        scanner.end()?;
    }
    Some(fields)
}

fn flatten_value<'b>(
    scanner: &mut Scanner<'b>,
    path: &mut String,
    most: usize,
    out: &mut Vec<(String, Scalar<'b>)>,
) -> Option<()> {
    let (close, object) = match scanner.next()? {
        Next::Scalar => {
            let scalar = scanner.scalar()?;
            if !matches!(scalar, Scalar::Null) && out.len() < most {
                out.push((path.clone(), scalar));
            }
            return Some(());
        }
        Next::Object => (b'}', true),
        Next::Array => (b']', false),
    };
    let outer = path.len();
    let mut index = 0usize;
    let top = scanner.at_top();
    let mut more = scanner.open(close)?;
    while more {
        if !top {
            path.push('.');
        }
        if object {
            path.push_str(&scanner.key()?.decode());
        } else {
            path.push_str(&index.to_string());
            index += 1;
        }
        flatten_value(scanner, path, most, out)?;
        path.truncate(outer);
        more = scanner.more(close)?;
    }
    Some(())
}

/// Memory reused from message to message: (path, how much of it is matched).
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    stack: Vec<(u32, u32)>,
}

/// Wanted paths into JSON objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    /// (index of the wanted field, its path).
    list: Vec<(usize, String)>,
}

struct Walk<'w, 'b> {
    scanner: Scanner<'b>,
    paths: &'w [(usize, String)],
    stack: &'w mut Vec<(u32, u32)>,
    values: &'w mut [Lent<'b>],
    leaves: usize,
}

impl Paths {
    /// Names that no JSON field can have are left out.
    pub(super) fn new(names: &[String]) -> Paths {
        let path = |name: &String| match name.strip_prefix(ESCAPED) {
            Some(rest) => Some(format!("@{rest}")),
            None => (!name.starts_with('@')).then(|| name.clone()),
        };
        Paths { list: names.iter().enumerate().filter_map(|(i, name)| Some((i, path(name)?))).collect() }
    }

    /// The wanted fields that have a path, with it.
    pub(super) fn list(&self) -> &[(usize, String)] {
        &self.list
    }

    /// Puts the wanted fields of the object at `at` into `values`; false, and `values` null again
    /// where it wrote, if there is no object.
    pub(super) fn extract<'b>(
        &self,
        message: &'b str,
        at: usize,
        whole: bool,
        scratch: &mut Scratch,
        values: &mut [Lent<'b>],
    ) -> bool {
        if self.list.is_empty() {
            return false;
        }
        scratch.stack.clear();
        scratch.stack.extend((0..self.list.len()).filter_map(|i| Some((u32::try_from(i).ok()?, 0))));
        let mut walk = Walk {
            scanner: Scanner::new(message, at),
            paths: &self.list,
            stack: &mut scratch.stack,
            values,
            leaves: 0,
        };
        let found = (|| {
            walk.scanner.next()?;
            walk.members(0, self.list.len(), true)?;
            if whole { walk.scanner.end() } else { Some(()) }
        })();
        if found.is_none() {
            for (field, _) in &self.list {
                values[*field] = Lent::Null;
            }
        }
        found.is_some()
    }
}

impl<'b> Walk<'_, 'b> {
    /// The members of the object or array that is next; the paths that lead into it are
    /// `stack[from..to]`.
    fn members(&mut self, from: usize, to: usize, object: bool) -> Option<()> {
        let close = if object { b'}' } else { b']' };
        let mut more = self.scanner.open(close)?;
        let mut index = 0usize;
        while more {
            if object {
                let key = self.scanner.key()?.decode();
                self.member(from, to, &key)?;
            } else {
                self.member(from, to, &index.to_string())?;
                index += 1;
            }
            more = self.scanner.more(close)?;
        }
        Some(())
    }

    fn member(&mut self, from: usize, to: usize, key: &str) -> Option<()> {
        let next = self.scanner.next()?;
        if next == Next::Scalar {
            let scalar = self.scanner.scalar()?;
            if matches!(scalar, Scalar::Null) {
                return Some(());
            }
            self.leaves += 1;
            if self.leaves <= MAX_FIELDS {
                self.take(from, to, key, scalar);
            }
            return Some(());
        }
        let start = self.stack.len();
        for at in from..to {
            let (path, matched) = self.stack[at];
            let rest = &self.paths[path as usize].1.as_bytes()[matched as usize..];
            if rest.len() > key.len() && rest[key.len()] == b'.' && rest.starts_with(key.as_bytes()) {
                self.stack.push((path, matched + u32::try_from(key.len()).ok()? + 1));
            }
        }
        if self.stack.len() == start {
            self.leaves += self.scanner.skip()?;
        } else {
            self.members(start, self.stack.len(), next == Next::Object)?;
            self.stack.truncate(start);
        }
        Some(())
    }

    fn take(&mut self, from: usize, to: usize, key: &str, scalar: Scalar<'b>) {
        let mut wanted = self.stack[from..to].iter().filter_map(|(path, matched)| {
            let (field, path) = &self.paths[*path as usize];
            (path.as_bytes()[*matched as usize..] == *key.as_bytes()).then_some(*field)
        });
        if let Some(field) = wanted.next() {
            let rest: Vec<usize> = wanted.collect();
            let value = lend(scalar);
            // Two names for one path (`a` and a quoted one) are the same wanted field, so rest is
            // empty in practice; it is served all the same.
            for field in rest.into_iter().chain([field]) {
                if self.values[field].is_null() {
                    self.values[field] = value.clone();
                }
            }
        }
    }
}
