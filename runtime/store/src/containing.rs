//! Owns the question whether a block can hold a text, answered without reading its messages, for one block or for
//! many at once. Refuses to give certainty: a yes is a perhaps.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::block::{BlockHandle, Source};
use crate::cache::{Kept, Part};
use crate::filter::joined::{self, BLOCKS_MAX, Joined, Set};
use crate::segment::Segment;
use crate::segment::layout::Entry;

/// How a text has to occur in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containing {
    /// As it stands in the message.
    Raw,
    /// Inside a JSON string of the message, once its escapes are decoded.
    Decoded,
    /// As a whole scalar of the message (a string without its quotes, once its escapes are decoded).
    WholeDecoded,
}

/// A text that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clue {
    /// The text.
    pub text: Vec<u8>,
    /// How it has to occur.
    pub how: Containing,
}

/// Clues: of every list, at least one has to be found in a message.
pub(crate) type Clues = Arc<[Vec<Clue>]>;

/// Blocks of which less than one in so many is asked for are asked one by one, unless they are joined already.
const FEW: usize = 4;

/// What was asked for when a handle was made, as far as it was not answered then.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// Nothing, or the answer is known.
    Answered,
    /// Of this block alone.
    Alone(Clues),
    /// Of the blocks around it as well.
    Together(Arc<Question>),
}

/// What is asked of some blocks of a segment that stand next to each other; answered for all of them by the first who
/// needs it.
#[derive(Debug)]
pub(crate) struct Question {
    segment: Arc<Segment>,
    blocks: Range<usize>,
    clues: Clues,
    answer: OnceLock<Set>,
}

impl Question {
    fn may_hold(&self, index: usize) -> bool {
        let ask = || self.segment.joined(&self.blocks).holding(&self.clues, Set::MAX);
        *self.answer.get_or_init(ask) >> (index - self.blocks.start) & 1 == 1
    }
}

impl BlockHandle {
    /// False only when no message of the block contains the text in this way. What cannot be read, and what is
    /// still in memory, is not excluded.
    #[must_use]
    pub fn may_contain(&self, text: &[u8], how: Containing) -> bool {
        match &self.source {
            Source::Sealed { segment, index } => segment.may_contain(*index, text, how),
            Source::Memory(_) => true,
        }
    }

    /// False only when no message of the block can hold what the handle was asked for with
    /// ([`crate::Store::blocks_with`]). May read.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        match (&self.asked, &self.source) {
            (Asked::Together(question), Source::Sealed { index, .. }) => question.may_hold(*index),
            (Asked::Alone(clues), Source::Sealed { .. }) => {
                clues.iter().all(|list| list.iter().any(|clue| self.may_contain(&clue.text, clue.how)))
            }
            _ => true,
        }
    }
}

/// The filters of some blocks, and what else decides whether they may hold a text.
#[derive(Debug)]
pub(crate) struct JoinedFilters {
    filters: Joined,
    /// The blocks in which a JSON string may be written with escapes.
    escapes: Set,
}

impl JoinedFilters {
    /// Those of the blocks that may hold a text of every list.
    pub(crate) fn holding(&self, clues: &[Vec<Clue>], among: Set) -> Set {
        clues.iter().fold(among, |set, list| {
            let one = |found: Set, clue: &Clue| found | self.containing(clue, set & !found);
            list.iter().fold(0, one)
        })
    }

    fn containing(&self, Clue { text, how }: &Clue, among: Set) -> Set {
        let excused = if *how == Containing::Raw { 0 } else { among & self.escapes };
        let whole = *how == Containing::WholeDecoded;
        excused | self.filters.may_contain(text, whole, among & !excused)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.filters.memory_bytes()
    }
}

impl Segment {
    fn may_contain(&self, index: usize, text: &[u8], how: Containing) -> bool {
        if how != Containing::Raw && self.may_hold_escapes(index) {
            return true;
        }
        let filter = self.filter_of(index);
        filter.is_none_or(|filter| filter.may_contain(text, how == Containing::WholeDecoded))
    }

    /// Calls `each` for the blocks of a range, all of one group, that may hold what is looked for. Nothing is read
    /// here: what that would take is left to the handle.
    pub(crate) fn holding(
        self: &Arc<Self>,
        blocks: Range<usize>,
        clues: &Clues,
        mut each: impl FnMut(usize, Asked),
    ) {
        let Some(entry) = self.entries.get(blocks.start) else { return };
        let all = self.entries_of(entry.meta.group, None);
        let mut start = blocks.start - (blocks.start - all.start) % BLOCKS_MAX;
        while start < blocks.end {
            let together = start..(start + BLOCKS_MAX).min(all.end);
            let wanted = blocks.start.max(start)..blocks.end.min(together.end);
            start = together.end;
            if let Some(Kept::Joined(filters)) = self.cached(together.start, Part::Joined) {
                let among = joined::first(wanted.end - together.start)
                    & !joined::first(wanted.start - together.start);
                let found = joined::each(filters.holding(clues, among));
                found.for_each(|block| each(together.start + block, Asked::Answered));
            } else if wanted.len() * FEW < together.len()
                || together.len() == 1
                || !self.can_keep_joined(&together)
            {
                wanted.for_each(|index| each(index, Asked::Alone(Arc::clone(clues))));
            } else {
                let (segment, clues) = (Arc::clone(self), Arc::clone(clues));
                let question =
                    Arc::new(Question { segment, blocks: together, clues, answer: OnceLock::new() });
                wanted.for_each(|index| each(index, Asked::Together(Arc::clone(&question))));
            }
        }
    }

    /// Whether the cache would take the filters of these blocks as one.
    fn can_keep_joined(&self, blocks: &Range<usize>) -> bool {
        let bytes: u64 = self.entries[blocks.clone()].iter().map(Entry::filter_bytes).sum();
        // Vocabularies grow when they are read, and shrink when they are joined.
        bytes * 2 < self.cache_part_bytes()
    }

    fn joined(&self, blocks: &Range<usize>) -> Arc<JoinedFilters> {
        if let Some(Kept::Joined(filters)) = self.cached(blocks.start, Part::Joined) {
            return filters;
        }
        let mut escapes = 0;
        let (mut filters, mut is_whole) = (Vec::with_capacity(blocks.len()), true);
        for (bit, index) in blocks.clone().enumerate() {
            escapes |= Set::from(self.may_hold_escapes(index)) << bit;
            filters.push(self.read_filter(index).unwrap_or_else(|error| {
                is_whole &= error.is_damage();
                None
            }));
        }
        let filters = Arc::new(JoinedFilters { filters: Joined::of(&filters), escapes });
        // What failed and may come back is tried again.
        if is_whole {
            let kept = Kept::Joined(Arc::clone(&filters));
            self.keep(blocks.start, Part::Joined, kept, filters.memory_bytes() as u64);
        }
        filters
    }
}
