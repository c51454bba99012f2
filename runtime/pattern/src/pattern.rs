//! A compiled pattern and the way to one.
//!
//! Owns which kind of pattern a text is, the `[ERROR]` decision, and the public face of a
//! pattern. Refuses to know the grammars of the kinds.

use std::fmt;
use std::sync::Arc;

use crate::columns::{self, Columns};
use crate::document::Document;
use crate::error::{Headline, ParseError, SelectorError};
use crate::guests::{AnyVerdict, Guests};
use crate::json;
use crate::lex::{self, Cursor};
use crate::limits::Limits;
use crate::matcher::{ColumnMatcher, Matcher};
use crate::operand::Budget;
use crate::regex::Search;
use crate::selector::ValueSelector;
use crate::term::{TermMatcher, Terms};

/// How to read a pattern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Read `[ERROR]` exactly as AWS does: one field called ERROR that takes the whole line, so
    /// that every event matches. Otherwise one upper-case word in brackets is that literal text.
    pub strict: bool,
}

/// What sort of pattern a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The empty pattern, or a blank in quotes: every event.
    Everything,
    /// Words and phrases.
    Text,
    /// One regular expression over the whole message.
    Regex,
    /// `{ ... }`: selectors, guests, or both.
    Json,
    /// `[ ... ]`: fields of a space-delimited line.
    Space,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Everything => "match-all",
            Kind::Text => "text",
            Kind::Regex => "regular-expression",
            Kind::Json => "JSON",
            Kind::Space => "space-delimited",
        })
    }
}

#[derive(Debug)]
struct Inner {
    source: String,
    matcher: Matcher,
    regexes: usize,
    warnings: Vec<String>,
    literals: Vec<String>,
    literals_unless_escaped: Vec<String>,
    /// The word of `[WORD]` when it was read as literal text.
    lone_word: Option<String>,
}

/// A compiled filter pattern. Cloning shares the compiled form; many threads may match with it
/// at once.
#[derive(Debug, Clone)]
pub struct Pattern {
    inner: Arc<Inner>,
}

impl Pattern {
    /// Parses and compiles a pattern within AWS's limits.
    ///
    /// # Errors
    /// When the text is not a pattern: the error carries the byte offset, what was expected and,
    /// where one is near, a spelling that works. AWS's code for it is
    /// `InvalidParameterException`.
    pub fn parse(text: &str, options: Options) -> Result<Pattern, ParseError> {
        Pattern::parse_within(text, options, &Limits::default())
    }

    /// As [`Pattern::parse`], within other limits.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse_within(text: &str, options: Options, limits: &Limits) -> Result<Pattern, ParseError> {
        if text.chars().count() > limits.characters {
            return Err(too_long(text, limits));
        }
        let body = text.trim_matches(lex::is_blank);
        let start = text.len() - text.trim_start_matches(lex::is_blank).len();
        let end = start + body.len();
        let mut budget = Budget { limits, regexes: 0 };
        let mut draft = Draft::default();
        let matcher = match body.chars().next() {
            None => Matcher::Everything,
            Some('{') => {
                let mut inside = enclosed(text, start, end, '{', '}')?;
                draft.json(json::parse(&mut inside, &mut budget)?)
            }
            Some('[') => {
                let mut inside = enclosed(text, start, end, '[', ']')?;
                draft.columns(columns::parse(&mut inside, &mut budget)?, options)
            }
            Some('%') => {
                budget.regexes = 1;
                whole_regex(text, start, end, limits)?
            }
            Some(_) => draft.terms(&Terms::parse(&mut Cursor::within(text, start, end))?),
        };
        Ok(draft.finish(text, matcher, budget.regexes))
    }

    /// The text this was parsed from, as given.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What sort of pattern this is.
    pub fn kind(&self) -> Kind {
        match self.inner.matcher {
            Matcher::Everything => Kind::Everything,
            Matcher::Terms(_) => Kind::Text,
            Matcher::Regex(_) => Kind::Regex,
            Matcher::Json(_) => Kind::Json,
            Matcher::Columns(_) => Kind::Space,
        }
    }

    /// Does the pattern match? Guests are asked only if the native part leaves it open.
    pub fn matches(&self, document: &Document<'_>, guests: &mut dyn Guests) -> bool {
        self.inner.matcher.matches(document, guests)
    }

    /// Could the pattern match, if every guest said yes? `false` is certain.
    pub fn may_match(&self, document: &Document<'_>) -> bool {
        self.matches(document, &mut AnyVerdict)
    }

    /// The names after `wasm:` in the pattern, each once, in the order of the text.
    pub fn guests(&self) -> &[String] {
        self.inner.matcher.guests()
    }

    /// The one guest whose verdict is all that decides. `None` for every other pattern.
    pub fn guest_only(&self) -> Option<&str> {
        match &self.inner.matcher {
            Matcher::Json(json) => json.guest_only(),
            _ => None,
        }
    }

    /// The selectors of a JSON pattern as spelled in it, in the order of the text; empty for
    /// other kinds. They are all that the native part of the pattern reads of a message.
    pub fn selectors(&self) -> Vec<&str> {
        match &self.inner.matcher {
            Matcher::Json(json) => {
                json.conditions.iter().map(|condition| condition.selector.spelling()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The names of the members whose values decide about a message that is one JSON object: two such messages
    /// that differ in other scalars alone match both or neither. `None` where that cannot be said: for other
    /// kinds of patterns, guests, and values that are reached by their place.
    pub fn deciding_members(&self) -> Option<Vec<&str>> {
        match &self.inner.matcher {
            Matcher::Json(json) if json.guests.is_empty() => {
                json.conditions.iter().map(|condition| condition.selector.only_names()).collect()
            }
            _ => None,
        }
    }

    /// What TestMetricFilter shows as `extractedValues` of a matching message, in the order of
    /// the pattern: selectors as spelled in the pattern, `$name` and `$1` for fields of a line,
    /// nothing for text. Only meaningful for a message that matches.
    pub fn extract(&self, document: &Document<'_>) -> Vec<(String, String)> {
        self.inner.matcher.extract(document)
    }

    /// Texts that occur verbatim in every matching message, none part of another, longest first:
    /// a block of messages that lacks one of them can be skipped.
    ///
    /// JSON patterns give none for names and strings, since a message may write any character
    /// of them as `\uXXXX`; see [`Pattern::required_literals_unless_escaped`].
    pub fn required_literals(&self) -> &[String] {
        &self.inner.literals
    }

    /// As [`Pattern::required_literals`], under the condition that no backslash occurs in the
    /// message: then nothing in it is escaped, and the names and strings of a JSON pattern must
    /// occur verbatim too. A block may be skipped if it has no backslash and lacks one of these.
    pub fn required_literals_unless_escaped(&self) -> &[String] {
        &self.inner.literals_unless_escaped
    }

    /// The one literal that decides alone: the pattern matches exactly the messages that contain
    /// it. `None` for every other pattern.
    pub fn literal_only(&self) -> Option<&str> {
        match &self.inner.matcher {
            Matcher::Terms(terms) => terms.only(),
            _ => None,
        }
    }

    /// How many regular expressions the pattern holds; AWS allows 5 patterns with any per log
    /// group.
    pub fn regex_count(&self) -> usize {
        self.inner.regexes
    }

    /// What the author of the pattern should know although it is valid.
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// The pattern as a metric filter with this value and these dimensions reads it, with the
    /// selectors checked against it. Only `[WORD]` with a selector `$WORD` reads differently:
    /// then AWS's meaning holds.
    ///
    /// # Errors
    /// When the pattern cannot provide the value or a dimension.
    pub fn for_metric(
        &self,
        value: &ValueSelector,
        dimensions: &[ValueSelector],
    ) -> Result<Pattern, SelectorError> {
        let named =
            |word: &String| value.names(word) || dimensions.iter().any(|dimension| dimension.names(word));
        let pattern = match &self.inner.lone_word {
            Some(word) if named(word) => self.strictly(),
            _ => self.clone(),
        };
        for dimension in dimensions {
            dimension.check_dimension(&pattern)?;
        }
        value.check(&pattern)?;
        Ok(pattern)
    }

    /// AWS's reading of a pattern that parsed already; parsing again cannot fail then.
    fn strictly(&self) -> Pattern {
        let limits = Limits { characters: usize::MAX, ..Limits::default() };
        Pattern::parse_within(self.source(), Options { strict: true }, &limits)
            .unwrap_or_else(|_| self.clone())
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.inner.matcher
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

/// What is gathered while a pattern is compiled.
#[derive(Default)]
struct Draft {
    warnings: Vec<String>,
    lone_word: Option<String>,
}

impl Draft {
    fn terms(&mut self, terms: &Terms) -> Matcher {
        if terms.is_everything() {
            return Matcher::Everything;
        }
        if terms.ignores_alternatives() {
            let ignored: Vec<String> = terms.any.iter().map(|term| format!("?{}", spelled(term))).collect();
            let message = "has no effect: terms with '?' are ignored when the pattern has other terms";
            self.warnings.push(format!("{} {message}", ignored.join(" ")));
        }
        Matcher::Terms(TermMatcher::new(terms))
    }

    fn json(&mut self, pattern: json::JsonPattern) -> Matcher {
        if pattern.has_never() {
            self.warn_never();
        }
        Matcher::Json(Box::new(pattern))
    }

    fn columns(&mut self, columns: Columns, options: Options) -> Matcher {
        if columns.lone_word
            && let Some(word) = columns.names().next().map(str::to_string)
        {
            if !options.strict {
                let literal = format!("[{word}]");
                self.warnings.push(format!(
                    "{literal} is read as the text {literal}; AWS reads it as a field called {word} and matches \
                     every event. The portable spelling is {}",
                    lex::quote(&literal)
                ));
                self.lone_word = Some(word);
                return Matcher::Terms(TermMatcher::new(&Terms::literal(literal)));
            }
            self.warnings.push(format!("[{word}] is a field called {word} and matches every event"));
        }
        if let Some(name) = columns.repeated_name() {
            self.warnings.push(format!("more than one field is called {name}; ${name} is the last of them"));
        }
        if columns.has_never() {
            self.warn_never();
        }
        Matcher::Columns(Box::new(ColumnMatcher::new(columns)))
    }

    fn warn_never(&mut self) {
        self.warnings.push("'!= *' never holds; use NOT EXISTS to find events without the field".to_string());
    }

    fn finish(self, source: &str, matcher: Matcher, regexes: usize) -> Pattern {
        let inner = Inner {
            source: source.to_string(),
            literals: matcher.literals(),
            literals_unless_escaped: matcher.literals_unless_escaped(),
            matcher,
            regexes,
            warnings: self.warnings,
            lone_word: self.lone_word,
        };
        Pattern { inner: Arc::new(inner) }
    }
}

fn spelled(term: &str) -> String {
    if term.chars().all(lex::is_word) { term.to_string() } else { lex::quote(term) }
}

/// The inside of a pattern that must end with `close`.
fn enclosed(text: &str, start: usize, end: usize, open: char, close: char) -> Result<Cursor<'_>, ParseError> {
    if end - start >= 2 && text[..end].ends_with(close) {
        return Ok(Cursor::within(text, start + 1, end - 1));
    }
    Err(ParseError::new(end, format!("'{close}'")).headline(Headline::Unclosed(open, close)))
}

fn whole_regex(text: &str, start: usize, end: usize, limits: &Limits) -> Result<Matcher, ParseError> {
    if end - start < 2 || !text[..end].ends_with('%') {
        return Err(ParseError::new(end, "a closing '%'").headline(Headline::Unclosed('%', '%')));
    }
    Search::compile(&text[start + 1..end - 1], start + 1, limits).map(Matcher::Regex)
}

fn too_long(text: &str, limits: &Limits) -> ParseError {
    let most = limits.characters;
    let offset = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    let message = format!(
        "1 validation error detected: Value '{text}' at 'filterPattern' failed to satisfy constraint: \
         Member must have length less than or equal to {most}"
    );
    ParseError::new(offset, format!("at most {most} characters")).headline(Headline::TooLong(message.into()))
}

/// Rounds of a property test: few by default, many under `LOGBOOM_LONG=1`.
#[cfg(test)]
pub(crate) fn rounds(few: u32) -> u32 {
    if std::env::var_os("LOGBOOM_LONG").is_some() { few * 100 } else { few }
}
