//! From message text to a tape: a strict, iterative JSON parser (RFC 8259).
//!
//! Owns what counts as JSON. Accepts exactly one object with blanks around it; nesting is
//! bounded, so is the work (one pass). Refuses to interpret strings and numbers.

use super::tape::{Kind, Node, Tape};

/// Containers open at one point of a document; deeper text is not JSON to us.
const NESTING: usize = 64;

/// Parses `text` as one JSON object. `None` when it is anything else.
#[cfg(test)]
pub(crate) fn object(text: &str) -> Option<Tape> {
    object_into(text, Tape::default(), false)
}

/// As `object`, with the room of another tape. `is_plain` says that the text has neither backslash nor control
/// character: then each string ends at the next quote.
pub(crate) fn object_into(text: &str, room: Tape, is_plain: bool) -> Option<Tape> {
    let bytes = text.as_bytes();
    let first = bytes.iter().position(|b| !is_blank(*b))?;
    let last = bytes.iter().rposition(|b| !is_blank(*b))?;
    if bytes[first] != b'{' || bytes[last] != b'}' || u32::try_from(bytes.len()).is_err() {
        return None;
    }
    let mut nodes = room.nodes;
    nodes.clear();
    // About one node for each ten bytes of typical logs.
    nodes.reserve(8 + bytes.len() / 10);
    let mut scanner = Scanner { bytes, is_plain, at: first, nodes, open: [0; NESTING], depth: 0 };
    scanner.document()?;
    Some(Tape { nodes: scanner.nodes })
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

struct Scanner<'t> {
    bytes: &'t [u8],
    is_plain: bool,
    at: usize,
    nodes: Vec<Node>,
    /// The nodes of the open containers, outermost first.
    open: [u32; NESTING],
    depth: usize,
}

impl Scanner<'_> {
    fn document(&mut self) -> Option<()> {
        self.value()?;
        while self.depth > 0 {
            self.blanks();
            let container = self.open[self.depth - 1] as usize;
            let object = self.nodes[container].kind == Kind::Object;
            let close = if object { b'}' } else { b']' };
            let fresh = self.nodes.len() == container + 1;
            match self.peek()? {
                b if b == close => {
                    self.at += 1;
                    self.close(container);
                    continue;
                }
                b',' if !fresh => {
                    self.at += 1;
                    self.blanks();
                }
                _ if fresh => {}
                _ => return None,
            }
            if object {
                self.name()?;
            }
            self.value()?;
        }
        self.blanks();
        (self.at == self.bytes.len()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        self.blanks();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.blanks();
        Some(())
    }

    /// Reads a scalar whole, or opens a container.
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.enter(Kind::Object),
            b'[' => self.enter(Kind::Array),
            b't' => self.word(b"true", Kind::True),
            b'f' => self.word(b"false", Kind::False),
            b'n' => self.word(b"null", Kind::Null),
            _ => self.number(),
        }
    }

    fn push(&mut self, start: usize, end: usize, kind: Kind, escaped: bool) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { start: start as u32, end: end as u32, next, kind, escaped });
    }

    fn enter(&mut self, kind: Kind) -> Option<()> {
        let open = self.open.get_mut(self.depth)?;
        *open = self.nodes.len() as u32;
        self.depth += 1;
        self.push(self.at, self.at, kind, false);
        self.at += 1;
        Some(())
    }

    fn close(&mut self, container: usize) {
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[container];
        node.end = self.at as u32;
        node.next = next;
        self.depth -= 1;
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<()> {
        if !self.bytes[self.at..].starts_with(word) {
            return None;
        }
        self.push(self.at, self.at + word.len(), kind, false);
        self.at += word.len();
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at + 1;
        if self.is_plain {
            let end = start + to_quote(&self.bytes[start..])?;
            self.push(start, end, Kind::String, false);
            self.at = end + 1;
            return Some(());
        }
        let mut escaped = false;
        self.at = start;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
        self.push(start, self.at, Kind::String, escaped);
        self.at += 1;
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        let length = match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                6
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        let leading = self.peek()?;
        match self.digits() {
            0 => return None,
            2.. if leading == b'0' => return None,
            _ => {}
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
        self.push(start, self.at, Kind::Number, false);
        Some(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }
}

/// The length of the prefix of `bytes` without quote, backslash or control character, eight
/// bytes at a time.
fn plain(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte that is zero; exact up to the first one, which is all we use.
    let zeroes = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let mut length = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*chunk);
        let quote = zeroes(word ^ (LOW * u64::from(b'"')));
        let backslash = zeroes(word ^ (LOW * u64::from(b'\\')));
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let special = quote | backslash | control;
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let special = |b: &u8| *b < 0x20 || matches!(b, b'"' | b'\\');
    let tail = &bytes[length..];
    length + tail.iter().position(special).unwrap_or(tail.len())
}

/// The length of the prefix of `bytes` before a quote, eight bytes at a time.
fn to_quote(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut length = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        let other = u64::from_le_bytes(*chunk) ^ (LOW * u64::from(b'"'));
        // The high bit of each byte that is zero, exact for the first.
        let quote = other.wrapping_sub(LOW) & !other & HIGH;
        if quote != 0 {
            return Some(length + quote.trailing_zeros() as usize / 8);
        }
        length += 8;
    }
    Some(length + bytes[length..].iter().position(|byte| *byte == b'"')?)
}

/// Is there a control character?
pub(crate) fn has_control(text: &[u8]) -> bool {
    // Whole chunks without a way out of them, so that it is done many bytes at a time.
    let among = |chunk: &[u8]| chunk.iter().fold(false, |found, byte| found | (*byte < 0x20));
    text.chunks(4096).any(among)
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;
