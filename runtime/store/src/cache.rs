//! Owns the decoded parts of blocks kept for the next reader, bounded in bytes. Refuses to know how a part is
//! decoded.
//!
//! Heads and filters decide which blocks are read at all: they may take up to three quarters and are pushed
//! out only by each other. Everything else enters a short queue first and moves to the long one when it was
//! used there again, so that one large scan passes through without pushing out what others use. While there is no
//! room, only one in some new parts is taken: a scan that is larger than the cache and comes again and again finds
//! most of what was taken before, instead of pushing everything out just before its turn.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
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
/// Uses that are remembered; each saves a part once when room is made.
const USES_MAX: u8 = 3;

/// Of so many new parts one is taken while there is no room.
const TAKEN: u32 = 4;

/// The queues of a shard, in the order of their part of it.
const INDEX: usize = 0;
const SHORT: usize = 1;
const LONG: usize = 2;

#[derive(Debug)]
pub(crate) struct Cache {
    shard_bytes: u64,
    shards: [RwLock<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<Key, Slot>,
    queues: [VecDeque<Key>; 3],
    bytes: [u64; 3],
    /// Parts that came when there was no room.
    late: u32,
}

#[derive(Debug)]
struct Slot {
    kept: Kept,
    bytes: u64,
    queue: usize,
    uses: AtomicU8,
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
        // Two readers at once may count as one: it is a hint.
        let uses = slot.uses.load(Ordering::Relaxed);
        if uses < USES_MAX {
            slot.uses.store(uses + 1, Ordering::Relaxed);
        }
        Some(slot.kept.clone())
    }

    /// Larger parts are not kept.
    pub(crate) fn part_bytes_max(&self) -> u64 {
        self.shard_bytes / 2
    }

    /// Keeps a part of this size, if it is not a large piece of all there is.
    pub(crate) fn put(&self, key: Key, kept: Kept, bytes: u64) {
        let bytes = bytes + SLOT_BYTES;
        if bytes > self.part_bytes_max() {
            return;
        }
        let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
        let queue = if matches!(key.2, Part::Head | Part::Filter | Part::Joined) { INDEX } else { SHORT };
        let slot = Slot { kept, bytes, queue, uses: AtomicU8::new(0) };
        // What says which blocks are read at all is always taken.
        let takes = queue == INDEX || shard.takes(bytes, self.shard_bytes);
        if shard.slots.contains_key(&key) || !takes {
            return;
        }
        shard.slots.insert(key, slot);
        shard.queues[queue].push_back(key);
        shard.bytes[queue] += bytes;
        shard.make_room(self.shard_bytes);
    }

    /// Forgets the blocks of a segment that is gone.
    pub(crate) fn forget(&self, segment: SegmentId) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let shard = &mut *shard;
            let bytes = &mut shard.bytes;
            shard.slots.retain(|key, slot| {
                let stays = key.0 != segment;
                if !stays {
                    bytes[slot.queue] -= slot.bytes;
                }
                stays
            });
            shard.queues.iter_mut().for_each(|queue| queue.retain(|key| key.0 != segment));
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |shard: &RwLock<Shard>| {
            shard.read().unwrap_or_else(PoisonError::into_inner).bytes.iter().sum::<u64>()
        };
        self.shards.iter().map(bytes).sum()
    }
}

impl Shard {
    /// Whether a new part of this size is taken.
    fn takes(&mut self, bytes: u64, bytes_max: u64) -> bool {
        if self.bytes.iter().sum::<u64>() + bytes <= bytes_max {
            return true;
        }
        self.late = self.late.wrapping_add(1);
        self.late.is_multiple_of(TAKEN)
    }

    fn make_room(&mut self, bytes_max: u64) {
        while self.bytes.iter().sum::<u64>() > bytes_max {
            let data = self.bytes[SHORT] + self.bytes[LONG];
            let queue = if self.bytes[INDEX] > bytes_max / 4 * 3 || data == 0 {
                INDEX
            } else if self.bytes[SHORT] > data / 4 || self.bytes[LONG] == 0 {
                SHORT
            } else {
                LONG
            };
            if !self.push_out(queue) {
                return;
            }
        }
    }

    /// Takes the oldest part of a queue out, or gives it another turn because it was used.
    fn push_out(&mut self, queue: usize) -> bool {
        let Some(key) = self.queues[queue].pop_front() else { return false };
        let Some(slot) = self.slots.get_mut(&key) else { return true };
        let uses = slot.uses.get_mut();
        if *uses > 0 {
            // Leaving the short queue costs the uses that earned it; each other turn costs one.
            *uses = if queue == SHORT { 0 } else { *uses - 1 };
            let next = if queue == SHORT { LONG } else { queue };
            slot.queue = next;
            let bytes = slot.bytes;
            self.bytes[queue] -= bytes;
            self.bytes[next] += bytes;
            self.queues[next].push_back(key);
        } else if let Some(slot) = self.slots.remove(&key) {
            self.bytes[queue] -= slot.bytes;
        }
        true
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
        assert!(cache.bytes() <= 64 << 10 && cache.bytes() > 48 << 10, "{}", cache.bytes());
        cache.forget(SegmentId(1));
        assert!(cache.get(&data(999)).is_none());
        cache.forget(SegmentId(2));
        assert_eq!(cache.bytes(), 0);
        cache.put(data(1), kept(), 5000);
        assert_eq!(cache.bytes(), 0, "one part may not push out all others");
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
        assert!(found[1..].iter().all(|&found| found > 700), "{found:?}");
        // Another one that fits takes over.
        let found: Vec<usize> = (0..20).map(|_| scan(&cache, 5000..5500)).collect();
        assert!(found[19] > 450, "{found:?}");
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
