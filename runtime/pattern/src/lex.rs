//! A cursor over pattern text that remembers byte offsets.
//!
//! Owns characters, blanks and quoted strings; refuses to know any of the grammars.

use crate::error::ParseError;

/// Blanks in pattern text: what separates terms, and what JSON-style patterns ignore.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Characters that need no quotes in a term, and that make up names.
pub(crate) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A position in a pattern. Offsets are those of the text as the user gave it.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// Reads `text[from..to]`, reporting offsets in `text`.
    pub(crate) fn within(text: &'t str, from: usize, to: usize) -> Self {
        Cursor { text: &text[..to], at: from }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    pub(crate) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn done(&self) -> bool {
        self.at == self.text.len()
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(crate) fn blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// Steps over `expected` if it comes next.
    pub(crate) fn eat(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    pub(crate) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let start = self.at;
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += length;
        self.since(start)
    }

    /// What stands at the cursor, for error texts: a word, one character, or the end.
    pub(crate) fn found(&self) -> String {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return "the end of the pattern".to_string() };
        let length = match rest.find(|c| !is_word(c)) {
            Some(0) => first.len_utf8(),
            Some(length) => length,
            None => rest.len(),
        };
        format!("'{}'", &rest[..length])
    }

    pub(crate) fn fail(&self, expected: &str) -> ParseError {
        ParseError::new(self.at, format!("{expected}, found {}", self.found()))
    }

    /// Reads a double-quoted string at the cursor. `\"` is a quote and `\\` a backslash; any
    /// other backslash stands for itself.
    pub(crate) fn quoted(&mut self) -> Result<String, ParseError> {
        let open = self.at;
        self.bump();
        let mut value = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(value),
                Some('\\') if matches!(self.peek(), Some('"' | '\\')) => value.extend(self.bump()),
                Some(c) => value.push(c),
                None => {
                    let expected = format!("a closing '\"' for the quote opened at offset {open}");
                    return Err(ParseError::new(self.at, expected));
                }
            }
        }
    }
}

/// `text` as a quoted term, the inverse of [`Cursor::quoted`].
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
