//! Owns the rows of data keys, each wrapped by another key. Refuses to know how they are wrapped
//! (`keyring.rs`).

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// group id -> its data key. It goes in the transaction in which the group goes.
const GROUP_KEYS: Table<WrappedKey> = Table::new("group_keys");

/// () -> the key of what belongs to no group.
const SYSTEM_KEY: Table<WrappedKey> = Table::new("system_key");

/// The tables whose rows are wrapped again when the master key changes.
pub(crate) const TABLES: [&str; 2] = ["group_keys", "system_key"];

/// A data key under another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WrappedKey {
    /// The ARN of the KMS key it is under; the master key without.
    #[serde(default)]
    pub(crate) kms: Option<String>,
    /// Base64 of what was sealed.
    pub(crate) sealed: String,
}

/// The key of a group; `None` when the group is gone.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn group(tx: &Tx<'_>, group: u64) -> Result<Option<WrappedKey>, MetaError> {
    tx.get(&GROUP_KEYS, &Key::of(group))
}

/// Writes the key of a group.
pub(crate) fn put_group(tx: &mut Tx<'_>, group: u64, key: &WrappedKey) -> Result<(), MetaError> {
    tx.put(&GROUP_KEYS, &Key::of(group), key)
}

/// Destroys the key of a group.
pub(crate) fn destroy_group(tx: &mut Tx<'_>, group: u64) -> Result<(), MetaError> {
    tx.delete(&GROUP_KEYS, &Key::of(group))
}

/// The ids of all groups that have a key, and the KMS key it is under.
pub(crate) fn groups(tx: &Tx<'_>) -> Result<Vec<(u64, Option<String>)>, MetaError> {
    tx.scan(&GROUP_KEYS, &Span::all())?
        .map(|row| row.and_then(|(key, wrapped)| Ok((key.reader().u64()?, wrapped.kms))))
        .collect()
}

/// The key of what belongs to no group.
pub(crate) fn system(tx: &Tx<'_>) -> Result<Option<WrappedKey>, MetaError> {
    tx.get(&SYSTEM_KEY, &Key::of(()))
}

/// Writes the key of what belongs to no group, once.
pub(crate) fn put_system(tx: &mut Tx<'_>, key: &WrappedKey) -> Result<(), MetaError> {
    tx.put(&SYSTEM_KEY, &Key::of(()), key)
}
