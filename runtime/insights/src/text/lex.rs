//! Characters to tokens, one at a time. The parser asks for a regular expression where one may
//! stand, because only it knows whether `/` divides. Knows no keyword but by spelling.

use crate::text::period::Period;

/// A range of bytes of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// From the start of one to the end of the other.
    pub(crate) fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }
}

/// One token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A name or keyword, as written.
    Word(String),
    /// A name in backticks.
    Quoted(String),
    Int(i64),
    Float(f64),
    Period(Period),
    Text(String),
    /// One of the operators and brackets.
    Symbol(&'static str),
    End,
}

const SYMBOLS: &[&str] = &[
    "!=", "<=", ">=", "=~", "|", ",", "(", ")", "[", "]", "=", "<", ">", "+", "-", "*", "/", "%", "^", "!",
    ".",
];

/// Why a token could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LexError {
    pub(crate) span: Span,
    pub(crate) message: String,
}

fn fail<T>(start: usize, end: usize, message: impl Into<String>) -> Result<T, LexError> {
    Err(LexError { span: Span { start, end }, message: message.into() })
}

/// Reads tokens from a position on.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'q> {
    text: &'q str,
    at: usize,
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '@'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '@'
}

/// Whether the whole text can stand as a name without backticks (keywords aside).
pub(crate) fn is_plain_name(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    matches!(lexer.next(), Ok(Token { kind: Kind::Word(word), .. }) if word == text)
}

impl<'q> Lexer<'q> {
    pub(crate) fn new(text: &'q str) -> Lexer<'q> {
        Lexer { text, at: 0 }
    }

    fn rest(&self) -> &'q str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// The next token; [`Kind::End`] at the end, again and again.
    pub(crate) fn next(&mut self) -> Result<Token, LexError> {
        self.skip_blank();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: Kind::End, span: Span { start, end: start } });
        };
        let kind = match first {
            '"' | '\'' => self.string(first)?,
            '`' => self.backticks()?,
            c if c.is_ascii_digit() => self.number()?,
            c if starts_name(c) => self.word(),
            c => self.symbol(c)?,
        };
        Ok(Token { kind, span: Span { start, end: self.at } })
    }

    fn symbol(&mut self, first: char) -> Result<Kind, LexError> {
        match SYMBOLS.iter().find(|s| self.rest().starts_with(**s)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Kind::Symbol(symbol))
            }
            None => fail(self.at, self.at + first.len_utf8(), ""),
        }
    }

    /// A dot belongs to the name when another name character follows it.
    fn word(&mut self) -> Kind {
        let rest = self.rest();
        let mut end = 0;
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let inside =
                continues_name(c) || (c == '.' && chars.peek().is_some_and(|(_, n)| continues_name(*n)));
            if !inside {
                break;
            }
            end = at + c.len_utf8();
        }
        self.at += end;
        Kind::Word(rest[..end].to_owned())
    }

    fn string(&mut self, quote: char) -> Result<Kind, LexError> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at = start + 1 + at + 1;
                    return Ok(Kind::Text(out));
                }
                '\\' => match chars.peek() {
                    Some((_, next @ ('"' | '\'' | '\\'))) => {
                        out.push(*next);
                        chars.next();
                    }
                    _ => out.push('\\'),
                },
                c => out.push(c),
            }
        }
        fail(start, self.text.len(), "the string is not closed")
    }

    fn backticks(&mut self) -> Result<Kind, LexError> {
        let start = self.at;
        let inner = &self.text[start + 1..];
        match inner.find('`') {
            None => fail(start, self.text.len(), "the name in backticks is not closed"),
            Some(0) => fail(start, start + 2, "a name in backticks cannot be empty"),
            Some(length) => {
                self.at = start + length + 2;
                Ok(Kind::Quoted(inner[..length].to_owned()))
            }
        }
    }

    fn number(&mut self) -> Result<Kind, LexError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(start);
        let mut whole = true;
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
            whole = false;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1 + sign);
                whole = false;
            }
        }
        let text = &self.text[start..end];
        let unit: String = self.text[end..].chars().take_while(|c| continues_name(*c)).collect();
        self.at = end + unit.len();
        if !unit.is_empty() {
            return Self::period(start, self.at, text, &unit);
        }
        if whole && let Ok(n) = text.parse() {
            return Ok(Kind::Int(n));
        }
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(Kind::Float(x)),
            _ => fail(start, end, "the number is too large"),
        }
    }

    fn period(start: usize, end: usize, count: &str, unit: &str) -> Result<Kind, LexError> {
        if !Period::is_unit(unit) {
            let message = format!(
                "'{count}{unit}' is neither a number nor a period; the units are ms, s, m, h, d, w, mo, q and y \
                 (a name that starts with a digit goes in backticks)"
            );
            return fail(start, end, message);
        }
        match count.parse().ok().and_then(|n| Period::new(n, unit)) {
            Some(period) => Ok(Kind::Period(period)),
            None => fail(start, end, format!("the period '{count}{unit}' needs a whole number from 1 on")),
        }
    }

    /// A regular expression whose opening slash is at `start`; the reader continues after it.
    pub(crate) fn regex(&mut self, start: usize) -> Result<(String, Span), LexError> {
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '/' => {
                    self.at = start + 1 + at + 1;
                    return Ok((out, Span { start, end: self.at }));
                }
                '\\' => match chars.next() {
                    Some((_, '/')) => out.push('/'),
                    Some((_, next)) => out.extend(['\\', next]),
                    None => out.push('\\'),
                },
                c => out.push(c),
            }
        }
        fail(start, self.text.len(), "the regular expression is not closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let mut lexer = Lexer::new(text);
        let mut out = Vec::new();
        loop {
            match lexer.next().expect("lexes").kind {
                Kind::End => return out,
                kind => out.push(kind),
            }
        }
    }

    #[test]
    fn tokens() {
        use Kind::{Float, Int, Quoted, Symbol, Text, Word};
        let word = |w: &str| Word(w.to_owned());
        let cases: Vec<(&str, Vec<Kind>)> = vec![
            ("a.b.0.c", vec![word("a.b.0.c")]),
            ("@@x.y = 'a\\'b'", vec![word("@@x.y"), Symbol("="), Text("a'b".into())]),
            (
                "m.`k.x`[0]",
                vec![word("m"), Symbol("."), Quoted("k.x".into()), Symbol("["), Int(0), Symbol("]")],
            ),
            ("1.5 2e3 7", vec![Float(1.5), Float(2000.0), Int(7)]),
            ("10mins", vec![Kind::Period(Period::new(10, "m").expect("period"))]),
            ("a # c | d\n!=b", vec![word("a"), Symbol("!="), word("b")]),
            (r#""a\\b\d""#, vec![Text(r"a\b\d".into())]),
            ("überName", vec![word("überName")]),
        ];
        for (text, want) in cases {
            assert_eq!(kinds(text), want, "{text}");
        }
    }

    #[test]
    fn broken_tokens_name_their_place() {
        for (text, start, end) in
            [("'abc", 0, 4), ("x `y", 2, 4), ("12abc", 0, 5), ("0m", 0, 2), ("a ? b", 2, 3), ("``", 0, 2)]
        {
            let mut lexer = Lexer::new(text);
            let error = loop {
                match lexer.next() {
                    Ok(token) => assert_ne!(token.kind, Kind::End, "{text}"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.span, Span { start, end }, "{text}");
        }
    }

    #[test]
    fn a_regex_keeps_its_escapes_but_for_the_slash() {
        let mut lexer = Lexer::new(r"/a\/b\\\d[/]/ x");
        let (regex, span) = lexer.regex(0).expect("a regex");
        // The first bare slash ends it, even in brackets.
        assert_eq!((regex.as_str(), span.end), (r"a/b\\\d[", 11));
    }
}
