//! Owns what waits for the intake thread: who is written next, and beside whom. Refuses to write.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cipher::Cipher;
use crate::error::{AppendError, SealError};
use crate::events::Batch;
use crate::id::Position;
use crate::limits::Limits;

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

pub(crate) enum Work {
    Append(Waiting),
    /// Close the active memtable; answers when the next file stands.
    Rotate(Box<dyn FnOnce(Result<(), SealError>) + Send>),
}

/// What waits for the intake thread.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    work: Condvar,
    /// [`SHARED_WAIT`].
    shared_wait: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { state: Mutex::default(), work: Condvar::new(), shared_wait: SHARED_WAIT }
    }
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
    clients: Clients,
    closed: bool,
}

/// Whether clients write all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Clients {
    /// None wrote for [`SHARED_WAIT`].
    #[default]
    Away,
    /// One did.
    Came,
    /// One did, and another one as short a time before.
    Come,
}

/// For so long after a commit of clients, what functions write waits to go in with the next one, where clients write all
/// the time: it then costs fewer commits of its own, for clients to wait behind.
const SHARED_WAIT: Duration = Duration::from_millis(4);

impl QueueState {
    /// Whether there is something to be done now.
    fn is_ready(&self) -> bool {
        // What does not fit beside the commit of a client has no reason to wait for one.
        let is_shared = self.clients == Clients::Come && self.behind_bytes <= BEHIND_BYTES;
        self.closed || !self.work.is_empty() || !(self.behind.is_empty() || is_shared)
    }
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
        // Else the wait for clients would begin anew.
        let is_ready = state.is_ready();
        drop(state);
        if is_ready {
            self.work.notify_one();
        }
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

    /// Whether there is nothing to be done now.
    pub(crate) fn is_idle(&self) -> bool {
        !self.lock().is_ready()
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

    /// Waits until there is something to be done.
    fn wait(&self) -> MutexGuard<'_, QueueState> {
        let mut state = self.lock();
        while !state.is_ready() {
            if state.clients == Clients::Away {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.work.wait_timeout(state, self.shared_wait);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out() && state.work.is_empty() {
                state.clients = Clients::Away;
            }
        }
        state
    }

    /// All that waits, up to the size of one commit, then some of what functions write; `None` at the end.
    pub(crate) fn take(&self, commit_bytes: u64) -> Option<Vec<Work>> {
        let mut state = self.wait();
        if state.work.is_empty() && state.behind.is_empty() {
            return None;
        }
        if state.work.iter().any(|work| matches!(work, Work::Append(_))) {
            state.clients = if state.clients == Clients::Away { Clients::Came } else { Clients::Come };
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

/// A callback that panics must not take the intake with it.
pub(super) fn call(callback: impl FnOnce()) {
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

    /// Adds a batch of so many bytes.
    fn push(queue: &Queue, stream: u64, hop: u8, bytes: usize) {
        let ciphers = Ciphers::new(Arc::new(MemoryKeys::new(1)));
        let cipher = ciphers.group(Purpose::Intake, GroupId(1)).unwrap().unwrap();
        let events = Events::from(vec![(1, vec![b'x'; bytes])]);
        let batch = Batch { group: GroupId(1), stream: StreamId(stream), ingestion_ms: 1, hop, events };
        let waiting = Waiting { batch, cipher, on_durable: Box::new(|_| ()) };
        assert!(queue.push(waiting, &Limits::default(), 0).is_none());
    }

    #[test]
    fn a_commit_takes_little_of_what_functions_write() {
        let queue = Queue::default();
        let push = |stream, hop, bytes| push(&queue, stream, hop, bytes);
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

    /// A queue to which clients come all the time; it waits so long for the next.
    fn busy(shared_wait: Duration) -> Queue {
        let queue = Queue { shared_wait, ..Queue::default() };
        for _ in 0..2 {
            push(&queue, 1, 0, 10);
            assert_eq!(taken(&queue), [(1, 0)]);
        }
        assert_eq!(queue.lock().clients, Clients::Come);
        queue
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_functions_write_goes_in_with_the_next_commit_of_clients() {
        let queue = Arc::new(busy(HOUR));
        let shared = Arc::clone(&queue);
        let commit = std::thread::spawn(move || taken(&shared));
        push(&queue, 2, 1, 10);
        push(&queue, 3, 2, 10);
        assert!(queue.is_idle());
        push(&queue, 4, 0, 10);
        assert_eq!(commit.join().unwrap(), [(4, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn it_waits_for_no_client_where_none_may_come_or_it_does_not_fit() {
        let queue = busy(HOUR);
        push(&queue, 2, 1, BEHIND_BYTES as usize);
        assert_eq!(taken(&queue), [(2, 1)], "too much to go in with others");
        push(&queue, 3, 1, 10);
        queue.close();
        assert_eq!(taken(&queue), [(3, 1)], "nobody comes any more");
        let queue = Queue { shared_wait: HOUR, ..Queue::default() };
        push(&queue, 1, 0, 10);
        assert_eq!(taken(&queue), [(1, 0)]);
        push(&queue, 2, 1, 10);
        assert_eq!(taken(&queue), [(2, 1)], "one client is not many");
    }

    #[test]
    fn it_waits_a_while_and_no_longer() {
        let queue = busy(Duration::from_millis(1));
        push(&queue, 2, 1, 10);
        assert_eq!(taken(&queue), [(2, 1)]);
        assert_eq!(queue.lock().clients, Clients::Away);
    }
}
