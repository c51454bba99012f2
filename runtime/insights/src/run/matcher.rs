//! `like` and `=~`: a substring search, or a regular expression with a bounded compiled size.
//! Also finds the literal a match must contain, for searches that come first.

use std::fmt;

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

use crate::limits::REGEX_BYTES;
use crate::text::syntax::Pattern;

/// A compiled pattern.
pub(crate) struct Matcher {
    pattern: Pattern,
    search: Search,
    required: Option<String>,
    any_of: Option<Vec<String>>,
    /// The bytes that a match may hold, as bits; None if what stands around it matters too.
    alphabet: Option<[u64; 4]>,
    /// A text matches if, and only if, it contains one of `any_of`.
    literal: bool,
}

enum Search {
    Literal(Box<Finder<'static>>),
    Regex(Box<Regex>),
}

impl Matcher {
    /// Compiles; the error says what is wrong with the expression.
    pub(crate) fn new(pattern: &Pattern) -> Result<Matcher, String> {
        let search = |text: &str| Search::Literal(Box::new(Finder::new(text.as_bytes()).into_owned()));
        let literal = |text: &str| Matcher {
            pattern: pattern.clone(),
            search: search(text),
            required: Some(text.to_owned()).filter(|text| !text.is_empty()),
            any_of: Some(vec![text.to_owned()]),
            alphabet: None,
            literal: true,
        };
        let source = match pattern {
            Pattern::Text(text) => return Ok(literal(text)),
            Pattern::Regex(source) => source,
        };
        let regex = compile_regex(source)?;
        let hir = regex_syntax::parse(source).ok();
        if let Some(text) = hir.as_ref().and_then(whole_literal) {
            return Ok(literal(&text));
        }
        let any_of = hir.as_ref().map(required_literals);
        let required = hir.as_ref().and_then(required_literal).filter(|text| !text.is_empty());
        let alphabet = hir.as_ref().and_then(|hir| {
            let mut bytes = [0; 4];
            alphabet(hir, &mut bytes).then_some(bytes)
        });
        let exact = any_of.as_ref().is_some_and(|found| found.exact.is_some());
        let any_of = any_of.and_then(|found| found.exact.or(found.required));
        let any_of = any_of.filter(|list| list.iter().all(|text| !text.is_empty()));
        Ok(Matcher {
            pattern: pattern.clone(),
            search: Search::Regex(Box::new(regex)),
            required,
            literal: exact && any_of.is_some(),
            alphabet,
            any_of,
        })
    }

    /// Whether the text contains a match.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match &self.search {
            Search::Literal(finder) => finder.find(text.as_bytes()).is_some(),
            Search::Regex(regex) => regex.is_match(text),
        }
    }

    /// The plain text that is searched for, if the pattern is one.
    pub(crate) fn finder(&self) -> Option<&Finder<'static>> {
        match &self.search {
            Search::Literal(finder) => Some(finder),
            Search::Regex(_) => None,
        }
    }

    /// A text that every match contains.
    pub(crate) fn required(&self) -> Option<&str> {
        self.required.as_deref()
    }

    /// Texts of which every match contains one.
    pub(crate) fn any_of(&self) -> Option<&[String]> {
        self.any_of.as_deref()
    }

    /// The bytes that a match may hold, for an expression that looks at nothing around it.
    pub(crate) fn alphabet(&self) -> Option<[u64; 4]> {
        self.alphabet
    }

    /// Whether containing one of [`Matcher::any_of`] is all it takes.
    pub(crate) fn is_literal(&self) -> bool {
        self.literal
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

/// Adds the bytes of all that the expression matches; false if it looks at what stands around.
fn alphabet(hir: &Hir, bytes: &mut [u64; 4]) -> bool {
    let mut add = |byte: u8| bytes[usize::from(byte / 64)] |= 1 << (byte % 64);
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Look(_) => false,
        HirKind::Literal(literal) => {
            literal.0.iter().for_each(|byte| add(*byte));
            true
        }
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.iter() {
                let (start, end) = (u32::from(range.start()), u32::from(range.end()));
                (start..=end.min(0x7f)).filter_map(|c| u8::try_from(c).ok()).for_each(&mut add);
                if end > 0x7f {
                    (0x80..=0xff).for_each(&mut add);
                }
            }
            true
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().for_each(|range| (range.start()..=range.end()).for_each(&mut add));
            true
        }
        HirKind::Repetition(repetition) => alphabet(&repetition.sub, bytes),
        HirKind::Capture(capture) => alphabet(&capture.sub, bytes),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(|part| alphabet(part, bytes))
        }
    }
}

/// Texts of an expression: all that it matches, or some of which every match contains one.
#[derive(Default)]
struct Literals {
    exact: Option<Vec<String>>,
    required: Option<Vec<String>>,
}

/// Texts tried at once at most, and their length.
const ALTERNATIVES: usize = 8;
const LITERAL_BYTES: usize = 64;
/// Characters of a class that are tried one by one.
const FEW_CHARS: usize = 3;

/// Long texts exclude more, many cost more.
fn worth(list: &[String]) -> usize {
    let shortest = list.iter().map(String::len).min().unwrap_or(0);
    (shortest * 2).saturating_sub(list.len())
}

fn better(a: Option<Vec<String>>, b: Option<Vec<String>>) -> Option<Vec<String>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if worth(&b) > worth(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn required_literals(hir: &Hir) -> Literals {
    match hir.kind() {
        HirKind::Empty => Literals { exact: Some(vec![String::new()]), required: None },
        HirKind::Literal(_) => Literals { exact: whole_literal(hir).map(|text| vec![text]), required: None },
        HirKind::Capture(capture) => required_literals(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            let sub = required_literals(&repetition.sub);
            Literals { exact: None, required: better(sub.exact, sub.required) }
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<Literals> = parts.iter().map(required_literals).collect();
            let exact = union(parts.iter().map(|part| part.exact.clone()));
            let required = union(parts.into_iter().map(|part| better(part.exact, part.required)));
            Literals { exact, required }
        }
        HirKind::Concat(parts) => concatenated(parts),
        HirKind::Class(Class::Unicode(class)) => Literals { exact: few_chars(class), required: None },
        HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => Literals::default(),
    }
}

/// `[Ee]`: the characters of a small class.
fn few_chars(class: &ClassUnicode) -> Option<Vec<String>> {
    let size: usize = class.iter().map(ClassUnicodeRange::len).sum();
    let chars = || class.iter().flat_map(|range| range.start()..=range.end());
    (size <= FEW_CHARS).then(|| chars().map(String::from).collect())
}

fn union(lists: impl Iterator<Item = Option<Vec<String>>>) -> Option<Vec<String>> {
    let mut all: Vec<String> = lists.collect::<Option<Vec<_>>>()?.concat();
    all.sort();
    all.dedup();
    (all.len() <= ALTERNATIVES).then_some(all)
}

/// Runs of parts that are exact multiply; each run and each other part is a candidate.
fn concatenated(parts: &[Hir]) -> Literals {
    let mut best = None;
    let mut run = vec![String::new()];
    let mut whole = true;
    for part in parts {
        let part = required_literals(part);
        let longer = part.exact.as_ref().and_then(|exact| multiply(&run, exact));
        if let Some(longer) = longer {
            run = longer;
            continue;
        }
        whole = false;
        best = better(best, Some(std::mem::replace(&mut run, vec![String::new()])));
        match part.exact {
            Some(exact) => run = exact,
            None => best = better(best, part.required),
        }
    }
    if whole {
        return Literals { exact: Some(run), required: None };
    }
    Literals { exact: None, required: better(best, Some(run)).filter(|list| worth(list) > 0) }
}

fn multiply(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let longest = |list: &[String]| list.iter().map(String::len).max().unwrap_or(0);
    if a.len() * b.len() > ALTERNATIVES || longest(a) + longest(b) > LITERAL_BYTES {
        return None;
    }
    Some(a.iter().flat_map(|a| b.iter().map(move |b| format!("{a}{b}"))).collect())
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
    fn literals_of_which_one_is_required() {
        for (pattern, want, exact) in [
            ("ERROR", Some(vec!["ERROR"]), true),
            ("timeout|refused", Some(vec!["refused", "timeout"]), true),
            ("a(b|c)d", Some(vec!["abd", "acd"]), true),
            (
                r"up (timed out|reset) after \d+ms",
                Some(vec!["up reset after ", "up timed out after "]),
                false,
            ),
            (r"^(error|fail\w+)", Some(vec!["error", "fail"]), false),
            ("(?i)error", None, false),
            ("a|b*", None, false),
            ("[Ee]rror", Some(vec!["Error", "error"]), true),
            ("[a-z]rror", Some(vec!["rror"]), false),
            (r"\d+ (a|bcd)", Some(vec![" a", " bcd"]), false),
            ("(abc)+x", Some(vec!["abc"]), false),
            ("", Some(vec![""]), true),
        ] {
            let matcher = matcher(pattern);
            let want: Option<Vec<String>> = want.map(|list| list.iter().map(ToString::to_string).collect());
            let want = want.filter(|_| !pattern.is_empty());
            assert_eq!(matcher.any_of().map(<[String]>::to_vec), want, "{pattern}");
            assert_eq!(matcher.is_literal(), exact && want.is_some(), "{pattern}");
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
