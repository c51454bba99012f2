//! Owns a vocabulary: a bounded set of words as one text, in which pieces of words can be looked up.
//! Refuses to know which words belong there.

use super::words;

/// A vocabulary that grows beyond this is given up.
pub(crate) const MAX_BYTES: usize = 16 << 10;

/// What separates the words, also before the first and behind the last one.
pub(super) const SEPARATOR: u8 = b'\n';

/// The words seen so far.
#[derive(Debug)]
pub(crate) struct Words {
    text: Vec<u8>,
    /// Where the words start in the text, and their ends.
    words: Vec<(u32, u32)>,
    /// Open addressing over the words: 0 = free, else one more than the number of the word.
    table: Vec<u16>,
    overflow: bool,
}

impl Default for Words {
    fn default() -> Self {
        Self { text: vec![SEPARATOR], words: Vec::new(), table: vec![0; 512], overflow: false }
    }
}

impl Words {
    pub(crate) fn is_full(&self) -> bool {
        self.overflow
    }

    #[inline]
    pub(crate) fn insert(&mut self, word: &[u8]) {
        if self.overflow {
            return;
        }
        let mask = self.table.len() - 1;
        let mut at = words::hash(word) as usize & mask;
        loop {
            match self.table[at] {
                0 => break,
                known => {
                    let (start, end) = self.words[known as usize - 1];
                    if &self.text[start as usize..end as usize] == word {
                        return;
                    }
                    at = (at + 1) & mask;
                }
            }
        }
        self.append(word, at);
    }

    fn append(&mut self, word: &[u8], at: usize) {
        if self.text.len() + word.len() >= MAX_BYTES {
            self.overflow = true;
            return;
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(word);
        self.words.push((start, self.text.len() as u32));
        self.text.push(SEPARATOR);
        self.table[at] = self.words.len() as u16;
        if self.words.len() * 2 > self.table.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 4 - 1;
        self.table = vec![0; mask + 1];
        for (index, &(start, end)) in self.words.iter().enumerate() {
            let mut at = words::hash(&self.text[start as usize..end as usize]) as usize & mask;
            while self.table[at] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = index as u16 + 1;
        }
    }

    /// The text, without its outer separators; nothing when there were too many words.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        if self.overflow { None } else { Some(self.text[1..].strip_suffix(&[SEPARATOR]).unwrap_or(&[])) }
    }
}

/// A vocabulary that was read back.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// With the outer separators.
    text: Vec<u8>,
}

impl Vocabulary {
    pub(crate) fn new(words: &[u8]) -> Self {
        let mut text = Vec::with_capacity(words.len() + 2);
        text.push(SEPARATOR);
        if !words.is_empty() {
            text.extend_from_slice(words);
            text.push(SEPARATOR);
        }
        Self { text }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        // Between the outer separators; a word is never empty.
        self.text.split(|&byte| byte == SEPARATOR).filter(|word| !word.is_empty())
    }

    /// True when some word contains the piece, starts with it (`first`), ends with it (`last`), or is it (both).
    pub(crate) fn has(&self, piece: &[u8], first: bool, last: bool) -> bool {
        let mut wanted = Vec::with_capacity(piece.len() + 2);
        if first {
            wanted.push(SEPARATOR);
        }
        wanted.extend_from_slice(piece);
        if last {
            wanted.push(SEPARATOR);
        }
        memchr::memmem::find(&self.text, &wanted).is_some()
    }
}
