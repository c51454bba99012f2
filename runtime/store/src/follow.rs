//! Owns reading in the order of arrival, the same before and after sealing and compaction.
//! Refuses to know consumers and their cursors.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Range;
use std::sync::Arc;

use crate::block::{Block, BlockHandle, Event, Rows, is_swept};
use crate::column_block::ColumnBlock;
use crate::error::{ReadError, Unread};
use crate::held::Held;
use crate::id::{GroupId, Position};
use crate::lend::{Lent, Marks};
use crate::manifest::Swept;
use crate::memtable::Chunks;

/// How much one page may hold; at least one event is returned if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// The most events.
    pub events: usize,
    /// The most message bytes (the last event may go beyond).
    pub bytes: u64,
}

impl Default for PageLimit {
    fn default() -> Self {
        Self { events: 10_000, bytes: 4 << 20 }
    }
}

/// Events in the order of arrival.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events, by rising position.
    pub held: Vec<Held>,
    /// Where to go on; equal to the end asked for when all was read.
    pub next: Position,
    /// What could not be read because it is damaged or its key is missing; these events are missing here. Each is
    /// counted once: a block that cannot be opened by the page that reaches its end, rows by the page they were due in.
    pub damaged: Vec<Unread>,
}

impl Page {
    /// The events one by one.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.held.iter().map(Held::len).sum());
        self.held.iter().for_each(|held| events.extend(held.events(0..held.len())));
        events
    }
}

/// A page that is being filled.
pub(crate) struct Filling {
    pub(crate) page: Page,
    events: usize,
    to_seq: u64,
    limit: PageLimit,
    bytes: u64,
    groups: Option<Vec<GroupId>>,
}

impl Filling {
    pub(crate) fn new(from_seq: u64, to_seq: u64, limit: PageLimit, groups: Option<&[GroupId]>) -> Self {
        let page = Page { held: Vec::new(), next: Position::at(from_seq), damaged: Vec::new() };
        let groups =
            groups.map(|groups| groups.iter().copied().collect::<BTreeSet<_>>().into_iter().collect());
        Self { page, events: 0, to_seq, limit, bytes: 0, groups }
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.page.next.seq
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_full() || self.next_seq() >= self.to_seq
    }

    /// The groups asked for, each once; `None` = all.
    pub(crate) fn groups(&self) -> Option<&[GroupId]> {
        self.groups.as_deref()
    }

    /// What the page may still take from memory.
    pub(crate) fn bytes_left(&self) -> u64 {
        self.limit.bytes.saturating_sub(self.bytes).max(1)
    }

    fn is_full(&self) -> bool {
        self.events >= self.limit.events.max(1) || self.bytes >= self.limit.bytes.max(1)
    }

    fn wants(&self, group: GroupId) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(&group))
    }

    /// How many of the first of these rows the page still has room for.
    fn room(&self, lent: &Lent<'_>) -> usize {
        if self.is_full() {
            return 0;
        }
        let (start, bytes) = (lent.before(0), self.limit.bytes.max(1) - self.bytes);
        // The last one may go beyond.
        let fit = 1 + lent.ends().partition_point(|end| u64::from(*end) - (start as u64) < bytes);
        fit.min(lent.len()).min(self.limit.events.max(1) - self.events)
    }

    /// Counts events that the page took.
    fn count(&mut self, lent: &Lent<'_>) {
        let last = lent.len() - 1;
        self.page.next.seq = lent.seq(last) + 1;
        self.events += lent.len();
        self.bytes += u64::from(lent.ends()[last]) - lent.before(0) as u64;
    }

    /// Everything up to here was looked at.
    pub(crate) fn pass(&mut self, end_seq: u64) {
        if !self.is_full() {
            self.page.next.seq = self.page.next.seq.max(end_seq.min(self.to_seq));
        }
    }

    /// Takes events from batches in memory; they stay where they are.
    pub(crate) fn take_memory(&mut self, chunks: &Chunks, marks: &Marks, end_seq: u64) {
        for (chunk, marks) in chunks.iter().zip(marks) {
            let Some(marks) = marks.as_ref().filter(|_| self.wants(chunk.batch.group)) else { continue };
            let whole = Held::of_chunk(chunk);
            let row = |seq: u64| usize::try_from(seq.saturating_sub(chunk.first_seq)).unwrap_or(usize::MAX);
            let (first, end) = (row(self.next_seq()), row(self.to_seq).min(whole.len()));
            for rows in visible(&whole.lend(), first..end, marks) {
                let (held, wanted) = (whole.slice(rows.clone()), rows.len());
                let room = self.room(&held.lend());
                if room > 0 {
                    let held = held.slice(0..room);
                    self.count(&held.lend());
                    self.page.held.push(held);
                }
                if room < wanted {
                    return;
                }
            }
        }
        self.pass(end_seq);
    }

    /// Takes events from the blocks of one segment: first which rows, block by block when its first seq is
    /// due, then only the messages of those.
    pub(crate) fn take_sealed(
        &mut self,
        mut blocks: Vec<BlockHandle>,
        end_seq: u64,
    ) -> Result<(), ReadError> {
        blocks.retain(|handle| self.wants(handle.meta.group));
        blocks.sort_by_key(|handle| Reverse(handle.meta.min_seq));
        let mut open: Vec<BySeq> = Vec::new();
        let mut merge: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut chosen: Vec<(u64, usize, u32)> = Vec::new();
        let mut unopened: Vec<Unread> = Vec::new();
        let mut bytes = self.bytes;
        let mut all = true;
        loop {
            while let Some(handle) = blocks
                .pop_if(|handle| merge.peek().is_none_or(|Reverse((seq, _))| handle.meta.min_seq < *seq))
            {
                let rows = match BySeq::open(&handle, self.next_seq(), self.to_seq) {
                    Ok(rows) => rows,
                    Err(error) if error.is_damage() => {
                        unopened.push(Unread::block(&handle.meta, error));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if let Some((seq, _)) = rows.next() {
                    merge.push(Reverse((seq, open.len())));
                    open.push(rows);
                }
            }
            let Some(Reverse((_, slot))) = merge.pop() else { break };
            let full = chosen.len() >= self.limit.events.saturating_sub(self.events).max(1)
                || bytes >= self.limit.bytes.max(1);
            if full {
                all = false;
                break;
            }
            let rows = &mut open[slot];
            if let Some((seq, row)) = rows.next() {
                chosen.push((seq, slot, row));
                bytes += rows.average_bytes;
            }
            rows.at += 1;
            if let Some((seq, _)) = rows.next() {
                merge.push(Reverse((seq, slot)));
            }
        }
        self.take_chosen(&open, &chosen)?;
        match chosen.last() {
            Some(&(seq, ..)) if !all && !self.is_full() => self.page.next.seq = self.next_seq().max(seq + 1),
            _ if all => self.pass(end_seq),
            _ => {}
        }
        // What reaches further is met again by the next page.
        let next = self.next_seq();
        self.page.damaged.extend(unopened.into_iter().filter(|unread| unread.last.seq < next));
        Ok(())
    }

    fn take_chosen(&mut self, open: &[BySeq], chosen: &[(u64, usize, u32)]) -> Result<(), ReadError> {
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); open.len()];
        chosen.iter().for_each(|&(_, slot, row)| rows[slot].push(row));
        let mut texts = Vec::with_capacity(open.len());
        let mut unread: Vec<Option<Unread>> = Vec::with_capacity(open.len());
        for (rows, of) in rows.iter_mut().zip(open) {
            rows.sort_unstable();
            let read = if rows.is_empty() { Ok(None) } else { of.read(rows).map(Some) };
            let (read, failed) = match read {
                Ok(read) => (read, None),
                Err(error) if error.is_damage() => (None, Some(Unread::none(error))),
                Err(error) => return Err(error),
            };
            texts.push(read.map(Held::of_block));
            unread.push(failed);
        }
        let mut last = None;
        for &(seq, slot, row) in chosen {
            // Before what cannot be read too: the page does not go past it, so the next one counts it.
            if self.is_full() {
                break;
            }
            let Some(read) = &texts[slot] else {
                if let Some(unread) = &mut unread[slot] {
                    unread.add(seq);
                }
                continue;
            };
            // Invariant: each chosen row is among the rows of its block.
            let Ok(at) = rows[slot].binary_search(&row) else { continue };
            let event = read.slice(at..at + 1);
            self.count(&event.lend());
            match self.page.held.last_mut() {
                Some(held) if last == Some((slot, at)) => held.grow(),
                _ => self.page.held.push(event),
            }
            last = Some((slot, at + 1));
        }
        self.page.damaged.extend(unread.into_iter().flatten().filter(|unread| unread.events > 0));
        Ok(())
    }
}

/// The rows of a block in the order of their seq.
struct BySeq {
    block: ColumnBlock,
    rows: Vec<(u64, u32)>,
    at: usize,
    average_bytes: u64,
}

impl BySeq {
    /// The rows from `from_seq` to before `to_seq`.
    fn open(handle: &BlockHandle, from_seq: u64, to_seq: u64) -> Result<Self, ReadError> {
        let block = handle.open()?;
        let (seqs, visible) = (block.seqs()?, block.visible()?);
        let asked = |row: u32| {
            let seq = seqs[row as usize];
            (from_seq..to_seq).contains(&seq).then_some((seq, row))
        };
        let mut rows: Vec<(u64, u32)> = match visible {
            // Events mostly come in by rising time, so that few of many rows need to be looked at.
            None if seqs.is_sorted() => {
                let row = |seq: u64| seqs.partition_point(|&other| other < seq);
                (row(from_seq)..row(to_seq)).map(|row| (seqs[row], row as u32)).collect()
            }
            None => (0..seqs.len() as u32).filter_map(asked).collect(),
            Some(visible) => visible.into_iter().filter_map(asked).collect(),
        };
        if !rows.is_sorted() {
            rows.sort_unstable();
        }
        let average_bytes = handle.meta.raw_bytes / handle.meta.events.max(1);
        Ok(Self { block, rows, at: 0, average_bytes })
    }

    fn next(&self) -> Option<(u64, u32)> {
        self.rows.get(self.at).copied()
    }

    /// Rows of the block, put together again.
    fn read(&self, rows: &[u32]) -> Result<Block, ReadError> {
        let block = &self.block;
        let (timestamps, ingestion, hops) = (block.timestamps()?, block.ingestion_times()?, block.hops()?);
        let mut read = Rows::empty(block.group(), block.stream());
        block.push_messages(rows, &mut read.text, &mut read.offsets)?;
        let seqs = block.seqs()?;
        for row in rows.iter().map(|row| *row as usize) {
            read.timestamps.push(timestamps[row]);
            read.ingestion.push(ingestion[row]);
            read.hops.push(hops[row]);
            read.seqs.push(seqs[row]);
        }
        Ok(Block::whole(Arc::new(read)))
    }
}

/// The longest runs of `rows` that no mark hides.
fn visible(lent: &Lent<'_>, rows: Range<usize>, marks: &[Swept]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    if marks.is_empty() {
        runs.extend((!rows.is_empty()).then_some(rows));
        return runs;
    }
    for row in rows.filter(|row| !is_swept(marks, lent.timestamps[*row], lent.seq(*row))) {
        match runs.last_mut() {
            Some(run) if run.end == row => run.end += 1,
            _ => runs.push(row..row + 1),
        }
    }
    runs
}
