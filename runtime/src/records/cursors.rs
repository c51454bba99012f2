//! Owns how far each consumer has read the log by position. Refuses to know what they do with it.

use crate::meta::{Key, MetaError, Table, Tx};

/// (consumer, shard) -> the first sequence number not read yet.
const CURSORS: Table<u64> = Table::new("cursors");

/// Where `consumer` goes on reading in `shard`; `None` before it first moved.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn get(tx: &Tx<'_>, consumer: &str, shard: u32) -> Result<Option<u64>, MetaError> {
    tx.get(&CURSORS, &Key::of((consumer, u64::from(shard))))
}

/// Moves `consumer` to `next`, in the same change as what it made of the events before.
pub(crate) fn set(tx: &mut Tx<'_>, consumer: &str, shard: u32, next: u64) -> Result<(), MetaError> {
    tx.put(&CURSORS, &Key::of((consumer, u64::from(shard))), &next)
}
