//! The compiled form of a pattern of any kind. Owns the dispatch; each kind owns its own truth.

use crate::columns::Columns;
use crate::document::Document;
use crate::guests::Guests;
use crate::json::JsonPattern;
use crate::regex::Search;
use crate::required;
use crate::term::TermMatcher;

#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    Everything,
    Terms(TermMatcher),
    Regex(Search),
    Json(Box<JsonPattern>),
    Columns(Box<ColumnMatcher>),
}

/// Columns with the search that rules most lines out before they are split.
#[derive(Debug, Clone)]
pub(crate) struct ColumnMatcher {
    pub(crate) columns: Columns,
    rarest: Option<memchr::memmem::Finder<'static>>,
}

/// Shorter literals are in nearly every line; splitting the line fails as fast.
const SHORTEST: usize = 3;

impl ColumnMatcher {
    pub(crate) fn new(columns: Columns) -> ColumnMatcher {
        let longest = columns.literals().into_iter().next().filter(|literal| literal.len() >= SHORTEST);
        let rarest = longest.map(|literal| memchr::memmem::Finder::new(&literal).into_owned());
        ColumnMatcher { columns, rarest }
    }

    /// Whether the literal that rules most lines out is there.
    pub(crate) fn is_possible(&self, document: &Document<'_>) -> bool {
        let possible =
            |finder: &memchr::memmem::Finder<'_>| finder.find(document.text().as_bytes()).is_some();
        self.rarest.as_ref().is_none_or(possible)
    }

    fn matches(&self, document: &Document<'_>) -> bool {
        self.is_possible(document) && self.columns.matches(document)
    }
}

impl Matcher {
    pub(crate) fn matches(&self, document: &Document<'_>, guests: &mut dyn Guests) -> bool {
        match self {
            Matcher::Everything => true,
            Matcher::Terms(terms) => terms.matches(document.text()),
            Matcher::Regex(search) => search.is_match(document.text()),
            Matcher::Json(json) => json.matches(document, guests),
            Matcher::Columns(columns) => columns.matches(document),
        }
    }

    /// What a match shows of the message; nothing for text and whole-message expressions.
    pub(crate) fn extract(&self, document: &Document<'_>) -> Vec<(String, String)> {
        match self {
            Matcher::Everything | Matcher::Terms(_) | Matcher::Regex(_) => Vec::new(),
            Matcher::Json(json) => json.extract(document),
            Matcher::Columns(columns) => columns.columns.extract(document),
        }
    }

    pub(crate) fn guests(&self) -> &[String] {
        match self {
            Matcher::Json(json) => &json.guests,
            _ => &[],
        }
    }

    /// Texts of which every matching message contains one, where the pattern offers some; else nothing.
    pub(crate) fn alternatives(&self) -> &[String] {
        match self {
            Matcher::Terms(terms) => terms.alternatives(),
            _ => &[],
        }
    }

    pub(crate) fn literals(&self) -> Vec<String> {
        match self {
            Matcher::Everything => Vec::new(),
            Matcher::Terms(terms) => terms.literals().to_vec(),
            Matcher::Regex(search) => required::minimal(search.literals().to_vec()),
            Matcher::Json(json) => json.literals(),
            Matcher::Columns(columns) => columns.columns.literals(),
        }
    }

    pub(crate) fn literals_unless_escaped(&self) -> Vec<String> {
        match self {
            Matcher::Json(json) => json.literals_unless_escaped(),
            _ => self.literals(),
        }
    }
}
