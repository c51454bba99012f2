//! Owns reading in the order of time: a merge over blocks that opens each one only when its time comes, and
//! puts messages together piece by piece as they are reached. Refuses to know locks and files; it gets handles.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::block::{Block, BlockHandle, EventRef, Rows};
use crate::column_block::ColumnBlock;
use crate::containing::{Clue, Containing};
use crate::error::ReadError;
use crate::id::{EventId, GroupId, Position, StreamId};
use crate::view::Selection;

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Forward,
    /// Newest first.
    Backward,
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// The groups and streams.
    pub selection: Selection,
    /// The oldest timestamp wanted, ms.
    pub from_ms: i64,
    /// The newest timestamp wanted, ms, inclusive.
    pub to_ms: i64,
    /// Oldest or newest first.
    pub direction: Direction,
    /// Go on behind this event (in the direction of the scan); the event itself need not exist.
    pub after: Option<EventId>,
    /// Only events that arrived before this; `None` = all that are durable when the scan starts.
    pub snapshot: Option<Position>,
    /// Only events whose message has all of these.
    pub containing: Vec<Needle>,
}

/// A text that a message must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// The text.
    pub text: Vec<u8>,
    /// Messages with a backslash are taken too: they may write the text with escapes.
    pub or_escaped: bool,
}

impl Needle {
    /// What a block must be able to hold for such a message.
    pub(crate) fn clue(&self) -> Clue {
        let how = if self.or_escaped { Containing::Decoded } else { Containing::Raw };
        Clue { text: self.text.clone(), how }
    }

    fn rows(&self, columns: &ColumnBlock) -> Result<Vec<u32>, ReadError> {
        let mut rows = columns.rows_containing(&self.text)?;
        if self.or_escaped {
            rows.extend(columns.rows_containing(b"\\")?);
            rows.sort_unstable();
            rows.dedup();
        }
        Ok(rows)
    }
}

impl ScanRequest {
    /// Everything of a selection, oldest first.
    #[must_use]
    pub fn all(selection: Selection) -> Self {
        Self {
            selection,
            from_ms: i64::MIN,
            to_ms: i64::MAX,
            direction: Direction::Forward,
            after: None,
            snapshot: None,
            containing: Vec::new(),
        }
    }
}

/// Looks at the columns of a block for the rows that are worth reading: ascending, `None` = all. A row that is left
/// out is not read, so it must be one that nobody wants.
pub type Choose = Arc<dyn Fn(&ColumnBlock) -> Result<Option<Vec<u32>>, ReadError> + Send + Sync>;

/// Which rows of its blocks a scan gives.
#[derive(Clone, Default)]
struct Wanted {
    containing: Vec<Needle>,
    choose: Option<Choose>,
}

impl Wanted {
    fn is_everything(&self) -> bool {
        self.containing.is_empty() && self.choose.is_none()
    }

    /// `None` = all.
    fn rows(&self, columns: &ColumnBlock) -> Result<Option<Vec<u32>>, ReadError> {
        let mut rows = columns.visible()?;
        let mut keep = |found: Vec<u32>| {
            rows = Some(match rows.take() {
                None => found,
                Some(rows) => rows.into_iter().filter(|row| found.binary_search(row).is_ok()).collect(),
            });
        };
        for needle in &self.containing {
            keep(needle.rows(columns)?);
        }
        if let Some(choose) = &self.choose
            && let Some(found) = choose(columns)?
        {
            keep(found);
        }
        Ok(rows)
    }
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { containing, choose } = self;
        out.debug_struct("Wanted").field("containing", containing).field("chosen", &choose.is_some()).finish()
    }
}

/// Rows of one stream that follow each other in the scan.
#[derive(Clone, Debug)]
pub struct Run {
    block: Block,
    direction: Direction,
}

impl Run {
    fn nothing(direction: Direction) -> Self {
        let rows = Rows::empty(GroupId(0), StreamId(0));
        Self { block: Block::whole(Arc::new(rows)), direction }
    }

    /// The rows; oldest first, whatever the direction of the scan.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The events in the order of the scan.
    pub fn events(&self) -> impl Iterator<Item = EventRef<'_>> {
        let last = self.block.len().saturating_sub(1);
        let backward = self.direction == Direction::Backward;
        (0..self.block.len()).map(move |row| self.block.event(if backward { last - row } else { row }))
    }
}

/// (timestamp, seq) turned so that smaller is earlier in the scan.
type Key = (i64, u64);

/// The first piece of a block that is put together has this many rows; the next ones are larger, since who
/// reads on wants more. `limit 100` costs little, and a long read costs few calls.
const FIRST_PIECE_ROWS: usize = 128;
const PIECE_GROWTH: usize = 4;
/// A search that finds nothing gives a run without rows after as much, so that its reader can stop it.
const TOLD_BYTES: u64 = 32 << 20;
/// No piece is larger, unless a row is.
const PIECE_BYTES: u64 = 256 << 10;

/// A block whose order is known and whose messages are put together as they are needed.
#[derive(Debug)]
struct Open {
    columns: ColumnBlock,
    /// Timestamp and seq of the rows that can be seen.
    keys: Vec<(i64, u64)>,
    /// Their numbers in the block; `None` = all.
    rows: Option<Vec<u32>>,
    /// Rows (of those that can be seen) that are put together.
    piece: Option<(Range<usize>, Block)>,
    piece_rows: usize,
}

impl Open {
    fn new(handle: &BlockHandle, wanted: &Wanted) -> Result<Self, ReadError> {
        let columns = handle.open()?;
        let rows = wanted.rows(&columns)?;
        let keys = || Ok(columns.timestamps()?.iter().copied().zip(columns.seqs()?.iter().copied()));
        let keys: Vec<(i64, u64)> = match &rows {
            None => keys()?.collect(),
            Some(rows) if rows.is_empty() => Vec::new(),
            Some(rows) => {
                let (times, seqs) = (columns.timestamps()?, columns.seqs()?);
                rows.iter().map(|&row| (times[row as usize], seqs[row as usize])).collect()
            }
        };
        Ok(Self { columns, keys, rows, piece: None, piece_rows: FIRST_PIECE_ROWS })
    }

    /// Some of the rows of a range that is not empty: as many as are put together at once, from the end at
    /// which the scan goes on.
    fn take(
        &mut self,
        rows: &Range<usize>,
        direction: Direction,
    ) -> Result<(Range<usize>, Block), ReadError> {
        let next = match direction {
            Direction::Forward => rows.start,
            Direction::Backward => rows.end - 1,
        };
        if self.piece.as_ref().is_none_or(|(piece, _)| !piece.contains(&next)) {
            let average = self.columns.raw_bytes() / self.columns.len().max(1) as u64 + 1;
            let count = self.piece_rows.min((PIECE_BYTES / average).max(1) as usize);
            self.piece_rows *= PIECE_GROWTH;
            let piece = match direction {
                Direction::Forward => next..(next + count).min(self.keys.len()),
                Direction::Backward => (next + 1).saturating_sub(count)..next + 1,
            };
            let numbers: Vec<u32> = match &self.rows {
                None => piece.clone().map(|row| row as u32).collect(),
                Some(rows) => rows[piece.clone()].to_vec(),
            };
            self.piece = Some((piece, self.columns.rows(&numbers)?));
        }
        // Invariant: set above.
        let Some((piece, block)) = &self.piece else { return Ok((rows.clone(), self.columns.rows(&[])?)) };
        let taken = rows.start.max(piece.start)..rows.end.min(piece.end);
        let block = block.slice(taken.start - piece.start..taken.end - piece.start);
        Ok((taken, block))
    }
}

/// Where the merge stands in one block.
#[derive(Debug)]
struct Cursor {
    handle: BlockHandle,
    /// Dropped when the scan holds too much; opened again when its turn comes.
    block: Option<Open>,
    /// Rows that are left: `start..end` of those that can be seen.
    start: usize,
    end: usize,
}

impl Cursor {
    /// What an open block takes, about.
    fn held_bytes(&self) -> u64 {
        self.handle.meta.events * 28 + self.handle.meta.raw_bytes.min(PIECE_BYTES)
    }
}

/// A merge in time order over blocks; yields runs. After an error it goes on without the damaged block.
#[derive(Debug)]
pub struct Scan {
    direction: Direction,
    after: Option<Key>,
    wanted: Wanted,
    /// Bytes of the messages of blocks that were searched for what is wanted, and how many of them the caller knows of.
    searched_bytes: u64,
    told_bytes: u64,
    /// Not opened yet, in the order of their first key.
    waiting: VecDeque<(Key, BlockHandle)>,
    open: BinaryHeap<Reverse<(Key, usize)>>,
    cursors: Vec<Option<Cursor>>,
    free: Vec<usize>,
    held_bytes: u64,
    held_bytes_max: u64,
}

impl Scan {
    pub(crate) fn new(request: &ScanRequest, handles: Vec<BlockHandle>, held_bytes_max: u64) -> Self {
        let direction = request.direction;
        let after = request.after.map(|id| key(direction, id.timestamp_ms, id.position.seq));
        let mut waiting: Vec<(Key, BlockHandle)> = handles
            .into_iter()
            .filter(|handle| after.is_none_or(|after| last_key(direction, handle) > after))
            .map(|handle| (first_key(direction, &handle), handle))
            .collect();
        waiting.sort_by_key(|(key, _)| *key);
        Self {
            direction,
            after,
            wanted: Wanted { containing: request.containing.clone(), choose: None },
            searched_bytes: 0,
            told_bytes: 0,
            waiting: waiting.into(),
            open: BinaryHeap::new(),
            cursors: Vec::new(),
            free: Vec::new(),
            held_bytes: 0,
            held_bytes_max,
        }
    }

    /// The same without the rows that are not chosen. To be said before it starts.
    #[must_use]
    pub fn choosing(mut self, choose: Choose) -> Self {
        self.wanted.choose = Some(choose);
        self
    }

    fn key_at(&self, block: &Open, row: usize) -> Key {
        let (timestamp, seq) = block.keys[row];
        key(self.direction, timestamp, seq)
    }

    /// Opens a block and puts its first row into the merge.
    fn open_block(&mut self, handle: BlockHandle) -> Result<(), ReadError> {
        if !handle.may_hold() {
            return Ok(());
        }
        if !self.wanted.is_everything() {
            self.searched_bytes += handle.meta.raw_bytes;
        }
        let block = Open::new(&handle, &self.wanted)?;
        let (mut start, mut end) = (0, block.keys.len());
        if let Some(after) = self.after {
            match self.direction {
                Direction::Forward => start = self.first_row(&block, 0..end, |key| key > after),
                Direction::Backward => end = self.first_row(&block, 0..end, |key| key <= after),
            }
        }
        if start < end {
            let cursor = Cursor { handle, block: Some(block), start, end };
            self.held_bytes += cursor.held_bytes();
            let slot = self.free.pop().unwrap_or_else(|| {
                self.cursors.push(None);
                self.cursors.len() - 1
            });
            self.push(slot, cursor);
        }
        Ok(())
    }

    /// The first row in the range (rows in time order) for which the test holds; the test is false, then true.
    fn first_row(&self, block: &Open, rows: Range<usize>, test: impl Fn(Key) -> bool) -> usize {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low.midpoint(high);
            if test(self.key_at(block, middle)) { high = middle } else { low = middle + 1 }
        }
        low
    }

    fn push(&mut self, slot: usize, mut cursor: Cursor) {
        let row = match self.direction {
            Direction::Forward => cursor.start,
            Direction::Backward => cursor.end - 1,
        };
        if let Some(block) = &cursor.block {
            self.open.push(Reverse((self.key_at(block, row), slot)));
        }
        if self.held_bytes > self.held_bytes_max {
            cursor.block = None;
            self.held_bytes -= cursor.held_bytes();
        }
        self.cursors[slot] = Some(cursor);
    }

    /// Bytes of the messages of the blocks that were searched for [`ScanRequest::containing`] or by [`Choose`] so far.
    #[must_use]
    pub fn searched_bytes(&self) -> u64 {
        self.searched_bytes
    }

    /// To go on here later: everything before this id (in the direction of the scan) was given. `None` at the end.
    #[must_use]
    pub fn reached(&self) -> Option<EventId> {
        let next = self.open.peek().map(|Reverse((key, _))| *key);
        let waiting = self.waiting.front().map(|(key, _)| *key);
        let (time, seq) = next.into_iter().chain(waiting).min()?;
        Some(match self.direction {
            Direction::Forward if seq == 0 => EventId::new(time.saturating_sub(1), Position::at(u64::MAX)),
            Direction::Forward => EventId::new(time, Position::at(seq - 1)),
            Direction::Backward if seq == 0 => EventId::new((!time).saturating_add(1), Position::at(0)),
            Direction::Backward => EventId::new(!time, Position::at(!seq + 1)),
        })
    }

    /// Opens the blocks whose first key is not behind the next row of the merge. False if it stopped before,
    /// because the caller should hear how much was searched.
    fn open_due(&mut self) -> Result<bool, ReadError> {
        loop {
            if self.searched_bytes - self.told_bytes > TOLD_BYTES {
                self.told_bytes = self.searched_bytes;
                return Ok(false);
            }
            let next = self.open.peek().map(|Reverse((key, _))| *key);
            let due = self.waiting.front().is_some_and(|(key, _)| next.is_none_or(|next| *key <= next));
            if !due {
                return Ok(true);
            }
            if let Some((_, handle)) = self.waiting.pop_front() {
                self.open_block(handle)?;
            }
        }
    }

    /// The next run: the rows of the earliest block up to the next row of any other.
    fn step(&mut self) -> Result<Option<Run>, ReadError> {
        if !self.open_due()? {
            return Ok(Some(Run::nothing(self.direction)));
        }
        let Some(Reverse((_, slot))) = self.open.pop() else { return Ok(None) };
        let Some(mut cursor) = self.cursors[slot].take() else { return Ok(None) };
        let mut block = match cursor.block.take() {
            Some(block) => block,
            None => match Open::new(&cursor.handle, &self.wanted) {
                Ok(block) => {
                    self.held_bytes += cursor.held_bytes();
                    block
                }
                Err(error) => {
                    self.free.push(slot);
                    return Err(error);
                }
            },
        };
        let rival = self.open.peek().map(|Reverse((key, _))| *key);
        let waiting = self.waiting.front().map(|(key, _)| *key);
        let bound = rival.into_iter().chain(waiting).min();
        let rows = match (self.direction, bound) {
            (_, None) => cursor.start..cursor.end,
            (Direction::Forward, Some(bound)) => {
                cursor.start..self.first_row(&block, cursor.start..cursor.end, |key| key > bound)
            }
            (Direction::Backward, Some(bound)) => {
                self.first_row(&block, cursor.start..cursor.end, |key| key <= bound)..cursor.end
            }
        };
        let (rows, taken) = match block.take(&rows, self.direction) {
            Ok(taken) => taken,
            Err(error) => {
                self.held_bytes -= cursor.held_bytes();
                self.free.push(slot);
                return Err(error);
            }
        };
        let run = Run { block: taken, direction: self.direction };
        match self.direction {
            Direction::Forward => cursor.start = rows.end,
            Direction::Backward => cursor.end = rows.start,
        }
        if cursor.start < cursor.end {
            cursor.block = Some(block);
            self.push(slot, cursor);
        } else {
            self.held_bytes -= cursor.held_bytes();
            self.free.push(slot);
        }
        Ok(Some(run))
    }
}

impl Iterator for Scan {
    type Item = Result<Run, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn key(direction: Direction, timestamp: i64, seq: u64) -> Key {
    match direction {
        Direction::Forward => (timestamp, seq),
        Direction::Backward => (!timestamp, !seq),
    }
}

/// Not behind the first row of the block.
fn first_key(direction: Direction, handle: &BlockHandle) -> Key {
    let meta = &handle.meta;
    match direction {
        Direction::Forward => key(direction, meta.min_ms.max(handle.clip.from_ms), meta.min_seq),
        Direction::Backward => key(direction, meta.max_ms.min(handle.clip.to_ms), meta.max_seq),
    }
}

/// Not before the last row of the block.
fn last_key(direction: Direction, handle: &BlockHandle) -> Key {
    let meta = &handle.meta;
    match direction {
        Direction::Forward => key(direction, meta.max_ms, meta.max_seq),
        Direction::Backward => key(direction, meta.min_ms, meta.min_seq),
    }
}
