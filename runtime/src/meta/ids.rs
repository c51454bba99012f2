//! Owns the numbers that name resources. Refuses to know what they name.
//!
//! A recreated resource gets a new id, so that keys, cursors, columns and file names of the old one can
//! never be mistaken for its own.

use super::error::MetaError;
use super::key::Key;
use super::table::Table;
use super::tx::Tx;

const COUNTERS: Table<u64> = Table::new("ids");

impl Tx<'_> {
    /// The next id of `kind` ("log_group", "alarm", ...): 1, 2, 3, and none twice, ever.
    ///
    /// # Errors
    /// Storage failures, and [`MetaError::ReadOnly`].
    pub(crate) fn next_id(&mut self, kind: &'static str) -> Result<u64, MetaError> {
        self.next_ids(kind, 1)
    }

    /// The first of `count` next ids of `kind`; the others follow it.
    ///
    /// # Errors
    /// As [`Tx::next_id`].
    pub(crate) fn next_ids(&mut self, kind: &'static str, count: u64) -> Result<u64, MetaError> {
        let key = Key::of(kind);
        let last = self.get(&COUNTERS, &key)?.unwrap_or(0);
        self.put(&COUNTERS, &key, &(last + count))?;
        Ok(last + 1)
    }
}
