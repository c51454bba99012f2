//! Owns what the store asks of the metadata: the list of sealed segments, how far the intake is sealed,
//! and what retention has taken. Refuses to know how that is kept: the root implements it durably.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, Position, SegmentId, StreamId};

/// One sealed segment, as the manifest keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// Names the file.
    pub id: SegmentId,
    /// The first seq of the range this segment stands for.
    pub first_seq: u64,
    /// One past the last seq of that range.
    pub end_seq: u64,
    /// The oldest timestamp inside, ms.
    pub min_ms: i64,
    /// The newest timestamp inside, ms.
    pub max_ms: i64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The number of events inside.
    #[serde(default)]
    pub events: u64,
}

/// What one sweep took from a group: its events with `timestamp < before_ms` and `seq < upto_seq` are gone.
/// The seq is part of it, so that a longer retention set later lets older events in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Events older than this are gone ...
    pub before_ms: i64,
    /// ... if they arrived before this.
    pub upto_seq: u64,
}

/// The marks of one group; written whole whenever they change, removed when empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptRecord {
    /// The group.
    pub group: GroupId,
    /// Its marks, none covering another; empty = remove the record.
    pub marks: Vec<Swept>,
}

/// One atomic, durable change of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Segments to add.
    pub new: Vec<SegmentRecord>,
    /// Segments to forget.
    pub dropped: Vec<SegmentId>,
    /// The sealed position (exclusive) from now on, if it moves.
    pub sealed: Option<Position>,
    /// Retention marks to replace, by group.
    pub swept: Vec<SweptRecord>,
    /// The number of the next segment from now on, if it rises: no id below it is ever given again.
    pub next_segment: Option<u64>,
}

/// The metadata refused a change or could not be read.
#[derive(Clone, Debug)]
pub struct ManifestError(pub String);

impl fmt::Display for ManifestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "manifest: {}", self.0)
    }
}

impl std::error::Error for ManifestError {}

/// The manifest, implemented by the root over its metadata. Every call is synchronous; a `publish` that
/// returns `Ok` is durable and was applied as one.
pub trait Manifest: Send + Sync {
    /// All segments, in any order.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn segments(&self) -> Result<Vec<SegmentRecord>, ManifestError>;

    /// Up to where (exclusive) the intake is sealed; the default position in a new store.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn sealed(&self) -> Result<Position, ManifestError>;

    /// The number no segment has reached yet; 0 when none was kept.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn next_segment(&self) -> Result<u64, ManifestError> {
        Ok(0)
    }

    /// The retention marks of all groups.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn swept(&self) -> Result<Vec<SweptRecord>, ManifestError>;

    /// Applies a change durably and atomically.
    ///
    /// # Errors
    /// Nothing was applied; or, when the commit itself failed, all of it may have been: then no later call succeeds
    /// until the store is opened anew, so that nothing is built on what is not known.
    fn publish(&self, change: Change) -> Result<(), ManifestError>;

    /// Whether this stream of this group still exists. Asked at open, for each pair found on the disk.
    fn is_live(&self, group: GroupId, stream: StreamId) -> bool;
}

/// A manifest in memory, for tests and benches: it forgets everything with the process.
#[derive(Debug, Default)]
pub struct MemoryManifest {
    state: Mutex<MemoryState>,
}

#[derive(Debug, Default)]
struct MemoryState {
    segments: BTreeMap<SegmentId, SegmentRecord>,
    sealed: Position,
    next_segment: u64,
    swept: BTreeMap<GroupId, SweptRecord>,
    dead_groups: Vec<GroupId>,
    dead_streams: Vec<StreamId>,
}

impl MemoryManifest {
    /// From now on the group is not live.
    pub fn kill_group(&self, group: GroupId) {
        self.lock().dead_groups.push(group);
    }

    /// From now on the stream is not live.
    pub fn kill_stream(&self, stream: StreamId) {
        self.lock().dead_streams.push(stream);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manifest for MemoryManifest {
    fn segments(&self) -> Result<Vec<SegmentRecord>, ManifestError> {
        Ok(self.lock().segments.values().cloned().collect())
    }

    fn sealed(&self) -> Result<Position, ManifestError> {
        Ok(self.lock().sealed)
    }

    fn next_segment(&self) -> Result<u64, ManifestError> {
        Ok(self.lock().next_segment)
    }

    fn swept(&self) -> Result<Vec<SweptRecord>, ManifestError> {
        Ok(self.lock().swept.values().cloned().collect())
    }

    fn publish(&self, change: Change) -> Result<(), ManifestError> {
        let mut state = self.lock();
        for id in change.dropped {
            state.segments.remove(&id);
        }
        for record in change.new {
            state.segments.insert(record.id, record);
        }
        if let Some(sealed) = change.sealed {
            state.sealed = sealed;
        }
        if let Some(next) = change.next_segment {
            state.next_segment = state.next_segment.max(next);
        }
        for record in change.swept {
            if record.marks.is_empty() {
                state.swept.remove(&record.group);
            } else {
                state.swept.insert(record.group, record);
            }
        }
        Ok(())
    }

    fn is_live(&self, group: GroupId, stream: StreamId) -> bool {
        let state = self.lock();
        !state.dead_groups.contains(&group) && !state.dead_streams.contains(&stream)
    }
}
