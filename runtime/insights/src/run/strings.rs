//! Columns of text: spans of one text, and numbers between fixed texts that are only written out
//! when someone reads them as text. Knows no row of a block.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use super::vector::ABSENT;
use crate::lend::{Numbers, Texts, Variable};

/// Texts that lie in one text, one per row.
#[derive(Debug, Clone)]
pub(crate) struct Strings<'b> {
    text: Text<'b>,
    spans: Spans<'b>,
}

#[derive(Debug, Clone)]
enum Text<'b> {
    Lent(&'b str),
    Made(Arc<String>),
}

#[derive(Debug, Clone)]
enum Spans<'b> {
    /// Each starts where the one before ends.
    Ends(Cow<'b, [u32]>),
    /// Start and end; a start behind its end is an absent text.
    Pairs(Vec<(u32, u32)>),
}

/// The span of an absent text.
pub(crate) const NOWHERE: (u32, u32) = (1, 0);

impl<'b> Strings<'b> {
    /// Borrowed: text `i` is `text[ends[i - 1]..ends[i]]`.
    pub(crate) fn lent(text: &'b str, ends: &'b [u32]) -> Strings<'b> {
        Strings { text: Text::Lent(text), spans: Spans::Ends(Cow::Borrowed(ends)) }
    }

    /// Owned.
    pub(crate) fn made(texts: Texts) -> Strings<'b> {
        Strings { text: Text::Made(Arc::new(texts.text)), spans: Spans::Ends(Cow::Owned(texts.ends)) }
    }

    /// Other spans of the same text.
    pub(crate) fn cut(&self, spans: Vec<(u32, u32)>) -> Strings<'b> {
        Strings { text: self.text.clone(), spans: Spans::Pairs(spans) }
    }

    /// All texts, joined, and where they end, if they stand one after another.
    pub(crate) fn joined(&self) -> Option<(&str, &[u32])> {
        match &self.spans {
            Spans::Ends(ends) => Some((self.whole(), ends)),
            Spans::Pairs(_) => None,
        }
    }

    /// The text that all spans lie in.
    pub(crate) fn whole(&self) -> &str {
        match &self.text {
            Text::Lent(text) => text,
            Text::Made(text) => text,
        }
    }

    /// Where the text of a row lies; [`NOWHERE`] if it is absent.
    pub(crate) fn span(&self, row: usize) -> (u32, u32) {
        match &self.spans {
            Spans::Ends(ends) => (if row == 0 { 0 } else { ends[row - 1] }, ends[row]),
            Spans::Pairs(pairs) => pairs[row],
        }
    }

    /// The text of a row.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let (start, end) = self.span(row);
        (start <= end).then(|| &self.whole()[start as usize..end as usize])
    }

    /// The text of a row for as long as the block lives, if it is borrowed from there.
    pub(crate) fn borrowed(&self, row: usize) -> Option<&'b str> {
        let (start, end) = self.span(row);
        match &self.text {
            Text::Lent(text) if start <= end => Some(&text[start as usize..end as usize]),
            _ => None,
        }
    }

    /// Keeps the rows whose indexes are listed.
    pub(crate) fn select(&mut self, rows: &[u32]) {
        self.spans = Spans::Pairs(rows.iter().map(|row| self.span(*row as usize)).collect());
    }

    /// As `Vector::spread`.
    pub(crate) fn spread(self, indexes: &[u32]) -> Strings<'b> {
        let span = |index: &u32| if *index == ABSENT { NOWHERE } else { self.span(*index as usize) };
        let pairs = indexes.iter().map(span).collect();
        Strings { spans: Spans::Pairs(pairs), text: self.text }
    }
}

/// Texts `prefix number suffix`, the number filled up with zeros to `width`.
#[derive(Debug)]
pub(crate) struct Digits<'b> {
    pub(crate) prefix: &'b str,
    pub(crate) suffix: &'b str,
    pub(crate) width: u8,
    pub(crate) values: Cow<'b, [i64]>,
    written: OnceCell<Strings<'static>>,
}

impl<'b> Digits<'b> {
    pub(crate) fn new(prefix: &'b str, suffix: &'b str, width: u8, values: Cow<'b, [i64]>) -> Digits<'b> {
        Digits { prefix, suffix, width, values, written: OnceCell::new() }
    }

    fn write(&self) -> Strings<'static> {
        let Digits { prefix, suffix, width, values, .. } = self;
        let variable = Variable::Numbered { prefix, suffix, width: *width, values: Numbers::I64(values) };
        let mut texts = Texts::default();
        let mut scratch = String::new();
        for index in 0..values.len() {
            scratch.clear();
            variable.write(index, &mut scratch);
            texts.push(&scratch);
        }
        Strings::made(texts)
    }

    /// The text of a row. The first call writes all of them.
    pub(crate) fn text(&self, row: usize) -> &str {
        self.written.get_or_init(|| self.write()).get(row).unwrap_or_default()
    }

    /// The texts are nothing but digits (and a sign), so that they read as the numbers themselves.
    pub(crate) fn is_bare(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }

    /// The number whose text is `text`, if there is one.
    pub(crate) fn number_in(&self, text: &str) -> Option<i64> {
        let number = text.strip_prefix(self.prefix)?.strip_suffix(self.suffix)?.parse().ok()?;
        let mut written = String::new();
        let values = Numbers::I64(&[number]);
        let Digits { prefix, suffix, width, .. } = self;
        Variable::Numbered { prefix, suffix, width: *width, values }.write(0, &mut written);
        (written == text).then_some(number)
    }

    pub(crate) fn select(&mut self, rows: &[u32]) {
        self.values = Cow::Owned(rows.iter().map(|row| self.values[*row as usize]).collect());
        self.written = OnceCell::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_exactly_the_texts_they_write() {
        let digits = Digits::new("u-", "x", 3, Cow::Borrowed(&[7, 1234]));
        assert_eq!((digits.text(0), digits.text(1)), ("u-007x", "u-1234x"));
        for (text, want) in [
            ("u-007x", Some(7)),
            ("u-1234x", Some(1234)),
            ("u-7x", None),
            ("u-0007x", None),
            ("u-+07x", None),
            ("u-x", None),
            ("u-007", None),
        ] {
            assert_eq!(digits.number_in(text), want, "{text}");
        }
    }

    #[test]
    fn absent_texts_survive_spreading_and_selection() {
        let mut strings = Strings::lent("abbc", &[1, 1, 3, 4]).spread(&[3, ABSENT, 1, 0]);
        strings.select(&[1, 0, 2]);
        assert_eq!([strings.get(0), strings.get(1), strings.get(2)], [None, Some("c"), Some("")]);
    }
}
