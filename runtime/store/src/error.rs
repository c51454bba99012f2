//! Owns the errors of the store, one enum per door. Refuses to know AWS's codes.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::block::BlockMeta;
use crate::id::{Position, SegmentId};
use crate::keys::KeyError;
use crate::manifest::ManifestError;

/// Why the store did not open.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be read or written.
    Disk(io::Error),
    /// The metadata cannot be read.
    Manifest(ManifestError),
    /// The manifest is new, yet files are there that only follow a published segment: the metadata of this folder
    /// are missing, and opening would throw the files away.
    ManifestMissing {
        /// How many segment files are there.
        segments: usize,
        /// How many intake files are there, the first of the log not among them.
        intake_files: usize,
    },
    /// A file was written by a newer version.
    Version {
        /// The file.
        name: String,
        /// Its version byte.
        version: u8,
    },
    /// A file was sealed with another key than the one given.
    WrongKey {
        /// The file.
        name: String,
    },
    /// A file holds events that are not sealed into segments yet, and the key of their group is missing.
    Key {
        /// The file.
        name: String,
        /// Which key.
        error: KeyError,
    },
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(out, "log data folder: {error}"),
            Self::Manifest(error) => error.fmt(out),
            Self::ManifestMissing { segments, intake_files } => write!(
                out,
                "{segments} segment files and {intake_files} intake files of earlier metadata are there, but the \
                 manifest is empty: is this the right metadata?"
            ),
            Self::Version { name, version } => {
                write!(out, "{name} has format version {version}, which is newer")
            }
            Self::WrongKey { name } => write!(
                out,
                "{name} was sealed with another key: the key that was given does not belong to this data"
            ),
            Self::Key { name, error } => {
                write!(out, "{name} holds acknowledged events whose key is not available. {error}")
            }
            Self::Thread(error) => write!(out, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<ManifestError> for OpenError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

/// Why a batch was not acknowledged. It is not readable now; only after [`AppendError::SyncFailed`], or
/// [`AppendError::DiskFull`] followed by a power cut, may it be found, whole, when the store is opened again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AppendError {
    /// A bound is reached; try again later.
    Full {
        /// The field of [`crate::Limits`].
        limit: &'static str,
    },
    /// The batch alone is larger than the bound allows.
    TooLarge {
        /// The field of [`crate::Limits`].
        limit: &'static str,
    },
    /// The batch has no event.
    Empty,
    /// The group or stream was deleted.
    Deleted,
    /// The key of the group is not available.
    Key(KeyError),
    /// The disk is full. What was written was cut off again; appends may work again once there is space.
    DiskFull,
    /// Making this batch durable failed. The intake refuses every batch from now on.
    SyncFailed(Arc<io::Error>),
    /// An earlier write or fsync failed: nothing is taken until the store is opened again.
    Refused,
    /// The store is closed.
    Closed,
}

impl fmt::Display for AppendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit } => write!(out, "too much is waiting to be stored ({limit})"),
            Self::TooLarge { limit } => write!(out, "the batch is too large ({limit})"),
            Self::Empty => out.write_str("the batch is empty"),
            Self::Deleted => out.write_str("the group or stream was deleted"),
            Self::Key(error) => error.fmt(out),
            Self::DiskFull => out.write_str("the disk is full"),
            Self::SyncFailed(error) => write!(out, "the batch could not be made durable: {error}"),
            Self::Refused => {
                out.write_str("an earlier write to the intake log failed: restart before writing again")
            }
            Self::Closed => out.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why stored events could not be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The storage failed.
    Disk(Arc<io::Error>),
    /// A block is not what was written.
    Corrupt {
        /// The segment.
        segment: SegmentId,
        /// What is wrong.
        what: &'static str,
    },
    /// The key of the block's group is missing or was destroyed.
    Key(KeyError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(out, "reading log data: {error}"),
            Self::Corrupt { segment, what } => write!(out, "segment {}: {what}", segment.0),
            Self::Key(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for ReadError {}

impl ReadError {
    /// Some events cannot be read, others can.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Key(_))
    }
}

/// Stored events that a reader by position passes over because they cannot be read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// Why.
    pub error: ReadError,
    /// How many they are at most: some of them may have been swept.
    pub events: u64,
    /// The first position among them.
    pub first: Position,
    /// The last position among them.
    pub last: Position,
}

impl Unread {
    /// All of a block.
    pub(crate) fn block(meta: &BlockMeta, error: ReadError) -> Self {
        let (first, last) = (Position::at(meta.min_seq), Position::at(meta.max_seq));
        Self { error, events: meta.events, first, last }
    }

    /// No events yet.
    pub(crate) fn none(error: ReadError) -> Self {
        Self { error, events: 0, first: Position::at(0), last: Position::at(0) }
    }

    /// One more event; they come in the order of arrival.
    pub(crate) fn add(&mut self, seq: u64) {
        if self.events == 0 {
            self.first = Position::at(seq);
        }
        self.last = Position::at(seq);
        self.events += 1;
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

/// Why sealing, sweeping or compaction did not finish. Nothing is lost; it can be tried again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SealError {
    /// A segment could not be written or read.
    Disk(Arc<io::Error>),
    /// The manifest refused the change.
    Manifest(ManifestError),
    /// The key of a group is missing.
    Key(KeyError),
    /// The intake refuses writes since a failed fsync.
    Refused,
    /// The store is closed.
    Closed,
}

impl fmt::Display for SealError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(out, "writing a segment: {error}"),
            Self::Manifest(error) => error.fmt(out),
            Self::Key(error) => error.fmt(out),
            Self::Refused => AppendError::Refused.fmt(out),
            Self::Closed => AppendError::Closed.fmt(out),
        }
    }
}

impl std::error::Error for SealError {}

impl From<ManifestError> for SealError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

impl From<KeyError> for SealError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> Self {
        Self::Disk(Arc::new(error))
    }
}
