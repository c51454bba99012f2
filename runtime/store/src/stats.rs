//! Owns the running totals of streams and groups. Refuses to know where events are kept:
//! `view` feeds it and rebuilds it when events go away.

use std::collections::HashMap;

use crate::block::BlockMeta;
use crate::id::{GroupId, StreamId};
use crate::segment::counted_bytes;

/// What is stored of one stream. Where retention cut into a block, the first event's time is the cut and
/// the bytes still count the whole block until it is dropped or rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// The oldest timestamp, ms.
    pub first_event_ms: Option<i64>,
    /// The newest timestamp, ms.
    pub last_event_ms: Option<i64>,
    /// When the newest arrival came in, ms.
    pub last_ingestion_ms: Option<i64>,
    /// Message bytes plus 26 for each event, as AWS counts.
    pub stored_bytes: u64,
    /// The number of events.
    pub events: u64,
}

/// What is stored of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// Message bytes plus 26 for each event, as AWS counts.
    pub stored_bytes: u64,
    /// The number of events.
    pub events: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    streams: HashMap<StreamId, (GroupId, StreamStats)>,
    /// With the streams of each, so that a group goes without a look at all others.
    groups: HashMap<GroupId, (GroupStats, Vec<StreamId>)>,
}

impl Stats {
    /// Counts a block or batch of events.
    pub(crate) fn add(&mut self, meta: &BlockMeta, max_ingestion_ms: i64) {
        let bytes = counted_bytes(meta);
        let (group, streams) = self.groups.entry(meta.group).or_default();
        group.stored_bytes += bytes;
        group.events += meta.events;
        let (_, stream) = self.streams.entry(meta.stream).or_insert_with(|| {
            streams.push(meta.stream);
            (meta.group, StreamStats::default())
        });
        let first = stream.first_event_ms.map_or(meta.min_ms, |first| first.min(meta.min_ms));
        let last = stream.last_event_ms.map_or(meta.max_ms, |last| last.max(meta.max_ms));
        let ingestion = stream.last_ingestion_ms.map_or(max_ingestion_ms, |last| last.max(max_ingestion_ms));
        stream.first_event_ms = Some(first);
        stream.last_event_ms = Some(last);
        stream.last_ingestion_ms = Some(ingestion);
        stream.stored_bytes += bytes;
        stream.events += meta.events;
    }

    /// Forgets a stream; says which group it was in.
    pub(crate) fn remove_stream(&mut self, stream: StreamId) -> Option<GroupId> {
        let (owner, gone) = self.streams.remove(&stream)?;
        if let Some((group, streams)) = self.groups.get_mut(&owner) {
            group.stored_bytes -= gone.stored_bytes;
            group.events -= gone.events;
            streams.retain(|known| *known != stream);
        }
        Some(owner)
    }

    pub(crate) fn remove_group(&mut self, group: GroupId) {
        let (_, streams) = self.groups.remove(&group).unwrap_or_default();
        for stream in streams {
            self.streams.remove(&stream);
        }
    }

    pub(crate) fn stream(&self, stream: StreamId) -> StreamStats {
        self.streams.get(&stream).map(|(_, stats)| *stats).unwrap_or_default()
    }

    pub(crate) fn group(&self, group: GroupId) -> GroupStats {
        self.groups.get(&group).map(|(stats, _)| *stats).unwrap_or_default()
    }
}
