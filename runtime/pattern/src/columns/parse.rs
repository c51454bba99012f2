//! The grammar of space-delimited patterns. Owns the text between the brackets; refuses to know
//! how lines are split.

use super::{Columns, Slot, Test};
use crate::error::ParseError;
use crate::lex::{self, Cursor};
use crate::operand::{Budget, Comparison, Operator};
use crate::wording;

/// Parses what stands between the brackets.
pub(crate) fn parse(cursor: &mut Cursor<'_>, budget: &mut Budget<'_>) -> Result<Columns, ParseError> {
    let mut columns = Columns { front: Vec::new(), back: None, lone_word: false };
    cursor.blanks();
    if cursor.done() {
        return Ok(columns);
    }
    loop {
        cursor.blanks();
        let start = cursor.at();
        if cursor.eat("...") {
            if columns.back.is_some() {
                return Err(ParseError::new(start, "at most one '...' in a pattern"));
            }
            columns.back = Some(Vec::new());
        } else {
            let slot = SlotParser { cursor, budget, name: None, depth: 0 }.slot()?;
            columns.back.as_mut().unwrap_or(&mut columns.front).push(slot);
        }
        cursor.blanks();
        if cursor.done() {
            columns.lone_word = is_lone_word(&columns);
            return Ok(columns);
        }
        if !cursor.eat(",") {
            return Err(suggested(cursor.fail("',' or the closing ']'"), cursor));
        }
    }
}

/// `[ERROR]`: one slot, no condition, `[A-Z][A-Z0-9_]*`.
fn is_lone_word(columns: &Columns) -> bool {
    match (&columns.front[..], &columns.back) {
        ([Slot { name: Some(name), test: None }], None) => {
            name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        }
        _ => false,
    }
}

struct SlotParser<'p, 't, 'l> {
    cursor: &'p mut Cursor<'t>,
    budget: &'p mut Budget<'l>,
    name: Option<&'t str>,
    depth: usize,
}

impl SlotParser<'_, '_, '_> {
    /// A slot: nothing, a name, or conditions that all name the same field.
    fn slot(mut self) -> Result<Slot, ParseError> {
        if self.cursor.peek().is_none_or(|c| c == ',') {
            return Ok(Slot::default());
        }
        if self.cursor.peek() != Some('(') {
            let mut ahead = self.cursor.clone();
            let name = self.name_at(&mut ahead)?;
            ahead.blanks();
            if ahead.peek().is_none_or(|c| c == ',') {
                *self.cursor = ahead;
                return Ok(Slot { name: Some(name.into()), test: None });
            }
        }
        let test = self.alternatives()?;
        Ok(Slot { name: self.name.map(Into::into), test: Some(test) })
    }

    fn alternatives(&mut self) -> Result<Test, ParseError> {
        let mut parts = vec![self.conjunction()?];
        while self.cursor.eat("||") {
            parts.push(self.conjunction()?);
        }
        Ok(join(parts, Test::Any))
    }

    fn conjunction(&mut self) -> Result<Test, ParseError> {
        let mut parts = vec![self.primary()?];
        while self.cursor.eat("&&") {
            parts.push(self.primary()?);
        }
        Ok(join(parts, Test::All))
    }

    fn primary(&mut self) -> Result<Test, ParseError> {
        self.cursor.blanks();
        let test = if self.cursor.peek() == Some('(') { self.group() } else { self.condition() }?;
        self.cursor.blanks();
        Ok(test)
    }

    fn group(&mut self) -> Result<Test, ParseError> {
        let open = self.cursor.at();
        self.depth += 1;
        if self.depth > self.budget.limits.nesting {
            let most = self.budget.limits.nesting;
            return Err(ParseError::new(open, format!("parentheses nested at most {most} deep")));
        }
        self.cursor.bump();
        let test = self.alternatives()?;
        if !self.cursor.eat(")") {
            let error = self.cursor.fail(&format!("'&&', '||' or a ')' for the '(' at offset {open}"));
            return Err(suggested(error, self.cursor));
        }
        self.depth -= 1;
        Ok(test)
    }

    fn condition(&mut self) -> Result<Test, ParseError> {
        let start = self.cursor.at();
        let mut ahead = self.cursor.clone();
        let name = self.name_at(&mut ahead)?;
        *self.cursor = ahead;
        match self.name {
            Some(first) if first != name => {
                let expected =
                    format!("the same name in every condition of a slot ('{first}'), found '{name}'");
                return Err(ParseError::new(start, expected).suggest(format!("a slot of its own: , {name}")));
            }
            _ => self.name = Some(name),
        }
        self.cursor.blanks();
        let Some(operator) = Operator::parse(self.cursor) else {
            return Err(suggested(self.cursor.fail("an operator: = != < > <= or >="), self.cursor));
        };
        self.cursor.blanks();
        Comparison::parse(self.cursor, operator, self.budget).map(Test::Compare)
    }
}

impl<'t> SlotParser<'_, 't, '_> {
    fn name_at(&self, cursor: &mut Cursor<'t>) -> Result<&'t str, ParseError> {
        let start = cursor.clone();
        let name = cursor.take_while(|c| lex::is_word(c) || c == '-');
        if name.is_empty() || name.bytes().all(|b| b.is_ascii_digit()) {
            let error = start.fail("a field name (letters, digits, _ and -) or '...'");
            return Err(match start.peek() {
                Some('"' | '%') => {
                    error.suggest(format!("w1={}", start.rest().split(',').next().unwrap_or("").trim()))
                }
                Some('$') => error.suggest("the name without '$'"),
                Some('.') => error.suggest("..."),
                Some(c) if c.is_ascii_digit() => error.suggest(format!("w1={name}")),
                _ => error,
            });
        }
        Ok(name)
    }
}

fn join(mut parts: Vec<Test>, how: fn(Vec<Test>) -> Test) -> Test {
    if parts.len() == 1 { parts.remove(0) } else { how(parts) }
}

fn suggested(error: ParseError, cursor: &Cursor<'_>) -> ParseError {
    match wording::instead_of(wording::unit(cursor.rest())) {
        Some(spelling) => error.suggest(spelling),
        None => error,
    }
}
