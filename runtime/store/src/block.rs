//! Owns what every reader sees: a block, the rows of one stream in (timestamp, position) order, and the
//! handle from which any thread can load it. Refuses to know whether the rows were sealed or in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::column_block::ColumnBlock;
use crate::containing::Asked;
use crate::error::ReadError;
use crate::id::{EventId, GroupId, Position, StreamId};
use crate::manifest::Swept;
use crate::memtable::Chunk;
use crate::segment::Segment;

/// Decoded rows of one stream, sorted by (timestamp, seq).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) ingestion: Vec<i64>,
    pub(crate) seqs: Vec<u64>,
    pub(crate) hops: Vec<u8>,
    /// One more than rows: message `i` is `text[offsets[i]..offsets[i + 1]]`.
    pub(crate) offsets: Vec<u32>,
    pub(crate) text: Vec<u8>,
}

impl Rows {
    /// Bytes one row takes besides its message.
    pub(crate) const ROW_BYTES: u64 = 29;

    pub(crate) fn empty(group: GroupId, stream: StreamId) -> Self {
        Self {
            group,
            stream,
            timestamps: Vec::new(),
            ingestion: Vec::new(),
            seqs: Vec::new(),
            hops: Vec::new(),
            offsets: vec![0],
            text: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.text.len() as u64 + self.len() as u64 * Self::ROW_BYTES
    }

    pub(crate) fn clear(&mut self) {
        self.timestamps.clear();
        self.ingestion.clear();
        self.seqs.clear();
        self.hops.clear();
        self.offsets.truncate(1);
        self.text.clear();
    }

    pub(crate) fn push(&mut self, timestamp: i64, ingestion: i64, seq: u64, hop: u8, message: &[u8]) {
        self.timestamps.push(timestamp);
        self.ingestion.push(ingestion);
        self.seqs.push(seq);
        self.hops.push(hop);
        self.text.extend_from_slice(message);
        self.offsets.push(self.text.len() as u32);
    }

    pub(crate) fn message(&self, row: usize) -> &[u8] {
        &self.text[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    fn push_from(&mut self, other: &Self, row: usize) {
        let (timestamp, seq) = (other.timestamps[row], other.seqs[row]);
        self.push(timestamp, other.ingestion[row], seq, other.hops[row], other.message(row));
    }

    /// The rows of blocks of one stream, by (timestamp, seq); nothing without blocks.
    pub(crate) fn merged(blocks: &[Block]) -> Option<Self> {
        let first = blocks.first()?;
        let mut order: Vec<(i64, u64, usize, usize)> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let rows = block.timestamps().iter().zip(block.seqs()).zip(block.range.clone());
            order.extend(rows.map(|((&time, &seq), row)| (time, seq, index, row)));
        }
        order.sort_unstable();
        let mut rows = Self::empty(first.rows.group, first.rows.stream);
        for (_, _, block, row) in order {
            rows.push_from(&blocks[block].rows, row);
        }
        Some(rows)
    }

    /// Adds rows of batches of one stream.
    pub(crate) fn push_chunk_rows(&mut self, chunks: &[Arc<Chunk>], rows: &[ChunkRow]) {
        for row in rows {
            let batch = &row.batch(chunks).batch;
            self.push(row.timestamp, batch.ingestion_ms, row.seq, batch.hop, row.message(chunks));
        }
    }
}

/// One row of a list of batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkRow {
    pub(crate) timestamp: i64,
    pub(crate) seq: u64,
    chunk: u32,
    row: u32,
}

impl ChunkRow {
    pub(crate) fn batch_index(&self) -> usize {
        self.chunk as usize
    }

    pub(crate) fn batch<'a>(&self, chunks: &'a [Arc<Chunk>]) -> &'a Chunk {
        &chunks[self.chunk as usize]
    }

    pub(crate) fn message<'a>(&self, chunks: &'a [Arc<Chunk>]) -> &'a [u8] {
        let (events, at) = (&self.batch(chunks).batch.events, self.row as usize);
        let start = if at == 0 { 0 } else { events.ends[at - 1] as usize };
        &events.text[start..events.ends[at] as usize]
    }

    pub(crate) fn length(&self, chunks: &[Arc<Chunk>]) -> usize {
        self.message(chunks).len()
    }
}

/// All rows of batches of one stream, by (timestamp, seq).
pub(crate) fn ordered_rows(chunks: &[Arc<Chunk>]) -> Vec<ChunkRow> {
    let mut rows = Vec::with_capacity(chunks.iter().map(|chunk| chunk.batch.events.len()).sum());
    for (index, chunk) in chunks.iter().enumerate() {
        for (row, &timestamp) in chunk.batch.events.timestamps.iter().enumerate() {
            let seq = chunk.first_seq + row as u64;
            rows.push(ChunkRow { timestamp, seq, chunk: index as u32, row: row as u32 });
        }
    }
    if !rows.is_sorted_by_key(|row| (row.timestamp, row.seq)) {
        rows.sort_unstable_by_key(|row| (row.timestamp, row.seq));
    }
    rows
}

/// Rows of one stream of one group, sorted by (timestamp, position). Cheap to clone and to slice.
#[derive(Clone, Debug)]
pub struct Block {
    pub(crate) rows: Arc<Rows>,
    pub(crate) range: Range<usize>,
}

/// One event inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// The order of arrival.
    pub position: Position,
    /// The event's own time, ms.
    pub timestamp_ms: i64,
    /// When it came in, ms.
    pub ingestion_ms: i64,
    /// Deliveries between the first cause and this event.
    pub hop: u8,
    /// The message, as it came.
    pub message: &'a [u8],
}

impl EventRef<'_> {
    /// The id AWS's API shows.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId::new(self.timestamp_ms, self.position)
    }

    /// A copy that lives on its own.
    #[must_use]
    pub fn to_event(&self) -> Event {
        Event {
            group: self.group,
            stream: self.stream,
            position: self.position,
            timestamp_ms: self.timestamp_ms,
            ingestion_ms: self.ingestion_ms,
            hop: self.hop,
            message: Bytes::copy_from_slice(self.message),
        }
    }
}

/// One event that lives on its own. Its message may be a part of a larger text that it keeps: see [`Event::apart`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// The order of arrival.
    pub position: Position,
    /// The event's own time, ms.
    pub timestamp_ms: i64,
    /// When it came in, ms.
    pub ingestion_ms: i64,
    /// Deliveries between the first cause and this event.
    pub hop: u8,
    /// The message, as it came.
    pub message: Bytes,
}

impl Event {
    /// The id AWS's API shows.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId::new(self.timestamp_ms, self.position)
    }

    /// The same event with a message of its own, for whoever keeps few events of many for long.
    #[must_use]
    pub fn apart(&self) -> Event {
        Event { message: Bytes::copy_from_slice(&self.message), ..self.clone() }
    }
}

impl Block {
    pub(crate) fn whole(rows: Arc<Rows>) -> Self {
        let range = 0..rows.len();
        Self { rows, range }
    }

    /// The group of all rows.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.rows.group
    }

    /// The stream of all rows.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.rows.stream
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The events' own times in ms, never falling.
    #[must_use]
    pub fn timestamps(&self) -> &[i64] {
        &self.rows.timestamps[self.range.clone()]
    }

    /// When the events came in, ms.
    #[must_use]
    pub fn ingestion_times(&self) -> &[i64] {
        &self.rows.ingestion[self.range.clone()]
    }

    /// The numbers of the events in the order of arrival (shard 0).
    #[must_use]
    pub fn seqs(&self) -> &[u64] {
        &self.rows.seqs[self.range.clone()]
    }

    /// Deliveries between the first cause and each event.
    #[must_use]
    pub fn hops(&self) -> &[u8] {
        &self.rows.hops[self.range.clone()]
    }

    /// One buffer that holds all messages (and, in a sliced block, those around them).
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.rows.text
    }

    /// `len() + 1` offsets into [`Block::text`]: message `i` is `text[offsets[i]..offsets[i + 1]]`.
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        &self.rows.offsets[self.range.start..=self.range.end]
    }

    /// The message of a row.
    ///
    /// # Panics
    /// Past the last row.
    #[must_use]
    pub fn message(&self, row: usize) -> &[u8] {
        assert!(row < self.len(), "row {row} of {}", self.len());
        self.rows.message(self.range.start + row)
    }

    /// A row as an event.
    ///
    /// # Panics
    /// Past the last row.
    #[must_use]
    pub fn event(&self, row: usize) -> EventRef<'_> {
        assert!(row < self.len(), "row {row} of {}", self.len());
        let at = self.range.start + row;
        let rows = &*self.rows;
        EventRef {
            group: rows.group,
            stream: rows.stream,
            position: Position::at(rows.seqs[at]),
            timestamp_ms: rows.timestamps[at],
            ingestion_ms: rows.ingestion[at],
            hop: rows.hops[at],
            message: rows.message(at),
        }
    }

    /// All rows as events, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = EventRef<'_>> + ExactSizeIterator {
        (0..self.len()).map(|row| self.event(row))
    }

    /// Leaves out the rows that the snapshot or the sweeps hide.
    pub(crate) fn without_hidden(self, meta: &BlockMeta, clip: &Clip) -> Self {
        if clip.leaves_whole(meta) {
            return self;
        }
        let hidden = |row: usize| clip.hides(self.rows.timestamps[row], self.rows.seqs[row]);
        if !self.range.clone().any(hidden) {
            return self;
        }
        let mut kept = Rows::empty(self.rows.group, self.rows.stream);
        for row in self.range.clone().filter(|&row| !hidden(row)) {
            kept.push_from(&self.rows, row);
        }
        Self::whole(Arc::new(kept))
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// Past the last row.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.len(), "rows {rows:?} of {}", self.len());
        let range = self.range.start + rows.start..self.range.start + rows.end;
        Self { rows: Arc::clone(&self.rows), range }
    }
}

/// What is known of a block without loading it. Of a clipped block these are bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// The oldest timestamp, ms.
    pub min_ms: i64,
    /// The newest timestamp, ms.
    pub max_ms: i64,
    /// The first seq.
    pub min_seq: u64,
    /// The last seq.
    pub max_seq: u64,
    /// The number of events.
    pub events: u64,
    /// Bytes of the messages.
    pub raw_bytes: u64,
}

/// What of a block a reader may see.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    pub(crate) from_ms: i64,
    /// Inclusive.
    pub(crate) to_ms: i64,
    /// Exclusive.
    pub(crate) upto_seq: u64,
    pub(crate) swept: Vec<Swept>,
}

impl Clip {
    /// Whether nothing of a block with these bounds lies in the range.
    pub(crate) fn is_outside(&self, meta: &BlockMeta) -> bool {
        meta.max_ms < self.from_ms || meta.min_ms > self.to_ms || meta.min_seq >= self.upto_seq
    }

    pub(crate) fn everything(swept: Vec<Swept>) -> Self {
        Self { from_ms: i64::MIN, to_ms: i64::MAX, upto_seq: u64::MAX, swept }
    }

    pub(crate) fn hides(&self, timestamp: i64, seq: u64) -> bool {
        seq >= self.upto_seq || is_swept(&self.swept, timestamp, seq)
    }

    /// True when neither the snapshot nor the sweeps can hide a row of a block with these bounds.
    pub(crate) fn leaves_whole(&self, meta: &BlockMeta) -> bool {
        let swept = |mark: &Swept| meta.min_ms < mark.before_ms && meta.min_seq < mark.upto_seq;
        meta.max_seq < self.upto_seq && !self.swept.iter().any(swept)
    }
}

/// Whether retention has taken this event.
pub(crate) fn is_swept(marks: &[Swept], timestamp: i64, seq: u64) -> bool {
    marks.iter().any(|mark| timestamp < mark.before_ms && seq < mark.upto_seq)
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Sealed { segment: Arc<Segment>, index: usize },
    Memory(Vec<Arc<Chunk>>),
}

/// A block that is not loaded yet. Send it to any thread and [`BlockHandle::load`] it there; what it shows
/// was fixed when the handle was made.
#[derive(Clone, Debug)]
pub struct BlockHandle {
    pub(crate) meta: BlockMeta,
    pub(crate) source: Source,
    pub(crate) clip: Clip,
    pub(crate) asked: Asked,
}

impl BlockHandle {
    /// A handle on a block of a segment.
    pub(crate) fn sealed(segment: &Arc<Segment>, index: usize, clip: Clip) -> Self {
        let (meta, segment) = (segment.entries[index].meta, Arc::clone(segment));
        Self { meta, source: Source::Sealed { segment, index }, clip, asked: Asked::Answered }
    }

    /// A handle on batches in memory.
    pub(crate) fn of_chunks(group: GroupId, stream: StreamId, chunks: Vec<Arc<Chunk>>, clip: Clip) -> Self {
        let mut meta = BlockMeta {
            group,
            stream,
            min_ms: i64::MAX,
            max_ms: i64::MIN,
            min_seq: u64::MAX,
            max_seq: 0,
            events: 0,
            raw_bytes: 0,
        };
        for chunk in &chunks {
            meta.min_ms = meta.min_ms.min(chunk.min_ms());
            meta.max_ms = meta.max_ms.max(chunk.max_ms());
            meta.min_seq = meta.min_seq.min(chunk.first_seq);
            meta.max_seq = meta.max_seq.max(chunk.end_seq().saturating_sub(1));
            meta.events += chunk.batch.events.len() as u64;
            meta.raw_bytes += chunk.batch.events.text.len() as u64;
        }
        Self { meta, source: Source::Memory(chunks), clip, asked: Asked::Answered }
    }

    /// What is known without loading.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// Reads and decodes the block, and leaves out what the reader may not see: the rows are exactly those
    /// in the time range and the snapshot, without what was swept. May be empty.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn load(&self) -> Result<Block, ReadError> {
        self.open()?.load()
    }

    /// The block as columns, read when they are asked for.
    ///
    /// # Errors
    /// The storage fails or the head of the block is damaged.
    pub fn open(&self) -> Result<ColumnBlock, ReadError> {
        match &self.source {
            Source::Sealed { segment, index } => segment.block(*index, self.clip.clone()),
            Source::Memory(batches) => Ok(ColumnBlock::of_batches(self.meta, batches, self.clip.clone())),
        }
    }

    /// True when no row can be hidden by the snapshot or the sweeps, so that `meta` is exact in that respect.
    pub(crate) fn is_untouched(&self) -> bool {
        self.clip.leaves_whole(&self.meta)
    }
}
