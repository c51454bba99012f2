//! Unstructured patterns: words and phrases, excluded ones, and `?` alternatives.
//!
//! Owns their grammar and the substring search. Refuses to look inside the message.

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

use crate::error::{Headline, ParseError};
use crate::lex::{self, Cursor};
use crate::required;

/// From this many alternatives on, one automaton beats one search each.
const MANY: usize = 3;

/// A parsed term pattern: what must, may and must not occur.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) all: Vec<String>,
    pub(crate) none: Vec<String>,
    pub(crate) any: Vec<String>,
}

impl Terms {
    pub(crate) fn literal(text: String) -> Terms {
        Terms { all: vec![text], ..Terms::default() }
    }

    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Terms, ParseError> {
        let mut terms = Terms::default();
        loop {
            cursor.blanks();
            if cursor.done() {
                return Ok(terms);
            }
            let prefix = if cursor.eat("-") {
                "-"
            } else if cursor.eat("?") {
                "?"
            } else {
                ""
            };
            let text = item(cursor, prefix)?;
            match prefix {
                "-" => terms.none.push(text),
                "?" => terms.any.push(text),
                _ => terms.all.push(text),
            }
        }
    }

    /// Does the presence of other terms switch the `?` terms off?
    pub(crate) fn ignores_alternatives(&self) -> bool {
        let others = self.all.len() + self.none.len();
        others > 0 && !self.any.is_empty()
    }

    /// One blank or empty phrase alone: the documented spelling of "every event".
    pub(crate) fn is_everything(&self) -> bool {
        self.none.is_empty()
            && self.any.is_empty()
            && matches!(&self.all[..], [only] if only.trim().is_empty())
    }
}

fn item(cursor: &mut Cursor<'_>, prefix: &str) -> Result<String, ParseError> {
    match cursor.peek() {
        Some('"') => {
            let phrase = cursor.quoted()?;
            match cursor.peek() {
                Some(c) if !lex::is_blank(c) => Err(cursor.fail("a blank after the closing quote")),
                _ => Ok(phrase),
            }
        }
        Some(c) if !lex::is_blank(c) => word(cursor, prefix),
        _ => {
            let sense = if prefix == "-" { "to exclude" } else { "to offer as an alternative" };
            Err(cursor.fail(&format!("a term {sense} right after '{prefix}'")))
        }
    }
}

fn word(cursor: &mut Cursor<'_>, prefix: &str) -> Result<String, ParseError> {
    let start = cursor.at();
    let text = cursor.take_while(|c| !lex::is_blank(c));
    let Some(bad) = text.find(|c| !lex::is_word(c)) else { return Ok(text.to_string()) };
    let bare = text.trim_matches(|c| matches!(c, '“' | '”' | '‘' | '’' | '«' | '»' | '\'' | '"'));
    Err(ParseError::new(start + bad, "letters, digits and _ only in a term without quotes")
        .headline(Headline::Characters(text.into()))
        .suggest(format!("{prefix}{}", lex::quote(bare))))
}

/// The compiled form of [`Terms`].
#[derive(Debug, Clone)]
pub(crate) struct TermMatcher {
    all: Vec<Finder<'static>>,
    none: AnyOf,
    any: Option<AnyOf>,
    literals: Vec<String>,
    alternatives: Vec<String>,
}

impl TermMatcher {
    pub(crate) fn new(terms: &Terms) -> TermMatcher {
        let mut all = terms.all.clone();
        let any = (!terms.ignores_alternatives() && !terms.any.is_empty()).then(|| terms.any.clone());
        if let Some([only]) = any.as_deref() {
            all.push(only.clone());
        }
        let literals = required::minimal(all);
        let alternatives = any.clone().filter(|any| any.len() > 1).unwrap_or_default();
        TermMatcher {
            alternatives,
            all: literals.iter().map(|literal| finder(literal)).collect(),
            none: AnyOf::new(&terms.none),
            any: any.filter(|any| any.len() > 1).map(|any| AnyOf::new(&any)),
            literals,
        }
    }

    pub(crate) fn matches(&self, message: &str) -> bool {
        let bytes = message.as_bytes();
        self.all.iter().all(|finder| finder.find(bytes).is_some())
            && self.any.as_ref().is_none_or(|any| any.occurs(bytes))
            && !self.none.occurs(bytes)
    }

    /// Terms that every matching message contains, longest first.
    pub(crate) fn literals(&self) -> &[String] {
        &self.literals
    }

    /// Terms of which every matching message contains at least one; none where there is no choice.
    pub(crate) fn alternatives(&self) -> &[String] {
        &self.alternatives
    }

    /// The one literal whose presence decides, if there is nothing else to the pattern.
    pub(crate) fn only(&self) -> Option<&str> {
        match &self.literals[..] {
            [only] if self.any.is_none() && self.none.is_empty() => Some(only),
            _ => None,
        }
    }
}

fn finder(text: &str) -> Finder<'static> {
    Finder::new(text).into_owned()
}

/// Does any of several texts occur?
#[derive(Debug, Clone)]
enum AnyOf {
    Few(Vec<Finder<'static>>),
    Many(Box<AhoCorasick>),
}

impl AnyOf {
    fn new(texts: &[String]) -> AnyOf {
        if texts.len() >= MANY
            && let Ok(automaton) = AhoCorasick::new(texts)
        {
            return AnyOf::Many(Box::new(automaton));
        }
        AnyOf::Few(texts.iter().map(|text| finder(text)).collect())
    }

    fn is_empty(&self) -> bool {
        matches!(self, AnyOf::Few(finders) if finders.is_empty())
    }

    fn occurs(&self, bytes: &[u8]) -> bool {
        match self {
            AnyOf::Few(finders) => finders.iter().any(|finder| finder.find(bytes).is_some()),
            AnyOf::Many(automaton) => automaton.is_match(bytes),
        }
    }
}
