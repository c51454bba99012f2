//! Owns the tests of the store as a whole, on a disk in memory that can fail.

mod clues;
mod crash;
mod damage;
mod lending;
mod merging;
mod reading;
mod taking_away;

use std::sync::Arc;

use crate::faulty::FaultyDisk;
use crate::*;

/// Small bounds, so that a few events make many commits, memtables and blocks.
fn small_limits() -> Limits {
    Limits {
        generation_bytes: 1500,
        close_seal_bytes: 400,
        block_bytes: 410,
        // Written when it pleases the thread; those who want it ask for it.
        room_bytes: 0,
        discard_bytes: 500,
        // Merging is asked for by the tests that mean it.
        merge_bytes: 0,
        ..Limits::default()
    }
}

fn options() -> Options {
    Options { limits: small_limits(), ..Options::default() }
}

fn open_on(disk: &FaultyDisk, manifest: &Arc<MemoryManifest>) -> Store {
    let manifest: Arc<dyn Manifest> = manifest.clone();
    Store::open(options(), Arc::new(disk.clone()), manifest, keys()).unwrap()
}

/// The keys of every store of these tests.
fn keys() -> Arc<dyn Keys> {
    Arc::new(MemoryKeys::new(7))
}

struct Bench {
    disk: FaultyDisk,
    manifest: Arc<MemoryManifest>,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let (disk, manifest) = (FaultyDisk::new(1), Arc::new(MemoryManifest::default()));
        let store = open_on(&disk, &manifest);
        Self { disk, manifest, store }
    }

    /// Closes nothing: as after `kill -9`.
    fn reopen(self) -> Self {
        let disk = self.disk.after_kill();
        drop(self.store);
        let store = open_on(&disk, &self.manifest);
        Self { disk, manifest: self.manifest, store }
    }
}

fn batch(group: u64, stream: u64, rows: &[(i64, &str)]) -> Batch {
    let events = rows.iter().copied().collect();
    Batch { group: GroupId(group), stream: StreamId(stream), ingestion_ms: 1_000, hop: 1, events }
}

/// A batch of one stream per group: the stream id is the group id times ten.
fn put(store: &Store, group: u64, rows: &[(i64, &str)]) -> Ack {
    store.append_wait(batch(group, group * 10, rows)).unwrap()
}

fn groups(ids: &[u64]) -> Selection {
    Selection { groups: ids.iter().copied().map(GroupId).collect(), streams: None }
}

fn scanned(store: &Store, request: &ScanRequest) -> Vec<Event> {
    let mut events = Vec::new();
    for run in store.scan(request) {
        events.extend(run.unwrap().events().map(|event| event.to_event()));
    }
    events
}

fn all(store: &Store, ids: &[u64]) -> Vec<Event> {
    scanned(store, &ScanRequest::all(groups(ids)))
}

fn followed(store: &Store, limit: PageLimit) -> Vec<Event> {
    let (mut events, mut from) = (Vec::new(), Position::at(0));
    let to = store.durable_position();
    while from < to {
        let page = store.scan_by_position(from, to, limit, None).unwrap();
        assert!(page.damaged.is_empty(), "{:?}", page.damaged);
        assert!(page.next > from, "a page must get on");
        let found = page.events();
        assert!(found.len() <= limit.events.max(1));
        if let Some(memory) = store.scan_memory_by_position(from, to, limit, None) {
            assert!(from < memory.next && memory.next <= page.next);
            let before = found.iter().filter(|event| event.position < memory.next);
            assert_eq!(memory.events(), before.cloned().collect::<Vec<Event>>());
        }
        events.extend(found);
        from = page.next;
    }
    assert_eq!(from, to);
    events
}

fn texts(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| std::str::from_utf8(&event.message).unwrap()).collect()
}
