//! The right-hand side of a condition: a string with wildcards, a number or a regular
//! expression, compared with the text of one field.
//!
//! Owns operators and comparison rules, shared by JSON and space-delimited patterns. Refuses to
//! know how a field was found.

use std::cmp::Ordering;

use memchr::memmem::Finder;

use crate::error::ParseError;
use crate::lex::{self, Cursor};
use crate::limits::Limits;
use crate::number::Number;
use crate::regex::Search;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Unequal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

/// Longest first, so that `<=` is not read as `<`.
const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Operator {
    /// The operator at the cursor. `None` when there is none, or when it is a run of symbols
    /// that another language would use (`==`, `<>`, `=~`).
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Option<Operator> {
        if ["==", "=~", "=<", "=>", "<>"].iter().any(|foreign| cursor.rest().starts_with(foreign)) {
            return None;
        }
        OPERATORS.iter().find(|(spelling, _)| cursor.eat(spelling)).map(|(_, operator)| *operator)
    }

    fn orders(self) -> bool {
        !matches!(self, Operator::Equal | Operator::Unequal)
    }

    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Operator::Equal => ordering.is_eq(),
            Operator::Unequal => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::Greater => ordering.is_gt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Debug, Clone)]
enum Operand {
    /// `*`: any scalar.
    Anything,
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<Finder<'static>>),
    Number(Number),
    Regex(Box<Search>),
}

/// An operator and its operand, ready to be asked about field texts.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    operator: Operator,
    operand: Operand,
}

/// Counts the regular expressions of one pattern while it is parsed.
#[derive(Debug)]
pub(crate) struct Budget<'l> {
    pub(crate) limits: &'l Limits,
    pub(crate) regexes: usize,
}

impl Comparison {
    /// Reads the operand after `operator`.
    pub(crate) fn parse(
        cursor: &mut Cursor<'_>,
        operator: Operator,
        budget: &mut Budget<'_>,
    ) -> Result<Comparison, ParseError> {
        let start = cursor.at();
        let operand = operand(cursor, operator, budget)?;
        if operator.orders() && !matches!(operand, Operand::Number(_)) {
            let found = cursor.since(start);
            return Err(ParseError::new(
                start,
                format!("a number after an ordering operator, found '{found}'"),
            ));
        }
        Ok(Comparison { operator, operand })
    }

    /// Asks about a field that is a string, a number or a boolean, given as text.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        let equal = match &self.operand {
            Operand::Anything => true,
            Operand::Exact(value) => text == &**value,
            Operand::Prefix(value) => text.starts_with(&**value),
            Operand::Suffix(value) => text.ends_with(&**value),
            Operand::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Operand::Regex(search) => search.is_match(text),
            Operand::Number(wanted) => {
                return match Number::parse(text) {
                    Some(number) => self.operator.accepts(number.compare(*wanted)),
                    None => self.operator == Operator::Unequal,
                };
            }
        };
        equal == (self.operator == Operator::Equal)
    }

    /// As `accepts`, of a text that was read as a number before: `None` where numbers do not decide.
    pub(crate) fn accepts_number(&self, number: Option<Number>) -> Option<bool> {
        let Operand::Number(wanted) = &self.operand else { return None };
        Some(match number {
            Some(number) => self.operator.accepts(number.compare(*wanted)),
            None => self.operator == Operator::Unequal,
        })
    }

    /// Is a number compared with?
    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self.operand, Operand::Number(_))
    }

    /// Asks about an explicit null: a scalar that equals no string, number or expression.
    pub(crate) fn accepts_null(&self) -> bool {
        match self.operator {
            Operator::Equal => matches!(self.operand, Operand::Anything),
            Operator::Unequal => !matches!(self.operand, Operand::Anything),
            _ => false,
        }
    }

    /// Is this the comparison that no value can pass, `!= *`?
    pub(crate) fn is_never(&self) -> bool {
        self.operator == Operator::Unequal && matches!(self.operand, Operand::Anything)
    }

    /// Texts that every accepted field contains.
    pub(crate) fn literals(&self) -> Vec<String> {
        if self.operator != Operator::Equal {
            return Vec::new();
        }
        let literals = match &self.operand {
            Operand::Exact(value) | Operand::Prefix(value) | Operand::Suffix(value) => {
                vec![value.to_string()]
            }
            Operand::Contains(finder) => vec![String::from_utf8_lossy(finder.needle()).into_owned()],
            Operand::Regex(search) => search.literals().to_vec(),
            Operand::Anything | Operand::Number(_) => Vec::new(),
        };
        literals.into_iter().filter(|literal| !literal.is_empty()).collect()
    }
}

fn operand(
    cursor: &mut Cursor<'_>,
    operator: Operator,
    budget: &mut Budget<'_>,
) -> Result<Operand, ParseError> {
    match cursor.peek() {
        Some('"') => cursor.quoted().map(|value| wildcard(&value)),
        Some('%') => {
            budget.regexes += 1;
            if budget.regexes > budget.limits.regexes {
                let expected =
                    format!("at most {} regular expressions in one pattern", budget.limits.regexes);
                return Err(ParseError::new(cursor.at(), expected));
            }
            Search::parse(cursor, budget.limits).map(|search| Operand::Regex(Box::new(search)))
        }
        Some('+' | '-') => signed(cursor),
        Some(c) if is_bare(c) => bare(cursor),
        _ => Err(missing(cursor, operator)),
    }
}

fn is_bare(c: char) -> bool {
    lex::is_word(c) || matches!(c, '.' | '*')
}

/// Ends a value: what may stand right after an unquoted one.
fn is_boundary(c: char) -> bool {
    lex::is_blank(c) || matches!(c, '&' | '|' | ')' | ',' | '}' | ']')
}

fn bare(cursor: &mut Cursor<'_>) -> Result<Operand, ParseError> {
    let start = cursor.at();
    let mut text = cursor.take_while(is_bare);
    // The sign of an exponent is the only sign inside an unquoted value.
    if text.ends_with(['e', 'E']) && matches!(cursor.peek(), Some('+' | '-')) {
        let mut ahead = cursor.clone();
        ahead.bump();
        ahead.take_while(is_bare);
        if Number::parse(ahead.since(start)).is_some() {
            text = ahead.since(start);
            *cursor = ahead;
        }
    }
    boundary(cursor, start)?;
    Ok(Number::parse(text).map_or_else(|| wildcard(text), Operand::Number))
}

fn signed(cursor: &mut Cursor<'_>) -> Result<Operand, ParseError> {
    let start = cursor.at();
    cursor.take_while(|c| is_bare(c) || matches!(c, '+' | '-'));
    boundary(cursor, start)?;
    let text = cursor.since(start);
    let not_a_number =
        || ParseError::new(start, format!("a number, found '{text}'")).suggest(lex::quote(text));
    Number::parse(text).map(Operand::Number).ok_or_else(not_a_number)
}

/// Refuses a bare value that runs into a character that needs quotes.
fn boundary(cursor: &mut Cursor<'_>, start: usize) -> Result<(), ParseError> {
    if cursor.peek().is_none_or(is_boundary) {
        return Ok(());
    }
    let error = cursor.fail("letters, digits, _ . or * in a value without quotes");
    cursor.take_while(|c| !is_boundary(c));
    Err(error.suggest(lex::quote(cursor.since(start))))
}

fn missing(cursor: &mut Cursor<'_>, operator: Operator) -> ParseError {
    let expected = if operator.orders() { "a number" } else { "a value: \"text\", a number, %regex% or *" };
    let error = cursor.fail(expected);
    let start = cursor.at();
    let quotes = |c: char| matches!(c, '\'' | '`' | '‘' | '’' | '“' | '”' | '«' | '»');
    match cursor.peek() {
        Some(c) if quotes(c) => {
            cursor.bump();
            let inside = cursor.take_while(|c| !quotes(c));
            error.suggest(lex::quote(inside))
        }
        Some(c) if !is_boundary(c) => {
            cursor.take_while(|c| !is_boundary(c));
            error.suggest(lex::quote(cursor.since(start)))
        }
        _ => error,
    }
}

/// A star at the start or the end stands for any text; in the middle it is a star.
fn wildcard(value: &str) -> Operand {
    if value == "*" {
        return Operand::Anything;
    }
    match (value.strip_prefix('*'), value.strip_suffix('*')) {
        (Some(_), Some(_)) => {
            let inner = &value[1..value.len() - 1];
            Operand::Contains(Box::new(Finder::new(inner).into_owned()))
        }
        (Some(suffix), None) => Operand::Suffix(suffix.into()),
        (None, Some(prefix)) => Operand::Prefix(prefix.into()),
        (None, None) => Operand::Exact(value.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(operator: Operator, text: &str) -> Result<Comparison, ParseError> {
        let limits = Limits::default();
        let mut budget = Budget { limits: &limits, regexes: 0 };
        Comparison::parse(&mut Cursor::within(text, 0, text.len()), operator, &mut budget)
    }

    #[test]
    fn accepts_and_refuses() {
        use Operator::{Equal, Greater, LessOrEqual, Unequal};
        for (operator, value, field, accepted) in [
            (Equal, "abc", "abc", true),
            (Equal, "abc", "abcd", false),
            (Equal, "abc*", "abcd", true),
            (Equal, "*bcd", "abcd", true),
            (Equal, "*bc*", "abcd", true),
            (Equal, "a*d", "abcd", false),
            (Equal, "a*d", "a*d", true),
            (Equal, "*", "", true),
            (Equal, "**", "x", true),
            (Unequal, "*bc*", "abcd", false),
            (Unequal, "*xx*", "abcd", true),
            (Equal, "404", "404.0", true),
            (Equal, "1e-3", "0.001", true),
            (Equal, "123.123.*", "123.123.4.5", true),
            (Equal, "\"404\"", "404.0", false),
            (Greater, "400", "abc", false),
            (Unequal, "404", "abc", true),
            (Greater, "+999", "1000", true),
            (LessOrEqual, "-5", "-5", true),
            (Equal, "%^4[0-9]+$%", "404", true),
            (Unequal, "%^4[0-9]+$%", "404", false),
        ] {
            assert_eq!(
                comparison(operator, value).unwrap().accepts(field),
                accepted,
                "{operator:?} {value} {field}"
            );
        }
    }

    #[test]
    fn null_equals_nothing_but_the_star() {
        assert!(comparison(Operator::Equal, "*").unwrap().accepts_null());
        assert!(!comparison(Operator::Equal, "null").unwrap().accepts_null());
        assert!(comparison(Operator::Unequal, "5").unwrap().accepts_null());
        assert!(!comparison(Operator::Greater, "-1").unwrap().accepts_null());
    }

    #[test]
    fn what_needs_quotes_is_refused_with_the_quoted_form() {
        for (value, suggestion) in [
            ("'abc'", "\"abc\""),
            ("a-b", "\"a-b\""),
            ("/api/x", "\"/api/x\""),
            ("“abc”", "\"abc\""),
            ("-x", "\"-x\""),
            ("10:30", "\"10:30\""),
        ] {
            let error = comparison(Operator::Equal, value).unwrap_err();
            assert_eq!(error.suggestion.as_deref(), Some(suggestion), "{value}: {error}");
        }
        assert!(comparison(Operator::Less, "abc").is_err());
        assert!(comparison(Operator::Less, "1e999").is_err());
    }
}
