//! The token stream with one token of look-ahead, its errors, and the query as a list of commands.
//! Knows no command: those are in the registry of `command`.

use super::lex::{Kind, LexError, Lexer, Span, Token};
use super::spelling::nearest;
use super::syntax::{Item, Name, RESERVED};
use crate::command::{self, Command};
use crate::error::CompileError;
use crate::limits::MAX_REGEXES;

/// Parses one query text.
pub(crate) struct Parser<'q> {
    text: &'q str,
    lexer: Lexer<'q>,
    token: Token,
    previous: Span,
    pub(super) nesting: u16,
    regexes: usize,
}

type Parsed<T> = Result<T, CompileError>;

/// An error over `span` of `text`; the place is added to the message.
pub(crate) fn error_at(text: &str, span: Span, what: &str, advice: &str) -> CompileError {
    let characters = |to: usize| text[..to].chars().count();
    let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[..span.start].matches('\n').count() + 1;
    let position = text[line_start..span.start].chars().count();
    let mut message = format!("{what} at line {line} and position {position}");
    if !advice.is_empty() {
        message.push_str("; ");
        message.push_str(advice);
    }
    CompileError { start: characters(span.start), end: characters(span.end), message }
}

/// The commands of a query, in order.
pub(crate) fn parse_query(text: &str) -> Parsed<Vec<Box<dyn Command>>> {
    let mut parser = Parser::new(text)?;
    let mut commands = Vec::new();
    loop {
        commands.push(command::parse(&mut parser)?);
        if parser.at_end() {
            return Ok(commands);
        }
        parser.expect_symbol("|", "'|' or the end of the query")?;
    }
}

impl<'q> Parser<'q> {
    pub(crate) fn new(text: &'q str) -> Parsed<Parser<'q>> {
        let mut parser = Parser {
            text,
            lexer: Lexer::new(text),
            token: Token { kind: Kind::End, span: Span::default() },
            previous: Span::default(),
            nesting: 0,
            regexes: 0,
        };
        parser.advance()?;
        Ok(parser)
    }

    fn lexical(&self, error: &LexError) -> CompileError {
        if error.message.is_empty() {
            let found = &self.text[error.span.start..error.span.end];
            return error_at(self.text, error.span, &format!("unexpected symbol found {found}"), "");
        }
        error_at(self.text, error.span, &error.message, "")
    }

    /// Steps to the next token and returns the one left behind.
    pub(crate) fn advance(&mut self) -> Parsed<Token> {
        let next = self.lexer.next().map_err(|e| self.lexical(&e))?;
        let token = std::mem::replace(&mut self.token, next);
        self.previous = token.span;
        Ok(token)
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The span of the token last consumed.
    pub(crate) fn previous(&self) -> Span {
        self.previous
    }

    pub(crate) fn source(&self, span: Span) -> &'q str {
        &self.text[span.start..span.end]
    }

    pub(crate) fn at_end(&self) -> bool {
        self.token.kind == Kind::End
    }

    pub(crate) fn at_symbol(&self, symbol: &str) -> bool {
        matches!(&self.token.kind, Kind::Symbol(s) if *s == symbol)
    }

    pub(crate) fn at_word(&self, word: &str) -> bool {
        matches!(&self.token.kind, Kind::Word(w) if w.eq_ignore_ascii_case(word))
    }

    pub(crate) fn eat_symbol(&mut self, symbol: &str) -> Parsed<bool> {
        let there = self.at_symbol(symbol);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub(crate) fn eat_word(&mut self, word: &str) -> Parsed<bool> {
        let there = self.at_word(word);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str, expected: &str) -> Parsed<()> {
        if self.eat_symbol(symbol)? { Ok(()) } else { Err(self.unexpected(expected, &[])) }
    }

    /// The current token does not belong here. `words`: spellings that would.
    pub(crate) fn unexpected(&self, expected: &str, words: &[&str]) -> CompileError {
        let found = if self.at_end() { "<EOF>" } else { self.source(self.token.span) };
        let mut advice = format!("expected {expected}");
        if let Kind::Word(word) = &self.token.kind
            && let Some(near) = nearest(word, words.iter().copied())
        {
            advice.push_str(&format!("; did you mean '{near}'?"));
        }
        error_at(self.text, self.token.span, &format!("unexpected symbol found {found}"), &advice)
    }

    pub(crate) fn error(&self, span: Span, what: &str, advice: &str) -> CompileError {
        error_at(self.text, span, what, advice)
    }

    /// A name: a word that is no keyword, or anything in backticks.
    pub(crate) fn name(&mut self, expected: &str) -> Parsed<Name> {
        let name = match &self.token.kind {
            Kind::Word(word) if !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word)) => {
                Name { text: word.clone(), quoted: false }
            }
            Kind::Quoted(text) => Name { text: text.clone(), quoted: true },
            _ => return Err(self.unexpected(expected, &[])),
        };
        self.advance()?;
        Ok(name)
    }

    /// Names with commas between them.
    pub(crate) fn names(&mut self, expected: &str) -> Parsed<Vec<String>> {
        let mut names = vec![self.name(expected)?.text];
        while self.eat_symbol(",")? {
            names.push(self.name(expected)?.text);
        }
        Ok(names)
    }

    /// One more regular expression is in the query; each may be large when compiled.
    pub(crate) fn count_regex(&mut self, span: Span) -> Parsed<()> {
        self.regexes += 1;
        if self.regexes <= MAX_REGEXES {
            return Ok(());
        }
        let what = format!("a query can have at most {MAX_REGEXES} regular expressions: one too many");
        Err(self.error(span, &what, ""))
    }

    /// The regular expression that starts at the current `/`.
    pub(crate) fn regex(&mut self) -> Parsed<(String, Span)> {
        self.count_regex(self.token.span)?;
        let found = self.lexer.regex(self.token.span.start).map_err(|e| self.lexical(&e))?;
        self.token.span = found.1;
        self.advance()?;
        Ok(found)
    }

    /// `e [as name], …`
    pub(crate) fn items(&mut self) -> Parsed<Vec<Item>> {
        let mut items = vec![self.item()?];
        while self.eat_symbol(",")? {
            items.push(self.item()?);
        }
        Ok(items)
    }

    fn item(&mut self) -> Parsed<Item> {
        let expr = self.expression()?;
        if self.eat_word("as")? {
            let name = self.name("a name after 'as'")?.text;
            return Ok(Item { expr, name, aliased: true });
        }
        let name = match expr.as_name() {
            Some(name) => name.text.clone(),
            // A name in backticks cannot hold one, so neither can a column.
            None => self.source(expr.span).replace('`', ""),
        };
        Ok(Item { expr, name, aliased: false })
    }
}
