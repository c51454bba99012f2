//! Splitting a line into fields: at runs of blanks and tabs, except inside `"..."` and `[...]`.
//!
//! Owns what a field is. A line end counts as a blank, so that a trailing one belongs to no
//! field.

/// One field of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'t> {
    /// Where the field starts, its opening quote or bracket included.
    pub(crate) start: usize,
    /// The text without the delimiters.
    pub(crate) value: &'t str,
}

/// The fields of a line, one after another.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'t> {
    text: &'t str,
    at: usize,
    /// Closing delimiters known not to occur any more: each is searched in vain only once.
    exhausted: [bool; 2],
}

const CLOSING: [u8; 2] = [b'"', b']'];

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'t> Fields<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Fields { text, at: 0, exhausted: [false; 2] }
    }

    /// Is there another field after the ones taken?
    pub(crate) fn has_more(&self) -> bool {
        self.text.as_bytes()[self.at..].iter().any(|b| !is_blank(*b))
    }

    /// The line from `field` to its end, blanks at the end left out.
    pub(crate) fn rest_from(&self, field: Field<'t>) -> &'t str {
        Self::rest_of(self.text, field)
    }

    /// Where the field that opens at `start` closes. A delimiter without its partner is an
    /// ordinary character.
    fn closing(&mut self, start: usize, delimiter: usize) -> Option<usize> {
        if self.exhausted[delimiter] {
            return None;
        }
        let found = memchr::memchr(CLOSING[delimiter], &self.text.as_bytes()[start + 1..]);
        self.exhausted[delimiter] = found.is_none();
        found.map(|length| start + 1 + length)
    }

    pub(crate) fn rest_of(text: &'t str, field: Field<'t>) -> &'t str {
        text[field.start..].trim_end_matches([' ', '\t', '\n', '\r'])
    }
}

/// The length of the prefix of `bytes` without a blank, eight bytes at a time.
fn word(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut length = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*chunk);
        // The high bit of each byte up to 0x20, exact for the lowest: blanks and other controls.
        let mut low = word.wrapping_sub(LOW * 0x21) & !word & HIGH;
        while low != 0 {
            let at = low.trailing_zeros() as usize / 8;
            if is_blank(chunk[at]) {
                return length + at;
            }
            low &= low - 1;
        }
        length += 8;
    }
    let tail = &bytes[length..];
    length + tail.iter().position(|b| is_blank(*b)).unwrap_or(tail.len())
}

impl<'t> Iterator for Fields<'t> {
    type Item = Field<'t>;

    fn next(&mut self) -> Option<Field<'t>> {
        let bytes = self.text.as_bytes();
        let start = self.at + bytes[self.at..].iter().position(|b| !is_blank(*b))?;
        let delimited = match bytes[start] {
            b'"' => self.closing(start, 0),
            b'[' => self.closing(start, 1),
            _ => None,
        };
        let value = match delimited {
            Some(end) => {
                self.at = end + 1;
                &self.text[start + 1..end]
            }
            None => {
                self.at = start + word(&bytes[start..]);
                &self.text[start..self.at]
            }
        };
        Some(Field { start, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_lines() {
        for (line, fields) in [
            ("", &[][..]),
            (" \t\r\n", &[]),
            ("a  b\tc\n", &["a", "b", "c"]),
            (
                "[10/Oct/2000:13:25:15 -0700] \"GET / HTTP/1.0\" 200",
                &["10/Oct/2000:13:25:15 -0700", "GET / HTTP/1.0", "200"],
            ),
            ("\"\" x", &["", "x"]),
            ("[x]y \"a\"\"b\"", &["x", "y", "a", "b"]),
            ("\"open end", &["\"open", "end"]),
            ("[open end", &["[open", "end"]),
            ("a\"b c\"", &["a\"b", "c\""]),
            ("é ☕", &["é", "☕"]),
        ] {
            let found: Vec<&str> = Fields::of(line).map(|field| field.value).collect();
            assert_eq!(found, fields, "{line:?}");
        }
    }

    #[test]
    fn a_word_ends_at_the_first_blank() {
        for blank in [b' ', b'\t', b'\n', b'\r'] {
            for length in 0..30 {
                let mut bytes = "a\u{1f}é!\u{1}~".repeat(6).into_bytes();
                bytes.truncate(length);
                bytes.push(blank);
                bytes.extend_from_slice(b"tail tail tail");
                assert_eq!(word(&bytes), length);
            }
        }
        assert_eq!(word(b"abc"), 3);
    }

    #[test]
    fn a_delimiter_without_partner_costs_one_search() {
        let line = "[a ".repeat(200_000);
        assert_eq!(Fields::of(&line).count(), 200_000);
    }

    #[test]
    fn the_rest_keeps_its_delimiters() {
        let line = "a \"b c\" [d] \n";
        let mut fields = Fields::of(line);
        fields.next();
        let second = fields.next().expect("two fields");
        assert!(fields.has_more());
        assert_eq!(fields.rest_from(second), "\"b c\" [d]");
    }
}
