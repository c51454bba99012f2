//! A block held in plain vectors, for tests and small sources. Knows no store.

use crate::block::Block;

/// One event of a [`MemoryBlock`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryEvent {
    /// Epoch milliseconds.
    pub timestamp: i64,
    /// Epoch milliseconds.
    pub ingestion_time: i64,
    /// The stream's name.
    pub stream: String,
    /// The message.
    pub message: String,
    /// Intake position: shard, sequence.
    pub position: (u32, u64),
    /// What `@ptr` shows.
    pub pointer: String,
}

/// Events of one log group in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlock {
    log_identifier: String,
    timestamps: Vec<i64>,
    ingestion_times: Vec<i64>,
    events: Vec<MemoryEvent>,
}

impl MemoryBlock {
    /// `log_identifier` is `account:group`.
    pub fn new(log_identifier: impl Into<String>, events: Vec<MemoryEvent>) -> MemoryBlock {
        MemoryBlock {
            log_identifier: log_identifier.into(),
            timestamps: events.iter().map(|e| e.timestamp).collect(),
            ingestion_times: events.iter().map(|e| e.ingestion_time).collect(),
            events,
        }
    }
}

impl Block for MemoryBlock {
    fn len(&self) -> usize {
        self.events.len()
    }

    fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    fn ingestion_times(&self) -> &[i64] {
        &self.ingestion_times
    }

    fn message(&self, row: usize) -> &str {
        &self.events[row].message
    }

    fn stream_name(&self, row: usize) -> &str {
        &self.events[row].stream
    }

    fn log_identifier(&self) -> &str {
        &self.log_identifier
    }

    fn pointer(&self, row: usize) -> String {
        self.events[row].pointer.clone()
    }

    fn position(&self, row: usize) -> (u32, u64) {
        self.events[row].position
    }
}
