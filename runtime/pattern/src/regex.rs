//! Regular expressions between percent signs: AWS's subset, checked by hand and rewritten for
//! a linear-time engine.
//!
//! Owns which characters are allowed and what they mean; refuses to know where in a pattern
//! the expression stands. Every literal is escaped on the way, so that nothing the engine
//! understands beyond the documented subset (groups, class algebra, flags) can be reached.
//! Matching is by character, classes like `\d` are ASCII, the search is unanchored.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::error::{Headline, ParseError};
use crate::lex::Cursor;
use crate::limits::Limits;

/// Characters that stand for themselves besides letters and digits.
const SYMBOLS: &str = ":_#=@/;,- ";
/// Characters with a meaning; escaped with a backslash they stand for themselves.
const OPERATORS: &str = "^$?[]{}|\\*+.";
/// Largest bound in `{m,n}`; the size limit of the compiled form holds as well.
const MAX_BOUND: u32 = 1000;

const DIGIT: &str = "0-9";
const SPACE: &str = " \\t\\n\\r\\x0B\\x0C";
const WORD: &str = "0-9A-Za-z_";

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    regex: ::regex::Regex,
    literals: Vec<String>,
}

impl Search {
    /// Reads `%...%` at the cursor, which stands on the opening percent sign.
    pub(crate) fn parse(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<Search, ParseError> {
        let open = cursor.at();
        cursor.bump();
        let start = cursor.at();
        let body = cursor.take_while(|c| c != '%');
        if !cursor.eat("%") {
            let expected = format!("a closing '%' for the regular expression opened at offset {open}");
            return Err(ParseError::new(cursor.at(), expected));
        }
        Search::compile(body, start, limits)
    }

    /// Compiles the text between the percent signs; `offset` is where it starts in the pattern.
    pub(crate) fn compile(body: &str, offset: usize, limits: &Limits) -> Result<Search, ParseError> {
        if body.is_empty() {
            return Err(ParseError::new(offset, "a regular expression between the percent signs"));
        }
        let mut rewriter = Rewriter::new(body, offset);
        rewriter.expression()?;
        let literals = rewriter.required();
        let regex = ::regex::RegexBuilder::new(&rewriter.out)
            .size_limit(limits.regex_bytes)
            .dfa_size_limit(limits.regex_bytes)
            .build()
            .map_err(|_| {
                let bytes = limits.regex_bytes;
                ParseError::new(
                    offset,
                    format!("a regular expression that compiles to at most {bytes} bytes"),
                )
            })?;
        Ok(Search { regex, literals })
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Texts that every match contains.
    pub(crate) fn literals(&self) -> &[String] {
        &self.literals
    }
}

/// What was just written, and so what a quantifier would repeat.
enum Atom {
    Literal(char),
    Set,
    Anchor,
}

struct Rewriter<'b> {
    body: &'b str,
    offset: usize,
    chars: Peekable<CharIndices<'b>>,
    out: String,
    run: String,
    runs: Vec<String>,
    branches: usize,
}

impl<'b> Rewriter<'b> {
    fn new(body: &'b str, offset: usize) -> Self {
        Rewriter {
            body,
            offset,
            chars: body.char_indices().peekable(),
            out: String::with_capacity(body.len() + 16),
            run: String::new(),
            runs: Vec::new(),
            branches: 1,
        }
    }

    fn expression(&mut self) -> Result<(), ParseError> {
        while let Some((at, c)) = self.chars.next() {
            if c == '|' {
                self.branches += 1;
                self.out.push('|');
                continue;
            }
            let atom = self.atom(at, c)?;
            self.quantified(&atom)?;
        }
        self.end_run();
        Ok(())
    }

    fn atom(&mut self, at: usize, c: char) -> Result<Atom, ParseError> {
        match c {
            '^' | '$' => {
                self.out.push(c);
                Ok(Atom::Anchor)
            }
            '.' => {
                self.out.push('.');
                Ok(Atom::Set)
            }
            '[' => self.class(at).map(|()| Atom::Set),
            '\\' => self.escape(at),
            '*' | '+' | '?' => {
                Err(self.fail(at, format!("something to repeat before '{c}'")).suggest(format!("\\{c}")))
            }
            '{' => Err(self.fail(at, "something to repeat before '{'").suggest("\\{")),
            _ => {
                self.allowed(at, c)?;
                self.out.push_str(&escaped(c));
                Ok(Atom::Literal(c))
            }
        }
    }

    /// An escape outside a class.
    fn escape(&mut self, at: usize) -> Result<Atom, ParseError> {
        match self.escape_code(at)? {
            Escape::Char(c) => {
                self.out.push_str(&escaped(c));
                Ok(Atom::Literal(c))
            }
            Escape::Set { negated, members } => {
                self.out.push_str(if negated { "[^" } else { "[" });
                self.out.push_str(members);
                self.out.push(']');
                Ok(Atom::Set)
            }
        }
    }

    /// What follows a backslash, in and out of a class.
    fn escape_code(&mut self, at: usize) -> Result<Escape, ParseError> {
        let set = |negated, members| Ok(Escape::Set { negated, members });
        match self.chars.next().map(|(_, c)| c) {
            Some('d') => set(false, DIGIT),
            Some('D') => set(true, DIGIT),
            Some('s') => set(false, SPACE),
            Some('S') => set(true, SPACE),
            Some('w') => set(false, WORD),
            Some('W') => set(true, WORD),
            Some('x') => self.hex(at).map(Escape::Char),
            Some(c) if OPERATORS.contains(c) || SYMBOLS.contains(c) => Ok(Escape::Char(c)),
            Some(c) => {
                let error =
                    self.fail(at, format!("an escape that is supported (\\d \\s \\w \\xHH), found '\\{c}'"));
                Err(match c {
                    't' => error.suggest("\\x09"),
                    'n' => error.suggest("\\x0A"),
                    'r' => error.suggest("\\x0D"),
                    c if c.is_ascii() && !c.is_ascii_alphanumeric() => error.suggest(hex_escape(c)),
                    _ => error,
                })
            }
            None => Err(self.fail(at, "a character after the backslash").suggest("\\\\")),
        }
    }

    fn hex(&mut self, at: usize) -> Result<char, ParseError> {
        let mut code = 0;
        for _ in 0..2 {
            let digit = self.chars.next().and_then(|(_, c)| c.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.fail(at, "two hexadecimal digits after \\x"))?;
        }
        if code > 0x7f {
            return Err(self.fail(at, "an ASCII code, \\x00 to \\x7F"));
        }
        char::from_u32(code).ok_or_else(|| self.fail(at, "an ASCII code, \\x00 to \\x7F"))
    }

    /// A class; the opening bracket has been read.
    fn class(&mut self, open: usize) -> Result<(), ParseError> {
        self.out.push('[');
        if self.chars.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        let mut members = 0;
        loop {
            let Some((at, c)) = self.chars.next() else {
                return Err(self.fail(open, "a closing ']' for the class that starts here").suggest("\\["));
            };
            if c == ']' {
                break;
            }
            self.member(at, c)?;
            members += 1;
        }
        if members == 0 {
            return Err(self.fail(open, "at least one character in the class").suggest("[\\]]"));
        }
        self.out.push(']');
        Ok(())
    }

    /// One character, range or escaped set in a class.
    fn member(&mut self, at: usize, c: char) -> Result<(), ParseError> {
        let low = match self.class_char(at, c)? {
            Escape::Char(low) => low,
            Escape::Set { negated: false, members } => {
                self.out.push_str(members);
                return Ok(());
            }
            Escape::Set { negated: true, members } => {
                self.out.push_str("[^");
                self.out.push_str(members);
                self.out.push(']');
                return Ok(());
            }
        };
        self.out.push_str(&escaped(low));
        let ahead = self.chars.peek().map_or(self.body.len(), |(at, _)| *at);
        let rest = &self.body.as_bytes()[ahead..];
        if rest.first() != Some(&b'-') || matches!(rest.get(1), None | Some(b']')) {
            return Ok(());
        }
        self.chars.next();
        let Some((end, c)) = self.chars.next() else { return Ok(()) };
        match self.class_char(end, c)? {
            Escape::Char(high) if low <= high => {
                self.out.push('-');
                self.out.push_str(&escaped(high));
                Ok(())
            }
            Escape::Char(high) => {
                Err(self.fail(at, "a range from low to high").suggest(format!("{high}-{low}")))
            }
            Escape::Set { .. } => Err(self.fail(end, "a character at the end of the range").suggest("\\-")),
        }
    }

    fn class_char(&mut self, at: usize, c: char) -> Result<Escape, ParseError> {
        if c == '\\' {
            return self.escape_code(at);
        }
        self.allowed(at, c)?;
        Ok(Escape::Char(c))
    }

    /// A quantifier after the atom, if there is one, and the effect on literal runs.
    fn quantified(&mut self, atom: &Atom) -> Result<(), ParseError> {
        let Some((at, c)) = self.chars.next_if(|(_, c)| matches!(c, '*' | '+' | '?' | '{')) else {
            match atom {
                Atom::Literal(c) => self.run.push(*c),
                Atom::Set => self.end_run(),
                Atom::Anchor => {}
            }
            return Ok(());
        };
        if matches!(atom, Atom::Anchor) {
            return Err(self.fail(at, format!("something to repeat before '{c}'")).suggest(format!("\\{c}")));
        }
        let (least, most) = match c {
            '*' => (0, None),
            '+' => (1, None),
            '?' => (0, Some(1)),
            _ => self.bounds(at)?,
        };
        self.out.push_str(&match most {
            Some(most) => format!("{{{least},{most}}}"),
            None => format!("{{{least},}}"),
        });
        // A lazy quantifier finds the same messages as a greedy one.
        self.chars.next_if(|(_, c)| *c == '?');
        if let Some((at, c)) = self.chars.next_if(|(_, c)| matches!(c, '*' | '+' | '?' | '{')) {
            return Err(self
                .fail(at, format!("one quantifier, found '{c}' after another"))
                .suggest(format!("\\{c}")));
        }
        if let (Atom::Literal(c), 1..) = (atom, least) {
            self.run.push(*c);
            self.end_run();
            self.run.push(*c);
        } else {
            self.end_run();
        }
        Ok(())
    }

    /// `{m}`, `{m,}`, `{,n}`, `{m,n}`; the brace has been read.
    fn bounds(&mut self, open: usize) -> Result<(u32, Option<u32>), ParseError> {
        let least = self.bound(open)?;
        let comma = self.chars.next_if(|(_, c)| *c == ',').is_some();
        let most = if comma { self.bound(open)? } else { least };
        let closed = self.chars.next_if(|(_, c)| *c == '}').is_some();
        if !closed || (least.is_none() && most.is_none()) {
            return Err(self.fail(open, "a bound like {3}, {3,}, {,5} or {3,5}").suggest("\\{"));
        }
        match (least.unwrap_or(0), most) {
            (least, Some(most)) if least > most => {
                Err(self.fail(open, "a bound from low to high").suggest(format!("{{{most},{least}}}")))
            }
            bounds => Ok(bounds),
        }
    }

    fn bound(&mut self, open: usize) -> Result<Option<u32>, ParseError> {
        let mut value = None;
        while let Some((_, c)) = self.chars.next_if(|(_, c)| c.is_ascii_digit()) {
            let next = value.unwrap_or(0) * 10 + (c as u32 - '0' as u32);
            if next > MAX_BOUND {
                return Err(self.fail(open, format!("a bound of at most {MAX_BOUND}")));
            }
            value = Some(next);
        }
        Ok(value)
    }

    fn allowed(&self, at: usize, c: char) -> Result<(), ParseError> {
        if c.is_ascii_alphanumeric() || SYMBOLS.contains(c) || OPERATORS.contains(c) {
            return Ok(());
        }
        let expected = "letters, digits, blanks, : _ # = @ / ; , - or the operators ^ $ ? [ ] { } | \\ * + .";
        let error = self.fail(at, format!("{expected}, found '{c}'"));
        let error = error.headline(Headline::Characters(format!("%{}%", self.body).into()));
        Err(if c.is_ascii() { error.suggest(hex_escape(c)) } else { error })
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            self.runs.push(std::mem::take(&mut self.run));
        }
    }

    /// Literal runs of an expression without alternatives.
    fn required(&mut self) -> Vec<String> {
        if self.branches == 1 { std::mem::take(&mut self.runs) } else { Vec::new() }
    }

    fn fail(&self, at: usize, expected: impl Into<String>) -> ParseError {
        ParseError::new(self.offset + at, expected)
    }
}

enum Escape {
    Char(char),
    Set { negated: bool, members: &'static str },
}

fn hex_escape(c: char) -> String {
    format!("\\x{:02X}", c as u32)
}

/// `c` as the engine must read it to mean just that character, in and out of a class.
fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { hex_escape(c) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(body: &str) -> Result<Search, ParseError> {
        Search::compile(body, 0, &Limits::default())
    }

    #[test]
    fn finds_what_the_expression_says() {
        for (body, yes, no) in [
            ("cat$", "my cat", "cats"),
            ("^a{3,5}$", "aaaa", "aa"),
            ("^a{,2}$", "", "aaa"),
            ("^a{2,}$", "aaaaa", "a"),
            ("[[]x]?$", "[x]", "x]"),
            ("[a-]b", "-b", "cb"),
            ("[^0-9]x", "ax", "1x"),
            ("[\\D]x", "ax", "1x"),
            ("\\x28ok\\x29", "(ok)", "ok"),
            ("^.{3}$", "fée", "fe"),
            ("a.*?b", "a-b", "a-c"),
            ("^\\w+\\s\\d+$", "ab_1 22", "ab-1 22"),
        ] {
            let search = search(body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert!(search.is_match(yes), "{body} should find {yes:?}");
            assert!(!search.is_match(no), "{body} should not find {no:?}");
        }
    }

    #[test]
    fn refuses_what_is_not_documented() {
        for (body, offset) in [
            ("a(b)", 1),
            ("something!", 9),
            ("[a&&b]", 2),
            ("é", 0),
            ("*a", 0),
            ("a**", 2),
            ("a{x}", 1),
            ("a{,}", 1),
            ("a{5,3}", 1),
            ("a{1001}", 1),
            ("[abc", 0),
            ("[]", 0),
            ("[z-a]", 1),
            ("\\b", 0),
            ("\\x8", 0),
            ("\\xFF", 0),
            ("\\", 0),
            ("^*", 1),
            ("", 0),
        ] {
            let error = search(body).err().unwrap_or_else(|| panic!("{body} is accepted"));
            assert_eq!(error.offset, offset, "{body}: {error}");
        }
    }

    #[test]
    fn required_literals_are_the_runs_no_match_can_lack() {
        for (body, literals) in [
            ("timeout after [0-9]{2,} s", &["timeout after ", " s"][..]),
            ("ab+c", &["ab", "bc"]),
            ("ab?c", &["a", "c"]),
            ("ab{0,3}c", &["a", "c"]),
            ("abc|abd", &[]),
            ("^10\\.10\\.0\\.1$", &["10.10.0.1"]),
        ] {
            assert_eq!(search(body).unwrap().literals(), literals, "{body}");
        }
    }

    #[test]
    fn a_large_expression_is_refused_not_compiled() {
        let error = search(&"[^a]{1000}".repeat(20)).err().unwrap();
        assert!(error.message.contains("1048576"), "{error}");
    }
}
