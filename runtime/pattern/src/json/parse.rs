//! The grammar of JSON patterns: `or`, `and`, conditions, parentheses, `wasm:NAME`.
//!
//! Owns the text between the braces; refuses to know how the result is evaluated.

use super::expression::{Condition, Expression, JsonPattern, Test};
use super::path::Selector;
use crate::error::ParseError;
use crate::lex::{self, Cursor};
use crate::operand::{Budget, Comparison, Operator};
use crate::wording;

/// Longest name after `wasm:`, AWS's limit for a function name.
const GUEST_NAME: usize = 140;

const PRIMARY: &str = "a selector like $.name, '(' or wasm:NAME";

/// Parses what stands between the braces.
pub(crate) fn parse(cursor: &mut Cursor<'_>, budget: &mut Budget<'_>) -> Result<JsonPattern, ParseError> {
    let mut parser =
        Parser { cursor, budget, conditions: Vec::new(), guests: Vec::new(), depth: 0, wildcards: 0 };
    let expression = parser.alternatives()?;
    if !parser.cursor.done() {
        return Err(parser.misplaced("'&&', '||' or the closing '}'"));
    }
    Ok(JsonPattern::new(expression, parser.conditions, parser.guests))
}

/// Reads the name after `wasm:`: letters, digits, `-`, `_`, and one `:` before a version or
/// alias.
pub(crate) fn guest_name(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let start = cursor.at();
    let part = |c: char| lex::is_word(c) || c == '-';
    let name = cursor.take_while(part);
    if name.is_empty() {
        return Err(cursor.fail("the name of a function after 'wasm:'"));
    }
    if cursor.eat(":") && cursor.take_while(|c| part(c) || c == '$').is_empty() {
        return Err(cursor.fail("a version or alias after the second ':'"));
    }
    let name = cursor.since(start);
    if name.len() > GUEST_NAME {
        return Err(ParseError::new(start, format!("a function name of at most {GUEST_NAME} characters")));
    }
    Ok(name.to_string())
}

struct Parser<'p, 't, 'l> {
    cursor: &'p mut Cursor<'t>,
    budget: &'p mut Budget<'l>,
    conditions: Vec<Condition>,
    guests: Vec<String>,
    depth: usize,
    wildcards: usize,
}

impl Parser<'_, '_, '_> {
    fn alternatives(&mut self) -> Result<Expression, ParseError> {
        let mut parts = vec![self.conjunction()?];
        while self.cursor.eat("||") {
            parts.push(self.conjunction()?);
        }
        Ok(Expression::join(parts, Expression::Any))
    }

    fn conjunction(&mut self) -> Result<Expression, ParseError> {
        let mut parts = vec![self.primary()?];
        while self.cursor.eat("&&") {
            parts.push(self.primary()?);
        }
        Ok(Expression::join(parts, Expression::All))
    }

    /// One operand of `&&` and `||`, with the blanks around it.
    fn primary(&mut self) -> Result<Expression, ParseError> {
        self.cursor.blanks();
        let part = match self.cursor.peek() {
            Some('(') => self.group(),
            Some('$') => self.condition(),
            _ if self.cursor.eat("wasm:") => self.guest(),
            _ => Err(self.no_primary()),
        }?;
        self.cursor.blanks();
        Ok(part)
    }

    fn group(&mut self) -> Result<Expression, ParseError> {
        let open = self.cursor.at();
        self.depth += 1;
        if self.depth > self.budget.limits.nesting {
            let most = self.budget.limits.nesting;
            return Err(ParseError::new(open, format!("parentheses nested at most {most} deep")));
        }
        self.cursor.bump();
        let part = self.alternatives()?;
        if !self.cursor.eat(")") {
            return Err(self.misplaced(&format!("'&&', '||' or a ')' for the '(' at offset {open}")));
        }
        self.depth -= 1;
        Ok(part)
    }

    fn guest(&mut self) -> Result<Expression, ParseError> {
        let name = guest_name(self.cursor)?;
        let known = self.guests.iter().position(|guest| *guest == name);
        Ok(Expression::Guest(known.unwrap_or_else(|| {
            self.guests.push(name);
            self.guests.len() - 1
        })))
    }

    fn condition(&mut self) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        let selector = Selector::parse(self.cursor)?;
        self.count_wildcards(start, &selector)?;
        self.cursor.blanks();
        let test = self.test()?;
        self.conditions.push(Condition { selector, test });
        Ok(Expression::Condition(self.conditions.len() - 1))
    }

    fn count_wildcards(&mut self, start: usize, selector: &Selector) -> Result<(), ParseError> {
        let limits = self.budget.limits;
        if selector.wildcards() > limits.wildcards_per_selector {
            let most = limits.wildcards_per_selector;
            return Err(ParseError::new(start, format!("at most {most} wildcard step in a selector")));
        }
        self.wildcards += usize::from(selector.wildcards() > 0);
        if self.wildcards > limits.wildcards {
            let most = limits.wildcards;
            return Err(ParseError::new(start, format!("at most {most} selectors with a wildcard step")));
        }
        Ok(())
    }

    fn test(&mut self) -> Result<Test, ParseError> {
        if let Some(operator) = Operator::parse(self.cursor) {
            self.cursor.blanks();
            return Comparison::parse(self.cursor, operator, self.budget).map(Test::Compare);
        }
        let start = self.cursor.clone();
        let word = self.cursor.take_while(lex::is_word);
        self.cursor.blanks();
        let object = self.cursor.clone();
        match (word, self.cursor.take_while(lex::is_word)) {
            ("IS", "NULL") => Ok(Test::IsNull),
            ("IS", "TRUE") => Ok(Test::IsTrue),
            ("IS", "FALSE") => Ok(Test::IsFalse),
            ("NOT", "EXISTS") => Ok(Test::NotExists),
            ("IS", other) => {
                let error = object.fail("NULL, TRUE or FALSE after IS");
                let near = wording::nearest(other, &["NULL", "TRUE", "FALSE"]);
                Err(match near {
                    _ if other.eq_ignore_ascii_case("NOT") => error.suggest("= *"),
                    Some(word) => error.suggest(format!("IS {word}")),
                    None => error,
                })
            }
            ("NOT", _) => Err(object.fail("EXISTS after NOT").suggest("NOT EXISTS")),
            _ => {
                let error = start.fail("an operator: = != < > <= >= IS or NOT EXISTS");
                Err(suggested(error, start.rest()))
            }
        }
    }

    fn no_primary(&self) -> ParseError {
        let error = self.cursor.fail(PRIMARY);
        let mut ahead = self.cursor.clone();
        let start = ahead.at();
        let name = ahead.take_while(|c| lex::is_word(c) || matches!(c, '-' | '.'));
        if name.is_empty() {
            return match self.cursor.peek() {
                Some('!') => error.suggest("!= or NOT EXISTS after the selector"),
                _ => error,
            };
        }
        let names_guest = name.eq_ignore_ascii_case("wasm") && ahead.eat(":");
        if names_guest {
            error.suggest("wasm:NAME")
        } else {
            error.suggest(format!("$.{}", ahead.since(start)))
        }
    }

    fn misplaced(&self, expected: &str) -> ParseError {
        suggested(self.cursor.fail(expected), self.cursor.rest())
    }
}

fn suggested(error: ParseError, rest: &str) -> ParseError {
    match wording::instead_of(wording::unit(rest)) {
        Some(spelling) => error.suggest(spelling),
        None => error,
    }
}
