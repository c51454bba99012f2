//! Owns the bounds of the store. Refuses to know AWS's names for them: the root maps those.

/// Every queue, buffer and file of the store has its bound here. All sizes are bytes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Batches that wait for the next commit. Beyond it an append is refused ([`crate::AppendError::Full`]).
    pub queue_bytes: u64,
    /// The most that one commit writes before its fsync.
    pub commit_bytes: u64,
    /// Zeros that are written behind the intake log while nothing else is to be, for small commits (a 32nd of it at
    /// most) to be written over: those change neither the length of the file nor what it occupies, so the file system
    /// writes down nothing about them, and an fsync waits for the disk two or three times instead of five (seen on
    /// ext4). None on a disk that has not 64 times as much left, and none where this is 0.
    pub room_bytes: u64,
    /// What is taken off the end of an intake file at once when its events are in segments.
    pub discard_bytes: u64,
    /// Acknowledged data that is not sealed yet, log and memory alike. Beyond it an append is refused;
    /// it is reached only while sealing fails (a full disk).
    pub intake_bytes: u64,
    /// The memtable is sealed into a segment when it holds this much.
    pub generation_bytes: u64,
    /// Memtables that are sealed already and stay for a while, for those who follow ([`crate::Store::follow`]).
    pub recent_bytes: u64,
    /// Memtables that may wait for the sealer before commits wait for it.
    pub sealing_generations: usize,
    /// At close, less than this stays in the intake log and is replayed at the next open.
    pub close_seal_bytes: u64,
    /// A memtable that holds events is sealed at the latest this long after [`crate::Store::tick`] first met
    /// them, ms.
    pub seal_age_ms: i64,
    /// Messages of one block, plus 29 bytes for each event; one larger message makes one larger block.
    pub block_bytes: u64,
    /// Events of one block.
    pub block_rows: u64,
    /// Below this much raw data a block is one piece on the disk, read as a whole; larger ones are read in parts.
    pub packed_bytes: u64,
    /// Segment files below this may be merged with their neighbours; larger ones are never written again
    /// for that.
    pub merge_bytes: u64,
    /// Decoded parts of blocks kept for the next reader.
    pub cache_bytes: u64,
    /// Decoded blocks one scan may hold open while it merges; beyond it, it decodes again.
    pub scan_bytes: u64,
    /// Raw bytes (messages + 26 per event) of one batch.
    pub batch_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_bytes: 32 << 20,
            commit_bytes: 8 << 20,
            room_bytes: 1 << 20,
            discard_bytes: 2 << 20,
            intake_bytes: 256 << 20,
            generation_bytes: 48 << 20,
            recent_bytes: 128 << 20,
            sealing_generations: 1,
            close_seal_bytes: 1 << 20,
            seal_age_ms: 5 * 60 * 1000,
            block_bytes: 1 << 20,
            block_rows: 16_384,
            packed_bytes: 64 << 10,
            merge_bytes: 4 << 20,
            cache_bytes: 96 << 20,
            scan_bytes: 64 << 20,
            batch_bytes: 16 << 20,
        }
    }
}

/// What AWS adds to each message when it counts stored bytes (quotas page of CloudWatch Logs).
pub const EVENT_OVERHEAD_BYTES: u64 = 26;
