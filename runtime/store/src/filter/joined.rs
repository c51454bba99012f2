//! Owns the filters of several blocks as one: a word is looked up once for all of them.
//! Refuses to know which blocks these are, and where their filters are stored.

use hashbrown::HashMap;

use super::vocabulary::{SEPARATOR, Vocabulary};
use super::words::{self, DIGIT, OTHER};
use super::{Filter, bloom};

/// Some of the blocks: bit `i` stands for block `i`.
pub(crate) type Set = u128;
/// Blocks that a [`Set`] has room for.
pub(crate) const BLOCKS_MAX: usize = Set::BITS as usize;

/// The filters of up to [`BLOCKS_MAX`] blocks. It answers what each of them would.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Those without a filter: they are never excluded.
    unknown: Set,
    plain: Words,
    numbered: Words,
    /// The bloom filters, one behind the other, and where each ends.
    blooms: Vec<u8>,
    ends: Vec<u32>,
}

/// The words of all vocabularies, each once, with the blocks that have it.
#[derive(Debug)]
struct Words {
    /// As in [`Vocabulary`]: with a separator before and behind every word.
    text: Vec<u8>,
    /// Where each word starts.
    starts: Vec<u32>,
    owners: Vec<Set>,
    /// Those whose vocabulary was given up.
    unknown: Set,
}

/// The first so many blocks.
pub(crate) fn first(blocks: usize) -> Set {
    if blocks >= BLOCKS_MAX { Set::MAX } else { (1 << blocks) - 1 }
}

/// The numbers of the blocks of a set.
pub(crate) fn each(mut set: Set) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let block = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(block)
    })
}

impl Joined {
    /// Joins at most [`BLOCKS_MAX`] filters; those behind are left out.
    pub(crate) fn of(filters: &[Option<Filter>]) -> Self {
        let filters = &filters[..filters.len().min(BLOCKS_MAX)];
        let mut unknown = 0;
        let (mut blooms, mut ends) = (Vec::new(), Vec::with_capacity(filters.len()));
        blooms.reserve_exact(filters.iter().flatten().map(|filter| filter.blocks.len()).sum());
        for (block, filter) in filters.iter().enumerate() {
            match filter {
                Some(filter) => blooms.extend_from_slice(&filter.blocks),
                None => unknown |= 1 << block,
            }
            ends.push(blooms.len() as u32);
        }
        let plain = Words::of(filters, |filter| filter.plain.as_ref());
        let numbered = Words::of(filters, |filter| filter.numbered.as_ref());
        Self { unknown, plain, numbered, blooms, ends }
    }

    /// Those of the blocks for which [`Filter::may_contain`] says yes.
    pub(crate) fn may_contain(&self, needle: &[u8], whole_value: bool, among: Set) -> Set {
        let among = among & first(self.ends.len());
        let mut set = among & !self.unknown;
        words::for_each_word(needle, |start, end, class| {
            if set != 0 {
                let first = whole_value || start > 0;
                let last = whole_value || end < needle.len();
                set = self.may_hold(&needle[start..end], class, (first, last), set);
            }
        });
        set | among & self.unknown
    }

    /// See [`Filter::may_hold`]; the bloom filters come last, because each block has its own.
    fn may_hold(&self, piece: &[u8], class: u8, (first, last): (bool, bool), among: Set) -> Set {
        let mut set = among;
        if class & OTHER != 0 {
            let numbers = class & DIGIT != 0;
            let mut holding = 0;
            if !numbers {
                holding |= self.plain.holding(piece, first, last, set);
            }
            if (numbers || !(first && last)) && set & !holding != 0 {
                let mut skeleton = Vec::with_capacity(piece.len());
                words::push_skeleton(piece, &mut skeleton);
                holding |= self.numbered.holding(&skeleton, first, last, set & !holding);
            }
            set &= holding;
        }
        if first && last && words::is_key(class, piece.len()) {
            set = self.keeping(piece, set);
        }
        set
    }

    /// Those of the blocks whose bloom filter may have been made with the word.
    fn keeping(&self, word: &[u8], among: Set) -> Set {
        let probe = bloom::Probe::of(word);
        let mut set = 0;
        for block in each(among) {
            let start = if block == 0 { 0 } else { self.ends[block - 1] };
            let blocks = &self.blooms[start as usize..self.ends[block] as usize];
            set |= Set::from(probe.may_be_in(blocks)) << block;
        }
        set
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let words = self.plain.memory_bytes() + self.numbered.memory_bytes();
        size_of::<Self>() + words + self.blooms.len() + self.ends.len() * 4
    }
}

impl Words {
    fn of<'f>(filters: &'f [Option<Filter>], pick: impl Fn(&'f Filter) -> Option<&'f Vocabulary>) -> Self {
        let mut words = Self { text: vec![SEPARATOR], starts: Vec::new(), owners: Vec::new(), unknown: 0 };
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        for (block, filter) in filters.iter().enumerate() {
            let Some(filter) = filter else { continue };
            let Some(vocabulary) = pick(filter) else {
                words.unknown |= 1 << block;
                continue;
            };
            for word in vocabulary.words() {
                let number = *known.entry(word).or_insert_with(|| words.push(word));
                words.owners[number] |= 1 << block;
            }
        }
        words.text.shrink_to_fit();
        words.starts.shrink_to_fit();
        words.owners.shrink_to_fit();
        words
    }

    fn push(&mut self, word: &[u8]) -> usize {
        self.starts.push(self.text.len() as u32);
        self.owners.push(0);
        self.text.extend_from_slice(word);
        self.text.push(SEPARATOR);
        self.starts.len() - 1
    }

    /// The blocks that have a word which [`Vocabulary::has`] would find; those that are not asked about may be missing.
    fn holding(&self, piece: &[u8], first: bool, last: bool, among: Set) -> Set {
        let mut wanted = Vec::with_capacity(piece.len() + 2);
        if first {
            wanted.push(SEPARATOR);
        }
        wanted.extend_from_slice(piece);
        if last {
            wanted.push(SEPARATOR);
        }
        let finder = memchr::memmem::Finder::new(&wanted);
        let (mut set, mut at) = (self.unknown, 0);
        while let Some(found) = finder.find(&self.text[at..]) {
            // The separator before a word does not belong to it.
            let place = at + found + usize::from(first);
            let word = self.starts.partition_point(|&start| start as usize <= place) - 1;
            set |= self.owners[word];
            match self.starts.get(word + 1) {
                // From the separator on, which may be the first byte of the next find.
                Some(&next) if among & !set != 0 => at = next as usize - 1,
                _ => break,
            }
        }
        set
    }

    fn memory_bytes(&self) -> usize {
        self.text.len() + self.starts.len() * 4 + self.owners.len() * size_of::<Set>()
    }
}
