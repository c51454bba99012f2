//! Owns the tests of failing disks and damaged files: refused, reported, and the rest stays readable.

use super::*;
use crate::faulty::Faults;

fn try_open(disk: &FaultyDisk, manifest: &Arc<MemoryManifest>) -> Result<Store, OpenError> {
    let manifest: Arc<dyn Manifest> = manifest.clone();
    Store::open(options(), Arc::new(disk.clone()), manifest, keys())
}

fn intake_files(disk: &FaultyDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.starts_with("intake-")).collect()
}

#[test]
fn after_a_failed_fsync_everything_is_refused_until_reopened() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "kept")]);
    bench.disk.set_faults(Faults { sync_fails_at: Some(0), ..Faults::default() });
    let outcome = bench.store.append_wait(batch(1, 10, &[(2, "unsure")]));
    assert!(matches!(outcome, Err(AppendError::SyncFailed(_))), "{outcome:?}");
    assert!(bench.store.is_refusing());
    let calls = bench.disk.calls();
    for _ in 0..3 {
        let outcome = bench.store.append_wait(batch(1, 10, &[(3, "refused")]));
        assert!(matches!(outcome, Err(AppendError::Refused)), "{outcome:?}");
    }
    assert!(matches!(bench.store.seal_now(), Err(SealError::Refused)));
    assert_eq!(bench.disk.calls(), calls, "no write, and above all no second fsync");
    assert_eq!(texts(&all(&bench.store, &[1])), ["kept"], "reading goes on");
    let bench = bench.reopen();
    let found = all(&bench.store, &[1]).len();
    assert!(found == 1 || found == 2);
    put(&bench.store, 1, &[(9, "again")]);
    // What the failed fsync dropped was readable again after the restart: now it has to be durable.
    let disk = bench.disk.after_power_cut();
    drop(bench.store);
    assert_eq!(all(&open_on(&disk, &bench.manifest), &[1]).len(), found + 1);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "kept")]);
    bench.disk.set_faults(Faults { bytes_max: Some(150), ..Faults::default() });
    let outcome = bench.store.append_wait(batch(1, 10, &[(2, &"x".repeat(200))]));
    assert!(matches!(outcome, Err(AppendError::DiskFull)), "{outcome:?}");
    bench.disk.set_faults(Faults::default());
    assert_eq!(put(&bench.store, 1, &[(3, "room again")]).first, Position::at(1), "the seq has no gap");
    let bench = bench.reopen();
    assert_eq!(texts(&all(&bench.store, &[1])), ["kept", "room again"]);
    assert_eq!(bench.store.report().torn_bytes, 0);
}

#[test]
fn a_seal_that_fails_is_tried_again_and_loses_nothing() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "kept")]);
    // The first fsync of a seal is that of the segment file.
    bench.disk.set_faults(Faults { sync_fails_at: Some(0), ..Faults::default() });
    // The sealer thread may meet the failure first; then this call's own attempt succeeds.
    let outcome = bench.store.seal_now();
    assert!(matches!(outcome, Ok(()) | Err(SealError::Disk(_))), "{outcome:?}");
    assert_eq!(bench.store.counters().failed_seals, 1);
    put(&bench.store, 1, &[(2, "still open")]);
    bench.store.seal_now().unwrap();
    assert_eq!(texts(&all(&bench.store, &[1])), ["kept", "still open"]);
    assert_eq!(intake_files(&bench.disk).len(), 1, "sealed files are removed");
}

/// One memtable with three commits, then the files as a crash leaves them.
fn three_commits() -> Bench {
    let bench = Bench::new();
    for text in ["first", "second", "third"] {
        put(&bench.store, 1, &[(1, text)]);
    }
    bench
}

#[test]
fn every_torn_tail_of_the_newest_file_leaves_whole_batches() {
    let bench = three_commits();
    let name = intake_files(&bench.disk).pop().unwrap();
    let file = Disk::open(&bench.disk, &name).unwrap();
    let size = file.size().unwrap();
    for cut in 0..=size {
        let disk = bench.disk.after_kill();
        disk.edit(&name, |bytes| bytes.truncate(cut as usize));
        let manifest = Arc::new(MemoryManifest::default());
        let store = open_on(&disk, &manifest);
        let found = all(&store, &[1]);
        assert!(["first", "second", "third"].starts_with(&texts(&found)), "cut at {cut}");
        assert!(store.report().damaged_intake.is_empty(), "cut at {cut}: {:?}", store.report());
        assert_eq!(found.len() == 3, cut == size);
        let next = put(&store, 1, &[(5, "next")]);
        assert_eq!(next.first.seq, found.len() as u64);
        let disk = disk.after_power_cut();
        drop(store);
        assert_eq!(all(&open_on(&disk, &manifest), &[1]).len(), found.len() + 1, "cut at {cut}");
    }
}

#[test]
fn damage_to_acknowledged_frames_is_reported_and_the_rest_is_read() {
    let bench = three_commits();
    let name = intake_files(&bench.disk).pop().unwrap();
    let disk = bench.disk.after_kill();
    disk.edit(&name, |bytes| {
        let frames: Vec<usize> = memchr::memmem::find_iter(bytes, &[0x9e, b'L', b'f', 0xb2]).collect();
        assert_eq!(frames.len(), 3);
        bytes[frames[2] - 1] ^= 1;
    });
    let store = open_on(&disk, &bench.manifest);
    assert_eq!(texts(&all(&store, &[1])), ["first", "third"]);
    let report = store.report();
    assert_eq!(report.damaged_intake.len(), 2, "the place and the gap: {report:?}");
    let events = followed(&store, PageLimit { events: 1, bytes: 1 });
    assert_eq!(events[1].position, Position::at(2), "positions stay");
    store.seal_now().unwrap();
    assert_eq!(followed(&store, PageLimit { events: 1, bytes: 1 }), events);
    drop(store);
}

#[test]
fn a_damaged_last_frame_is_taken_for_a_torn_tail() {
    let bench = three_commits();
    let name = intake_files(&bench.disk).pop().unwrap();
    let disk = bench.disk.after_kill();
    disk.edit(&name, |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    let store = open_on(&disk, &bench.manifest);
    assert_eq!(texts(&all(&store, &[1])), ["first", "second"]);
    assert!(store.report().torn_bytes > 0 && store.report().damaged_intake.is_empty());
}

/// A store whose small commits are written over zeros, with one event, and its intake file when the zeros are there.
fn with_room(disk: &FaultyDisk, manifest: &Arc<MemoryManifest>) -> (Store, Box<dyn DiskFile>) {
    let limits = Limits { room_bytes: 4_000, ..small_limits() };
    let seam: Arc<dyn Manifest> = manifest.clone();
    let store = Store::open(Options { limits, ..options() }, Arc::new(disk.clone()), seam, keys()).unwrap();
    put(&store, 1, &[(1, "first")]);
    let file = Disk::open(disk, &intake_files(disk)[0]).unwrap();
    // They are written behind the answer.
    while file.size().unwrap() < 4_000 {
        std::thread::yield_now();
    }
    (store, file)
}

#[test]
fn a_commit_that_was_torn_over_zeros_leaves_whole_batches() {
    let (disk, manifest) = (FaultyDisk::new(1), Arc::new(MemoryManifest::default()));
    let (store, file) = with_room(&disk, &manifest);
    let size = file.size().unwrap();
    put(&store, 1, &[(1, "second")]);
    put(&store, 1, &[(1, "third")]);
    assert_eq!(file.size().unwrap(), size, "they went into the file as it was");
    let mut bytes = vec![0; size as usize];
    file.read_at(0, &mut bytes).unwrap();
    let ends: Vec<usize> = memchr::memmem::find_iter(&bytes, &[0x9e, b'L', b'f', 0xb2]).collect();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let killed = disk.after_kill();
    drop(store);
    for cut in 0..=written {
        let disk = killed.after_kill();
        disk.edit(&intake_files(&disk)[0], |bytes| bytes[cut..].fill(0));
        let manifest = Arc::new(MemoryManifest::default());
        let store = open_on(&disk, &manifest);
        let found = all(&store, &[1]);
        assert!(["first", "second", "third"].starts_with(&texts(&found)), "cut at {cut}");
        let report = store.report();
        assert!(report.damaged_intake.is_empty(), "cut at {cut}: {report:?}");
        // Behind a whole frame is nothing but room.
        assert!(report.torn_bytes == 0 || !ends.contains(&cut), "cut at {cut}: {report:?}");
        assert_eq!(found.len() == 3, cut == written);
        assert_eq!(put(&store, 1, &[(5, "next")]).first.seq, found.len() as u64);
    }
}

#[test]
fn the_last_of_a_disk_is_not_for_zeros() {
    let (disk, manifest) = (FaultyDisk::new(1), Arc::new(MemoryManifest::default()));
    disk.set_faults(Faults { bytes_max: Some(200_000), ..Faults::default() });
    let limits = Limits { room_bytes: 4_000, generation_bytes: 1 << 20, ..small_limits() };
    let seam: Arc<dyn Manifest> = manifest.clone();
    let store = Store::open(Options { limits, ..options() }, Arc::new(disk.clone()), seam, keys()).unwrap();
    for n in 0..20 {
        put(&store, 1, &[(n, "x")]);
    }
    let file = Disk::open(&disk, &intake_files(&disk)[0]).unwrap();
    assert!(file.size().unwrap() < 4_000);
}

#[test]
fn zeros_where_an_older_file_was_are_damage() {
    let bench = three_commits();
    let name = intake_files(&bench.disk).pop().unwrap();
    let disk = bench.disk.after_kill();
    // The next file was begun and the end of this one came back empty.
    disk.edit(&name, |bytes| {
        let frames: Vec<usize> = memchr::memmem::find_iter(bytes, &[0x9e, b'L', b'f', 0xb2]).collect();
        bytes[frames[2]..].fill(0);
    });
    let next = Disk::create(&disk, "intake-00000000000000000003.log").unwrap();
    next.append(&[b'L', b'B', b'I', b'N', 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let store = open_on(&disk, &bench.manifest);
    assert_eq!(texts(&all(&store, &[1])), ["first", "second"]);
    let damaged = store.report().damaged_intake.clone();
    assert_eq!(damaged, ["events 2..3 are missing"]);
    assert_eq!(put(&store, 1, &[(5, "next")]).first, Position::at(3), "no position comes twice");
    let again = disk.after_kill();
    drop(store);
    assert_eq!(texts(&all(&open_on(&again, &bench.manifest), &[1])), ["first", "second", "next"]);
}

#[test]
fn an_intake_file_that_was_being_removed_is_no_damage() {
    let bench = three_commits();
    let name = intake_files(&bench.disk).pop().unwrap();
    let disk = bench.disk.after_kill();
    let file = Disk::open(&disk, &name).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let store = open_on(&disk, &bench.manifest);
    store.seal_now().unwrap();
    let sealed = disk.after_kill();
    drop(store);
    assert!(!intake_files(&sealed).contains(&name));
    for cut in [0, 1, 20, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
        let disk = sealed.after_kill();
        Disk::create(&disk, &name).unwrap().append(&bytes[..cut]).unwrap();
        let store = open_on(&disk, &bench.manifest);
        let report = store.report();
        assert!(report.damaged_intake.is_empty() && report.removed_files == 1, "cut at {cut}: {report:?}");
        assert_eq!(texts(&all(&store, &[1])), ["first", "second", "third"]);
        assert!(!intake_files(&disk).contains(&name));
    }
}

/// Borrows everything and looks at nothing.
struct Nobody;

impl Borrower for Nobody {
    fn wants(&self, _: GroupId) -> bool {
        true
    }

    fn take(&mut self, _: Lent<'_>) {}
}

#[test]
fn a_damaged_segment_is_named_and_the_others_are_read() {
    let bench = Bench::new();
    for round in 0..3 {
        put(&bench.store, 1, &[(round, "x"), (round, "y")]);
        bench.store.seal_now().unwrap();
    }
    let disk = bench.disk.after_kill();
    let segments: Vec<String> =
        disk.list().unwrap().into_iter().filter(|name| name.starts_with("segment-")).collect();
    // The first loses its end, the second a bit of a block.
    disk.edit(&segments[0], |bytes| bytes.truncate(bytes.len() - 1));
    disk.edit(&segments[1], |bytes| bytes[20] ^= 4);
    let store = open_on(&disk, &bench.manifest);
    assert_eq!(store.report().damaged_segments.len(), 1);
    let outcomes: Vec<bool> = store.scan(&ScanRequest::all(groups(&[1]))).map(|run| run.is_ok()).collect();
    assert_eq!(outcomes, [false, true], "one error, then the third segment");
    let to = store.durable_position();
    let page = store.scan_by_position(Position::at(0), to, PageLimit::default(), None).unwrap();
    assert_eq!((page.events().len(), page.damaged.len(), page.next), (2, 1, to));
    let unread = &page.damaged[0];
    assert_eq!((unread.events, unread.first, unread.last), (2, Position::at(2), Position::at(3)));
    let count = |damaged: &[Unread]| damaged.iter().map(|unread| unread.events).sum::<u64>();
    let (mut next, mut paged) = (Position::at(0), 0);
    while next < to {
        let one = PageLimit { events: 1, bytes: u64::MAX };
        let page = store.scan_by_position(next, to, one, None).unwrap();
        paged += count(&page.damaged);
        next = page.next;
    }
    assert_eq!(paged, 2, "each once, however small the pages are");
    let (mut next, mut lent) = (Position::at(0), 0);
    for end in 1..=to.seq {
        let part = store.lend_by_position(next, Position::at(end), 1, &mut Nobody).unwrap();
        lent += count(&part.damaged);
        next = part.next;
    }
    assert_eq!((lent, next), (2, to));
    drop(store);
    assert!(disk.list().unwrap().contains(&segments[0]), "a damaged file is kept");
}

#[test]
fn segments_without_their_manifest_are_not_thrown_away() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "x")]);
    bench.store.seal_now().unwrap();
    put(&bench.store, 1, &[(1, "y")]);
    let disk = bench.disk.after_kill();
    let outcome = try_open(&disk, &Arc::new(MemoryManifest::default()));
    let refused = matches!(outcome, Err(OpenError::ManifestMissing { segments: 1, intake_files: 1 }));
    assert!(refused, "{outcome:?}");
    assert_eq!(all(&open_on(&disk, &bench.manifest), &[1]).len(), 2);
}

#[test]
fn an_intake_file_that_follows_a_published_segment_is_not_read_without_the_manifest() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "x")]);
    bench.store.seal_now().unwrap();
    put(&bench.store, 1, &[(1, "y")]);
    let disk = bench.disk.after_kill();
    for name in disk.list().unwrap().into_iter().filter(|name| name.starts_with("segment-")) {
        disk.remove(&name).unwrap();
    }
    let outcome = try_open(&disk, &Arc::new(MemoryManifest::default()));
    let refused = matches!(outcome, Err(OpenError::ManifestMissing { segments: 0, intake_files: 1 }));
    assert!(refused, "{outcome:?}");
}

#[test]
fn a_crash_before_the_first_segment_is_published_needs_no_manifest() {
    let bench = three_commits();
    let disk = bench.disk.after_kill();
    // As if the first seal had written its file, and the next intake file had been begun.
    disk.create("intake-00000000000000000003.log").unwrap().sync().unwrap();
    disk.create(&crate::segment::layout::file_name(SegmentId(1))).unwrap().sync().unwrap();
    let store = try_open(&disk, &Arc::new(MemoryManifest::default())).unwrap();
    assert_eq!(texts(&all(&store, &[1])), ["first", "second", "third"]);
}

#[test]
fn files_of_a_newer_version_are_refused() {
    let bench = three_commits();
    bench.store.seal_now().unwrap();
    put(&bench.store, 1, &[(1, "x")]);
    for prefix in ["intake-", "segment-"] {
        let disk = bench.disk.after_kill();
        let name = disk.list().unwrap().into_iter().find(|name| name.starts_with(prefix)).unwrap();
        disk.edit(&name, |bytes| {
            if prefix == "intake-" {
                bytes[4] = 9;
                return;
            }
            let trailer = bytes.len() - 40;
            bytes[trailer + 24] = 9;
            let crc = crc32fast::hash(&bytes[trailer..trailer + 28]);
            bytes[trailer + 28..trailer + 32].copy_from_slice(&crc.to_le_bytes());
        });
        let outcome = try_open(&disk, &bench.manifest);
        assert!(matches!(outcome, Err(OpenError::Version { version: 9, .. })), "{prefix}: {outcome:?}");
    }
}

#[test]
fn a_callback_that_panics_does_not_stop_the_intake() {
    let bench = Bench::new();
    bench.store.append(batch(1, 10, &[(1, "x")]), Box::new(|_| panic!("a test's own panic")));
    put(&bench.store, 1, &[(2, "y")]);
    assert_eq!(all(&bench.store, &[1]).len(), 2);
}

#[test]
fn a_dead_intake_thread_answers_instead_of_hanging() {
    /// A disk whose files panic instead of syncing, once asked to.
    struct Trap(FaultyDisk, Arc<std::sync::atomic::AtomicBool>);
    struct TrapFile(Box<dyn DiskFile>, Arc<std::sync::atomic::AtomicBool>);
    impl Disk for Trap {
        fn create(&self, name: &str) -> std::io::Result<Box<dyn DiskFile>> {
            Ok(Box::new(TrapFile(self.0.create(name)?, Arc::clone(&self.1))))
        }
        fn open(&self, name: &str) -> std::io::Result<Box<dyn DiskFile>> {
            Disk::open(&self.0, name)
        }
        fn list(&self) -> std::io::Result<Vec<String>> {
            self.0.list()
        }
        fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, name: &str) -> std::io::Result<()> {
            self.0.remove(name)
        }
        fn sync_dir(&self) -> std::io::Result<()> {
            self.0.sync_dir()
        }
        fn free_bytes(&self) -> std::io::Result<u64> {
            self.0.free_bytes()
        }
    }
    impl DiskFile for TrapFile {
        fn append(&self, bytes: &[u8]) -> std::io::Result<()> {
            self.0.append(bytes)
        }
        fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
            self.0.write_at(offset, bytes)
        }
        fn sync(&self) -> std::io::Result<()> {
            assert!(!self.1.load(std::sync::atomic::Ordering::Relaxed), "a test's own panic");
            self.0.sync()
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
            self.0.read_at(offset, buffer)
        }
        fn size(&self) -> std::io::Result<u64> {
            self.0.size()
        }
        fn truncate(&self, size: u64) -> std::io::Result<()> {
            self.0.truncate(size)
        }
    }
    let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let disk = Trap(FaultyDisk::new(1), Arc::clone(&armed));
    let manifest: Arc<dyn Manifest> = Arc::new(MemoryManifest::default());
    let store = Store::open(options(), Arc::new(disk), manifest, keys()).unwrap();
    put(&store, 1, &[(1, "kept")]);
    armed.store(true, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..3 {
        assert!(store.append_wait(batch(1, 10, &[(2, "lost")])).is_err());
    }
    assert!(matches!(store.seal_now(), Err(SealError::Closed | SealError::Refused)));
    assert_eq!(texts(&all(&store, &[1])), ["kept"]);
}

#[test]
fn a_deleted_group_in_the_log_is_passed_over_again_and_again() {
    let (disk, manifest) = (FaultyDisk::new(1), Arc::new(MemoryManifest::default()));
    let store = open_on(&disk, &manifest);
    for (group, text) in [(1, "kept"), (2, "shredded"), (1, "kept too"), (2, "shredded too")] {
        put(&store, group, &[(1, text), (2, text)]);
    }
    drop(store);
    let keys = Arc::new(MemoryKeys::new(7));
    keys.destroy(GroupId(2));
    manifest.kill_group(GroupId(2));
    let open = |disk: &FaultyDisk| {
        Store::open(options(), Arc::new(disk.clone()), manifest.clone(), keys.clone()).unwrap()
    };
    let mut disk = disk.after_kill();
    for round in 0..3_u64 {
        let store = open(&disk);
        let report = store.report().clone();
        assert!(report.damaged_intake.is_empty() && report.torn_bytes == 0, "{report:?}");
        assert_eq!(texts(&all(&store, &[1, 2])).len() as u64, 4 + round);
        assert_eq!(followed(&store, PageLimit::default()).len() as u64, 4 + round);
        let refused = store.append_wait(batch(2, 20, &[(1, "late")])).unwrap_err();
        assert!(matches!(refused, AppendError::Deleted), "{refused:?}");
        assert_eq!(put(&store, 1, &[(9, "next")]).first.seq, 8 + round, "positions go on");
        disk = disk.after_power_cut();
        drop(store);
    }
    let store = open(&disk);
    store.seal_now().unwrap();
    assert_eq!(texts(&all(&store, &[1, 2])).len(), 7);
}

/// Keys of which one is under a KMS key that is not configured.
struct Locked(MemoryKeys, GroupId);

impl Keys for Locked {
    fn system(&self) -> Secret {
        self.0.system()
    }

    fn group(&self, group: GroupId) -> Result<Option<Secret>, KeyError> {
        if group == self.1 {
            Err(KeyError("the key arn:x is missing".to_owned()))
        } else {
            self.0.group(group)
        }
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }
}

#[test]
fn acknowledged_events_without_their_key_refuse_to_open_until_it_is_there() {
    let bench = Bench::new();
    put(&bench.store, 1, &[(1, "x")]);
    put(&bench.store, 2, &[(1, "locked")]);
    let disk = bench.disk.after_kill();
    let locked = || -> Arc<dyn Keys> { Arc::new(Locked(MemoryKeys::new(7), GroupId(2))) };
    let outcome = Store::open(options(), Arc::new(disk.clone()), bench.manifest.clone(), locked());
    let error = outcome.err().unwrap();
    assert!(matches!(error, OpenError::Key { .. }) && error.to_string().contains("arn:x"), "{error}");
    let store = open_on(&disk, &bench.manifest);
    assert_eq!(all(&store, &[1, 2]).len(), 2, "nothing was lost by trying");
    store.seal_now().unwrap();
    let disk = disk.after_kill();
    drop(store);
    let store = Store::open(options(), Arc::new(disk), bench.manifest.clone(), locked()).unwrap();
    assert!(matches!(store.append_wait(batch(2, 20, &[(3, "no")])), Err(AppendError::Key(_))));
    put(&store, 1, &[(3, "the others go on")]);
    assert_eq!(texts(&all(&store, &[1])), ["x", "the others go on"]);
    let locked = store.scan(&ScanRequest::all(groups(&[2]))).next().unwrap();
    assert!(matches!(locked, Err(ReadError::Key(_))));
    let to = store.durable_position();
    let page = store.scan_by_position(Position::at(0), to, PageLimit::default(), None).unwrap();
    assert_eq!((page.events().len(), page.next), (2, to), "readers by position pass over what is locked");
    let damaged = &page.damaged[..];
    assert!(matches!(damaged, [Unread { error: ReadError::Key(_), events: 1, .. }]), "{damaged:?}");
}
