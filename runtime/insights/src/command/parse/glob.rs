//! Globs: literal pieces with wildcards between them. Not anchored at the start; every wildcard but
//! a last one takes as little as it can, a last one takes the rest of the text.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::symbolic;
use crate::lend::Templates;
use crate::run::gather::Source;
use crate::run::stage::{Producer, Slot};
use crate::run::strings::NOWHERE;
use crate::run::vector::{Lent, Vector};
use crate::value::Cell;

/// A glob cut at its wildcards.
#[derive(Debug)]
pub(super) struct Glob {
    /// The text before, between and after the wildcards: one more than there are wildcards.
    pieces: Vec<Finder<'static>>,
}

impl Glob {
    /// `\*` is a plain asterisk.
    pub(super) fn new(pattern: &str) -> Glob {
        let mut pieces = vec![String::new()];
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            let last = pieces.len() - 1;
            match c {
                '\\' if chars.peek() == Some(&'*') => {
                    chars.next();
                    pieces[last].push('*');
                }
                '*' => pieces.push(String::new()),
                c => pieces[last].push(c),
            }
        }
        Glob { pieces: pieces.iter().map(|piece| Finder::new(piece.as_bytes()).into_owned()).collect() }
    }

    /// How many `*` the glob has.
    pub(super) fn wildcards(&self) -> usize {
        self.pieces.len() - 1
    }

    /// The bytes each wildcard takes; false, and `out` empty, without a match.
    fn captures(&self, text: &str, out: &mut Vec<(usize, usize)>) -> bool {
        out.clear();
        let bytes = text.as_bytes();
        let Some(found) = self.pieces[0].find(bytes) else {
            return false;
        };
        let mut at = found + self.pieces[0].needle().len();
        for (index, piece) in self.pieces.iter().enumerate().skip(1) {
            let rest_of_text = piece.needle().is_empty() && index == self.pieces.len() - 1;
            let end = if rest_of_text {
                bytes.len()
            } else {
                match piece.find(&bytes[at..]) {
                    Some(found) => at + found,
                    None => {
                        out.clear();
                        return false;
                    }
                }
            };
            out.push((at, end));
            at = end + piece.needle().len();
        }
        true
    }
}

/// The columns of one `parse`.
#[derive(Debug)]
pub(super) struct Captures {
    pub(super) glob: Arc<Glob>,
    pub(super) input: Slot,
    pub(super) targets: Vec<Slot>,
}

impl Producer for Captures {
    fn input(&self) -> Slot {
        self.input
    }

    fn targets(&self) -> &[Slot] {
        &self.targets
    }

    fn produce<'b>(&self, input: &Vector<'b>, len: usize) -> Vec<Vector<'b>> {
        let mut spans = Vec::new();
        if let Vector::Texts(strings) = input {
            let mut columns: Vec<Vec<(u32, u32)>> =
                self.targets.iter().map(|_| Vec::with_capacity(len)).collect();
            for row in 0..len {
                spans.clear();
                if let Some(text) = strings.get(row) {
                    self.glob.captures(text, &mut spans);
                }
                let base = strings.span(row).0;
                for (index, column) in columns.iter_mut().enumerate() {
                    column.push(spans.get(index).map_or(NOWHERE, |span| shifted(base, *span)));
                }
            }
            return columns.into_iter().map(|spans| Vector::Texts(strings.cut(spans))).collect();
        }
        let mut columns: Vec<Vec<Lent<'b>>> = self.targets.iter().map(|_| Vec::with_capacity(len)).collect();
        for row in 0..len {
            spans.clear();
            // Text that the block lends is cut without copying.
            if let Vector::Lent(list) = input
                && let Lent::Borrowed(text) = &list[row]
            {
                self.glob.captures(text, &mut spans);
                push(&mut columns, &spans, |start, end| Lent::Borrowed(&text[start..end]));
                continue;
            }
            let text = Cell::text(input.get(row)).unwrap_or_default();
            if !input.get(row).is_null() {
                self.glob.captures(&text, &mut spans);
            }
            push(&mut columns, &spans, |start, end| Lent::Owned(Box::from(&text[start..end])));
        }
        columns.into_iter().map(Vector::Lent).collect()
    }

    fn cut(&self, templates: &dyn Templates, template: usize) -> Option<Vec<Source>> {
        symbolic::cut(&self.glob.pieces, templates, template)
    }
}

/// A span within a text that starts at `base`.
pub(super) fn shifted(base: u32, (start, end): (usize, usize)) -> (u32, u32) {
    // Spans of texts fit u32, and so do places within them.
    let at = |offset: usize| base + u32::try_from(offset).unwrap_or(0);
    (at(start), at(end))
}

fn push<'b>(columns: &mut [Vec<Lent<'b>>], spans: &[(usize, usize)], cut: impl Fn(usize, usize) -> Lent<'b>) {
    for (index, column) in columns.iter_mut().enumerate() {
        column.push(spans.get(index).map_or(Lent::Null, |(start, end)| cut(*start, *end)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let cases: &[(&str, &str, Option<&[&str]>)] = &[
            ("user=*, m:*", "x user=a, m:b c", Some(&["a", "b c"])),
            ("* [*] *", "10:00 [ERROR] disk full", Some(&["10:00", "ERROR", "disk full"])),
            ("[*]", "a [b] [c]", Some(&["b"])),
            ("a*b*", "a1b2b3", Some(&["1", "2b3"])),
            ("a*b", "a", None),
            ("*", "all\nof it", Some(&["all\nof it"])),
            ("*:*", "no colon", None),
            ("**", "x", Some(&["", "x"])),
            (r"2 \* *", "2 * 3", Some(&["3"])),
            ("é*é", "aéüéb", Some(&["ü"])),
            ("x*", "x", Some(&[""])),
        ];
        for (pattern, text, want) in cases {
            let glob = Glob::new(pattern);
            let mut spans = Vec::new();
            let got = glob.captures(text, &mut spans);
            let parts: Vec<&str> = spans.iter().map(|(start, end)| &text[*start..*end]).collect();
            assert_eq!(got.then_some(parts.as_slice()), *want, "{pattern} on {text}");
        }
    }
}
