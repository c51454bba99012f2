//! Owns a block as its columns, decoded when they are asked for, with what the reader may see of it.
//! Refuses to know files and formats (see `message`).

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use memchr::memmem;

use crate::block::{Block, BlockMeta, ChunkRow, Clip, Rows, ordered_rows};
use crate::column::{Column, Facts, Hits};
use crate::error::ReadError;
use crate::id::{GroupId, StreamId};
use crate::memtable::Chunk;
use crate::message::{Chunks, Opened, Origins, RowMap, Template};

enum Body {
    Stored { opened: Arc<Opened>, chunks: Arc<dyn Chunks> },
    Rows(Arc<Rows>),
    Memory { batches: Vec<Arc<Chunk>>, order: Vec<ChunkRow> },
}

/// A block whose parts are read one by one. Row numbers are those of the stored block; what of them the
/// reader may see is said by [`ColumnBlock::visible`].
pub struct ColumnBlock {
    meta: BlockMeta,
    clip: Clip,
    body: Body,
    times: OnceLock<Arc<Vec<i64>>>,
    origins: OnceLock<Arc<Origins>>,
    map: OnceLock<Arc<RowMap>>,
}

impl std::fmt::Debug for ColumnBlock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ColumnBlock").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// The value of a cell that is filled when it is asked for first.
fn filled<T: Clone>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, ReadError>,
) -> Result<&T, ReadError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

impl ColumnBlock {
    fn new(meta: BlockMeta, clip: Clip, body: Body) -> Self {
        let (times, origins, map) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { meta, clip, body, times, origins, map }
    }

    /// A block of a segment.
    pub(crate) fn stored(opened: Arc<Opened>, chunks: Arc<dyn Chunks>, clip: Clip) -> Self {
        Self::new(opened.meta, clip, Body::Stored { opened, chunks })
    }

    /// A block that was decoded whole.
    pub(crate) fn of_decoded(meta: BlockMeta, rows: Arc<Rows>, clip: Clip) -> Self {
        Self::new(meta, clip, Body::Rows(rows))
    }

    /// Batches in memory; their messages stay where they are.
    pub(crate) fn of_batches(meta: BlockMeta, batches: &[Arc<Chunk>], clip: Clip) -> Self {
        let order = ordered_rows(batches);
        Self::new(meta, clip, Body::Memory { batches: batches.to_vec(), order })
    }

    /// What is known without reading anything.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// The group of all rows.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.meta.group
    }

    /// The stream of all rows.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.meta.stream
    }

    /// The number of stored rows, whether the reader may see them or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.meta.events as usize
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all stored messages.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.meta.raw_bytes
    }

    /// The events' own times in ms, never falling.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn timestamps(&self) -> Result<&[i64], ReadError> {
        if let Body::Rows(rows) = &self.body {
            return Ok(&rows.timestamps);
        }
        Ok(filled(&self.times, || match &self.body {
            Body::Stored { opened, chunks } => opened.times(&**chunks),
            Body::Memory { order, .. } => Ok(Arc::new(order.iter().map(|row| row.timestamp).collect())),
            Body::Rows(_) => Ok(Arc::default()),
        })?)
    }

    fn origins(&self) -> Result<&Origins, ReadError> {
        Ok(filled(&self.origins, || match &self.body {
            Body::Stored { opened, chunks } => opened.origins(&**chunks),
            Body::Memory { batches, order } => {
                let mut origins = Origins::default();
                for row in order {
                    let batch = &row.batch(batches).batch;
                    origins.push(batch.ingestion_ms, row.seq, batch.hop);
                }
                Ok(Arc::new(origins))
            }
            Body::Rows(rows) => {
                let (ingestion, seqs) = (rows.ingestion.clone(), rows.seqs.clone());
                Ok(Arc::new(Origins { ingestion, seqs, hops: rows.hops.clone() }))
            }
        })?)
    }

    /// When the events came in, ms.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn ingestion_times(&self) -> Result<&[i64], ReadError> {
        Ok(&self.origins()?.ingestion)
    }

    /// The numbers of the events in the order of arrival (shard 0).
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn seqs(&self) -> Result<&[u64], ReadError> {
        Ok(&self.origins()?.seqs)
    }

    /// Deliveries between the first cause and each event.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn hops(&self) -> Result<&[u8], ReadError> {
        Ok(&self.origins()?.hops)
    }

    /// The rows the reader may see, ascending; `None` = all.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn visible(&self) -> Result<Option<Vec<u32>>, ReadError> {
        let range = self.in_time()?;
        if self.clip.leaves_whole(&self.meta) {
            let all = range.len() == self.len();
            return Ok((!all).then(|| (range.start as u32..range.end as u32).collect()));
        }
        let (times, seqs) = (self.timestamps()?, self.seqs()?);
        let seen = |row: &usize| !self.clip.hides(times[*row], seqs[*row]);
        let rows: Vec<u32> = range.filter(seen).map(|row| row as u32).collect();
        Ok((rows.len() < self.len()).then_some(rows))
    }

    /// The rows that lie in the clip's time range.
    fn in_time(&self) -> Result<Range<usize>, ReadError> {
        if self.clip.from_ms <= self.meta.min_ms && self.meta.max_ms <= self.clip.to_ms {
            return Ok(0..self.len());
        }
        let times = self.timestamps()?;
        let start = times.partition_point(|&time| time < self.clip.from_ms);
        let end = times.partition_point(|&time| time <= self.clip.to_ms);
        Ok(start..end.max(start))
    }

    /// Appends the messages of these rows, which ascend, and for each where it ends in `text`.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    ///
    /// # Panics
    /// Past the last row.
    pub fn push_messages(
        &self,
        rows: &[u32],
        text: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        debug_assert!(rows.is_sorted(), "rows ascend");
        let mut push = |message: &[u8]| {
            text.extend_from_slice(message);
            ends.push(text.len() as u32);
        };
        match &self.body {
            Body::Stored { opened, chunks } => {
                return opened.push_messages(&**chunks, Some(rows), text, ends);
            }
            Body::Rows(block) => rows.iter().for_each(|&row| push(block.message(row as usize))),
            Body::Memory { batches, order } => {
                rows.iter().for_each(|&row| push(order[row as usize].message(batches)));
            }
        }
        Ok(())
    }

    /// The rows whose message contains the text, ascending, whether the reader may see them or not.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn rows_containing(&self, needle: &[u8]) -> Result<Vec<u32>, ReadError> {
        match &self.body {
            Body::Stored { opened, chunks } => opened.rows_containing(&**chunks, needle),
            Body::Rows(rows) => Ok(crate::column::rows_containing(&rows.text, &rows.offsets[1..], needle)),
            Body::Memory { batches, order } => {
                let finder = memmem::Finder::new(needle);
                // Most batches hold no row that contains it: one search over each tells.
                let has: Vec<bool> =
                    batches.iter().map(|batch| finder.find(&batch.batch.events.text).is_some()).collect();
                let found =
                    |row: &ChunkRow| has[row.batch_index()] && finder.find(row.message(batches)).is_some();
                let rows = order.iter().enumerate().filter(|(_, row)| found(row));
                Ok(rows.map(|(row, _)| row as u32).collect())
            }
        }
    }

    /// The templates of the messages; `None` if the block is in memory and was not cut up.
    #[must_use]
    pub fn templates(&self) -> Option<&[Template]> {
        match &self.body {
            Body::Stored { opened, .. } => Some(opened.templates()),
            _ => None,
        }
    }

    /// Opened block and row map; only for blocks with templates.
    fn map(&self) -> Result<Option<&RowMap>, ReadError> {
        match &self.body {
            Body::Stored { opened, chunks } => Ok(Some(filled(&self.map, || opened.map(&**chunks))?)),
            _ => Ok(None),
        }
    }

    /// The number of the template of each row; `None` = all rows have template 0.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn of_rows(&self) -> Result<Option<&[u8]>, ReadError> {
        Ok(self.map()?.and_then(RowMap::of_rows))
    }

    /// The rows that have a column, ascending: those whose template names it. `None` = all.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    ///
    /// # Panics
    /// If no template names the column.
    pub fn column_rows(&self, column: u32) -> Result<Option<&[u32]>, ReadError> {
        match (self.map()?, &self.body) {
            (Some(map), Body::Stored { chunks, .. }) => Ok(map.column_rows(&**chunks, column)),
            _ => Ok(None),
        }
    }

    /// What is known of the values of a column without reading it; `None` in a block without templates.
    ///
    /// # Panics
    /// If no template names the column.
    #[must_use]
    pub fn facts(&self, column: u32) -> Option<&Facts> {
        match &self.body {
            Body::Stored { opened, .. } => Some(opened.column_head(column).facts()),
            _ => None,
        }
    }

    /// Every value that a column has, when its head holds them: few and short ones. Otherwise empty.
    ///
    /// # Panics
    /// If no template names the column.
    #[must_use]
    pub fn values(&self, column: u32) -> &[Box<[u8]>] {
        match &self.body {
            Body::Stored { opened, .. } => opened.column_head(column).values(),
            _ => &[],
        }
    }

    /// The values of a column, one for each of [`ColumnBlock::column_rows`]; `None` in a block without
    /// templates.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    ///
    /// # Panics
    /// If no template names the column.
    pub fn variable(&self, column: u32) -> Result<Option<Arc<Column>>, ReadError> {
        match &self.body {
            Body::Stored { opened, chunks } => opened.column(&**chunks, column).map(Some),
            _ => Ok(None),
        }
    }

    /// True only if no value of a column contains the text; false too in a block without templates.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    ///
    /// # Panics
    /// If no template names the column.
    pub fn column_lacks(&self, column: u32, text: &[u8]) -> Result<bool, ReadError> {
        let Body::Stored { opened, chunks } = &self.body else { return Ok(false) };
        let hits = match opened.column_head(column).find(text) {
            Some(hits) => hits,
            None => opened.column(&**chunks, column)?.find(text),
        };
        Ok(hits == Hits::None)
    }

    /// Some rows (ascending, whether the reader may see them or not) with their messages.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    ///
    /// # Panics
    /// Past the last row.
    pub fn rows(&self, rows: &[u32]) -> Result<Block, ReadError> {
        let mut found = Rows::empty(self.meta.group, self.meta.stream);
        if let (Some(&first), Some(&last)) = (rows.first(), rows.last()) {
            let (times, origins) = (self.timestamps()?, self.origins()?);
            if (last - first) as usize + 1 == rows.len() {
                let range = first as usize..last as usize + 1;
                found.timestamps = times[range.clone()].to_vec();
                found.ingestion = origins.ingestion[range.clone()].to_vec();
                found.seqs = origins.seqs[range.clone()].to_vec();
                found.hops = origins.hops[range].to_vec();
            } else {
                let rows = || rows.iter().map(|&row| row as usize);
                found.timestamps = rows().map(|row| times[row]).collect();
                found.ingestion = rows().map(|row| origins.ingestion[row]).collect();
                found.seqs = rows().map(|row| origins.seqs[row]).collect();
                found.hops = rows().map(|row| origins.hops[row]).collect();
            }
            self.push_messages(rows, &mut found.text, &mut found.offsets)?;
        }
        Ok(Block::whole(Arc::new(found)))
    }

    /// The rows the reader may see, with their messages.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn load(&self) -> Result<Block, ReadError> {
        let range = self.in_time()?;
        let block = match &self.body {
            Body::Rows(rows) => Block { rows: Arc::clone(rows), range },
            Body::Stored { opened, chunks } => Block::whole(Arc::new(opened.rows(&**chunks, range)?)),
            Body::Memory { batches, order } => {
                let mut rows = Rows::empty(self.meta.group, self.meta.stream);
                rows.push_chunk_rows(batches, &order[range]);
                Block::whole(Arc::new(rows))
            }
        };
        Ok(block.without_hidden(&self.meta, &self.clip))
    }
}
