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
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'t> Fields<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Fields { text, at: 0 }
    }

    /// Is there another field after the ones taken?
    pub(crate) fn has_more(&self) -> bool {
        self.text.as_bytes()[self.at..].iter().any(|b| !is_blank(*b))
    }

    /// The line from `field` to its end, blanks at the end left out.
    pub(crate) fn rest_from(&self, field: Field<'t>) -> &'t str {
        Self::rest_of(self.text, field)
    }

    pub(crate) fn rest_of(text: &'t str, field: Field<'t>) -> &'t str {
        text[field.start..].trim_end_matches([' ', '\t', '\n', '\r'])
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = Field<'t>;

    fn next(&mut self) -> Option<Field<'t>> {
        let bytes = self.text.as_bytes();
        let start = self.at + bytes[self.at..].iter().position(|b| !is_blank(*b))?;
        let close = match bytes[start] {
            b'"' => Some(b'"'),
            b'[' => Some(b']'),
            _ => None,
        };
        // A delimiter without its partner is an ordinary character.
        let closed = close.and_then(|close| memchr::memchr(close, &bytes[start + 1..]));
        let value = match closed {
            Some(length) => {
                self.at = start + length + 2;
                &self.text[start + 1..=start + length]
            }
            None => {
                let length = bytes[start..].iter().position(|b| is_blank(*b)).unwrap_or(bytes.len() - start);
                self.at = start + length;
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
    fn the_rest_keeps_its_delimiters() {
        let line = "a \"b c\" [d] \n";
        let mut fields = Fields::of(line);
        fields.next();
        let second = fields.next().expect("two fields");
        assert!(fields.has_more());
        assert_eq!(fields.rest_from(second), "\"b c\" [d]");
    }
}
