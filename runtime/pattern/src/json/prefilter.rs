//! Can a message match at all? A cheap look at its raw text before it is parsed.
//!
//! Owns what is searched. Only sound for text without a backslash, where member names and
//! strings stand as they are; `may_match` checks that itself. A yes is a maybe: the same name may
//! stand elsewhere in the document, or inside a string.

use memchr::memmem::Finder;

use super::expression::{Condition, Expression, Test};
use crate::document::Document;

/// Beyond this many searches, parsing is cheaper.
const MOST_SEARCHES: usize = 8;
/// Shorter literals are found in nearly every message.
const SHORTEST: usize = 2;

#[derive(Debug, Clone)]
enum Need {
    Nothing,
    Has(Box<Finder<'static>>),
    Member(Box<Member>),
    All(Vec<Need>),
    Any(Vec<Need>),
}

/// Some member of this name has a value that passes one of the tests.
#[derive(Debug, Clone)]
struct Member {
    /// The name in its quotes.
    name: Finder<'static>,
    tests: Vec<Test>,
}

/// The compiled check of one pattern.
#[derive(Debug, Clone)]
pub(crate) struct Prefilter {
    need: Need,
}

impl Prefilter {
    pub(crate) fn new(expression: &Expression, conditions: &[Condition]) -> Prefilter {
        let need = need(expression, conditions);
        Prefilter { need: if need.searches() > MOST_SEARCHES { Need::Nothing } else { need } }
    }

    /// `false` only if the message cannot match. A document that is parsed already is cheaper to
    /// ask than its text.
    pub(crate) fn may_match(&self, document: &Document<'_>) -> bool {
        if matches!(self.need, Need::Nothing) || document.is_parsed() || document.has_backslash() {
            return true;
        }
        self.need.met(document.text())
    }
}

impl Need {
    fn searches(&self) -> usize {
        match self {
            Need::Nothing => 0,
            Need::Has(_) | Need::Member(_) => 1,
            Need::All(parts) | Need::Any(parts) => parts.iter().map(Need::searches).sum(),
        }
    }

    /// The member that one condition is about, its literal aside.
    fn member(&self) -> Option<&Member> {
        match self {
            Need::Member(member) => Some(member),
            Need::All(parts) => match &parts[..] {
                [Need::Has(_), Need::Member(member)] => Some(member),
                _ => None,
            },
            _ => None,
        }
    }

    fn met(&self, text: &str) -> bool {
        match self {
            Need::Nothing => true,
            Need::Has(finder) => finder.find(text.as_bytes()).is_some(),
            Need::Member(member) => member.occurs(text),
            Need::All(parts) => parts.iter().all(|part| part.met(text)),
            Need::Any(parts) => parts.iter().any(|part| part.met(text)),
        }
    }
}

impl Member {
    fn same_name(&self, other: &Member) -> bool {
        self.name.needle() == other.name.needle()
    }

    fn occurs(&self, text: &str) -> bool {
        let width = self.name.needle().len();
        self.name.find_iter(text.as_bytes()).any(|at| self.accepts(&text[at + width..]))
    }

    /// Asks about the value that follows a member name, in text without escapes.
    fn accepts(&self, after: &str) -> bool {
        let Some(value) = after.trim_start_matches(is_blank).strip_prefix(':') else { return false };
        let value = value.trim_start_matches(is_blank);
        if let Some(string) = value.strip_prefix('"') {
            let Some(end) = memchr::memchr(b'"', string.as_bytes()) else { return false };
            return self.tests.iter().any(|test| accepts_string(test, &string[..end]));
        }
        // A quote ends the word too: in text that is no JSON, no stretch is read twice that way.
        let ends = |c: char| is_blank(c) || matches!(c, ',' | '}' | ']' | '"');
        let word = &value[..value.find(ends).unwrap_or(value.len())];
        self.tests.iter().any(|test| accepts_word(test, word))
    }
}

fn accepts_string(test: &Test, text: &str) -> bool {
    matches!(test, Test::Compare(comparison) if comparison.accepts(text))
}

/// Asks about a value that is not a string: a number or a word, else the start of a container.
fn accepts_word(test: &Test, word: &str) -> bool {
    match test {
        Test::IsNull => word == "null",
        Test::IsTrue => word == "true",
        Test::IsFalse => word == "false",
        Test::Compare(comparison) if word == "null" => comparison.accepts_null(),
        Test::Compare(comparison) => !word.starts_with(['{', '[']) && comparison.accepts(word),
        Test::NotExists => true,
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn need(part: &Expression, conditions: &[Condition]) -> Need {
    match part {
        Expression::Guest(_) => Need::Nothing,
        Expression::Condition(at) => need_of(&conditions[*at]),
        Expression::All(parts) => all(parts.iter().map(|part| need(part, conditions))),
        Expression::Any(parts) => {
            let needs: Vec<Need> = parts.iter().map(|part| need(part, conditions)).collect();
            if needs.iter().any(|need| matches!(need, Need::Nothing)) { Need::Nothing } else { any(needs) }
        }
    }
}

/// The text of the value first, where it has one: it is rarer than the name.
fn need_of(condition: &Condition) -> Need {
    let has = |literal: &str| Need::Has(Box::new(Finder::new(literal).into_owned()));
    let values = condition.value_literals();
    let longest = values.iter().max_by_key(|value| value.len()).filter(|value| value.len() >= SHORTEST);
    let value = longest.map(|value| has(value));
    let name = match (condition.name_literal(), condition.selector.ends_with_name()) {
        (Some(name), true) => {
            let name = Finder::new(&name).into_owned();
            Some(Need::Member(Box::new(Member { name, tests: vec![condition.test.clone()] })))
        }
        (Some(name), false) => Some(has(&name)),
        (None, _) => None,
    };
    all(value.into_iter().chain(name))
}

/// Alternatives about the same member become one search with several tests: the common form
/// `$.eventName = A || $.eventName = B || ...`.
fn any(needs: Vec<Need>) -> Need {
    let mut joined: Vec<Need> = Vec::with_capacity(needs.len());
    for need in needs {
        let same =
            |other: &Need| matches!((other.member(), need.member()), (Some(a), Some(b)) if a.same_name(b));
        match (joined.iter_mut().find(|other| same(other)), need.member()) {
            (Some(other), Some(member)) => {
                let tests = other.member().map(|other| &other.tests).into_iter().flatten();
                let tests = tests.chain(&member.tests).cloned().collect();
                *other = Need::Member(Box::new(Member { name: member.name.clone(), tests }));
            }
            _ => joined.push(need),
        }
    }
    if joined.len() == 1 { joined.remove(0) } else { Need::Any(joined) }
}

fn all(needs: impl Iterator<Item = Need>) -> Need {
    let mut needs: Vec<Need> = needs.filter(|need| !matches!(need, Need::Nothing)).collect();
    match needs.len() {
        0 => Need::Nothing,
        1 => needs.remove(0),
        _ => Need::All(needs),
    }
}
