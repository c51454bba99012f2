//! Selectors: `$.name[0].['a.b'][*]`. Owns their grammar and the walk over a document.
//! Refuses to know what is tested at the end of the walk.

use super::tape::{Kind, Value};
use crate::error::ParseError;
use crate::lex::{self, Cursor};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(Box<str>),
    Element(usize),
    AnyMember,
    AnyElement,
}

/// A parsed selector, with the spelling the user chose for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    spelling: Box<str>,
    steps: Box<[Step]>,
}

impl Selector {
    /// Reads a selector at the cursor, which stands on the dollar sign.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Selector, ParseError> {
        let start = cursor.at();
        cursor.bump();
        let mut steps = Vec::new();
        loop {
            let before = cursor.at();
            if cursor.eat(".") {
                steps.push(after_dot(cursor, start)?);
            } else if cursor.eat("[") {
                steps.push(after_bracket(cursor)?);
            } else if steps.is_empty() {
                return Err(cursor.fail("'.' or '[' after '$'"));
            } else {
                break;
            }
            refuse_odd_name(cursor, start, before)?;
        }
        Ok(Selector { spelling: cursor.since(start).into(), steps: steps.into() })
    }

    /// The selector as the user wrote it.
    pub(crate) fn spelling(&self) -> &str {
        &self.spelling
    }

    /// The name of the root's member that the selector begins with.
    pub(crate) fn first_member(&self) -> Option<&str> {
        match self.steps.first() {
            Some(Step::Member(name)) => Some(name),
            _ => None,
        }
    }

    /// As [`Selector::any`], from the value that the first step landed on.
    pub(crate) fn any_behind_first(
        &self,
        first: Value<'_>,
        accept: &mut dyn FnMut(Value<'_>) -> bool,
    ) -> bool {
        walk(first, self.steps.get(1..).unwrap_or_default(), accept)
    }

    /// As [`Selector::first`], from the value that the first step landed on.
    pub(crate) fn first_behind_first<'d>(&self, first_value: Value<'d>) -> Option<Value<'d>> {
        first(first_value, self.steps.get(1..).unwrap_or_default())
    }

    /// Is it one step, a member of the root?
    pub(crate) fn is_member(&self) -> bool {
        matches!(&self.steps[..], [Step::Member(_)])
    }

    pub(crate) fn wildcards(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::AnyMember | Step::AnyElement)).count()
    }

    /// The last member name on the way, which a document must hold for the selector to land.
    pub(crate) fn last_name(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Member(name) => Some(&**name),
            _ => None,
        })
    }

    /// The last name, if all steps are names.
    pub(crate) fn only_names(&self) -> Option<&str> {
        let all = self.steps.iter().all(|step| matches!(step, Step::Member(_)));
        self.last_name().filter(|_| all)
    }

    /// Is the value the selector lands on the value of a named member?
    pub(crate) fn ends_with_name(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Member(_)))
    }

    /// Walks from `root` and asks `accept` about each value the selector lands on, in the order
    /// of the document, until it says yes. Says whether it did.
    pub(crate) fn any(&self, root: Value<'_>, accept: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        walk(root, &self.steps, accept)
    }

    /// The first value the selector lands on.
    pub(crate) fn first<'d>(&self, root: Value<'d>) -> Option<Value<'d>> {
        first(root, &self.steps)
    }
}

fn walk(mut value: Value<'_>, steps: &[Step], accept: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
    for (at, step) in steps.iter().enumerate() {
        let landed = match step {
            Step::Member(name) => value.member(name),
            Step::Element(index) => value.element(*index),
            Step::AnyMember | Step::AnyElement => {
                return fits(value, step)
                    && value.children().any(|child| walk(child, &steps[at + 1..], accept));
            }
        };
        match landed {
            Some(next) => value = next,
            None => return false,
        }
    }
    accept(value)
}

fn first<'d>(mut value: Value<'d>, steps: &[Step]) -> Option<Value<'d>> {
    for (at, step) in steps.iter().enumerate() {
        value = match step {
            Step::Member(name) => value.member(name)?,
            Step::Element(index) => value.element(*index)?,
            Step::AnyMember | Step::AnyElement if fits(value, step) => {
                return value.children().find_map(|child| first(child, &steps[at + 1..]));
            }
            Step::AnyMember | Step::AnyElement => return None,
        };
    }
    Some(value)
}

/// `.*` goes into objects, `[*]` into arrays.
fn fits(value: Value<'_>, step: &Step) -> bool {
    value.kind() == if *step == Step::AnyMember { Kind::Object } else { Kind::Array }
}

fn is_name(c: char) -> bool {
    lex::is_word(c) || c == '-'
}

fn after_dot(cursor: &mut Cursor<'_>, start: usize) -> Result<Step, ParseError> {
    match cursor.peek() {
        Some('*') => {
            cursor.bump();
            Ok(Step::AnyMember)
        }
        Some('[') => {
            cursor.bump();
            match after_bracket(cursor)? {
                step @ Step::Member(_) => Ok(step),
                _ => Err(cursor.fail("a quoted name in the brackets after a dot").suggest(".['name']")),
            }
        }
        Some(c) if is_name(c) => Ok(Step::Member(cursor.take_while(is_name).into())),
        _ => {
            let dot = cursor.at() - 1;
            refuse_odd_name(cursor, start, dot)?;
            Err(cursor.fail("a name, '*' or ['name'] after the dot"))
        }
    }
}

fn after_bracket(cursor: &mut Cursor<'_>) -> Result<Step, ParseError> {
    let step = match cursor.peek() {
        Some('*') => {
            cursor.bump();
            Step::AnyElement
        }
        Some(quote @ ('\'' | '"')) => {
            cursor.bump();
            let name = cursor.take_while(|c| c != quote);
            cursor.bump();
            Step::Member(name.into())
        }
        Some(c) if c.is_ascii_digit() => {
            let start = cursor.at();
            let digits = cursor.take_while(|c| c.is_ascii_digit());
            Step::Element(digits.parse().map_err(|_| ParseError::new(start, "a smaller index"))?)
        }
        _ => return Err(cursor.fail("an index, '*' or a quoted name after '['")),
    };
    if cursor.eat("]") { Ok(step) } else { Err(cursor.fail("a closing ']'")) }
}

/// A name like `@timestamp` or `a:b` needs brackets and quotes; says how. `before` is where the
/// step with the name begins.
fn refuse_odd_name(cursor: &Cursor<'_>, start: usize, before: usize) -> Result<(), ParseError> {
    let ends = |c: char| {
        lex::is_blank(c) || matches!(c, '.' | '[' | '=' | '!' | '<' | '>' | '&' | '|' | '(' | ')' | '~')
    };
    if cursor.peek().is_none_or(ends) {
        return Ok(());
    }
    let error = cursor.fail("letters, digits, _ and - in a name without quotes");
    let mut ahead = cursor.clone();
    ahead.take_while(|c| !ends(c));
    let name = ahead.since(before).trim_start_matches('.');
    let head = &cursor.since(start)[..before - start];
    Err(error.suggest(format!("{head}.['{name}']")))
}
