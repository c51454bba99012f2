//! Owns a pull reader over JSON text already known to be valid, whose reported position is that of the
//! parser AWS uses: a field name has its value's first token read ahead, a string is not read until asked
//! for. AWS's error texts carry these positions. Refuses to know policies.

use super::syntax::position;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    Field(String),
    /// A string value; `Reader::text` reads it.
    Text,
    Number(f64),
    True,
    False,
    Null,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    source: &'a str,
    at: usize,
    /// Start of the token last read, in bytes.
    start: usize,
    /// The value token read ahead with a field name, and where it began.
    ahead: Option<(Token, usize)>,
    /// A string value has been opened and not read.
    open: bool,
    /// For each open bracket, whether it is an object.
    inside: Vec<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0, start: 0, ahead: None, open: false, inside: Vec::new() }
    }

    /// The next token; `End` for ever after the last one.
    pub(super) fn next(&mut self) -> Token {
        if self.open {
            self.text();
        }
        if let Some((token, start)) = self.ahead.take() {
            self.start = start;
            return self.entered(token);
        }
        self.skip(b" \t\r\n,");
        self.start = self.at;
        if self.byte() == Some(b'"') && self.inside.last() == Some(&true) {
            let name = self.string();
            self.skip(b" \t\r\n:");
            let start = self.at;
            let value = self.value();
            self.ahead = Some((value, start));
            return Token::Field(name);
        }
        let token = self.value();
        self.entered(token)
    }

    /// The text of the token last read: a string's content, any other token as written.
    pub(super) fn text(&mut self) -> String {
        if self.open {
            self.open = false;
            self.at = self.start;
            return self.string();
        }
        let raw = &self.source[self.start..self.at];
        serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())
    }

    /// An error text with the position.
    pub(super) fn fault(&self, what: impl std::fmt::Display) -> String {
        let (line, column) = position(self.source, self.at);
        format!("{what}\n at [Source: (String)\"{}\"; line: {line}, column: {column}]", self.excerpt())
    }

    /// At most 500 characters of the source, as AWS's parser shows it.
    fn excerpt(&self) -> String {
        const SHOWN: usize = 500;
        match self.source.char_indices().nth(SHOWN) {
            None => self.source.to_owned(),
            Some((cut, _)) => {
                let left = self.source[cut..].chars().count();
                format!("{}[truncated {left} chars]", &self.source[..cut])
            }
        }
    }

    fn entered(&mut self, token: Token) -> Token {
        match token {
            Token::StartObject => self.inside.push(true),
            Token::StartArray => self.inside.push(false),
            Token::EndObject | Token::EndArray => {
                self.inside.pop();
            }
            Token::Text => self.open = true,
            _ => {}
        }
        token
    }

    fn byte(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, any_of: &[u8]) {
        while self.byte().is_some_and(|b| any_of.contains(&b)) {
            self.at += 1;
        }
    }

    /// Reads one token that is no field name; of a string only the opening quote.
    fn value(&mut self) -> Token {
        let Some(byte) = self.byte() else { return Token::End };
        match byte {
            b'{' | b'}' | b'[' | b']' | b'"' => {
                self.at += 1;
                match byte {
                    b'{' => Token::StartObject,
                    b'}' => Token::EndObject,
                    b'[' => Token::StartArray,
                    b']' => Token::EndArray,
                    _ => Token::Text,
                }
            }
            _ => {
                let from = self.at;
                while self.byte().is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
                    self.at += 1;
                }
                match &self.source[from..self.at] {
                    "true" => Token::True,
                    "false" => Token::False,
                    "null" => Token::Null,
                    number => number.parse().map_or(Token::End, Token::Number),
                }
            }
        }
    }

    /// Reads a whole string from its opening quote at `self.at`.
    fn string(&mut self) -> String {
        let from = self.at;
        self.at += 1;
        while let Some(byte) = self.byte() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        self.at = self.at.min(self.source.len());
        serde_json::from_str(&self.source[from..self.at]).unwrap_or_default()
    }
}
