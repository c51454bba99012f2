//! Owns what a search finds in a line. Refuses to know where the line is.

use crate::cli::tail::line::{Span, Tint};

/// What is searched for: in any case, unless it has a capital.
pub(super) struct Needle {
    text: String,
    any_case: bool,
}

impl Needle {
    /// `None` where nothing is searched for.
    pub(super) fn new(text: &str) -> Option<Needle> {
        let any_case = !text.chars().any(char::is_uppercase);
        (!text.is_empty()).then(|| Needle { text: text.to_owned(), any_case })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_in(&self, line: &[Span]) -> bool {
        let whole: String = line.iter().map(|span| span.text.as_str()).collect();
        !self.places(&whole).is_empty()
    }

    /// Byte ranges of `text` that hold it, none touching another.
    fn places(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            if let Some(length) = self.length_at(&text[at..]) {
                found.push((at, at + length));
                at += length;
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        found
    }

    /// Bytes of `text` that match at its start.
    fn length_at(&self, text: &str) -> Option<usize> {
        let mut have = text.chars();
        let mut length = 0;
        for want in self.text.chars() {
            let c = have.next()?;
            let same = c == want || self.any_case && c.to_lowercase().eq(want.to_lowercase());
            if !same {
                return None;
            }
            length += c.len_utf8();
        }
        Some(length)
    }

    /// The line with what was found marked.
    pub(super) fn marked(&self, line: &[Span]) -> Vec<Span> {
        let whole: String = line.iter().map(|span| span.text.as_str()).collect();
        let places = self.places(&whole);
        if places.is_empty() {
            return line.to_vec();
        }
        let mut out = Vec::new();
        let mut start = 0;
        for span in line {
            let end = start + span.text.len();
            let mut at = start;
            for &(from, to) in places.iter().filter(|(from, to)| *from < end && *to > start) {
                let (from, to) = (from.max(start), to.min(end));
                push(&mut out, &whole[at..from], span.tint);
                push(&mut out, &whole[from..to], Tint::Found);
                at = to;
            }
            push(&mut out, &whole[at..end], span.tint);
            start = end;
        }
        out
    }
}

fn push(out: &mut Vec<Span>, text: &str, tint: Tint) {
    if !text.is_empty() {
        out.push(Span::new(text, tint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_marked_over_the_borders_of_pieces() {
        let line = [Span::new("abc", Tint::Dim), Span::new("Def abcdef", Tint::Plain)];
        let marked = Needle::new("cde").unwrap().marked(&line);
        let shown: Vec<(&str, Tint)> = marked.iter().map(|span| (span.text.as_str(), span.tint)).collect();
        let expected = [
            ("ab", Tint::Dim),
            ("c", Tint::Found),
            ("De", Tint::Found),
            ("f ab", Tint::Plain),
            ("cde", Tint::Found),
            ("f", Tint::Plain),
        ];
        assert_eq!(shown, expected);
        assert!(!Needle::new("Cde").unwrap().is_in(&line), "a capital means its case");
        assert!(Needle::new("").is_none());
    }
}
