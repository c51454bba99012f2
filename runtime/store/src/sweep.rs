//! Owns taking data away: deleted groups and streams, retention, and giving the space back by dropping or
//! rewriting segments. Refuses to know policies: cutoffs come in as times.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::block::{BlockHandle, BlockMeta, Clip, Source, is_swept};
use crate::engine::Engine;
use crate::error::{ReadError, SealError};
use crate::id::{GroupId, Position, SegmentId, StreamId};
use crate::manifest::{Change, Swept, SweptRecord};
use crate::segment::Segment;
use crate::segment::layout::Place;
use crate::segment::write::{Finished, Writer};
use crate::view::{View, add_mark, chunk_meta};

/// Events of one stream that retention took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRange {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// The first position among them.
    pub first: Position,
    /// The last position among them; others in between may still be there.
    pub last: Position,
    /// How many.
    pub events: u64,
}

/// What a sweep gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Bytes of segment files.
    pub bytes: u64,
    /// Segment files removed.
    pub dropped_segments: u64,
    /// Segment files written anew without what was dead.
    pub rewritten_segments: u64,
    /// What was taken, block by block, so that consumers that had not read it can count the gap.
    pub lost: Vec<LostRange>,
}

/// Rewrite a segment when more than one part in this many of its block bytes is dead.
const DEAD_PART: u64 = 2;

impl Engine {
    /// Takes the events older than the cutoffs (by group, in ms).
    pub(crate) fn retain(&self, cutoffs: &[(GroupId, i64)]) -> Result<Freed, SealError> {
        let lost = self.mark(cutoffs)?;
        match self.reclaim() {
            Ok(freed) => Ok(Freed { lost, ..freed }),
            // The events are gone for readers; the sealer tries again to give the space back.
            Err(error) => {
                tracing::warn!(%error, "the space of swept events was not given back yet");
                self.call_sealer();
                Ok(Freed { lost, ..Freed::default() })
            }
        }
    }

    /// Hides the events older than the cutoffs, durably.
    fn mark(&self, cutoffs: &[(GroupId, i64)]) -> Result<Vec<LostRange>, SealError> {
        let _maintenance = self.maintain();
        let upto_seq = self.durable_seq();
        let mut new: HashMap<GroupId, Swept> = HashMap::new();
        for &(group, before_ms) in cutoffs {
            let mark = new.entry(group).or_insert(Swept { before_ms, upto_seq });
            mark.before_ms = mark.before_ms.max(before_ms);
        }
        let hit = self.view().hit_by(&new);
        let lost: Vec<LostRange> =
            hit.iter().filter_map(|handle| lost_of(handle, &new[&handle.meta.group])).collect();
        let groups: HashSet<GroupId> = lost.iter().map(|lost| lost.group).collect();
        if groups.is_empty() {
            return Ok(lost);
        }
        let mut records = Vec::new();
        for group in groups {
            let mut marks = self.view().hidden.marks(group).to_vec();
            add_mark(&mut marks, new[&group]);
            records.push(SweptRecord { group, marks });
        }
        self.manifest.publish(Change { swept: records.clone(), ..Change::default() })?;
        let segments = hit.iter().filter_map(|handle| match &handle.source {
            Source::Sealed { segment, .. } => Some(segment.record.id),
            Source::Memory(_) => None,
        });
        let mut view = self.view_mut();
        let forgotten = view.forget_recent();
        view.suspects.extend(segments);
        for record in records {
            view.set_marks(record.group, record.marks);
        }
        view.rebuild_stats();
        drop(view);
        drop(forgotten);
        Ok(lost)
    }

    /// Gives back the space of what is hidden: drops segments that are wholly dead, rewrites those that are
    /// mostly dead, and forgets marks that hide nothing any more.
    pub(crate) fn reclaim(&self) -> Result<Freed, SealError> {
        let _maintenance = self.maintain();
        let suspects = std::mem::take(&mut self.view_mut().suspects);
        let outcome = self.reclaim_of(&suspects);
        if outcome.is_err() {
            self.view_mut().suspects.extend(suspects);
        }
        outcome
    }

    fn reclaim_of(&self, suspects: &HashSet<SegmentId>) -> Result<Freed, SealError> {
        let (dead, sparse) = self.view().reclaimable(suspects);
        let mut freed = Freed::default();
        let mut change = Change::default();
        let mut replaced: Vec<(Arc<Segment>, Option<Finished>)> = Vec::new();
        for segment in dead {
            freed.dropped_segments += 1;
            replaced.push((segment, None));
        }
        for segment in sparse {
            match self.rewrite(&segment) {
                Ok(finished) => {
                    freed.rewritten_segments += 1;
                    replaced.push((segment, finished));
                }
                // A damaged block must not stop the sweep; the segment stays as it is.
                Err(Rewrite::Read(error)) => tracing::warn!(%error, "a segment cannot be rewritten"),
                Err(Rewrite::Write(error)) => return Err(error),
            }
        }
        for (old, new) in &replaced {
            freed.bytes += old.record.bytes;
            change.dropped.push(old.record.id);
            if let Some(new) = new {
                freed.bytes = freed.bytes.saturating_sub(new.record.bytes);
                change.new.push(new.record.clone());
                change.next_segment = change.next_segment.max(Some(new.record.id.0 + 1));
            }
        }
        change.swept = self.view().idle_marks(&replaced);
        if change == Change::default() {
            return Ok(freed);
        }
        let idle: Vec<SweptRecord> = change.swept.clone();
        self.manifest.publish(change)?;
        self.replace(replaced, None, idle);
        self.counters.dropped_segments.fetch_add(freed.dropped_segments, Ordering::Relaxed);
        self.counters.rewritten_segments.fetch_add(freed.rewritten_segments, Ordering::Relaxed);
        Ok(freed)
    }

    /// Puts new segments in the place of old ones, each in that of its own or one in that of all.
    pub(crate) fn replace(
        &self,
        replaced: Vec<(Arc<Segment>, Option<Finished>)>,
        merged: Option<Finished>,
        idle: Vec<SweptRecord>,
    ) {
        // The last holder removes the file: not while the view is locked.
        let mut removed = Vec::new();
        let mut news: Vec<Finished> = merged.into_iter().collect();
        let mut view = self.view_mut();
        let (mut before, mut after) = (0, 0);
        for (old, new) in replaced {
            let living = old.entries.iter().filter(|entry| !view.hidden.is_dead(&entry.meta));
            before += living.map(|entry| entry.meta.events).sum::<u64>();
            removed.extend(view.segments.remove(&(old.record.first_seq, old.record.id)));
            old.doom();
            removed.push(old);
            news.extend(new);
        }
        let mut is_suspect = false;
        for segment in news.into_iter().map(|new| self.opened(new)) {
            after += segment.record.events;
            is_suspect |= view.insert_segment(segment);
        }
        let marks_went = !idle.is_empty();
        let forgotten = marks_went.then(|| view.forget_recent());
        for record in idle {
            view.set_marks(record.group, record.marks);
        }
        // Dead blocks were not counted; only what was cut out of living ones changes the totals.
        if before != after || marks_went {
            view.rebuild_stats();
        }
        drop(view);
        if is_suspect {
            self.call_sealer();
        }
        drop((removed, forgotten));
    }

    /// Writes the living blocks of a segment into a new one, as they are stored.
    fn rewrite(&self, segment: &Arc<Segment>) -> Result<Option<Finished>, Rewrite> {
        let writer = Writer::new(self.new_segment_id(), &self.ciphers, &self.limits);
        let mut writer = writer.map_err(|error| Rewrite::Write(error.into()))?;
        for (index, entry) in segment.entries.iter().enumerate() {
            if self.view().hidden.is_dead(&entry.meta) {
                continue;
            }
            match &entry.place {
                Place::Sealed(_) => {
                    let stored = segment.read_block(entry).map_err(Rewrite::Read)?;
                    writer.add_stored(entry, &stored);
                }
                Place::Plain(_) => {
                    let clip = Clip::everything(Vec::new());
                    let block = segment.block(index, clip).and_then(|block| block.load());
                    let block = block.map_err(Rewrite::Read)?;
                    writer.add_rows(&block.rows).map_err(Rewrite::Write)?;
                }
            }
        }
        let written = writer.finish(segment.record.first_seq, segment.record.end_seq);
        let finished = written.map_err(|error| Rewrite::Write(error.into()))?;
        if let Some(finished) = &finished {
            self.store_segment(finished).map_err(Rewrite::Write)?;
        }
        Ok(finished)
    }
}

enum Rewrite {
    Read(ReadError),
    Write(SealError),
}

impl View {
    /// The blocks in which the new marks hide something that is visible now.
    fn hit_by(&self, new: &HashMap<GroupId, Swept>) -> Vec<BlockHandle> {
        let mut hit = Vec::new();
        let touched = |meta: &BlockMeta| {
            new.get(&meta.group).is_some_and(|mark| meta.min_ms < mark.before_ms)
                && !self.hidden.is_dead(meta)
        };
        let clip = |group| Clip::everything(self.hidden.marks(group).to_vec());
        for segment in self.segments.values() {
            for (index, entry) in segment.entries.iter().enumerate().filter(|(_, entry)| touched(&entry.meta))
            {
                hit.push(BlockHandle::sealed(segment, index, clip(entry.meta.group)));
            }
        }
        for generation in self.generations() {
            for chunk in generation.chunks.iter().filter(|chunk| touched(&chunk_meta(chunk))) {
                let (group, stream) = (chunk.batch.group, chunk.batch.stream);
                hit.push(BlockHandle::of_chunks(group, stream, vec![Arc::clone(chunk)], clip(group)));
            }
        }
        hit
    }

    /// Of these, segments without a living block, and those that are mostly dead.
    fn reclaimable(&self, suspects: &HashSet<SegmentId>) -> (Vec<Arc<Segment>>, Vec<Arc<Segment>>) {
        let (mut dead, mut sparse) = (Vec::new(), Vec::new());
        for segment in self.segments.values().filter(|segment| suspects.contains(&segment.record.id)) {
            let (mut all, mut hidden, mut living) = (0, 0, 0);
            for entry in &segment.entries {
                all += entry.stored_bytes();
                if self.hidden.is_dead(&entry.meta) {
                    hidden += entry.stored_bytes();
                } else {
                    living += 1;
                }
            }
            if living == 0 {
                dead.push(Arc::clone(segment));
            } else if hidden > all / DEAD_PART {
                sparse.push(Arc::clone(segment));
            }
        }
        (dead, sparse)
    }

    /// Marks that hide nothing once these segments are replaced, as the records that remain.
    fn idle_marks(&self, replaced: &[(Arc<Segment>, Option<Finished>)]) -> Vec<SweptRecord> {
        let mut useful: HashSet<(GroupId, usize)> = HashSet::new();
        let mut look = |meta: &BlockMeta| {
            for (index, mark) in self.hidden.marks(meta.group).iter().enumerate() {
                if meta.min_ms < mark.before_ms && meta.min_seq < mark.upto_seq {
                    useful.insert((meta.group, index));
                }
            }
        };
        let is_replaced =
            |segment: &&Arc<Segment>| replaced.iter().any(|(old, _)| old.record.id == segment.record.id);
        for segment in self.segments.values().filter(|segment| !is_replaced(segment)) {
            segment.entries.iter().for_each(|entry| look(&entry.meta));
        }
        for finished in replaced.iter().filter_map(|(_, new)| new.as_ref()) {
            finished.entries.iter().for_each(|entry| look(&entry.meta));
        }
        for generation in self.generations() {
            generation.chunks.iter().for_each(|chunk| look(&chunk_meta(chunk)));
        }
        let mut records = Vec::new();
        for (&group, marks) in &self.hidden.swept {
            let is_useful = |(index, _): &(usize, &Swept)| useful.contains(&(group, *index));
            let kept: Vec<Swept> =
                marks.iter().enumerate().filter(is_useful).map(|(_, mark)| *mark).collect();
            if kept.len() < marks.len() {
                records.push(SweptRecord { group, marks: kept });
            }
        }
        records
    }
}

/// What a new mark takes from a block.
fn lost_of(handle: &BlockHandle, mark: &Swept) -> Option<LostRange> {
    let meta = &handle.meta;
    let (group, stream) = (meta.group, meta.stream);
    let whole = LostRange {
        group,
        stream,
        first: Position::at(meta.min_seq),
        last: Position::at(meta.max_seq),
        events: meta.events,
    };
    let wholly = meta.max_ms < mark.before_ms && meta.max_seq < mark.upto_seq;
    if wholly && handle.is_untouched() {
        return Some(whole);
    }
    // A damaged block cannot be counted row by row: all of it is called lost.
    let Ok(seqs) = swept_seqs(handle, mark) else { return Some(whole) };
    let (first, last, events) = seqs
        .into_iter()
        .fold((u64::MAX, 0, 0), |(first, last, events), seq| (seq.min(first), seq.max(last), events + 1));
    (events > 0).then(|| LostRange {
        group,
        stream,
        first: Position::at(first),
        last: Position::at(last),
        events,
    })
}

/// The seqs of the rows that are visible now and that a new mark takes.
fn swept_seqs(handle: &BlockHandle, mark: &Swept) -> Result<Vec<u64>, ReadError> {
    let block = handle.open()?;
    let (times, seqs) = (block.timestamps()?, block.seqs()?);
    let takes = |&row: &usize| is_swept(&[*mark], times[row], seqs[row]);
    let seq = |row: usize| seqs[row];
    Ok(match block.visible()? {
        None => (0..block.len()).filter(takes).map(seq).collect(),
        Some(rows) => rows.into_iter().map(|row| row as usize).filter(takes).map(seq).collect(),
    })
}
