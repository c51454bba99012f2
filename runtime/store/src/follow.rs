//! Owns reading in the order of arrival, the same before and after sealing and compaction.
//! Refuses to know consumers and their cursors.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::block::{Block, BlockHandle, Event, is_swept};
use crate::error::ReadError;
use crate::id::{GroupId, Position};
use crate::memtable::Chunks;
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
    /// Blocks that could not be read because they are damaged; their events are missing here.
    pub damaged: Vec<ReadError>,
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
        let groups = groups.map(<[GroupId]>::to_vec);
        Self { page, to_seq, limit, bytes: 0, groups }
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.page.next.seq
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_full() || self.next_seq() >= self.to_seq
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

    /// Takes events from batches in memory.
    pub(crate) fn take_memory(&mut self, chunks: &Chunks, end_seq: u64, hidden: &Hidden) {
        for chunk in chunks {
            let batch = &chunk.batch;
            if !self.wants(batch.group) || hidden.is_deleted(batch.group, batch.stream) {
                continue;
            }
            let marks = hidden.marks(batch.group);
            for (row, (timestamp_ms, message)) in batch.events.iter().enumerate() {
                let seq = chunk.first_seq + row as u64;
                if seq < self.next_seq() || is_swept(marks, timestamp_ms, seq) {
                    continue;
                }
                if self.is_full() || seq >= self.to_seq {
                    return self.pass(end_seq);
                }
                self.push(Event {
                    group: batch.group,
                    stream: batch.stream,
                    position: Position::at(seq),
                    timestamp_ms,
                    ingestion_ms: batch.ingestion_ms,
                    hop: batch.hop,
                    message: message.to_vec(),
                });
            }
        }
        self.pass(end_seq);
    }

    /// Takes events from the blocks of one segment, opening each only when its first seq is due.
    pub(crate) fn take_sealed(
        &mut self,
        mut blocks: Vec<BlockHandle>,
        end_seq: u64,
    ) -> Result<(), ReadError> {
        blocks.retain(|handle| self.wants(handle.meta.group));
        blocks.sort_by_key(|handle| Reverse(handle.meta.min_seq));
        let mut open: Vec<Option<BySeq>> = Vec::new();
        let mut merge: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        loop {
            while let Some(handle) = blocks
                .pop_if(|handle| merge.peek().is_none_or(|Reverse((seq, _))| handle.meta.min_seq < *seq))
            {
                match handle.load() {
                    Ok(block) => {
                        let rows = BySeq::new(block, self.next_seq());
                        if let Some(seq) = rows.seq() {
                            merge.push(Reverse((seq, open.len())));
                            open.push(Some(rows));
                        }
                    }
                    Err(error @ (ReadError::Corrupt { .. } | ReadError::Key(_))) => {
                        self.page.damaged.push(error)
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some(Reverse((seq, slot))) = merge.pop() else { break };
            if self.is_full() || seq >= self.to_seq {
                break;
            }
            let Some(rows) = &mut open[slot] else { continue };
            self.push(rows.take());
            match rows.seq() {
                Some(seq) => merge.push(Reverse((seq, slot))),
                None => open[slot] = None,
            }
        }
        self.pass(end_seq);
        Ok(())
    }
}

/// The rows of a block in the order of their seq.
struct BySeq {
    block: Block,
    /// The rows by seq; `None` when time order is the order of arrival.
    order: Option<Vec<u32>>,
    at: usize,
}

impl BySeq {
    fn new(block: Block, from_seq: u64) -> Self {
        let seqs = block.seqs();
        if seqs.is_sorted() {
            let at = seqs.partition_point(|&seq| seq < from_seq);
            return Self { block, order: None, at };
        }
        let mut order: Vec<u32> = (0..seqs.len() as u32).collect();
        order.sort_unstable_by_key(|&row| seqs[row as usize]);
        let at = order.partition_point(|&row| seqs[row as usize] < from_seq);
        Self { block, order: Some(order), at }
    }

    fn row(&self) -> usize {
        self.order.as_ref().map_or(self.at, |order| order[self.at] as usize)
    }

    fn seq(&self) -> Option<u64> {
        (self.at < self.block.len()).then(|| self.block.seqs()[self.row()])
    }

    fn take(&mut self) -> Event {
        let event = self.block.event(self.row()).to_event();
        self.at += 1;
        event
    }
}
