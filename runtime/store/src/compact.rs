//! Owns merging: small neighbouring segments become one, small blocks of one stream in them become full ones,
//! and blocks of an older version are written anew. Refuses to touch large segments, and to decide when.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::block::{Clip, Rows};
use crate::engine::Engine;
use crate::error::{ReadError, SealError};
use crate::limits::Limits;
use crate::manifest::Change;
use crate::segment::layout::{Entry, Place, file_name};
use crate::segment::write::{Finished, Writer};
use crate::segment::{Segment, is_small_block};
use crate::view::View;

/// At least this many segments are merged at once.
const SEGMENTS_MIN: usize = 4;
/// At most this many.
const SEGMENTS_MAX: usize = 64;
/// What is merged at once is at most this many times `merge_bytes`: it is put together in memory.
const TOTAL_PART: u64 = 8;
/// A segment of tiny blocks is merged even if it is this many times larger than others may be.
const TINY_PART: u64 = 4;
/// Blocks below this part of `block_bytes` are tiny.
const TINY_BLOCK_PART: u64 = 64;

/// Why a merge ended without a new segment.
enum Stop {
    /// A segment holds something that cannot be read: it stays as it is.
    Unreadable(Arc<Segment>, ReadError),
    Failed(SealError),
}

impl<E: Into<SealError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A living block of a segment that is merged.
struct Item<'a> {
    segment: &'a Arc<Segment>,
    index: usize,
}

impl Item<'_> {
    fn entry(&self) -> &Entry {
        &self.segment.entries[self.index]
    }

    fn size(&self) -> u64 {
        let meta = &self.entry().meta;
        meta.raw_bytes + meta.events * Rows::ROW_BYTES
    }
}

impl Engine {
    /// Merges until nothing is left to merge; one thread at a time.
    pub(crate) fn merge_all(&self) -> Result<(), SealError> {
        let _merging = self.one_merge();
        while self.merge_some()? {}
        Ok(())
    }

    /// Merges one run of segments, if there is one. No lock is held while the new file is made, and memtables
    /// that wait are sealed in between.
    fn merge_some(&self) -> Result<bool, SealError> {
        let Some(run) = self.view().mergeable(&self.limits) else { return Ok(false) };
        let finished = match self.write_merged(&run) {
            Ok(finished) => finished,
            Err(Stop::Unreadable(segment, error)) => {
                tracing::warn!(%error, "a segment cannot be merged and stays as it is");
                self.view_mut().unmergeable.insert(segment.record.id);
                return Ok(true);
            }
            Err(Stop::Failed(error)) => return Err(error),
        };
        let _maintenance = self.maintain();
        let stands = |segment: &Arc<Segment>| {
            self.view().segments.contains_key(&(segment.record.first_seq, segment.record.id))
        };
        if !run.iter().all(stands) {
            // A sweep has replaced one of them meanwhile: the next try sees what is there then.
            if let Some(finished) = finished {
                let _ = self.backing.blobs.delete(&file_name(finished.record.id));
            }
            return Ok(true);
        }
        let mut change = Change::default();
        change.dropped.extend(run.iter().map(|segment| segment.record.id));
        if let Some(finished) = &finished {
            change.new.push(finished.record.clone());
            change.next_segment = Some(finished.record.id.0 + 1);
        }
        self.manifest.publish(change)?;
        self.counters.merged_segments.fetch_add(run.len() as u64, Ordering::Relaxed);
        self.replace(run.into_iter().map(|segment| (segment, None)).collect(), finished, Vec::new());
        Ok(true)
    }

    /// Writes the living blocks of neighbouring segments into a new one.
    fn write_merged(&self, run: &[Arc<Segment>]) -> Result<Option<Finished>, Stop> {
        let mut items = Vec::new();
        {
            let view = self.view();
            for segment in run {
                let living = segment.entries.iter().enumerate();
                let living = living.filter(|(_, entry)| !view.hidden.is_dead(&entry.meta));
                items.extend(living.map(|(index, _)| Item { segment, index }));
            }
        }
        items.sort_by_key(|item| {
            let meta = &item.entry().meta;
            (meta.group, meta.stream, meta.min_ms, meta.min_seq)
        });
        let mut writer = Writer::new(self.new_segment_id(), &self.ciphers, &self.limits)?;
        let mut left = &items[..];
        while !left.is_empty() {
            self.make_way()?;
            let (now, later) = left.split_at(joined(left, &self.limits));
            self.add_joined(&mut writer, now)?;
            left = later;
        }
        // Invariant: a run has at least one segment, and they stand in the order of arrival.
        let (first, last) = (&run[0].record, &run[run.len() - 1].record);
        let finished = writer.finish(first.first_seq, last.end_seq)?;
        if let Some(finished) = &finished {
            self.store_segment(finished)?;
        }
        Ok(finished)
    }

    /// Memtables first: the intake waits for them.
    fn make_way(&self) -> Result<(), SealError> {
        if self.is_stopping() {
            return Err(SealError::Closed);
        }
        if self.view().sealing.is_empty() {
            return Ok(());
        }
        self.seal_waiting()
    }

    fn add_joined(&self, writer: &mut Writer<'_>, items: &[Item<'_>]) -> Result<(), Stop> {
        if let [item] = items
            && matches!(item.entry().place, Place::Sealed(_))
        {
            let unreadable = |error| Stop::Unreadable(Arc::clone(item.segment), error);
            let stored = item.segment.read_block(item.entry()).map_err(unreadable)?;
            writer.add_stored(item.entry(), &stored);
            return Ok(());
        }
        let mut blocks = Vec::new();
        for item in items {
            let clip = Clip::everything(self.view().hidden.marks(item.entry().meta.group).to_vec());
            let block = item.segment.block(item.index, clip).and_then(|block| block.load());
            match block {
                Ok(block) => blocks.push(block),
                // Gone with its group meanwhile.
                Err(ReadError::Key(_)) if self.view().hidden.is_dead(&item.entry().meta) => {}
                Err(error) => return Err(Stop::Unreadable(Arc::clone(item.segment), error)),
            }
        }
        let rows = Rows::merged(&blocks);
        if let Some(rows) = rows.filter(|rows| rows.len() > 0) {
            writer.add_rows(&rows)?;
        }
        Ok(())
    }
}

/// How many of these blocks become one: small ones of one stream, up to a full block.
fn joined(items: &[Item<'_>], limits: &Limits) -> usize {
    let first = items[0].entry();
    let (mut size, mut events, mut count) = (0, 0, 0);
    for item in items {
        let meta = &item.entry().meta;
        size += item.size();
        events += meta.events;
        let fits = size <= limits.block_bytes && events <= limits.block_rows;
        let same = (meta.group, meta.stream) == (first.meta.group, first.meta.stream);
        if !is_small_block(meta, limits) || !same || !fits {
            break;
        }
        count += 1;
    }
    count.max(1)
}

impl View {
    /// Segments to write anew: one of an older version, or neighbours that are small.
    fn mergeable(&self, limits: &Limits) -> Option<Vec<Arc<Segment>>> {
        let mut run: Vec<&Arc<Segment>> = Vec::new();
        for segment in self.segments.values() {
            let stays = limits.merge_bytes == 0 || self.unmergeable.contains(&segment.record.id);
            if !stays && segment.is_plain() {
                return Some(vec![Arc::clone(segment)]);
            }
            let apart = |last: &&Arc<Segment>| self.is_apart(last, segment);
            if stays || !is_small(segment, limits) || run.last().is_some_and(apart) {
                if let Some(found) = pick(&run, limits) {
                    return Some(found);
                }
                run.clear();
            }
            if !stays && is_small(segment, limits) {
                run.push(segment);
            }
        }
        pick(&run, limits)
    }

    /// Whether a segment that could not be opened lies between two others.
    fn is_apart(&self, before: &Segment, behind: &Segment) -> bool {
        let between = before.record.end_seq..behind.record.first_seq.max(before.record.end_seq);
        self.damaged.iter().any(|record| between.contains(&record.first_seq))
    }
}

fn is_small(segment: &Segment, limits: &Limits) -> bool {
    let record = &segment.record;
    let raw: u64 = segment.entries.iter().map(|entry| entry.meta.raw_bytes).sum();
    let tiny = raw / segment.entries.len().max(1) as u64 <= limits.block_bytes / TINY_BLOCK_PART;
    record.bytes < limits.merge_bytes || tiny && record.bytes < TINY_PART * limits.merge_bytes
}

/// The first neighbours of which none is larger than all others together: each event is then written anew
/// only as often as its segment doubles.
fn pick(run: &[&Arc<Segment>], limits: &Limits) -> Option<Vec<Arc<Segment>>> {
    for start in 0..run.len() {
        let (mut total, mut largest, mut best) = (0, 0, None);
        for (index, segment) in run.iter().enumerate().skip(start).take(SEGMENTS_MAX) {
            total += segment.record.bytes;
            largest = largest.max(segment.record.bytes);
            if total > TOTAL_PART * limits.merge_bytes {
                break;
            }
            if index + 1 - start >= SEGMENTS_MIN && largest * 2 <= total {
                best = Some(index + 1);
            }
        }
        if let Some(end) = best {
            return Some(run[start..end].iter().map(|segment| Arc::clone(segment)).collect());
        }
    }
    None
}
