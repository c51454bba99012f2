//! Owns the one thread that writes the intake log: it takes all waiting batches, writes them as one commit,
//! makes it durable with one fsync, makes it readable, and only then tells the callers.
//! Refuses to know segments; when a memtable is full it starts the next file and calls the sealer.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::cipher::Cipher;
use crate::disk::DiskFile;
use crate::engine::Engine;
use crate::error::{AppendError, SealError};
use crate::events::Batch;
use crate::id::Position;
use crate::intake::{self, Nonces, Seqs};
use crate::limits::Limits;
use crate::memtable::{Chunk, Generation};

/// What the store says of a batch that is durable and readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The position of the first event; the others follow it one by one, in the order of their timestamps.
    pub first: Position,
    /// The number of events.
    pub count: u64,
}

/// Called once, by the intake thread, when the fate of a batch is known. It must not block.
pub type OnDurable = Box<dyn FnOnce(Result<Ack, AppendError>) + Send>;

pub(crate) struct Waiting {
    pub(crate) batch: Batch,
    /// What seals it.
    pub(crate) cipher: Arc<Cipher>,
    pub(crate) on_durable: OnDurable,
}

enum Work {
    Append(Waiting),
    /// Close the active memtable; answers when the next file stands.
    Rotate(Box<dyn FnOnce(Result<(), SealError>) + Send>),
}

/// What waits for the intake thread.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    work: Condvar,
}

#[derive(Default)]
struct QueueState {
    work: VecDeque<Work>,
    /// What functions write (their [`Batch::hop`] is not 0): a commit takes little of it, so that one that floods the
    /// log holds up no client.
    behind: VecDeque<Waiting>,
    /// Of `work`, and of `behind`.
    bytes: u64,
    behind_bytes: u64,
    closed: bool,
}

/// The most that a commit takes of what functions write beside that of clients, unless one batch alone is larger ...
const BEHIND_BYTES: u64 = 64 << 10;
/// ... and when no client waits.
const BEHIND_ALONE_BYTES: u64 = 256 << 10;

/// What the bookkeeping of one waiting batch counts as.
const WAITING_OVERHEAD_BYTES: u64 = 200;

fn cost(batch: &Batch) -> u64 {
    batch.events.stored_bytes() + WAITING_OVERHEAD_BYTES
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch, or hands it back with the reason.
    pub(crate) fn push(
        &self,
        waiting: Waiting,
        limits: &Limits,
        intake_bytes: u64,
    ) -> Option<(Waiting, AppendError)> {
        let size = cost(&waiting.batch);
        let mut state = self.lock();
        // Neither fills the other's place.
        let is_behind = waiting.batch.hop > 0;
        let before = if is_behind { state.behind_bytes } else { state.bytes };
        let refusal = if state.closed {
            Some(AppendError::Closed)
        } else if before > 0 && before + size > limits.queue_bytes {
            Some(AppendError::Full { limit: "queue_bytes" })
        } else if intake_bytes + state.bytes + state.behind_bytes + size > limits.intake_bytes {
            Some(AppendError::Full { limit: "intake_bytes" })
        } else {
            None
        };
        if let Some(error) = refusal {
            return Some((waiting, error));
        }
        if is_behind {
            state.behind_bytes += size;
            state.behind.push_back(waiting);
        } else {
            state.bytes += size;
            state.work.push_back(Work::Append(waiting));
        }
        drop(state);
        self.work.notify_one();
        None
    }

    /// Asks for a new memtable.
    pub(crate) fn rotate(&self, done: Box<dyn FnOnce(Result<(), SealError>) + Send>) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return done(Err(SealError::Closed));
        }
        state.work.push_back(Work::Rotate(done));
        drop(state);
        self.work.notify_one();
    }

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        let state = self.lock();
        state.work.is_empty() && state.behind.is_empty()
    }

    /// Whether nothing more is taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes nothing more; the thread ends when all is done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Takes nothing more and answers what waits: nobody is going to write it.
    pub(crate) fn abandon(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            let behind = std::mem::take(&mut state.behind).into_iter().map(Work::Append);
            std::mem::take(&mut state.work).into_iter().chain(behind).collect::<Vec<_>>()
        };
        for work in waiting {
            match work {
                Work::Append(waiting) => call(|| (waiting.on_durable)(Err(AppendError::Refused))),
                Work::Rotate(done) => call(|| done(Err(SealError::Refused))),
            }
        }
    }

    /// All that waits, up to the size of one commit, then some of what functions write; `None` at the end.
    fn take(&self, commit_bytes: u64) -> Option<Vec<Work>> {
        let mut state = self.lock();
        while state.work.is_empty() && state.behind.is_empty() {
            if state.closed {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut taken, mut size) = (Vec::new(), 0);
        while let Some(work) = state.work.pop_front() {
            let bytes = match &work {
                Work::Append(waiting) => cost(&waiting.batch),
                Work::Rotate(_) => 0,
            };
            if !taken.is_empty() && size + bytes > commit_bytes {
                state.work.push_front(work);
                break;
            }
            size += bytes;
            state.bytes -= bytes;
            taken.push(work);
        }
        let mut behind = 0;
        let behind_max = if taken.is_empty() { BEHIND_ALONE_BYTES } else { BEHIND_BYTES };
        while let Some(waiting) = state.behind.pop_front() {
            let bytes = cost(&waiting.batch);
            if behind > 0 && behind + bytes > behind_max {
                state.behind.push_front(waiting);
                break;
            }
            behind += bytes;
            state.behind_bytes -= bytes;
            taken.push(Work::Append(waiting));
        }
        Some(taken)
    }
}

/// The intake thread's own state.
pub(crate) struct IntakeWriter {
    engine: Arc<Engine>,
    file: Box<dyn DiskFile>,
    /// Where the durable frames end, and the next one is written.
    file_bytes: u64,
    /// Up to here are zeros behind the frames; before `file_bytes` when all are written over.
    room_end: u64,
    /// Of the last commit.
    commit_bytes: u64,
    next_seq: u64,
    /// An earlier write failed in a way that leaves the file unknown.
    refused: bool,
    buffer: Vec<u8>,
    nonces: Nonces,
}

/// Keep the commit buffer for the next commit unless it grew beyond this.
const BUFFER_BYTES_KEPT: usize = 2 << 20;

impl IntakeWriter {
    pub(crate) fn new(engine: Arc<Engine>, file: Box<dyn DiskFile>, file_bytes: u64, next_seq: u64) -> Self {
        let nonces = Nonces::new(&engine.ciphers);
        let (room_end, commit_bytes) = (file_bytes, 0);
        let (refused, buffer) = (false, Vec::new());
        Self { engine, file, file_bytes, room_end, commit_bytes, next_seq, refused, buffer, nonces }
    }

    /// The thread's body: ends when the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let engine = Arc::clone(&self.engine);
        while let Some(taken) = engine.queue.take(engine.limits.commit_bytes) {
            let mut batches = Vec::with_capacity(taken.len());
            for work in taken {
                match work {
                    Work::Append(waiting) => batches.push(waiting),
                    Work::Rotate(done) => {
                        self.commit(std::mem::take(&mut batches));
                        let outcome = self.rotate();
                        call(|| done(outcome));
                    }
                }
            }
            self.commit(batches);
            if engine.active_cost() >= engine.limits.generation_bytes {
                // Without space for a new file the old one goes on; `intake_bytes` bounds it.
                let _ = self.rotate();
                engine.await_sealer();
            }
            if engine.queue.is_empty() {
                self.make_room();
            }
        }
    }

    /// Writes the zeros that small commits are written over ([`crate::Limits::room_bytes`]), when few are left.
    fn make_room(&mut self) {
        let room = self.engine.limits.room_bytes;
        let is_small = (1..=room / 32).contains(&self.commit_bytes);
        if self.refused || !is_small || self.room_end >= self.file_bytes + room / 4 {
            return;
        }
        // The last of a disk is for what has to be written, here and elsewhere.
        if self.engine.disk.free_bytes().unwrap_or(0) < room.saturating_mul(64) {
            return;
        }
        let from = self.room_end.max(self.file_bytes);
        if self.file.write_at(from, &vec![0; room as usize]).is_err() {
            // The next commit meets what is wrong and says so; zeros that stay are no harm.
            let _ = self.file.truncate(self.file_bytes);
            (self.room_end, self.commit_bytes) = (self.file_bytes, 0);
            return;
        }
        match self.file.sync() {
            Ok(()) => self.room_end = from + room,
            Err(error) => {
                tracing::error!(%error, "room behind the intake log was not made durable: nothing more is taken");
                self.refuse();
            }
        }
    }

    fn commit(&mut self, batches: Vec<Waiting>) {
        if batches.is_empty() {
            return;
        }
        match self.write(&batches) {
            Ok(()) => self.acknowledge(batches),
            Err(error) => {
                self.engine.counters.failed_commits.fetch_add(1, Ordering::Relaxed);
                for waiting in batches {
                    let error = error.clone();
                    call(|| (waiting.on_durable)(Err(error)));
                }
            }
        }
    }

    /// Makes the batches durable as one commit.
    fn write(&mut self, batches: &[Waiting]) -> Result<(), AppendError> {
        if self.refused {
            return Err(AppendError::Refused);
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        let mut seq = self.next_seq;
        for waiting in batches {
            let seqs = Seqs { first: seq, commit: self.next_seq };
            let nonces = (&mut self.nonces, &*self.engine.ciphers);
            intake::put_frame(&mut self.buffer, &waiting.batch, seqs, Some(&waiting.cipher), nonces);
            seq += waiting.batch.events.len() as u64;
        }
        if let Err(error) = self.file.write_at(self.file_bytes, &self.buffer) {
            return Err(self.undo(error));
        }
        if let Err(error) = self.file.sync() {
            // The kernel may have thrown the pages away and forgotten: a second fsync would lie.
            self.refuse();
            return Err(AppendError::SyncFailed(Arc::new(error)));
        }
        self.commit_bytes = self.buffer.len() as u64;
        self.file_bytes += self.commit_bytes;
        self.next_seq = seq;
        Ok(())
    }

    /// A full disk can be undone: what was written is cut off again. Anything else cannot.
    fn undo(&mut self, error: io::Error) -> AppendError {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        // Durable, or a crash could bring back what is said not to be stored.
        if full && self.file.truncate(self.file_bytes).and_then(|()| self.file.sync()).is_ok() {
            self.room_end = self.file_bytes;
            return AppendError::DiskFull;
        }
        self.refuse();
        AppendError::SyncFailed(Arc::new(error))
    }

    fn refuse(&mut self) {
        self.refused = true;
        self.engine.refused.store(true, Ordering::Release);
    }

    /// Makes durable batches readable, then answers.
    fn acknowledge(&mut self, batches: Vec<Waiting>) {
        let counters = &self.engine.counters;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        let (mut events, mut bytes) = (0, 0);
        let mut seq =
            self.next_seq - batches.iter().map(|waiting| waiting.batch.events.len() as u64).sum::<u64>();
        let mut answers = Vec::with_capacity(batches.len());
        let mut chunks = Vec::with_capacity(batches.len());
        for Waiting { batch, on_durable, .. } in batches {
            let count = batch.events.len() as u64;
            events += count;
            bytes += batch.events.stored_bytes();
            answers.push((on_durable, Ack { first: Position::at(seq), count }));
            chunks.push(Arc::new(Chunk { first_seq: seq, batch }));
            seq += count;
        }
        self.engine.make_readable(chunks, seq);
        counters.appended_events.fetch_add(events, Ordering::Relaxed);
        counters.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
        for (on_durable, ack) in answers {
            call(|| on_durable(Ok(ack)));
        }
        if let Some(on_advance) = &self.engine.on_advance {
            call(|| on_advance(Position::at(seq)));
        }
    }

    /// Starts the next file and memtable and hands the full one to the sealer.
    fn rotate(&mut self) -> Result<(), SealError> {
        if self.refused {
            return Err(SealError::Refused);
        }
        if self.engine.active_cost() == 0 {
            return Ok(());
        }
        let name = intake::file_name(self.next_seq);
        let header = intake::header(self.next_seq);
        let disk = &self.engine.disk;
        let create = || {
            let file = disk.create(&name)?;
            file.append(&header)?;
            Ok::<_, io::Error>(file)
        };
        let file = create().map_err(|error| {
            // An empty file is ignored at open; without it the name is free for the next try.
            let _ = disk.remove(&name);
            SealError::from(error)
        })?;
        // The header's bytes become durable with the first commit; the name has to be before it.
        if let Err(error) = disk.sync_dir() {
            self.refuse();
            return Err(error.into());
        }
        self.file = file;
        self.nonces = Nonces::new(&self.engine.ciphers);
        self.file_bytes = header.len() as u64;
        (self.room_end, self.commit_bytes) = (self.file_bytes, 0);
        self.engine.start_generation(Generation::new(self.next_seq, name));
        Ok(())
    }
}

/// A callback that panics must not take the intake with it.
fn call(callback: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(callback)).is_err() {
        tracing::error!("a callback of the store panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::{Ciphers, Purpose};
    use crate::events::Events;
    use crate::id::{GroupId, StreamId};
    use crate::keys::MemoryKeys;

    /// What the next commit takes: (stream, hop) of each batch.
    fn taken(queue: &Queue) -> Vec<(u64, u8)> {
        let shown = |work: &Work| match work {
            Work::Append(waiting) => (waiting.batch.stream.0, waiting.batch.hop),
            Work::Rotate(_) => unreachable!("nobody asked for it"),
        };
        queue.take(1 << 20).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn a_commit_takes_little_of_what_functions_write() {
        let ciphers = Ciphers::new(Arc::new(MemoryKeys::new(1)));
        let cipher = ciphers.group(Purpose::Intake, GroupId(1)).unwrap().unwrap();
        let queue = Queue::default();
        let push = |stream, hop, bytes: usize| {
            let events = Events::from(vec![(1, vec![b'x'; bytes])]);
            let batch = Batch { group: GroupId(1), stream: StreamId(stream), ingestion_ms: 1, hop, events };
            let waiting = Waiting { batch, cipher: Arc::clone(&cipher), on_durable: Box::new(|_| ()) };
            assert!(queue.push(waiting, &Limits::default(), 0).is_none());
        };
        push(1, 1, 100 << 10);
        push(2, 1, 25 << 10);
        push(3, 2, 25 << 10);
        push(4, 1, 25 << 10);
        push(5, 0, 10);
        push(6, 0, 10);
        assert_eq!(taken(&queue), [(5, 0), (6, 0), (1, 1)]);
        push(7, 0, 10);
        assert_eq!(taken(&queue), [(7, 0), (2, 1), (3, 2)]);
        push(8, 1, 100 << 10);
        push(9, 1, 175 << 10);
        assert_eq!(taken(&queue), [(4, 1), (8, 1)]);
        queue.close();
        assert_eq!(taken(&queue), [(9, 1)]);
        assert!(queue.take(1).is_none());
        let state = queue.lock();
        assert_eq!((state.bytes, state.behind_bytes), (0, 0));
    }
}
