//! Owns the acknowledged events that are not sealed yet, in memory. One generation stands for one intake file.
//! Refuses to know the disk; visibility (deletion, retention) is decided by `view`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::events::Batch;
use crate::id::{GroupId, StreamId};

/// What the bookkeeping of one batch in memory counts as.
const CHUNK_OVERHEAD_BYTES: u64 = 160;
/// Timestamp and end of one event.
const ROW_BYTES: u64 = 12;

/// One acknowledged batch; immutable.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) first_seq: u64,
    /// Sorted by timestamp, so that (timestamp, seq) is sorted too.
    pub(crate) batch: Batch,
}

impl Chunk {
    pub(crate) fn end_seq(&self) -> u64 {
        self.first_seq + self.batch.events.len() as u64
    }

    pub(crate) fn min_ms(&self) -> i64 {
        self.batch.events.timestamps.first().copied().unwrap_or(i64::MAX)
    }

    pub(crate) fn max_ms(&self) -> i64 {
        self.batch.events.timestamps.last().copied().unwrap_or(i64::MIN)
    }

    /// What the chunk costs in memory, and, closely enough, in the intake log.
    pub(crate) fn cost(&self) -> u64 {
        self.batch.events.text.len() as u64
            + ROW_BYTES * self.batch.events.len() as u64
            + CHUNK_OVERHEAD_BYTES
    }
}

/// The batches of one stream, in order of arrival.
pub(crate) type Chunks = Vec<Arc<Chunk>>;

/// The batches of one intake file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation {
    pub(crate) first_seq: u64,
    pub(crate) end_seq: u64,
    /// In order of arrival, without gaps unless the log was damaged.
    pub(crate) chunks: Chunks,
    pub(crate) streams: BTreeMap<(GroupId, StreamId), Chunks>,
    pub(crate) cost: u64,
    /// The intake files to remove once this is sealed.
    pub(crate) files: Vec<String>,
}

impl Generation {
    pub(crate) fn new(first_seq: u64, file: String) -> Self {
        Self { first_seq, end_seq: first_seq, files: vec![file], ..Self::default() }
    }

    pub(crate) fn insert(&mut self, chunk: Arc<Chunk>) {
        self.end_seq = self.end_seq.max(chunk.end_seq());
        self.cost += chunk.cost();
        let key = (chunk.batch.group, chunk.batch.stream);
        self.streams.entry(key).or_default().push(Arc::clone(&chunk));
        self.chunks.push(chunk);
    }

    pub(crate) fn events(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.batch.events.len() as u64).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The batches that hold events from this seq on.
    pub(crate) fn since(&self, seq: u64) -> &[Arc<Chunk>] {
        let start = self.chunks.partition_point(|chunk| chunk.end_seq() <= seq);
        &self.chunks[start..]
    }
}
