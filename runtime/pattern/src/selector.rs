//! Where a metric value or a dimension comes from: a number, `$.selector`, `$name`, `$3`, or
//! `wasm:NAME`.
//!
//! Owns their grammar, which pattern can provide which, and reading the value out of a matching
//! message. Refuses to know metrics.

use std::borrow::Cow;

use crate::document::Document;
use crate::error::SelectorError;
use crate::json::{self, Selector};
use crate::lex::{self, Cursor};
use crate::matcher::Matcher;
use crate::number::Number;
use crate::pattern::{Kind, Pattern};

#[derive(Debug, Clone)]
enum Source {
    Number(f64),
    Json(Selector),
    Name(String),
    Position(usize),
    Guest(String),
}

/// A parsed `metricValue`, or the value of a dimension.
#[derive(Debug, Clone)]
pub struct ValueSelector {
    text: String,
    source: Source,
}

impl ValueSelector {
    /// Parses a number, `$.selector`, `$name`, `$3` or `wasm:NAME`.
    ///
    /// # Errors
    /// When `text` is none of these; the message says what would be.
    pub fn parse(text: &str) -> Result<ValueSelector, SelectorError> {
        let trimmed = text.trim();
        let lead = text.len() - text.trim_start().len();
        let mut cursor = Cursor::within(text, lead, lead + trimmed.len());
        let source = if let Some(number) = Number::parse(trimmed) {
            return Ok(ValueSelector { text: text.to_string(), source: Source::Number(number.as_f64()) });
        } else if trimmed.starts_with("$.") || trimmed.starts_with("$[") {
            Selector::parse(&mut cursor).map(Source::Json)
        } else if cursor.eat("wasm:") {
            json::guest_name(&mut cursor).map(Source::Guest)
        } else if cursor.eat("$") {
            field(&mut cursor)
        } else {
            Err(cursor.fail("a number, $.selector, $name, $3 or wasm:NAME"))
        };
        let source = source.map_err(|error| invalid(error.offset, &error.expected))?;
        if !cursor.done() {
            return Err(invalid(cursor.at(), "the end of the value"));
        }
        Ok(ValueSelector { text: text.to_string(), source })
    }

    /// The text this was parsed from.
    pub fn source(&self) -> &str {
        &self.text
    }

    /// The number, if the value is a literal.
    pub fn literal(&self) -> Option<f64> {
        match self.source {
            Source::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The guest to ask for the value, if it is `wasm:NAME`.
    pub fn guest(&self) -> Option<&str> {
        match &self.source {
            Source::Guest(name) => Some(name),
            _ => None,
        }
    }

    /// The number to publish for a matching message. `None` when the field is missing or its
    /// text is not a number, and for guests: they are asked by the caller.
    pub fn number(&self, pattern: &Pattern, document: &Document<'_>) -> Option<f64> {
        match self.source {
            Source::Number(value) => Some(value),
            _ => Number::parse(&self.text(pattern, document)?).map(Number::as_f64),
        }
    }

    /// The text of the field in a matching message, for dimensions. `None` when the field is
    /// missing, null, an object or an array, and for guests.
    pub fn text<'d>(&'d self, pattern: &Pattern, document: &'d Document<'_>) -> Option<Cow<'d, str>> {
        match (&self.source, pattern.matcher()) {
            (Source::Number(_), _) => Some(Cow::Borrowed(self.text.trim())),
            (Source::Json(selector), _) => selector.first(document.object()?)?.scalar(),
            (Source::Name(name), Matcher::Columns(columns)) => {
                columns.columns.named(name, document).map(Cow::Borrowed)
            }
            (Source::Position(position), Matcher::Columns(columns)) => {
                columns.columns.positioned(*position, document).map(Cow::Borrowed)
            }
            _ => None,
        }
    }

    /// The way to the value within a JSON document, if it is one.
    pub(crate) fn json(&self) -> Option<&Selector> {
        match &self.source {
            Source::Json(selector) => Some(selector),
            _ => None,
        }
    }

    /// The name of the field, if it is one.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.source {
            Source::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Can `pattern` provide this as a metric value?
    ///
    /// # Errors
    /// When the selector does not fit the kind of pattern, or names a field it does not have.
    pub fn check(&self, pattern: &Pattern) -> Result<(), SelectorError> {
        let kind = pattern.kind();
        match (&self.source, pattern.matcher()) {
            (Source::Number(_) | Source::Guest(_), _) | (Source::Json(_), Matcher::Json(_)) => Ok(()),
            (Source::Json(_), _) => {
                Err(self.unfit(&format!("needs a JSON pattern, this is a {kind} pattern")))
            }
            (Source::Name(name), Matcher::Columns(columns)) if columns.columns.has_name(name) => Ok(()),
            (Source::Name(_), Matcher::Columns(columns)) => {
                let names: Vec<String> = columns.columns.names().map(|name| format!("${name}")).collect();
                let known = if names.is_empty() { "none".to_string() } else { names.join(", ") };
                Err(self.unfit(&format!("is not a field of the pattern; its named fields: {known}")))
            }
            (Source::Position(position), Matcher::Columns(columns)) => {
                if *position > 0 && columns.columns.has_position(*position) {
                    return Ok(());
                }
                Err(self.unfit("is beyond the fields of the pattern"))
            }
            (Source::Name(_) | Source::Position(_), _) => {
                Err(self.unfit(&format!("needs a space-delimited pattern, this is a {kind} pattern")))
            }
        }
    }

    /// Can `pattern` provide this as the value of a dimension?
    ///
    /// # Errors
    /// AWS's sentence for patterns without fields, else as [`ValueSelector::check`].
    pub fn check_dimension(&self, pattern: &Pattern) -> Result<(), SelectorError> {
        if !matches!(pattern.kind(), Kind::Json | Kind::Space) {
            return Err(SelectorError::new(0, "The specified filter pattern does not support dimensions"));
        }
        match self.source {
            Source::Number(_) | Source::Guest(_) => {
                Err(self.unfit("is not a field; a dimension takes $.selector or $name"))
            }
            _ => self.check(pattern),
        }
    }

    /// Is this `$word`?
    pub(crate) fn names(&self, word: &str) -> bool {
        matches!(&self.source, Source::Name(name) if name == word)
    }

    fn unfit(&self, why: &str) -> SelectorError {
        SelectorError::new(0, format!("Invalid metric transformation: '{}' {why}", self.text))
    }
}

fn field(cursor: &mut Cursor<'_>) -> Result<Source, crate::error::ParseError> {
    let start = cursor.at();
    let name = cursor.take_while(|c| lex::is_word(c) || c == '-');
    if name.is_empty() {
        return Err(cursor.fail("a field name or a position after '$'"));
    }
    if !name.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Source::Name(name.to_string()));
    }
    let smaller = |_| crate::error::ParseError::new(start, "a smaller position");
    name.parse().map(Source::Position).map_err(smaller)
}

fn invalid(offset: usize, expected: &str) -> SelectorError {
    SelectorError::new(
        offset,
        format!("Invalid metric transformation: expected {expected} at offset {offset}"),
    )
}
