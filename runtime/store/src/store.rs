//! Owns the public door: open, append, read, take away, close; and the two threads behind it.
//! Refuses to know how any of it is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

use crate::blobs::{Blobs, DiskBlobs};
use crate::block::{BlockHandle, Clip, Event};
use crate::cache::{Cache, CacheCounters};
use crate::cipher::{Cipher, Ciphers, Purpose};
use crate::containing::Clue;
use crate::disk::Disk;
use crate::engine::{Engine, OnAdvance, Parts};
use crate::error::{AppendError, OpenError, ReadError, SealError};
use crate::events::Batch;
use crate::follow::{Filling, Page, PageLimit};
use crate::id::{EventId, GroupId, Position, StreamId};
use crate::intake;
use crate::intake::queue::{Ack, OnDurable, Waiting};
use crate::intake::writer::IntakeWriter;
use crate::keys::Keys;
use crate::lend::{Marks, marks_of};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::memtable::Generation;
use crate::open::{self, OpenReport};
use crate::scan::{Scan, ScanRequest};
use crate::seal;
use crate::segment::Backing;
use crate::stats::{GroupStats, StreamStats};
use crate::sweep::Freed;
use crate::view::{Selection, Stretch, Stretched};

/// Stretches of memory, each of as many bytes as a page, that are looked at without letting anybody else on the thread.
const STRETCHES_AT_ONCE: usize = 8;

/// How a store is opened.
#[derive(Clone, Default)]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// Where segments are kept; `None` = in the same folder as the intake log.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Told after each commit; for consumers that follow the order of arrival.
    pub on_advance: Option<OnAdvance>,
    /// Called first by the thread that seals and merges, for what the system is to know of it.
    pub on_sealer_start: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Counts since opening, and sizes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Acknowledged events.
    pub appended_events: u64,
    /// Their messages plus 26 bytes for each.
    pub appended_bytes: u64,
    /// Commits, each with one fsync.
    pub commits: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Segments written from memtables.
    pub sealed_segments: u64,
    /// Attempts to seal that failed.
    pub failed_seals: u64,
    /// Segments written anew without what was dead.
    pub rewritten_segments: u64,
    /// Segments dropped.
    pub dropped_segments: u64,
    /// Segments merged into larger ones.
    pub merged_segments: u64,
    /// Reads that met a damaged block.
    pub damaged_reads: u64,
    /// Segments now.
    pub segments: u64,
    /// Bytes of segment files now.
    pub segment_bytes: u64,
    /// Acknowledged bytes that are not sealed now, in memory and, closely, in the intake log.
    pub intake_bytes: u64,
    /// The cache of decoded blocks.
    pub cache: CacheCounters,
}

/// The log data of one folder. All methods may be called from any thread and may block on the disk;
/// [`Store::append`] does not.
pub struct Store {
    engine: Arc<Engine>,
    report: OpenReport,
    intake: Mutex<Option<JoinHandle<()>>>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens a folder, new or used. That no other process has it open is the caller's business.
    ///
    /// # Errors
    /// See [`OpenError`]. Damage that leaves the rest readable is no error: see [`Store::report`].
    pub fn open(
        options: Options,
        disk: Arc<dyn Disk>,
        manifest: Arc<dyn Manifest>,
        keys: Arc<dyn Keys>,
    ) -> Result<Self, OpenError> {
        let blobs = options.blobs.unwrap_or_else(|| Arc::new(DiskBlobs::new(Arc::clone(&disk))));
        let cache = Arc::new(Cache::new(options.limits.cache_bytes));
        let (limits, on_advance) = (options.limits, options.on_advance);
        let ciphers = Arc::new(Ciphers::new(keys));
        let backing = Backing { blobs, cache, ciphers, damaged_reads: Arc::default() };
        let parts = Parts { disk, manifest, limits, backing, on_advance };
        let opened = open::open(&parts)?;
        let engine = Arc::new(Engine::new(parts, opened.view, opened.next_seq, opened.next_segment));
        let writer = IntakeWriter::new(Arc::clone(&engine), opened.file, opened.file_bytes, opened.next_seq);
        let store =
            Self { engine, report: opened.report, intake: Mutex::default(), sealer: Mutex::default() };
        let engine = &store.engine;
        let sealer = Arc::clone(engine);
        *lock(&store.sealer) = Some(spawn("store-sealer", engine, Engine::sealer_died, move || {
            options.on_sealer_start.into_iter().for_each(|tell| tell());
            seal::run(&sealer);
        })?);
        *lock(&store.intake) =
            Some(spawn("store-intake", engine, Engine::intake_died, move || writer.run())?);
        store.engine.call_sealer();
        Ok(store)
    }

    /// What opening found.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Stores a batch: all of it or nothing. `on_durable` is called exactly once; after an `Ok` the events
    /// survive a power cut and were readable before the call. A refusal is told at once, on this thread;
    /// everything else on the intake thread, where the callback must not block.
    pub fn append(&self, mut batch: Batch, on_durable: OnDurable) {
        let cipher = match self.cipher_for(&batch) {
            Ok(cipher) => cipher,
            Err(error) => return on_durable(Err(error)),
        };
        batch.events.sort();
        batch.events.fit();
        let cost = self.engine.intake_cost();
        let waiting = Waiting { batch, cipher, on_durable };
        if let Some((waiting, error)) = self.engine.queue.push(waiting, &self.engine.limits, cost) {
            (waiting.on_durable)(Err(error));
        }
    }

    /// [`Store::append`] for callers that may block.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_wait(&self, batch: Batch) -> Result<Ack, AppendError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let on_durable = move |outcome| {
            // Nobody listens only if this thread is gone.
            let _ = sender.send(outcome);
        };
        self.append(batch, Box::new(on_durable));
        receiver.recv().unwrap_or(Err(AppendError::Closed))
    }

    /// What seals the batch, unless it is refused.
    fn cipher_for(&self, batch: &Batch) -> Result<Arc<Cipher>, AppendError> {
        if let Some(error) = self.refusal(batch) {
            return Err(error);
        }
        let cipher = self.engine.ciphers.group(Purpose::Intake, batch.group).map_err(AppendError::Key)?;
        cipher.ok_or(AppendError::Deleted)
    }

    fn refusal(&self, batch: &Batch) -> Option<AppendError> {
        if batch.events.is_empty() {
            return Some(AppendError::Empty);
        }
        if batch.events.stored_bytes() > self.engine.limits.batch_bytes {
            return Some(AppendError::TooLarge { limit: "batch_bytes" });
        }
        if self.engine.is_refused() {
            return Some(AppendError::Refused);
        }
        self.engine.view().hidden.is_deleted(batch.group, batch.stream).then_some(AppendError::Deleted)
    }

    /// One past the last event that is durable and readable.
    #[must_use]
    pub fn durable_position(&self) -> Position {
        Position::at(self.engine.durable_seq())
    }

    /// True once a failed write made the intake refuse batches until the store is opened again.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        self.engine.is_refused()
    }

    /// Reads in the order of time. What it shows is fixed now: events stored later are not in it.
    #[must_use]
    pub fn scan(&self, request: &ScanRequest) -> Scan {
        let mut narrowed = request.clone();
        if let Some(after) = request.after {
            match request.direction {
                crate::Direction::Forward => narrowed.from_ms = narrowed.from_ms.max(after.timestamp_ms),
                crate::Direction::Backward => narrowed.to_ms = narrowed.to_ms.min(after.timestamp_ms),
            }
        }
        let clues: Vec<Vec<Clue>> = narrowed.containing.iter().map(|needle| vec![needle.clue()]).collect();
        let (from_ms, to_ms) = (narrowed.from_ms, narrowed.to_ms);
        let handles = self.blocks_with(&narrowed.selection, from_ms, to_ms, narrowed.snapshot, clues);
        Scan::new(&narrowed, handles, self.engine.limits.scan_bytes)
    }

    /// The blocks that may hold events of the selection with `from_ms <= timestamp <= to_ms`, in no order.
    /// Each can be loaded by any thread; what it shows is fixed now. Only events before `snapshot`, if given.
    #[must_use]
    pub fn blocks(
        &self,
        selection: &Selection,
        from_ms: i64,
        to_ms: i64,
        snapshot: Option<Position>,
    ) -> Vec<BlockHandle> {
        let upto_seq = snapshot.map_or(u64::MAX, |position| position.seq);
        let clip = Clip { from_ms, to_ms, upto_seq, swept: Vec::new() };
        self.engine.view().handles(selection, &clip, self.engine.limits.block_bytes)
    }

    /// Like [`Store::blocks`], without those of which it is known that no message holds a text of every list. Of the
    /// others [`BlockHandle::may_hold`] knows more, where that takes reading.
    #[must_use]
    pub fn blocks_with(
        &self,
        selection: &Selection,
        from_ms: i64,
        to_ms: i64,
        snapshot: Option<Position>,
        clues: Vec<Vec<Clue>>,
    ) -> Vec<BlockHandle> {
        if clues.is_empty() {
            return self.blocks(selection, from_ms, to_ms, snapshot);
        }
        let clues = clues.into();
        let upto_seq = snapshot.map_or(u64::MAX, |position| position.seq);
        let clip = Clip { from_ms, to_ms, upto_seq, swept: Vec::new() };
        let (mut found, mut sealed) = (Vec::new(), Vec::new());
        let stretches =
            self.engine.view().stretches(selection, &clip, self.engine.limits.block_bytes, &mut found);
        for Stretched { segment, blocks, clip } in stretches {
            segment.holding(blocks, &clues, |index, asked| {
                if !clip.is_outside(&segment.entries[index].meta) {
                    sealed.push(BlockHandle { asked, ..BlockHandle::sealed(&segment, index, clip.clone()) });
                }
            });
        }
        let view = self.engine.view();
        found.extend(sealed.into_iter().filter(|handle| !view.hidden.is_dead(&handle.meta)));
        found
    }

    /// Looks one event up; with the stream given, at most a few blocks are read.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn event(
        &self,
        group: GroupId,
        stream: Option<StreamId>,
        id: EventId,
    ) -> Result<Option<Event>, ReadError> {
        let (time, seq) = (id.timestamp_ms, id.position.seq);
        let selection = Selection { groups: vec![group], streams: stream.map(|stream| vec![stream]) };
        for handle in self.blocks(&selection, time, time, None) {
            if (handle.meta.min_seq..=handle.meta.max_seq).contains(&seq) {
                let block = handle.load()?;
                if let Ok(row) = block.seqs().binary_search(&seq) {
                    return Ok(Some(block.event(row).to_event()));
                }
            }
        }
        Ok(None)
    }

    /// Reads in the order of arrival, from a position to another (exclusive), only some groups if given.
    /// The answer is the same before and after sealing and compaction.
    ///
    /// # Errors
    /// The storage fails. A damaged block is no error but named in the page.
    pub fn scan_by_position(
        &self,
        from: Position,
        to: Position,
        limit: PageLimit,
        groups: Option<&[GroupId]>,
    ) -> Result<Page, ReadError> {
        let to_seq = to.seq.min(self.engine.durable_seq());
        let mut filling = Filling::new(from.seq, to_seq, limit, groups);
        while !filling.is_done() {
            match self.stretch(filling.next_seq(), to_seq, filling.bytes_left(), filling.groups()) {
                None => {
                    filling.pass(to_seq);
                    break;
                }
                Some((Stretch::Memory { chunks, end_seq }, marks)) => {
                    filling.take_memory(&chunks, &marks, end_seq);
                }
                Some((Stretch::Sealed { blocks, end_seq }, _)) => filling.take_sealed(blocks, end_seq)?,
            }
        }
        Ok(filling.page)
    }

    /// As [`Store::scan_by_position`], without the disk and shortly: `None` when what comes first does not lie in memory.
    /// The page ends where memory does, or when much was looked at.
    #[must_use]
    pub fn scan_memory_by_position(
        &self,
        from: Position,
        to: Position,
        limit: PageLimit,
        groups: Option<&[GroupId]>,
    ) -> Option<Page> {
        let to_seq = to.seq.min(self.engine.durable_seq());
        let mut filling = Filling::new(from.seq, to_seq, limit, groups);
        for _ in 0..STRETCHES_AT_ONCE {
            if filling.is_done() {
                break;
            }
            match self.stretch(filling.next_seq(), to_seq, filling.bytes_left(), Some(&[])) {
                None => filling.pass(to_seq),
                Some((Stretch::Memory { chunks, end_seq }, marks)) => {
                    filling.take_memory(&chunks, &marks, end_seq);
                }
                Some((Stretch::Sealed { .. }, _)) if filling.next_seq() == from.seq => return None,
                Some((Stretch::Sealed { .. }, _)) => break,
            }
        }
        Some(filling.page)
    }

    /// Says that somebody reads close behind the newest events. Memtables that are sealed from now on stay in memory
    /// for them, up to [`Limits::recent_bytes`], until nobody has said so for ten [`Store::tick`]s.
    pub fn follow(&self) {
        self.engine.follow();
    }

    /// The stretch of the order of arrival from `seq` on, as [`View::stretch`](crate::view::View::stretch), and what of it
    /// is hidden. The view is held no longer: who reads may stand behind those who wait for it.
    pub(crate) fn stretch(
        &self,
        seq: u64,
        to_seq: u64,
        bytes: u64,
        groups: Option<&[GroupId]>,
    ) -> Option<(Stretch, Marks)> {
        let view = self.engine.view();
        let stretch = view.stretch(seq, to_seq, bytes, groups)?;
        let marks = marks_of(&stretch, &view.hidden);
        Some((stretch, marks))
    }

    /// What is stored of a stream.
    #[must_use]
    pub fn stream_stats(&self, stream: StreamId) -> StreamStats {
        self.engine.view().stats.stream(stream)
    }

    /// What is stored of a group.
    #[must_use]
    pub fn group_stats(&self, group: GroupId) -> GroupStats {
        self.engine.view().stats.group(group)
    }

    /// The stored bytes of a group as AWS counts them.
    #[must_use]
    pub fn group_bytes(&self, group: GroupId) -> u64 {
        self.group_stats(group).stored_bytes
    }

    /// Hides a group at once and for good; its space is given back in the background. The metadata has
    /// deleted it before: at the next open [`Manifest::is_live`] answers for it.
    pub fn delete_group(&self, group: GroupId) {
        {
            self.engine.view_mut().hide_group(group);
        }
        self.engine.ciphers.forget(group);
        self.engine.call_sealer();
    }

    /// Hides a stream at once and for good, as [`Store::delete_group`].
    pub fn delete_stream(&self, stream: StreamId) {
        {
            self.engine.view_mut().hide_stream(stream);
        }
        self.engine.call_sealer();
    }

    /// Takes away the events that are in the store now and older than the cutoff of their group, in ms.
    /// They are gone for every reader when this returns, and stay gone after a restart.
    ///
    /// # Errors
    /// The manifest refused; nothing was taken.
    pub fn retain(&self, cutoffs: &[(GroupId, i64)]) -> Result<Freed, SealError> {
        self.engine.retain(cutoffs)
    }

    /// Gives back the space of deleted and swept data now instead of in the background.
    ///
    /// # Errors
    /// Nothing is lost; it can be tried again.
    pub fn reclaim(&self) -> Result<Freed, SealError> {
        self.engine.reclaim()
    }

    /// Merges small segments now instead of in the background.
    ///
    /// # Errors
    /// Nothing is lost; it can be tried again.
    pub fn compact(&self) -> Result<(), SealError> {
        self.engine.merge_all()
    }

    /// Tells the time. A memtable that holds events and stays open too long is sealed in the background
    /// (see [`Limits::seal_age_ms`]), so that it is neither replayed at each start nor kept in memory for ever.
    pub fn tick(&self, now_ms: i64) {
        self.engine.follow_less();
        if self.engine.is_overdue(now_ms) {
            // Should it fail, the next tick asks again.
            self.engine.queue.rotate(Box::new(|_| ()));
        }
    }

    /// Seals everything that was acknowledged before this call into segments, and returns when it is done.
    ///
    /// # Errors
    /// Nothing is lost; it can be tried again.
    pub fn seal_now(&self) -> Result<(), SealError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done = move |outcome| {
            // Nobody listens only if this thread is gone.
            let _ = sender.send(outcome);
        };
        self.engine.queue.rotate(Box::new(done));
        receiver.recv().unwrap_or(Err(SealError::Closed))?;
        self.engine.seal_waiting()
    }

    /// Finishes what waits, seals what is worth it, and stops the threads. What is not sealed is durable in
    /// the intake log. Appends after this are refused; reads still work.
    ///
    /// # Errors
    /// Sealing failed; nothing is lost, the next open replays the intake log.
    pub fn close(&self) -> Result<(), SealError> {
        self.stop_intake();
        let mut outcome = Ok(());
        if !self.engine.is_refused() {
            if self.engine.active_cost() >= self.engine.limits.close_seal_bytes.max(1) {
                let next = self.engine.durable_seq();
                self.engine.start_generation(Generation::new(next, intake::file_name(next)));
            }
            outcome = self.engine.seal_waiting();
        }
        self.stop_sealer();
        outcome
    }

    /// Counts and sizes.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let tallies = &self.engine.counters;
        let view = self.engine.view();
        Counters {
            appended_events: tallies.appended_events.load(Ordering::Relaxed),
            appended_bytes: tallies.appended_bytes.load(Ordering::Relaxed),
            commits: tallies.commits.load(Ordering::Relaxed),
            failed_commits: tallies.failed_commits.load(Ordering::Relaxed),
            sealed_segments: tallies.sealed_segments.load(Ordering::Relaxed),
            failed_seals: tallies.failed_seals.load(Ordering::Relaxed),
            rewritten_segments: tallies.rewritten_segments.load(Ordering::Relaxed),
            dropped_segments: tallies.dropped_segments.load(Ordering::Relaxed),
            merged_segments: tallies.merged_segments.load(Ordering::Relaxed),
            damaged_reads: self.engine.backing.damaged_reads.load(Ordering::Relaxed),
            segments: view.segments.len() as u64,
            segment_bytes: view.segments.values().map(|segment| segment.record.bytes).sum(),
            intake_bytes: view.generations().map(|generation| generation.cost).sum(),
            cache: self.engine.backing.cache.counters(),
        }
    }

    fn stop_intake(&self) {
        self.engine.queue.close();
        join(&self.intake);
    }

    fn stop_sealer(&self) {
        self.engine.stop_sealer();
        join(&self.sealer);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The sealer first: an intake that waits for it goes on when it stops.
        self.stop_sealer();
        self.stop_intake();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("durable", &self.durable_position()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread; should it panic, the others are told instead of waiting for it for ever.
fn spawn(
    name: &'static str,
    engine: &Arc<Engine>,
    died: fn(&Engine),
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let engine = Arc::clone(engine);
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            tracing::error!(thread = name, "a thread of the store panicked");
            died(&engine);
        }
    };
    Builder::new().name(name.to_owned()).spawn(guarded).map_err(OpenError::Thread)
}

fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    let handle = lock(thread).take();
    if let Some(handle) = handle {
        // A panic was caught and told inside the thread.
        let _ = handle.join();
    }
}

#[cfg(test)]
mod tests;
