//! Owns reading in the order of arrival, the same before and after sealing and compaction.
//! Refuses to know consumers and their cursors.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use bytes::Bytes;

use crate::block::{BlockHandle, Event, is_swept};
use crate::column_block::ColumnBlock;
use crate::error::{ReadError, Unread};
use crate::id::{GroupId, Position};
use crate::memtable::{Chunks, text_of};
use crate::view::Hidden;

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
    pub events: Vec<Event>,
    /// Where to go on; equal to the end asked for when all was read.
    pub next: Position,
    /// What could not be read because it is damaged or its key is missing; these events are missing here. Each is
    /// counted once: a block that cannot be opened by the page that reaches its end, rows by the page they were due in.
    pub damaged: Vec<Unread>,
}

/// A page that is being filled.
pub(crate) struct Filling {
    pub(crate) page: Page,
    to_seq: u64,
    limit: PageLimit,
    bytes: u64,
    groups: Option<Vec<GroupId>>,
}

impl Filling {
    pub(crate) fn new(from_seq: u64, to_seq: u64, limit: PageLimit, groups: Option<&[GroupId]>) -> Self {
        let page = Page { events: Vec::new(), next: Position::at(from_seq), damaged: Vec::new() };
        let groups =
            groups.map(|groups| groups.iter().copied().collect::<BTreeSet<_>>().into_iter().collect());
        Self { page, to_seq, limit, bytes: 0, groups }
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
        self.page.events.len() >= self.limit.events.max(1) || self.bytes >= self.limit.bytes.max(1)
    }

    fn wants(&self, group: GroupId) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(&group))
    }

    fn push(&mut self, event: Event) {
        self.page.next.seq = event.position.seq + 1;
        self.bytes += event.message.len() as u64;
        self.page.events.push(event);
    }

    /// Everything up to here was looked at.
    pub(crate) fn pass(&mut self, end_seq: u64) {
        if !self.is_full() {
            self.page.next.seq = self.page.next.seq.max(end_seq.min(self.to_seq));
        }
    }

    /// Takes events from batches in memory; their messages stay where they are.
    pub(crate) fn take_memory(&mut self, chunks: &Chunks, end_seq: u64, hidden: &Hidden) {
        for chunk in chunks {
            let batch = &chunk.batch;
            if !self.wants(batch.group) || hidden.is_deleted(batch.group, batch.stream) {
                continue;
            }
            let (marks, text, events) = (hidden.marks(batch.group), text_of(chunk), &batch.events);
            let skipped =
                usize::try_from(self.next_seq().saturating_sub(chunk.first_seq)).unwrap_or(usize::MAX);
            for row in skipped.min(events.len())..events.len() {
                let (seq, timestamp_ms) = (chunk.first_seq + row as u64, events.timestamps[row]);
                if is_swept(marks, timestamp_ms, seq) {
                    continue;
                }
                if self.is_full() || seq >= self.to_seq {
                    return self.pass(end_seq);
                }
                let start = if row == 0 { 0 } else { events.ends[row - 1] as usize };
                self.push(Event {
                    group: batch.group,
                    stream: batch.stream,
                    position: Position::at(seq),
                    timestamp_ms,
                    ingestion_ms: batch.ingestion_ms,
                    hop: batch.hop,
                    message: text.slice(start..events.ends[row] as usize),
                });
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
            let full = chosen.len() >= self.limit.events.saturating_sub(self.page.events.len()).max(1)
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
            texts.push(read);
            unread.push(failed);
        }
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
            self.push(read.event(&open[slot].block, seq, row as usize, at));
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

/// What was read of some rows of a block.
struct ReadRows<'a> {
    timestamps: &'a [i64],
    ingestion: &'a [i64],
    hops: &'a [u8],
    text: Bytes,
    ends: Vec<u32>,
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

    fn read(&self, rows: &[u32]) -> Result<ReadRows<'_>, ReadError> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        self.block.push_messages(rows, &mut text, &mut ends)?;
        let block = &self.block;
        let (timestamps, ingestion, hops) = (block.timestamps()?, block.ingestion_times()?, block.hops()?);
        Ok(ReadRows { timestamps, ingestion, hops, text: text.into(), ends })
    }
}

impl ReadRows<'_> {
    /// `row` of the block, which is the one at `at` of those that were read.
    fn event(&self, block: &ColumnBlock, seq: u64, row: usize, at: usize) -> Event {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        Event {
            group: block.group(),
            stream: block.stream(),
            position: Position::at(seq),
            timestamp_ms: self.timestamps[row],
            ingestion_ms: self.ingestion[row],
            hop: self.hops[row],
            message: self.text.slice(start..self.ends[at] as usize),
        }
    }
}
