//! Owns the decoded parts of blocks kept for the next reader, bounded in bytes. Refuses to know how a part is
//! decoded.
//!
//! Heads and filters decide which blocks are read at all: they may take up to three quarters and are pushed
//! out only by each other. For everything else, once there is no room, the rule is that of LIRS (Jiang and Zhang,
//! SIGMETRICS 2002): a part is taken when it comes back sooner than another that is kept has been lying unused. So a
//! scan that passes once pushes out nothing, one that comes again takes over at its second turn, and one that is
//! larger than the cache finds at each turn what there was room for, instead of pushing everything out just before
//! it is used.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::block::Rows;
use crate::containing::JoinedFilters;
use crate::filter::Filter;
use crate::id::SegmentId;
use crate::message::Decoded;
use crate::segment::chunks::BlockHead;

/// A part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Head,
    Filter,
    /// The filters of this block and the ones behind it, as one.
    Joined,
    /// What `message` decodes, by its key.
    Decoded(u32),
    /// The whole block; only of version 1.
    Rows,
}

/// Segment, block, part.
pub(crate) type Key = (SegmentId, u32, Part);

/// What is kept; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Head(Arc<BlockHead>),
    Filter(Arc<Filter>),
    Joined(Arc<JoinedFilters>),
    Decoded(Decoded),
    Rows(Arc<Rows>),
}

/// Threads that read different parts rarely meet at one lock.
const SHARDS: usize = 8;
/// What the bookkeeping of one part counts as.
const SLOT_BYTES: u64 = 96;
/// Parts that were seen and are not kept, remembered by each shard.
const SEEN_MAX: usize = 4096;
/// Parts looked at, at most, to make room for one that need not be taken.
const LOOKS_MAX: usize = 16;

/// What the block cache holds, and what it was good for since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounters {
    /// Bytes kept now.
    pub bytes: u64,
    /// Bytes that were found.
    pub hit_bytes: u64,
    /// Bytes that had to be decoded.
    pub miss_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Cache {
    shard_bytes: u64,
    shards: [RwLock<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<Key, Slot>,
    /// What says which blocks are read.
    index: Queue,
    data: Queue,
    seen: Seen,
    /// Bytes that were used or came so far: the time that the rule goes by.
    clock: AtomicU64,
    /// Those of them that came.
    miss_bytes: u64,
}

#[derive(Debug)]
struct Slot {
    kept: Kept,
    bytes: u64,
    /// By the clock.
    used: AtomicU64,
}

/// Parts in the order in which they are looked at to make room, each with its last use as it was known then.
#[derive(Debug, Default)]
struct Queue {
    parts: VecDeque<(Key, u64)>,
    bytes: u64,
}

/// When parts that are not kept were seen last.
#[derive(Debug, Default)]
struct Seen {
    times: HashMap<Key, u64>,
    order: VecDeque<(Key, u64)>,
}

impl Seen {
    fn note(&mut self, key: Key, now: u64) {
        self.times.insert(key, now);
        self.order.push_back((key, now));
        while self.order.len() > SEEN_MAX {
            let Some((oldest, then)) = self.order.pop_front() else { return };
            if self.times.get(&oldest) == Some(&then) {
                self.times.remove(&oldest);
            }
        }
    }
}

fn is_index(key: &Key) -> bool {
    matches!(key.2, Part::Head | Part::Filter | Part::Joined)
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { shard_bytes: bytes_max / SHARDS as u64, shards: Default::default() }
    }

    fn shard(&self, key: &Key) -> &RwLock<Shard> {
        let part = match key.2 {
            Part::Head => 0,
            Part::Filter => 1,
            Part::Rows => 2,
            Part::Joined => 3,
            Part::Decoded(part) => u64::from(part) + 4,
        };
        let mixed = (key.0.0 ^ (u64::from(key.1) << 24) ^ (part << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(mixed >> 61) as usize % SHARDS]
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Kept> {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        let slot = shard.slots.get(key)?;
        slot.used.store(shard.pass(slot.bytes), Ordering::Relaxed);
        Some(slot.kept.clone())
    }

    /// Larger parts are not kept.
    pub(crate) fn part_bytes_max(&self) -> u64 {
        self.shard_bytes / 2
    }

    /// Keeps a part of this size, if it is not a large piece of all there is and the rule takes it.
    pub(crate) fn put(&self, key: Key, kept: Kept, bytes: u64) {
        let bytes = bytes + SLOT_BYTES;
        if bytes > self.part_bytes_max() {
            return;
        }
        let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
        let now = shard.pass(bytes);
        shard.miss_bytes += bytes;
        if shard.slots.contains_key(&key) {
            return;
        }
        let queue = if is_index(&key) {
            shard.index.bytes += bytes;
            shard.make_room_for_index(self.shard_bytes);
            &mut shard.index
        } else if shard.takes(key, bytes, now, self.shard_bytes) {
            shard.data.bytes += bytes;
            &mut shard.data
        } else {
            return shard.seen.note(key, now);
        };
        queue.parts.push_back((key, now));
        shard.slots.insert(key, Slot { kept, bytes, used: AtomicU64::new(now) });
    }

    /// Forgets the blocks of a segment that is gone.
    pub(crate) fn forget(&self, segment: SegmentId) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let Shard { slots, index, data, seen, .. } = &mut *shard;
            slots.retain(|key, slot| {
                let stays = key.0 != segment;
                if !stays {
                    let queue = if is_index(key) { &mut *index } else { &mut *data };
                    queue.bytes -= slot.bytes;
                }
                stays
            });
            for parts in [&mut index.parts, &mut data.parts, &mut seen.order] {
                parts.retain(|(key, _)| key.0 != segment);
            }
            seen.times.retain(|key, _| key.0 != segment);
        }
    }

    pub(crate) fn counters(&self) -> CacheCounters {
        let mut all = CacheCounters::default();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            all.bytes += shard.bytes();
            all.miss_bytes += shard.miss_bytes;
            all.hit_bytes += shard.clock.load(Ordering::Relaxed) - shard.miss_bytes;
        }
        all
    }
}

impl Shard {
    fn bytes(&self) -> u64 {
        self.index.bytes + self.data.bytes
    }

    /// Lets so many bytes pass; the time then.
    fn pass(&self, bytes: u64) -> u64 {
        self.clock.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// Whether a part that carries data is taken; makes room if so.
    fn takes(&mut self, key: Key, bytes: u64, now: u64, bytes_max: u64) -> bool {
        let away = self.seen.times.remove(&key).map(|then| now - then);
        let mut looks = 0;
        while self.bytes() + bytes > bytes_max {
            let Some(away) = away else { return false };
            // Two readers of one scan do not keep step exactly.
            let unused = away + away / 8;
            let Some((oldest, known)) = self.data.parts.pop_front() else { return false };
            let used = self.slots[&oldest].used.load(Ordering::Relaxed);
            if used == known && now.saturating_sub(used) > unused {
                self.drop_data(oldest, used);
                continue;
            }
            self.data.parts.push_back((oldest, used));
            looks += 1;
            if looks == LOOKS_MAX {
                return false;
            }
        }
        true
    }

    /// Pushes data out, or other parts that say which blocks are read if they take too much.
    fn make_room_for_index(&mut self, bytes_max: u64) {
        while self.bytes() > bytes_max {
            let index = self.index.bytes > bytes_max / 4 * 3 || self.data.parts.is_empty();
            let queue = if index { &mut self.index } else { &mut self.data };
            let Some((oldest, known)) = queue.parts.pop_front() else { return };
            let used = self.slots[&oldest].used.load(Ordering::Relaxed);
            if used != known {
                queue.parts.push_back((oldest, used));
            } else if index {
                self.index.bytes -= self.slots.remove(&oldest).map_or(0, |slot| slot.bytes);
            } else {
                self.drop_data(oldest, used);
            }
        }
    }

    fn drop_data(&mut self, key: Key, used: u64) {
        self.data.bytes -= self.slots.remove(&key).map_or(0, |slot| slot.bytes);
        self.seen.note(key, used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{GroupId, StreamId};

    fn kept() -> Kept {
        Kept::Rows(Arc::new(Rows::empty(GroupId(1), StreamId(1))))
    }

    fn data(block: u32) -> Key {
        (SegmentId(1), block, Part::Decoded(0))
    }

    #[test]
    fn the_cache_stays_within_its_bound_and_forgets_segments() {
        let cache = Cache::new(64 << 10);
        for block in 0..1000 {
            cache.put(data(block), kept(), 900);
            cache.put((SegmentId(2), block, Part::Filter), kept(), 900);
        }
        assert!(
            cache.counters().bytes <= 64 << 10 && cache.counters().bytes > 48 << 10,
            "{}",
            cache.counters().bytes
        );
        cache.forget(SegmentId(1));
        assert!(cache.get(&data(999)).is_none());
        cache.forget(SegmentId(2));
        assert_eq!(cache.counters().bytes, 0);
        cache.put(data(1), kept(), 5000);
        assert_eq!(cache.counters().bytes, 0, "one part may not push out all others");
    }

    fn there(cache: &Cache) -> impl Fn(&mut dyn Iterator<Item = Key>) -> usize {
        |keys| keys.filter(|key| cache.get(key).is_some()).count()
    }

    /// What reads parts in order, and keeps those it did not find; how many it found.
    fn scan(cache: &Cache, parts: std::ops::Range<u32>) -> usize {
        let mut found = 0;
        for part in parts {
            if cache.get(&data(part)).is_some() {
                found += 1;
            } else {
                cache.put(data(part), kept(), 900);
            }
        }
        found
    }

    #[test]
    fn a_scan_that_is_too_large_finds_what_there_is_room_for() {
        let cache = Cache::new(1 << 20);
        // About 1,050 parts fit.
        let found: Vec<usize> = (0..6).map(|_| scan(&cache, 0..2000)).collect();
        assert!(found[1..].iter().all(|&found| found > 1000), "{found:?}");
        // Another one that fits takes over at its second turn, but for a few.
        let found: Vec<usize> = (0..4).map(|_| scan(&cache, 5000..5500)).collect();
        assert!(found[2] > 400 && found[3] > 490, "{found:?}");
        // And leaves when the first comes back and stays.
        let found: Vec<usize> = (0..6).map(|_| scan(&cache, 0..2000)).collect();
        assert!(found[0] > 400 && found[5] > 1000, "{found:?}");
    }

    #[test]
    fn a_large_scan_pushes_out_neither_filters_nor_what_is_used_again() {
        let cache = Cache::new(1 << 20);
        let filter = |block| (SegmentId(2), block, Part::Filter);
        for block in 0..300 {
            cache.put(filter(block), kept(), 900);
        }
        for block in 0..200 {
            cache.put(data(block), kept(), 900);
            cache.get(&data(block));
        }
        for block in 1000..9000 {
            cache.put(data(block), kept(), 900);
        }
        let there = there(&cache);
        assert_eq!(there(&mut (0..300).map(filter)), 300);
        assert_eq!(there(&mut (0..200).map(data)), 200);
        assert!(there(&mut (1000..9000).map(data)) < 1000);
    }
}
