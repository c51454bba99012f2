//! Owns the filter of a block: whether a text can occur in its messages. It never denies a text that occurs.
//! Refuses to know messages, columns and where a filter is stored.
//!
//! A word is a maximal run of ASCII letters, digits, `_` and bytes from 0x80. Words fall into three classes:
//! - words of hexadecimal digits only (`4096`, `deadbeef`): from six bytes on they are keys of the bloom filter,
//!   shorter ones are not recorded;
//! - words without digits: entries of the plain vocabulary;
//! - words with digits and with a letter that is no hexadecimal digit (`blk_4711`): their skeleton (each run of
//!   digits one `#`) is an entry of the numbered vocabulary, and from six bytes on the word is a key too.
//!
//! A needle is cut into words as well. A word in the middle of the needle is whole; one at its end may be a piece of
//! a longer word, and a piece that holds a letter besides hexadecimal digits is looked up as a piece of an entry.

mod bloom;
pub(crate) mod joined;
mod vocabulary;
mod words;

use crate::codec::{Malformed, Reader, put_varint};
use crate::frame;
use vocabulary::{Vocabulary, Words};
use words::DIGIT;

pub(crate) use words::OTHER;
pub(crate) use words::{KEY_BYTES, for_each_word, hash};

// Layout of a filter, all numbers varints unless they say otherwise:
//   u8 flags     bit 0: the plain vocabulary was given up, bit 1: the numbered one was
//   plain vocabulary, then numbered vocabulary (length 0 when given up or empty):
//     length of the words, separated by newlines; length as stored; the stored bytes, a zstd frame if that is
//     shorter, else the words themselves
//   number of blocks of the bloom filter (see `bloom`), and the blocks

const PLAIN_GIVEN_UP: u8 = 1;
const NUMBERED_GIVEN_UP: u8 = 2;

/// Collects the words of a block.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    plain: Words,
    numbered: Words,
    hashes: bloom::Hashes,
    scratch: Vec<u8>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds the words of a text. The text must not start or end inside a word of the message.
    pub(crate) fn add(&mut self, text: &[u8]) {
        words::for_each_word(text, |start, end, class| self.add_word(&text[start..end], class));
    }

    /// Adds the keys among the words of a text, and leaves the vocabularies alone: for texts whose other words are
    /// known to be there.
    pub(crate) fn add_keys(&mut self, text: &[u8]) {
        words::for_each_word(text, |start, end, class| {
            if words::is_key(class, end - start) {
                self.hashes.insert(words::hash(&text[start..end]));
            }
        });
    }

    /// Adds one whole word that is known to be a key.
    #[inline]
    pub(crate) fn add_key(&mut self, word: &[u8]) {
        self.hashes.insert(words::hash(word));
    }

    /// Adds the words of a text in which the digits are not the true ones: all but the keys with digits.
    pub(crate) fn add_skeleton(&mut self, text: &[u8]) {
        words::for_each_word(text, |start, end, class| {
            let word = &text[start..end];
            if class & DIGIT == 0 {
                self.add_word(word, class);
            } else if class & OTHER != 0 {
                self.add_numbered(word);
            }
        });
    }

    fn add_numbered(&mut self, word: &[u8]) {
        if !self.numbered.is_full() {
            self.scratch.clear();
            words::push_skeleton(word, &mut self.scratch);
            self.numbered.insert(&self.scratch);
        }
    }

    fn add_word(&mut self, word: &[u8], class: u8) {
        if words::is_key(class, word.len()) {
            self.hashes.insert(words::hash(word));
        }
        if class & OTHER == 0 {
            return;
        }
        if class & DIGIT == 0 {
            self.plain.insert(word);
        } else {
            self.add_numbered(word);
        }
    }

    /// The filter as it is stored.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = vec![0];
        for (words, flag) in [(&self.plain, PLAIN_GIVEN_UP), (&self.numbered, NUMBERED_GIVEN_UP)] {
            let text = words.text().unwrap_or_else(|| {
                out[0] |= flag;
                &[]
            });
            put_varint(&mut out, text.len() as u64);
            let packed = frame::pack(text);
            let stored = packed.as_deref().unwrap_or(text);
            put_varint(&mut out, stored.len() as u64);
            out.extend_from_slice(stored);
        }
        let blocks = self.hashes.blocks();
        put_varint(&mut out, (blocks.len() / bloom::BLOCK_BYTES) as u64);
        out.extend_from_slice(&blocks);
        out
    }
}

/// A filter that was read back.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Nothing: unknown, every word may be there.
    plain: Option<Vocabulary>,
    numbered: Option<Vocabulary>,
    blocks: Vec<u8>,
}

impl Filter {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        if flags & !(PLAIN_GIVEN_UP | NUMBERED_GIVEN_UP) != 0 {
            return Err(Malformed("unknown flags of a filter"));
        }
        let plain = read_vocabulary(&mut reader, flags & PLAIN_GIVEN_UP != 0)?;
        let numbered = read_vocabulary(&mut reader, flags & NUMBERED_GIVEN_UP != 0)?;
        let blocks = reader.varint()?;
        if blocks > bloom::MAX_BLOCKS as u64 {
            return Err(Malformed("filter too large"));
        }
        let blocks = reader.bytes(blocks as usize * bloom::BLOCK_BYTES)?.to_vec();
        if reader.left() != 0 {
            return Err(Malformed("bytes behind a filter"));
        }
        Ok(Self { plain, numbered, blocks })
    }

    /// False only when no message of the block contains the needle; with `whole_value`, when none contains it as a
    /// value that no byte of a word stands next to.
    pub(crate) fn may_contain(&self, needle: &[u8], whole_value: bool) -> bool {
        let mut may = true;
        words::for_each_word(needle, |start, end, class| {
            if may {
                let first = whole_value || start > 0;
                let last = whole_value || end < needle.len();
                may = self.may_hold(&needle[start..end], class, first, last);
            }
        });
        may
    }

    /// `first`, `last`: no word reaches beyond this side of the piece.
    fn may_hold(&self, piece: &[u8], class: u8, first: bool, last: bool) -> bool {
        if first && last && words::is_key(class, piece.len()) && !bloom::may_contain(&self.blocks, piece) {
            return false;
        }
        if class & OTHER == 0 {
            return true;
        }
        let numbers = class & DIGIT != 0;
        if !numbers && self.plain.as_ref().is_none_or(|words| words.has(piece, first, last)) {
            return true;
        }
        if !numbers && first && last {
            return false;
        }
        let mut skeleton = Vec::with_capacity(piece.len());
        words::push_skeleton(piece, &mut skeleton);
        self.numbered.as_ref().is_none_or(|words| words.has(&skeleton, first, last))
    }

    /// What the filter takes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        let words = [&self.plain, &self.numbered].into_iter().flatten().map(Vocabulary::bytes).sum::<usize>();
        size_of::<Self>() + words + self.blocks.len()
    }
}

fn read_vocabulary(reader: &mut Reader<'_>, given_up: bool) -> Result<Option<Vocabulary>, Malformed> {
    let (length, stored) = (reader.varint()?, reader.varint()?);
    if length > vocabulary::MAX_BYTES as u64 || stored > length {
        return Err(Malformed("vocabulary too large"));
    }
    let stored = reader.bytes(stored as usize)?;
    if given_up {
        return Ok(None);
    }
    if stored.len() as u64 == length {
        return Ok(Some(Vocabulary::new(stored)));
    }
    let words = frame::unpack(stored, length as usize)?;
    Ok(Some(Vocabulary::new(&words)))
}

#[cfg(test)]
mod tests;
