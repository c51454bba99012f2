//! Owns the decoded blocks kept for the next reader, bounded in bytes, least recently used out first.
//! Refuses to know how a block is decoded.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::block::Rows;
use crate::id::SegmentId;

type Key = (SegmentId, usize);

#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    blocks: HashMap<Key, (Arc<Rows>, u64)>,
    by_use: BTreeMap<u64, Key>,
    bytes: u64,
    clock: u64,
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: Key) -> Option<Arc<Rows>> {
        let mut state = self.lock();
        state.clock += 1;
        let now = state.clock;
        let (rows, used) = state.blocks.get_mut(&key)?;
        let (rows, before) = (Arc::clone(rows), std::mem::replace(used, now));
        state.by_use.remove(&before);
        state.by_use.insert(now, key);
        Some(rows)
    }

    pub(crate) fn put(&self, key: Key, rows: &Arc<Rows>) {
        let size = rows.memory_bytes();
        if size > self.bytes_max / 2 {
            return;
        }
        let mut state = self.lock();
        state.remove(key);
        state.clock += 1;
        let now = state.clock;
        state.blocks.insert(key, (Arc::clone(rows), now));
        state.by_use.insert(now, key);
        state.bytes += size;
        while state.bytes > self.bytes_max {
            let Some((_, oldest)) = state.by_use.first_key_value() else { break };
            let oldest = *oldest;
            state.remove(oldest);
        }
    }

    /// Forgets the blocks of a segment that is gone.
    pub(crate) fn forget(&self, segment: SegmentId) {
        let mut state = self.lock();
        let keys: Vec<Key> = state.blocks.keys().filter(|key| key.0 == segment).copied().collect();
        for key in keys {
            state.remove(key);
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }
}

impl State {
    fn remove(&mut self, key: Key) {
        if let Some((rows, used)) = self.blocks.remove(&key) {
            self.by_use.remove(&used);
            self.bytes -= rows.memory_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{GroupId, StreamId};

    fn rows(bytes: usize) -> Arc<Rows> {
        let mut rows = Rows::empty(GroupId(1), StreamId(1));
        rows.push(0, 0, 0, 0, &vec![0; bytes - 29]);
        Arc::new(rows)
    }

    #[test]
    fn the_cache_keeps_what_was_used_last_within_its_bound() {
        let cache = Cache::new(300);
        let key = |index| (SegmentId(1), index);
        for index in 0..3 {
            cache.put(key(index), &rows(100));
        }
        assert!(cache.get(key(0)).is_some());
        cache.put(key(3), &rows(100));
        assert!(cache.get(key(1)).is_none(), "the least recently used one goes");
        assert!(cache.get(key(0)).is_some() && cache.get(key(2)).is_some() && cache.get(key(3)).is_some());
        cache.put(key(3), &rows(50));
        assert_eq!(cache.bytes(), 250);
        cache.put(key(4), &rows(151));
        assert!(cache.get(key(4)).is_none(), "one block may not push out all others");
        cache.forget(SegmentId(1));
        assert_eq!(cache.bytes(), 0);
    }
}
