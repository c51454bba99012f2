//! Owns the tags of alarms. Refuses to know what a tag means.

use std::collections::BTreeMap;

use crate::meta::{Key, MetaError, Table, Tx};

/// alarm id -> tags.
const TAGS: Table<BTreeMap<String, String>> = Table::new("alarm_tags");

/// The tags of an alarm.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn of(tx: &Tx<'_>, alarm: u64) -> Result<BTreeMap<String, String>, MetaError> {
    Ok(tx.get(&TAGS, &Key::of(alarm))?.unwrap_or_default())
}

/// Replaces the tags of an alarm.
pub(crate) fn put(tx: &mut Tx<'_>, alarm: u64, tags: &BTreeMap<String, String>) -> Result<(), MetaError> {
    tx.put(&TAGS, &Key::of(alarm), tags)
}

/// Forgets the tags of an alarm that is gone.
pub(crate) fn remove(tx: &mut Tx<'_>, alarm: u64) -> Result<(), MetaError> {
    tx.delete(&TAGS, &Key::of(alarm))
}
