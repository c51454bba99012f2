//! `like` and `=~`: a substring search, or a regular expression with a bounded compiled size.
//! Also finds the literal a match must contain, for searches that come first.

use std::fmt;

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use crate::limits::REGEX_BYTES;
use crate::text::syntax::Pattern;

/// A compiled pattern.
pub(crate) struct Matcher {
    pattern: Pattern,
    search: Search,
    required: Option<String>,
}

enum Search {
    Literal(Box<Finder<'static>>),
    Regex(Box<Regex>),
}

impl Matcher {
    /// Compiles; the error says what is wrong with the expression.
    pub(crate) fn new(pattern: &Pattern) -> Result<Matcher, String> {
        let literal = |text: &str| Search::Literal(Box::new(Finder::new(text.as_bytes()).into_owned()));
        let (search, required) = match pattern {
            Pattern::Text(text) => (literal(text), Some(text.clone())),
            Pattern::Regex(source) => {
                let regex = compile_regex(source)?;
                match regex_syntax::parse(source).ok() {
                    Some(hir) => match whole_literal(&hir) {
                        Some(text) => (literal(&text), Some(text)),
                        None => (Search::Regex(Box::new(regex)), required_literal(&hir)),
                    },
                    None => (Search::Regex(Box::new(regex)), None),
                }
            }
        };
        Ok(Matcher { pattern: pattern.clone(), search, required: required.filter(|text| !text.is_empty()) })
    }

    /// Whether the text contains a match.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match &self.search {
            Search::Literal(finder) => finder.find(text.as_bytes()).is_some(),
            Search::Regex(regex) => regex.is_match(text),
        }
    }

    /// A text that every match contains.
    pub(crate) fn required(&self) -> Option<&str> {
        self.required.as_deref()
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern)
    }
}

/// A regular expression within the size bound.
pub(crate) fn compile_regex(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(source).size_limit(REGEX_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the regular expression is too large (more than {REGEX_BYTES} bytes when compiled)")
        }
        // The last line of the library's report is the reason, the others draw the place.
        other => {
            let report = other.to_string();
            let reason = report.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            format!("the regular expression is not valid: {reason}")
        }
    })
}

/// The expression is one plain text.
fn whole_literal(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        _ => None,
    }
}

/// The longest plain text among the parts that every match goes through.
fn required_literal(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(_) => whole_literal(hir),
        HirKind::Capture(capture) => required_literal(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required_literal(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(required_literal).max_by_key(String::len),
        HirKind::Empty
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Alternation(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(pattern: &str) -> Matcher {
        Matcher::new(&Pattern::Regex(pattern.to_owned())).expect("compiles")
    }

    #[test]
    fn required_literals() {
        for (pattern, want) in [
            ("ERROR", Some("ERROR")),
            ("^a (?:timeout)+ in [0-9]+ ms$", Some("timeout")),
            ("(?<x>abc)d*", Some("abc")),
            ("(?i)error", None),
            ("a|b", None),
            ("x*", None),
        ] {
            assert_eq!(matcher(pattern).required(), want, "{pattern}");
        }
    }

    #[test]
    fn matches() {
        assert!(matcher("^空$").is_match("空"));
        assert!(matcher("(?i)error").is_match("an Error"));
        assert!(!matcher("ERROR").is_match("an Error"));
    }

    #[test]
    fn bad_and_huge_expressions_are_refused() {
        for (pattern, want) in [("(", "not valid"), ("(?=x)", "not valid"), (r"\w{1000}{100}", "too large")] {
            let error = Matcher::new(&Pattern::Regex(pattern.to_owned())).expect_err("refused");
            assert!(error.contains(want), "{pattern}: {error}");
        }
    }
}
