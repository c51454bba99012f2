//! Owns finding the scalars of a message that is one JSON object, strictly. Refuses to know columns and
//! templates; decodes nothing.

/// Deeper documents are text.
const NESTING_MAX: usize = 64;

/// What a walk over an object reports, in the order of the text.
pub(super) trait Visit {
    /// A member of an object begins; its key between the quotes, escapes and all.
    fn key(&mut self, _key: &[u8]) {}
    /// An element of a list begins.
    fn element(&mut self, _index: usize) {}
    /// The member or element is over.
    fn leave(&mut self) {}
    /// A string (its place between the quotes), a number, true, false or null.
    fn scalar(&mut self, start: usize, end: usize, quoted: bool);
}

/// Walks a message that is one JSON object and white space around it. What was reported before a `None`
/// is worth nothing.
pub(super) fn walk(message: &[u8], visit: &mut impl Visit) -> Option<()> {
    if std::str::from_utf8(message).is_err() {
        return None;
    }
    let mut walker = Walker { text: message, at: 0 };
    walker.space();
    if walker.peek()? != b'{' {
        return None;
    }
    walker.value(visit, 0)?;
    walker.space();
    (walker.at == message.len()).then_some(())
}

struct Walker<'a> {
    text: &'a [u8],
    at: usize,
}

impl Walker<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self, visit: &mut impl Visit, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.members(visit, depth + 1),
            b'[' => self.elements(visit, depth + 1),
            b'"' => {
                let start = self.at + 1;
                let end = string_end(self.text, start)?;
                visit.scalar(start, end, true);
                self.at = end + 1;
                Some(())
            }
            _ => {
                let end = token_end(self.text, self.at)?;
                visit.scalar(self.at, end, false);
                self.at = end;
                Some(())
            }
        }
    }

    /// Enters a bracket; false if it closes at once.
    fn open(&mut self, close: u8, depth: usize) -> Option<bool> {
        if depth > NESTING_MAX {
            return None;
        }
        self.at += 1;
        self.space();
        if self.peek()? == close {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    /// Behind a value: true if another follows, false if the bracket closes.
    fn more(&mut self, close: u8) -> Option<bool> {
        self.space();
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => {
                self.space();
                Some(true)
            }
            _ => (byte == close).then_some(false),
        }
    }

    fn members(&mut self, visit: &mut impl Visit, depth: usize) -> Option<()> {
        let mut more = self.open(b'}', depth)?;
        while more {
            if self.peek()? != b'"' {
                return None;
            }
            let start = self.at + 1;
            let end = string_end(self.text, start)?;
            self.at = end + 1;
            self.space();
            if self.peek()? != b':' {
                return None;
            }
            self.at += 1;
            self.space();
            visit.key(&self.text[start..end]);
            self.value(visit, depth)?;
            visit.leave();
            more = self.more(b'}')?;
        }
        Some(())
    }

    fn elements(&mut self, visit: &mut impl Visit, depth: usize) -> Option<()> {
        let mut more = self.open(b']', depth)?;
        let mut index = 0;
        while more {
            visit.element(index);
            self.value(visit, depth)?;
            visit.leave();
            index += 1;
            more = self.more(b']')?;
        }
        Some(())
    }
}

/// Where the string that starts here (behind its quote) ends: the place of the closing quote.
#[inline]
pub(super) fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += plain(&text[at..]);
        match *text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += escape(&text[at..])?,
            _ => return None,
        }
    }
}

/// The length of the escape at the start.
fn escape(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' if text.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many leading bytes are neither quote, backslash nor control character; eight at a time.
#[inline]
fn plain(text: &[u8]) -> usize {
    let zeros = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
    let mut at = 0;
    while let Some((word, _)) = text[at..].split_first_chunk::<8>() {
        let x = u64::from_le_bytes(*word);
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGH;
        let quote = zeros(x ^ (ONES * u64::from(b'"')));
        let found = control | quote | zeros(x ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            // A borrow can mark bytes above the first that is one of them, never below.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + text[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count()
}

fn digits(text: &[u8], start: usize) -> usize {
    text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Where the number, true, false or null that starts here ends.
#[inline]
pub(super) fn token_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    match *text.get(at)? {
        b't' => return word(text, start, b"true"),
        b'f' => return word(text, start, b"false"),
        b'n' => return word(text, start, b"null"),
        b'-' => at += 1,
        _ => {}
    }
    let whole = digits(text, at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let count = digits(text, at + 1);
        if count == 0 {
            return None;
        }
        at += 1 + count;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        let count = if at < text.len() { digits(text, at) } else { 0 };
        if count == 0 {
            return None;
        }
        at += count;
    }
    ends(text, at).then_some(at)
}

fn word(text: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    let end = start + word.len();
    (text[start..].starts_with(word) && ends(text, end)).then_some(end)
}

/// Behind a token stands no byte that could go on with it.
fn ends(text: &[u8], at: usize) -> bool {
    matches!(text.get(at), Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
}
