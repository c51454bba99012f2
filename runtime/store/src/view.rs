//! Owns what is readable now: the active memtable, those waiting for the sealer, the open segments, and what
//! of them is hidden (deleted groups and streams, swept times). Refuses to know threads and the disk.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::block::{BlockHandle, BlockMeta, Clip};
use crate::id::{GroupId, SegmentId, StreamId};
use crate::manifest::{SegmentRecord, Swept};
use crate::memtable::{Chunk, Chunks, Generation};
use crate::recent::Recent;
use crate::segment::layout::Entry;
use crate::segment::{Segment, write::StreamChunks};
use crate::stats::Stats;

/// Which events a reader asks for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The groups.
    pub groups: Vec<GroupId>,
    /// Only these streams of them; `None` = all.
    pub streams: Option<Vec<StreamId>>,
}

#[derive(Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) groups: HashSet<GroupId>,
    pub(crate) streams: HashSet<StreamId>,
    /// Marks by group, the earliest first, none covering another.
    pub(crate) swept: HashMap<GroupId, Vec<Swept>>,
}

impl Hidden {
    pub(crate) fn is_deleted(&self, group: GroupId, stream: StreamId) -> bool {
        self.groups.contains(&group) || self.streams.contains(&stream)
    }

    pub(crate) fn marks(&self, group: GroupId) -> &[Swept] {
        self.swept.get(&group).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing of a block with these bounds can be seen.
    pub(crate) fn is_dead(&self, meta: &BlockMeta) -> bool {
        self.is_deleted(meta.group, meta.stream)
            || self
                .marks(meta.group)
                .iter()
                .any(|mark| meta.max_ms < mark.before_ms && meta.max_seq < mark.upto_seq)
    }
}

/// A new mark replaces those it covers.
pub(crate) fn add_mark(marks: &mut Vec<Swept>, new: Swept) {
    marks.retain(|mark| mark.before_ms > new.before_ms || mark.upto_seq > new.upto_seq);
    marks.push(new);
}

#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) active: Generation,
    /// Oldest first.
    pub(crate) sealing: VecDeque<Arc<Generation>>,
    /// Sealed already.
    pub(crate) recent: Recent,
    /// By the start of their seq range; the ranges do not overlap.
    pub(crate) segments: BTreeMap<(u64, SegmentId), Arc<Segment>>,
    pub(crate) hidden: Hidden,
    pub(crate) stats: Stats,
    /// Segments in which something was hidden since they were last looked at.
    pub(crate) suspects: HashSet<SegmentId>,
    /// Segments in which merging met something unreadable.
    pub(crate) unmergeable: HashSet<SegmentId>,
    /// Segments the manifest knows but that could not be opened.
    pub(crate) damaged: Vec<SegmentRecord>,
}

/// One stretch of the order of arrival, as `follow` walks it.
pub(crate) enum Stretch {
    Memory { chunks: Chunks, end_seq: u64 },
    Sealed { blocks: Vec<BlockHandle>, end_seq: u64 },
}

/// Blocks of one group that stand next to each other in a segment, and what a reader may see of them.
pub(crate) struct Stretched {
    pub(crate) segment: Arc<Segment>,
    pub(crate) blocks: Range<usize>,
    pub(crate) clip: Clip,
}

impl View {
    pub(crate) fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.sealing.iter().map(Arc::as_ref).chain(std::iter::once(&self.active))
    }

    /// Makes a durable batch readable.
    pub(crate) fn insert(&mut self, chunk: Arc<Chunk>) {
        if !self.hidden.is_deleted(chunk.batch.group, chunk.batch.stream) {
            self.stats.add(&chunk_meta(&chunk), chunk.batch.ingestion_ms);
        }
        self.active.insert(chunk);
    }

    /// Shows a new segment to readers. `true` = something in it was hidden after it was copied into it: its
    /// space is still to be given back, and the sealer has to be called once the view is free again.
    #[must_use]
    pub(crate) fn insert_segment(&mut self, segment: Arc<Segment>) -> bool {
        let id = segment.record.id;
        let is_suspect = segment.entries.iter().any(|entry| self.hidden.is_dead(&entry.meta));
        if is_suspect {
            self.suspects.insert(id);
        }
        self.segments.insert((segment.record.first_seq, id), segment);
        is_suspect
    }

    /// The blocks that may hold matching events, in no order.
    pub(crate) fn handles(&self, selection: &Selection, clip: &Clip, block_bytes: u64) -> Vec<BlockHandle> {
        let mut found = Vec::new();
        for Stretched { segment, blocks, clip } in self.stretches(selection, clip, block_bytes, &mut found) {
            for index in blocks {
                let meta = &segment.entries[index].meta;
                if !clip.is_outside(meta) && !self.hidden.is_dead(meta) {
                    found.push(BlockHandle::sealed(&segment, index, clip.clone()));
                }
            }
        }
        found
    }

    /// The parts of segments that may hold matching events; blocks of them may be outside of the clip or dead. Those
    /// in memory are added to `found`.
    pub(crate) fn stretches(
        &self,
        selection: &Selection,
        clip: &Clip,
        block_bytes: u64,
        found: &mut Vec<BlockHandle>,
    ) -> Vec<Stretched> {
        let mut stretches = Vec::new();
        let mut groups = selection.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let streams = selection.streams.clone().map(|mut streams| {
            streams.sort_unstable();
            streams.dedup();
            streams
        });
        for &group in groups.iter().filter(|group| !self.hidden.groups.contains(group)) {
            let clip = Clip { swept: self.hidden.marks(group).to_vec(), ..clip.clone() };
            let mut add = |stream: Option<StreamId>| {
                for segment in self.segments.values().filter(|segment| is_within(&segment.record, &clip)) {
                    let blocks = segment.entries_of(group, stream);
                    if !blocks.is_empty() {
                        let (segment, clip) = (Arc::clone(segment), clip.clone());
                        stretches.push(Stretched { segment, blocks, clip });
                    }
                }
                for generation in self.generations() {
                    self.add_memory(found, generation, (group, stream), &clip, block_bytes);
                }
            };
            match &streams {
                None => add(None),
                Some(streams) => streams.iter().for_each(|&stream| add(Some(stream))),
            }
        }
        stretches
    }

    fn add_memory(
        &self,
        found: &mut Vec<BlockHandle>,
        generation: &Generation,
        (group, stream): (GroupId, Option<StreamId>),
        clip: &Clip,
        block_bytes: u64,
    ) {
        let (low, high) = match stream {
            Some(stream) => (stream, stream),
            None => (StreamId(0), StreamId(u64::MAX)),
        };
        for (&(group, stream), chunks) in generation.streams.range((group, low)..=(group, high)) {
            if self.hidden.streams.contains(&stream) {
                continue;
            }
            let (mut taken, mut size) = (Vec::new(), 0);
            let mut flush = |taken: &mut Chunks| {
                if !taken.is_empty() {
                    found.push(BlockHandle::of_chunks(group, stream, std::mem::take(taken), clip.clone()));
                }
            };
            for chunk in chunks {
                let outside = chunk.max_ms() < clip.from_ms || chunk.min_ms() > clip.to_ms;
                if outside || chunk.first_seq >= clip.upto_seq {
                    continue;
                }
                let bytes = chunk.cost();
                if size + bytes > block_bytes {
                    flush(&mut taken);
                    size = 0;
                }
                size += bytes;
                taken.push(Arc::clone(chunk));
            }
            flush(&mut taken);
        }
    }

    /// The stretch of the order of arrival that holds `seq`, or the next one behind it.
    /// From memory at most `bytes` (and one batch more) are taken, so that the lock is held shortly; from a segment the
    /// blocks of these groups, or of all.
    pub(crate) fn stretch(
        &self,
        seq: u64,
        to_seq: u64,
        bytes: u64,
        groups: Option<&[GroupId]>,
    ) -> Option<Stretch> {
        let around = self.segments.range(..=(seq, SegmentId(u64::MAX))).next_back();
        let behind = || self.segments.range((seq, SegmentId(u64::MAX))..).next();
        let holds = |found: &(_, &Arc<Segment>)| found.1.record.end_seq > seq;
        let sealed = around.filter(holds).or_else(behind).map(|(_, segment)| segment);
        let memory = self.generations().find(|generation| generation.end_seq > seq && !generation.is_empty());
        let first =
            |generation: &&Generation| sealed.is_none_or(|it| generation.first_seq < it.record.first_seq);
        if let Some(generation) = memory.filter(first).or_else(|| self.recent.around(seq)) {
            return Some(memory_stretch(generation, seq, to_seq, bytes));
        }
        let segment = sealed?;
        let wanted = |entry: &Entry| entry.meta.max_seq >= seq && entry.meta.min_seq < to_seq;
        let mut blocks = Vec::new();
        let mut take = |indexes: Range<usize>| {
            for index in indexes {
                let entry = &segment.entries[index];
                if wanted(entry) && !self.hidden.is_dead(&entry.meta) {
                    let clip = Clip::everything(self.hidden.marks(entry.meta.group).to_vec());
                    blocks.push(BlockHandle::sealed(segment, index, clip));
                }
            }
        };
        match groups {
            None => take(0..segment.entries.len()),
            Some(groups) => groups.iter().for_each(|group| take(segment.entries_of(*group, None))),
        }
        Some(Stretch::Sealed { blocks, end_seq: segment.record.end_seq })
    }

    /// What of a memtable goes into a segment.
    pub(crate) fn live_streams(&self, generation: &Generation) -> Vec<StreamChunks> {
        let live =
            generation.streams.iter().filter(|((group, stream), _)| !self.hidden.is_deleted(*group, *stream));
        live.map(|(&(group, stream), chunks)| StreamChunks {
            group,
            stream,
            chunks: chunks.clone(),
            swept: self.hidden.marks(group).to_vec(),
        })
        .collect()
    }

    /// Hides a group for good, at the cost of what it holds.
    pub(crate) fn hide_group(&mut self, group: GroupId) {
        self.hidden.groups.insert(group);
        self.stats.remove_group(group);
        self.suspect(group, None);
    }

    /// Hides a stream for good, at the cost of what it holds.
    pub(crate) fn hide_stream(&mut self, stream: StreamId) {
        self.hidden.streams.insert(stream);
        if let Some(group) = self.stats.remove_stream(stream) {
            self.suspect(group, Some(stream));
        }
    }

    /// Memtables that are sealed already may hold what no mark hides any more once marks change. They are dropped by the
    /// caller when nobody waits for the view.
    #[must_use]
    pub(crate) fn forget_recent(&mut self) -> Recent {
        std::mem::take(&mut self.recent)
    }

    /// What of a group is swept from now on.
    pub(crate) fn set_marks(&mut self, group: GroupId, marks: Vec<Swept>) {
        if marks.is_empty() {
            self.hidden.swept.remove(&group);
        } else {
            self.hidden.swept.insert(group, marks);
        }
    }

    fn suspect(&mut self, group: GroupId, stream: Option<StreamId>) {
        let holds = |segment: &&Arc<Segment>| !segment.entries_of(group, stream).is_empty();
        let found = self.segments.values().filter(holds).map(|segment| segment.record.id);
        self.suspects.extend(found);
    }

    /// Counts everything that can be seen anew.
    pub(crate) fn rebuild_stats(&mut self) {
        let mut stats = Stats::default();
        let mut add = |meta: &BlockMeta, ingestion: i64| {
            if self.hidden.is_dead(meta) {
                return;
            }
            let marks = self.hidden.marks(meta.group).iter().filter(|mark| meta.min_seq < mark.upto_seq);
            let min_ms = marks.map(|mark| mark.before_ms).fold(meta.min_ms, i64::max).min(meta.max_ms);
            stats.add(&BlockMeta { min_ms, ..*meta }, ingestion);
        };
        for segment in self.segments.values() {
            segment.entries.iter().for_each(|entry| add(&entry.meta, entry.max_ingestion_ms));
        }
        for generation in self.generations() {
            generation.chunks.iter().for_each(|chunk| add(&chunk_meta(chunk), chunk.batch.ingestion_ms));
        }
        self.stats = stats;
    }
}

/// Whether events of a segment may be in the range.
fn is_within(record: &SegmentRecord, clip: &Clip) -> bool {
    record.max_ms >= clip.from_ms && record.min_ms <= clip.to_ms && record.first_seq < clip.upto_seq
}

fn memory_stretch(generation: &Generation, seq: u64, to_seq: u64, bytes: u64) -> Stretch {
    let mut chunks = Vec::new();
    let (mut size, mut end_seq) = (0, generation.end_seq);
    for chunk in generation.since(seq) {
        if chunk.first_seq >= to_seq {
            break;
        }
        if size >= bytes {
            end_seq = chunk.first_seq;
            break;
        }
        size += chunk.cost();
        chunks.push(Arc::clone(chunk));
    }
    Stretch::Memory { chunks, end_seq }
}

/// The bounds of one batch.
pub(crate) fn chunk_meta(chunk: &Chunk) -> BlockMeta {
    BlockMeta {
        group: chunk.batch.group,
        stream: chunk.batch.stream,
        min_ms: chunk.min_ms(),
        max_ms: chunk.max_ms(),
        min_seq: chunk.first_seq,
        max_seq: chunk.end_seq().saturating_sub(1),
        events: chunk.batch.events.len() as u64,
        raw_bytes: chunk.batch.events.text.len() as u64,
    }
}
