//! Owns the seam between transactions and where rows are kept. Refuses to know records: rows are bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use super::error::MetaError;

/// One stored row: key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// Rows in key order (or backwards), read as the caller pulls.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, MetaError>> + 'a>;

/// Uncommitted writes in key order (or backwards).
pub(super) type Writes<'a> = Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> + 'a>;

/// Ends of a range of keys.
pub(super) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A place that keeps named ordered tables and changes them atomically and durably.
pub(super) trait Backend: Send + Sync + 'static {
    /// A consistent view of everything committed so far.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, MetaError>;

    /// Applies all of `writes` or, on error, leaves it unknown until reopened whether they are there.
    fn commit(&self, writes: &Overlay) -> Result<(), MetaError>;
}

/// What [`Backend::snapshot`] lends. A table that was never written is empty.
pub(super) trait Snapshot {
    /// The names of all tables that were ever written.
    fn tables(&self) -> Result<Vec<String>, MetaError>;

    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError>;

    /// Rows between `bounds`, which are not empty or inverted (see [`crate::meta::Span`]).
    fn range(&self, table: &str, bounds: Bounds<'_>, reverse: bool) -> Result<Rows<'_>, MetaError>;
}

/// Keys and their new values; `None` is a deletion.
type Written = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Writes that are not committed yet, by table.
#[derive(Default)]
pub(super) struct Overlay {
    tables: BTreeMap<Cow<'static, str>, Written>,
}

impl Overlay {
    pub(super) fn set(&mut self, table: impl Into<Cow<'static, str>>, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.tables.entry(table.into()).or_default().insert(key, value);
    }

    /// `None`: this overlay says nothing about the key. `Some(None)`: it is deleted.
    pub(super) fn get(&self, table: &str, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.tables.get(table)?.get(key)
    }

    /// Lays `newer` over this one.
    pub(super) fn merge(&mut self, newer: Overlay) {
        for (table, rows) in newer.tables {
            match self.tables.entry(table) {
                Entry::Vacant(slot) => {
                    slot.insert(rows);
                }
                Entry::Occupied(mut slot) => slot.get_mut().extend(rows),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &Written)> {
        self.tables.iter().map(|(name, rows)| (name.as_ref(), rows))
    }

    /// The overlay's rows between `bounds`, deletions included.
    pub(super) fn range(&self, table: &str, bounds: Bounds<'_>, reverse: bool) -> Writes<'_> {
        let Some(rows) = self.tables.get(table) else { return Box::new(std::iter::empty()) };
        let rows = rows.range::<[u8], _>(bounds);
        if reverse { Box::new(rows.rev()) } else { Box::new(rows) }
    }
}
