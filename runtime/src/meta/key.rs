//! Owns the encoding of keys. Refuses to know tables.
//!
//! A key is its parts one after the other, encoded so that bytes order as the tuples do:
//!   u64   8 bytes big-endian
//!   i64   8 bytes big-endian with the sign bit flipped
//!   text  UTF-8 with 00 written as 00 FF, then the terminator 00 01 (so "a" < "a\0" < "ab")
//! The one exception to little-endian on disk: order is what keys are for.

use std::ops::Bound;

use super::backend::Bounds;
use super::error::MetaError;

/// An encoded key, or the first parts of one (then a prefix for [`Span::prefix`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The key of a tuple of parts: `Key::of(7u64)`, `Key::of(("000000000000", "eu-west-1", name))`.
    #[allow(clippy::needless_pass_by_value, reason = "parts are numbers and references, written in place")]
    pub(crate) fn of(parts: impl KeyParts) -> Key {
        let mut bytes = Vec::with_capacity(32);
        parts.encode(&mut bytes);
        Key(bytes)
    }

    /// Appends the beginning of a text part, unterminated: only good as a prefix to scan.
    pub(crate) fn starting(mut self, text: &str) -> Key {
        push_escaped(&mut self.0, text);
        self
    }

    pub(super) fn from_stored(bytes: Vec<u8>) -> Key {
        Key(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the parts back in order.
    pub(crate) fn reader(&self) -> KeyReader<'_> {
        KeyReader { rest: &self.0 }
    }
}

/// Takes a key apart; the caller knows the types as it knew them when writing.
pub(crate) struct KeyReader<'a> {
    rest: &'a [u8],
}

impl KeyReader<'_> {
    /// # Errors
    /// [`MetaError::Corrupt`] when the key ends early.
    pub(crate) fn u64(&mut self) -> Result<u64, MetaError> {
        let (head, rest) = self.rest.split_first_chunk::<8>().ok_or_else(short)?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*head))
    }

    /// # Errors
    /// [`MetaError::Corrupt`] when the key ends early.
    pub(crate) fn i64(&mut self) -> Result<i64, MetaError> {
        Ok((self.u64()? ^ SIGN) as i64)
    }

    /// # Errors
    /// [`MetaError::Corrupt`] when the text is not terminated or not UTF-8.
    pub(crate) fn text(&mut self) -> Result<String, MetaError> {
        let mut out = Vec::new();
        loop {
            match *self.rest {
                [0, 0xFF, ref rest @ ..] => {
                    out.push(0);
                    self.rest = rest;
                }
                [0, 1, ref rest @ ..] => {
                    self.rest = rest;
                    return String::from_utf8(out)
                        .map_err(|_| MetaError::corrupt("keys", "text is not UTF-8"));
                }
                [byte, ref rest @ ..] if byte != 0 => {
                    out.push(byte);
                    self.rest = rest;
                }
                _ => return Err(short()),
            }
        }
    }
}

fn short() -> MetaError {
    MetaError::corrupt("keys", "a key ends early")
}

const SIGN: u64 = 1 << 63;

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
}

/// What a key can be made of.
pub(crate) trait KeyParts {
    /// Appends the order-preserving encoding.
    fn encode(&self, out: &mut Vec<u8>);
}

impl KeyParts for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl KeyParts for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        (*self as u64 ^ SIGN).encode(out);
    }
}

impl KeyParts for &str {
    fn encode(&self, out: &mut Vec<u8>) {
        push_escaped(out, self);
        out.extend_from_slice(&[0, 1]);
    }
}

impl KeyParts for &String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl KeyParts for () {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

macro_rules! tuple_parts {
    ($($name:ident)+) => {
        impl<$($name: KeyParts),+> KeyParts for ($($name,)+) {
            #[allow(non_snake_case)]
            fn encode(&self, out: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.encode(out);)+
            }
        }
    };
}
tuple_parts!(A);
tuple_parts!(A B);
tuple_parts!(A B C);
tuple_parts!(A B C D);
tuple_parts!(A B C D E);
tuple_parts!(A B C D E F);

/// A range of keys and the direction to walk it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
    pub(super) reverse: bool,
}

impl Span {
    /// Every key of the table.
    pub(crate) fn all() -> Span {
        Span { low: Bound::Unbounded, high: Bound::Unbounded, reverse: false }
    }

    /// Every key that begins with `prefix`.
    pub(crate) fn prefix(prefix: &Key) -> Span {
        let low = Bound::Included(prefix.0.clone());
        Span { low, high: after_prefix(&prefix.0), reverse: false }
    }

    /// Keys from `low` (included) to `high` (excluded).
    pub(crate) fn range(low: &Key, high: &Key) -> Span {
        Span { low: Bound::Included(low.0.clone()), high: Bound::Excluded(high.0.clone()), reverse: false }
    }

    /// The part of the span behind `key`: for the next page.
    pub(crate) fn after(mut self, key: &Key) -> Span {
        let begins_later = match &self.low {
            Bound::Included(low) => *low > key.0,
            Bound::Excluded(low) => *low >= key.0,
            Bound::Unbounded => false,
        };
        if !begins_later {
            self.low = Bound::Excluded(key.0.clone());
        }
        self
    }

    /// The part of the span before `key`.
    pub(crate) fn before(mut self, key: &Key) -> Span {
        let ends_earlier = match &self.high {
            Bound::Included(high) => *high < key.0,
            Bound::Excluded(high) => *high <= key.0,
            Bound::Unbounded => false,
        };
        if !ends_earlier {
            self.high = Bound::Excluded(key.0.clone());
        }
        self
    }

    /// The same span from its greatest key down.
    pub(crate) fn backwards(mut self) -> Span {
        self.reverse = true;
        self
    }

    /// The bounds, or `None` when no key can lie between them (ordered maps panic on such a range).
    pub(super) fn bounds(&self) -> Option<Bounds<'_>> {
        let low = self.low.as_ref().map(Vec::as_slice);
        let high = self.high.as_ref().map(Vec::as_slice);
        let empty = match (low, high) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        };
        (!empty).then_some((low, high))
    }
}

fn after_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let Some(last) = prefix.iter().rposition(|&byte| byte != 0xFF) else { return Bound::Unbounded };
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Bound::Excluded(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Parts = (u64, i64, String, String);

    fn encode(parts: &Parts) -> Key {
        Key::of((parts.0, parts.1, &parts.2, &parts.3))
    }

    proptest! {
        #[test]
        fn bytes_order_as_tuples_do(
            a in (0u64..3, -2i64..2, "[\\x00-\\x02a\u{ff}]{0,3}", "[\\x00a]{0,2}"),
            b in (0u64..3, -2i64..2, "[\\x00-\\x02a\u{ff}]{0,3}", "[\\x00a]{0,2}"),
        ) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        }

        #[test]
        fn parts_read_back(parts in (any::<u64>(), any::<i64>(), ".*", "[\\x00\\x01\u{ff}]*")) {
            let key = encode(&parts);
            let mut reader = key.reader();
            let read = (reader.u64().unwrap(), reader.i64().unwrap(), reader.text().unwrap(), reader.text().unwrap());
            prop_assert_eq!(read, parts);
        }

        #[test]
        fn prefixes_hold_what_begins_with_them(prefix in "[a\\x00\u{ff}]{0,2}", name in "[ab\\x00\u{ff}]{0,3}") {
            let span = Span::prefix(&Key::of(7u64).starting(&prefix));
            let key = Key::of((7u64, &name));
            let map = std::collections::BTreeMap::from([(key.bytes().to_vec(), ())]);
            let found = map.range::<[u8], _>(span.bounds().unwrap()).next().is_some();
            prop_assert_eq!(found, name.starts_with(&prefix));
        }
    }

    #[test]
    fn a_key_cut_short_is_an_error() {
        let key = Key::of("abc");
        let cut = Key(key.0[..4].to_vec());
        assert!(cut.reader().text().is_err());
        assert!(cut.reader().u64().is_err());
    }
}
