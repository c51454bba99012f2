//! JSON text: a strict scanner that lends strings from its input, and the list and map values made
//! from it. Knows nothing of fields or flattening (`discover/json.rs` does).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::number::{self, Number};
use super::{Cell, Value};

/// Deeper documents are treated as text.
pub(crate) const MAX_NESTING: u8 = 64;

/// Walks one JSON text. Every method returns None when the text is not JSON; the scanner is then spent.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

/// A string between its quotes, still escaped.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    text: &'a str,
    escaped: bool,
}

/// A JSON value that is neither list nor map.
#[derive(Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Raw<'a>),
}

/// What the next value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Object,
    Array,
    Scalar,
}

impl<'a> Scanner<'a> {
    /// Starts at `at`, a character boundary of `text`.
    pub(crate) fn new(text: &'a str, at: usize) -> Scanner<'a> {
        Scanner { text, at, depth: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The kind of the next value, after white space.
    pub(crate) fn next(&mut self) -> Option<Next> {
        self.space();
        Some(match self.peek()? {
            b'{' => Next::Object,
            b'[' => Next::Array,
            _ => Next::Scalar,
        })
    }

    /// How far the scanner is.
    #[cfg(test)]
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// Outside every list and map.
    pub(crate) fn at_top(&self) -> bool {
        self.depth == 0
    }

    /// Only white space is left.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    /// Enters a list or map whose opening bracket is next. False: it is empty and already left.
    pub(crate) fn open(&mut self, close: u8) -> Option<bool> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return None;
        }
        self.space();
        if self.peek()? == close {
            self.at += 1;
            self.depth -= 1;
            return Some(false);
        }
        Some(true)
    }

    /// After a member: true if another follows, false if the closing bracket was eaten.
    pub(crate) fn more(&mut self, close: u8) -> Option<bool> {
        self.space();
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            return Some(true);
        }
        self.depth -= 1;
        (byte == close).then_some(false)
    }

    /// A member's key and its colon.
    pub(crate) fn key(&mut self) -> Option<Raw<'a>> {
        self.space();
        let key = self.string()?;
        self.space();
        self.eat(b':')?;
        Some(key)
    }

    /// The next value, which is neither list nor map.
    pub(crate) fn scalar(&mut self) -> Option<Scalar<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Scalar::Text),
            b't' => self.word("true", Scalar::Bool(true)),
            b'f' => self.word("false", Scalar::Bool(false)),
            b'n' => self.word("null", Scalar::Null),
            _ => self.number().map(Scalar::Number),
        }
    }

    fn word(&mut self, word: &str, value: Scalar<'a>) -> Option<Scalar<'a>> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            value
        })
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Option<&'a str> {
        let from = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        let first = self.peek()?;
        let whole = self.digits();
        if whole == 0 || (first == b'0' && whole > 1) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        Some(&self.text[from..self.at])
    }

    fn string(&mut self) -> Option<Raw<'a>> {
        self.eat(b'"')?;
        let from = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(&self.text.as_bytes()[self.at..]);
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(Raw { text: &self.text[from..self.at - 1], escaped })
    }

    fn escape(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let length = match bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if bytes.get(self.at + 2..self.at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
        self.at += length;
        Some(())
    }

    /// Steps over one value; returns how many values inside it are neither null, list nor map.
    pub(crate) fn skip(&mut self) -> Option<usize> {
        let (close, object) = match self.next()? {
            Next::Scalar => return Some(usize::from(!matches!(self.scalar()?, Scalar::Null))),
            Next::Object => (b'}', true),
            Next::Array => (b']', false),
        };
        let mut leaves = 0;
        let mut more = self.open(close)?;
        while more {
            if object {
                self.key()?;
            }
            leaves += self.skip()?;
            more = self.more(close)?;
        }
        Some(leaves)
    }
}

/// How many leading bytes are neither quote, backslash nor control character; eight at a time.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        let x = u64::from_le_bytes(word);
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGH;
        // False positives are possible above the first hit only, and the loop below decides.
        if control | zero(x ^ (ONES * u64::from(b'"'))) | zero(x ^ (ONES * u64::from(b'\\'))) != 0 {
            break;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..=0x1f)).count()
}

impl<'a> Raw<'a> {
    /// The text between the quotes of a string.
    pub(crate) fn between_quotes(text: &'a str) -> Raw<'a> {
        Raw { text, escaped: memchr::memchr(b'\\', text.as_bytes()).is_some() }
    }

    /// As it stands between the quotes.
    pub(crate) fn written(self) -> &'a str {
        self.text
    }

    /// The string without its escapes; a lone surrogate becomes U+FFFD.
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.text);
        }
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
            rest = rest.get(at + 2..).unwrap_or("");
            match escape {
                b'b' => out.push('\u{8}'),
                b'f' => out.push('\u{c}'),
                b'n' => out.push('\n'),
                b'r' => out.push('\r'),
                b't' => out.push('\t'),
                b'u' => rest = unicode(rest, &mut out),
                other => out.push(char::from(other)),
            }
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// `rest` starts after `\u`.
fn unicode<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let hex = |s: &str| s.get(..4).and_then(|h| u32::from_str_radix(h, 16).ok());
    let high = hex(rest).unwrap_or(0xFFFD);
    let after = rest.get(4..).unwrap_or("");
    if (0xD800..0xDC00).contains(&high)
        && let Some(low) = after.strip_prefix("\\u").and_then(hex)
        && (0xDC00..0xE000).contains(&low)
    {
        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        out.push(char::from_u32(code).unwrap_or('\u{FFFD}'));
        return after.get(6..).unwrap_or("");
    }
    out.push(char::from_u32(high).unwrap_or('\u{FFFD}'));
    after
}

/// A JSON number as a value: whole if it fits, a float otherwise, its own text if neither holds it.
pub(crate) fn number_of(token: &str) -> Option<Number> {
    let whole = !token.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'));
    match number::parse(token)? {
        Number::Float(_) if whole => None,
        n => Some(n),
    }
}

/// The value of a whole JSON text; None when it is not JSON.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let mut scanner = Scanner::new(text, 0);
    let value = value(&mut scanner)?;
    scanner.end()?;
    Some(value)
}

fn value(scanner: &mut Scanner<'_>) -> Option<Value> {
    match scanner.next()? {
        Next::Scalar => Some(match scanner.scalar()? {
            Scalar::Null => Value::Null,
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Number(token) => number_of(token).map_or_else(|| Value::text(token), Value::from),
            Scalar::Text(raw) => Value::text(raw.decode()),
        }),
        Next::Array => {
            let mut items = Vec::new();
            let mut more = scanner.open(b']')?;
            while more {
                items.push(value(scanner)?);
                more = scanner.more(b']')?;
            }
            Some(Value::List(items.into()))
        }
        Next::Object => {
            let mut entries: Vec<(Box<str>, Value)> = Vec::new();
            let mut seen = HashSet::new();
            let mut more = scanner.open(b'}')?;
            while more {
                let key = scanner.key()?.decode();
                let value = value(scanner)?;
                // The first of equal keys wins, as in field discovery.
                if seen.insert(key.clone()) {
                    entries.push((Box::from(&*key), value));
                }
                more = scanner.more(b'}')?;
            }
            Some(Value::Map(Arc::from(entries)))
        }
    }
}

/// A value as JSON text; null prints as `null`.
pub(crate) fn stringify(cell: Cell<'_>) -> String {
    let mut out = String::new();
    write(cell, &mut out);
    out
}

fn write(cell: Cell<'_>, out: &mut String) {
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Bool(b) => out.push_str(if b { "true" } else { "false" }),
        Cell::Int(n) | Cell::Time(n) => out.push_str(&n.to_string()),
        Cell::Float(x) => out.push_str(&number::print(x)),
        Cell::Text(s) => quote(s, out),
        Cell::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item.cell(), out);
            }
            out.push(']');
        }
        Cell::Map(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(value.cell(), out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_and_prints_back() {
        for text in
            [r#"{"a":1,"b":[true,null,-2.5]}"#, r#"{"z":{},"a":[],"ü":"😀\n\"\\"}"#, "[1,2,3]", "\"x\"", "7"]
        {
            let value = parse(text).expect("is JSON");
            assert_eq!(stringify(value.cell()), text);
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "{\"b\":",
            "{\"a\":1,}",
            "[1,]",
            "01",
            "1.",
            "+1",
            "tru",
            "\"\\x\"",
            "\"a\nb\"",
            "{} x",
            "nan",
            "{\"a\" 1}",
            "{a:1}",
            "\"\\u12\"",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&"[".repeat(70)), None);
        let deep = |n| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&deep(64)).is_some());
        assert_eq!(parse(&deep(65)), None);
    }

    #[test]
    fn escapes_decode() {
        assert_eq!(parse(r#""\u00fc\ud83d\ude00\ud83d!\/""#), Some(Value::text("ü😀\u{FFFD}!/")));
    }

    #[test]
    fn plain_runs_stop_at_the_first_special_byte() {
        for at in 0..20 {
            for special in [b'"', b'\\', 0u8, 0x1f] {
                let mut bytes = vec![b'a'; 20];
                bytes[at] = special;
                assert_eq!(plain(&bytes), at);
            }
        }
        assert_eq!(plain("üöä€😀 no special".as_bytes()), "üöä€😀 no special".len());
    }
}
