//! Owns what can go wrong in metadata. Refuses to know AWS's codes: `fault.rs` of the root translates.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A failure of metadata itself, never of the request: one commit may fail many changes, so it is cheap to
/// clone.
#[derive(Clone, Debug)]
pub(crate) enum MetaError {
    /// Another process holds the file.
    Locked,
    /// The disk or redb failed; the text is for the log, never for a client.
    Storage(Arc<str>),
    /// A commit failed earlier, so what is on disk is not known until the file is opened again.
    Poisoned(Arc<str>),
    /// A stored row cannot be read back.
    Corrupt {
        /// Name of the table.
        table: Cow<'static, str>,
        /// What is wrong with the row.
        reason: Arc<str>,
    },
    /// The metadata were sealed with another master key.
    WrongKey {
        /// Id of the key they were sealed with.
        wanted: Arc<str>,
        /// Id of the key that was given.
        given: Arc<str>,
    },
    /// A write inside [`super::Meta::read`].
    ReadOnly,
    /// The writer has been closed.
    Closed,
    /// The change panicked; nothing of it was written.
    Panicked,
}

impl MetaError {
    pub(crate) fn corrupt(table: impl Into<Cow<'static, str>>, reason: impl fmt::Display) -> MetaError {
        MetaError::Corrupt { table: table.into(), reason: reason.to_string().into() }
    }

    pub(super) fn storage(reason: impl fmt::Display) -> MetaError {
        MetaError::Storage(reason.to_string().into())
    }
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetaError::Locked => f.write_str("the metadata file is in use by another process"),
            MetaError::Storage(reason) => write!(f, "metadata storage failed: {reason}"),
            MetaError::Poisoned(reason) => {
                write!(f, "metadata is read-only until restart, an earlier commit failed: {reason}")
            }
            MetaError::Corrupt { table, reason } => write!(f, "a row of {table} cannot be read: {reason}"),
            MetaError::WrongKey { wanted, given } => {
                write!(f, "the metadata are sealed with the master key {wanted}, not with {given}")
            }
            MetaError::ReadOnly => f.write_str("a write inside a read-only transaction"),
            MetaError::Closed => f.write_str("metadata is closed"),
            MetaError::Panicked => f.write_str("a metadata change panicked"),
        }
    }
}

impl std::error::Error for MetaError {}
