//! Owns reading by position without copying: runs of neighbouring messages are lent where they lie, in a batch in
//! memory or in a decoded block. Refuses to order what it lends beyond that: a reader that needs the order of
//! arrival event by event reads pages (`follow`).

use std::ops::Range;
use std::sync::Arc;

use crate::block::{Block, BlockHandle, is_swept};
use crate::error::{ReadError, Unread};
use crate::id::{GroupId, Position, StreamId};
use crate::manifest::Swept;
use crate::memtable::{Chunk, Chunks};
use crate::store::Store;
use crate::view::{Hidden, Stretch};

/// Events of one stream that lie next to each other: their messages stand one after another in one text.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// The events' own times, never falling.
    pub timestamps: &'a [i64],
    seqs: Seqs<'a>,
    ingestion: Column<'a, i64>,
    hops: Column<'a, u8>,
    text: &'a [u8],
    /// Where the first message starts in `text`.
    start: usize,
    /// Where each message ends in `text`.
    ends: &'a [u32],
}

#[derive(Clone, Copy, Debug)]
enum Seqs<'a> {
    From(u64),
    Each(&'a [u64]),
}

/// What events have in common, or each for itself.
#[derive(Clone, Copy, Debug)]
enum Column<'a, T> {
    All(T),
    Each(&'a [T]),
}

impl<'a, T: Copy> Column<'a, T> {
    fn at(&self, row: usize) -> T {
        match self {
            Column::All(value) => *value,
            Column::Each(values) => values[row],
        }
    }

    fn slice(self, rows: Range<usize>) -> Column<'a, T> {
        match self {
            Column::All(value) => Column::All(value),
            Column::Each(values) => Column::Each(&values[rows]),
        }
    }
}

impl<'a> Lent<'a> {
    /// The number of events; never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// The text that holds the messages, those of neighbours included.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Where the first message starts in [`Lent::text`].
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Where each message ends in [`Lent::text`]; the next one starts there.
    #[must_use]
    pub fn ends(&self) -> &'a [u32] {
        self.ends
    }

    /// The messages, one after another: from [`Lent::start`] to where the last one ends.
    #[must_use]
    pub fn messages(&self) -> &'a [u8] {
        &self.text[self.start..self.ends.last().map_or(self.start, |end| *end as usize)]
    }

    /// The number of an event in the order of arrival.
    ///
    /// # Panics
    /// Past the last row, as everywhere below.
    #[must_use]
    pub fn seq(&self, row: usize) -> u64 {
        match self.seqs {
            Seqs::From(first) => first + row as u64,
            Seqs::Each(seqs) => seqs[row],
        }
    }

    /// Deliveries between the first cause and an event.
    #[must_use]
    pub fn hop(&self, row: usize) -> u8 {
        self.hops.at(row)
    }

    /// When an event came in, ms.
    #[must_use]
    pub fn ingestion_ms(&self, row: usize) -> i64 {
        self.ingestion.at(row)
    }

    /// The message of an event.
    #[must_use]
    pub fn message(&self, row: usize) -> &'a [u8] {
        &self.text[self.before(row)..self.ends[row] as usize]
    }

    pub(crate) fn before(&self, row: usize) -> usize {
        if row == 0 { self.start } else { self.ends[row - 1] as usize }
    }

    /// Some of the events.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Lent<'a> {
        Lent {
            timestamps: &self.timestamps[rows.clone()],
            seqs: match self.seqs {
                Seqs::From(first) => Seqs::From(first + rows.start as u64),
                Seqs::Each(seqs) => Seqs::Each(&seqs[rows.clone()]),
            },
            ingestion: self.ingestion.slice(rows.clone()),
            hops: self.hops.slice(rows.clone()),
            start: self.before(rows.start),
            ends: &self.ends[rows],
            ..*self
        }
    }

    pub(crate) fn of_chunk(chunk: &'a Chunk) -> Lent<'a> {
        let batch = &chunk.batch;
        Lent {
            group: batch.group,
            stream: batch.stream,
            timestamps: &batch.events.timestamps,
            seqs: Seqs::From(chunk.first_seq),
            ingestion: Column::All(batch.ingestion_ms),
            hops: Column::All(batch.hop),
            text: &batch.events.text,
            start: 0,
            ends: &batch.events.ends,
        }
    }

    pub(crate) fn of_block(block: &'a Block) -> Lent<'a> {
        let (first, ends) =
            block.offsets().split_first().map_or((0, &[][..]), |(first, ends)| (*first, ends));
        Lent {
            group: block.group(),
            stream: block.stream(),
            timestamps: block.timestamps(),
            seqs: Seqs::Each(block.seqs()),
            ingestion: Column::Each(block.ingestion_times()),
            hops: Column::Each(block.hops()),
            text: block.text(),
            start: first as usize,
            ends,
        }
    }

    /// Lends the longest runs of rows that are `wanted`.
    fn lend(&self, wanted: impl Fn(usize) -> bool, to: &mut dyn FnMut(Lent<'_>)) {
        let mut row = 0;
        while row < self.len() {
            let from = row;
            while row < self.len() && wanted(row) {
                row += 1;
            }
            if row > from {
                to(self.slice(from..row));
            }
            row += 1;
        }
    }
}

/// How far events were lent.
#[derive(Clone, Debug)]
pub struct LentTo {
    /// Where to go on; equal to the end asked for when all was lent.
    pub next: Position,
    /// Blocks that could not be read because they are damaged or their key is missing; their events were not
    /// lent. Each is named once: by the call that reaches its end.
    pub damaged: Vec<Unread>,
}

/// Who borrows.
pub trait Borrower {
    /// Whether events of this group are wanted.
    fn wants(&self, group: GroupId) -> bool;

    /// Whether a sealed block is worth decoding. What is skipped counts as read.
    fn wants_block(&self, block: &BlockHandle) -> bool {
        self.wants(block.meta.group)
    }

    /// Takes a run of events.
    fn take(&mut self, lent: Lent<'_>);
}

impl Store {
    /// Lends the events from a position to another (exclusive) to `borrower`, each exactly once: from memory
    /// about `bytes` and in the order of arrival; from segments all up to the end of one, block by block.
    /// Blocks that reach beyond `to` are decoded again for what comes behind it.
    ///
    /// # Errors
    /// The storage fails; some events may have been lent then. A damaged block is no error but named.
    pub fn lend_by_position(
        &self,
        from: Position,
        to: Position,
        bytes: u64,
        borrower: &mut dyn Borrower,
    ) -> Result<LentTo, ReadError> {
        let to_seq = to.seq.min(self.durable_position().seq);
        let mut lent = LentTo { next: from, damaged: Vec::new() };
        let mut left = bytes.max(1);
        while lent.next.seq < to_seq && left > 0 {
            let next = lent.next.seq;
            let Some((stretch, marks)) = self.stretch(next, to_seq, left, None) else {
                lent.next.seq = to_seq;
                break;
            };
            match stretch {
                Stretch::Memory { chunks, end_seq } => {
                    let end_seq = end_seq.min(to_seq);
                    let taken: u64 = chunks.iter().map(|chunk| chunk.cost()).sum();
                    lend_memory(&chunks, &marks, next..end_seq, borrower);
                    lent.next.seq = end_seq;
                    left = left.saturating_sub(taken.max(1));
                }
                Stretch::Sealed { blocks, end_seq } => {
                    let end_seq = end_seq.min(to_seq);
                    lend_sealed(&blocks, next..end_seq, borrower, &mut lent.damaged)?;
                    lent.next.seq = end_seq;
                    // One stretch of segments is a page.
                    break;
                }
            }
        }
        Ok(lent)
    }
}

/// What is hidden of each batch: all of it (`None`), or what these marks say.
pub(crate) type Marks = Vec<Option<Vec<Swept>>>;

/// The marks of the batches of a stretch, looked up while the view is held.
pub(crate) fn marks_of(stretch: &Stretch, hidden: &Hidden) -> Marks {
    let Stretch::Memory { chunks, .. } = stretch else { return Vec::new() };
    let of = |chunk: &Arc<Chunk>| {
        let (group, stream) = (chunk.batch.group, chunk.batch.stream);
        (!hidden.is_deleted(group, stream)).then(|| hidden.marks(group).to_vec())
    };
    chunks.iter().map(of).collect()
}

fn lend_memory(chunks: &Chunks, marks: &Marks, seqs: Range<u64>, borrower: &mut dyn Borrower) {
    for (chunk, marks) in chunks.iter().zip(marks) {
        let Some(marks) = marks.as_ref().filter(|_| borrower.wants(chunk.batch.group)) else { continue };
        let row = |seq: u64| usize::try_from(seq.saturating_sub(chunk.first_seq)).unwrap_or(usize::MAX);
        let whole = Lent::of_chunk(chunk);
        let (first, end) = (row(seqs.start).min(whole.len()), row(seqs.end).min(whole.len()));
        if first >= end {
            continue;
        }
        let wanted = whole.slice(first..end);
        let visible = |row: usize| !is_swept(marks, wanted.timestamps[row], wanted.seq(row));
        wanted.lend(visible, &mut |lent| borrower.take(lent));
    }
}

fn lend_sealed(
    blocks: &[BlockHandle],
    seqs: Range<u64>,
    borrower: &mut dyn Borrower,
    damaged: &mut Vec<Unread>,
) -> Result<(), ReadError> {
    for handle in blocks {
        let outside = handle.meta.max_seq < seqs.start || handle.meta.min_seq >= seqs.end;
        if outside || !borrower.wants_block(handle) {
            continue;
        }
        match handle.load() {
            // What was swept or deleted is not in the block any more.
            Ok(block) => {
                let whole = Lent::of_block(&block);
                whole.lend(|row| seqs.contains(&whole.seq(row)), &mut |lent| borrower.take(lent));
            }
            Err(error) if error.is_damage() => {
                // What reaches further is met again behind the end.
                if handle.meta.max_seq < seqs.end {
                    damaged.push(Unread::block(&handle.meta, error));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
