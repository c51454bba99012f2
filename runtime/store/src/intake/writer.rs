//! Owns the one thread that writes the intake log: it takes all waiting batches, writes them as one commit,
//! makes it durable with one fsync, makes it readable, and only then tells the callers.
//! Refuses to know segments; when a memtable is full it starts the next file and calls the sealer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::disk::DiskFile;
use crate::engine::Engine;
use crate::error::{AppendError, SealError};
use crate::id::Position;
use crate::intake::queue::{Ack, Waiting, Work, call};
use crate::intake::{self, Nonces, Seqs};
use crate::memtable::{Chunk, Generation};

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
            if engine.queue.is_idle() {
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
