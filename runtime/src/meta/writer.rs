//! Owns the one thread that changes metadata. Refuses to know tables and records.
//!
//! It takes every change that waits (up to [`BATCH_MAX`]), applies them one after the other, each over the
//! accepted writes of those before it, commits once, and only then answers. A failed commit fails all its
//! changes, and no other is tried: what the disk holds is known again after a restart.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::backend::{Backend, Overlay};
use super::error::MetaError;
use super::tx::Tx;

/// Changes that share one commit at most.
const BATCH_MAX: usize = 512;

/// Changes that may wait; one more makes its caller wait.
const QUEUE_MAX: usize = 1024;

pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Change>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(backend: Arc<dyn Backend>) -> Writer {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let run = move || write_until_closed(&*backend, jobs);
        let thread = std::thread::Builder::new().name("meta-writer".into()).spawn(run);
        // Invariant: a process that cannot start its first thread cannot serve at all.
        let thread = thread.expect("the operating system starts the metadata writer's thread");
        Writer { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) }
    }

    pub(super) async fn change<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
    {
        let (change, answer) = pending(work);
        let queue = self.queue()?;
        queue.send(change).await.map_err(|_| MetaError::Closed)?;
        answer.await.unwrap_or_else(|_| Err(MetaError::Closed.into()))
    }

    pub(super) fn change_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
    {
        let (change, answer) = pending(work);
        let queue = self.queue()?;
        queue.blocking_send(change).map_err(|_| MetaError::Closed)?;
        answer.blocking_recv().unwrap_or_else(|_| Err(MetaError::Closed.into()))
    }

    fn queue(&self) -> Result<mpsc::Sender<Box<dyn Change>>, MetaError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clone().ok_or(MetaError::Closed)
    }

    pub(super) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the metadata writer ended by a panic");
        }
    }
}

/// One change on its way: applied, then answered with what became of the commit.
trait Change: Send {
    /// Whether it was accepted and its writes are to be committed.
    fn apply(&mut self, tx: &mut Tx<'_>) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), MetaError>);
}

struct Pending<F, T, E> {
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

fn pending<T, E, F>(work: F) -> (Box<dyn Change>, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<MetaError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Pending { work: Some(work), outcome: None, reply }), answer)
}

impl<F, T, E> Change for Pending<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<MetaError> + Send,
{
    fn apply(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(tx)));
        let outcome = outcome.unwrap_or_else(|_| Err(MetaError::Panicked.into()));
        let accepted = outcome.is_ok();
        self.outcome = Some(outcome);
        accepted
    }

    fn answer(self: Box<Self>, committed: Result<(), MetaError>) {
        let answer = match (self.outcome, committed) {
            // A refusal stands even when the commit failed: nothing was to be written.
            (Some(Err(refused)), _) => Err(refused),
            (_, Err(failed)) => Err(failed.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(MetaError::Closed.into()),
        };
        // The caller may have gone; its change stands.
        let _gone = self.reply.send(answer);
    }
}

fn write_until_closed(backend: &dyn Backend, mut jobs: mpsc::Receiver<Box<dyn Change>>) {
    let mut poisoned: Option<Arc<str>> = None;
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        let committed = match &poisoned {
            Some(reason) => Err(MetaError::Poisoned(Arc::clone(reason))),
            None => apply_and_commit(backend, &mut batch),
        };
        if let Err(error) = &committed
            && poisoned.is_none()
        {
            tracing::error!(%error, "a metadata commit failed; changes are refused until restart");
            poisoned = Some(error.to_string().into());
        }
        for change in batch {
            change.answer(committed.clone());
        }
    }
}

fn apply_and_commit(backend: &dyn Backend, batch: &mut [Box<dyn Change>]) -> Result<(), MetaError> {
    let snapshot = backend.snapshot()?;
    let mut accepted = Overlay::default();
    for change in batch {
        let mut tx = Tx::writing(&*snapshot, &accepted);
        if change.apply(&mut tx) {
            let writes = tx.into_writes();
            accepted.merge(writes);
        }
    }
    drop(snapshot);
    if accepted.is_empty() { Ok(()) } else { backend.commit(&accepted) }
}

#[cfg(test)]
mod tests {
    use super::super::backend::Snapshot;
    use super::super::{Key, Table, memory::Memory};
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const ROWS: Table<u64> = Table::new("rows");

    /// A memory backend whose commits can be made to fail.
    #[derive(Default)]
    struct Failing {
        memory: Memory,
        broken: AtomicBool,
    }

    impl Backend for Failing {
        fn snapshot(&self) -> Result<Box<dyn Snapshot>, MetaError> {
            self.memory.snapshot()
        }

        fn commit(&self, writes: &Overlay) -> Result<(), MetaError> {
            if self.broken.load(Ordering::SeqCst) {
                return Err(MetaError::storage("the disk is gone"));
            }
            self.memory.commit(writes)
        }
    }

    fn put(writer: &Writer, key: u64) -> Result<(), MetaError> {
        writer.change_blocking(move |tx| tx.put(&ROWS, &Key::of(key), &key))
    }

    #[test]
    fn a_failed_commit_poisons_the_writer_and_writes_nothing() {
        let backend = Arc::new(Failing::default());
        let writer = Writer::start(Arc::clone(&backend) as Arc<dyn Backend>);
        put(&writer, 1).unwrap();
        backend.broken.store(true, Ordering::SeqCst);
        assert!(matches!(put(&writer, 2), Err(MetaError::Storage(_))));
        backend.broken.store(false, Ordering::SeqCst);
        assert!(matches!(put(&writer, 3), Err(MetaError::Poisoned(_))));
        let snapshot = backend.snapshot().unwrap();
        let tx = Tx::reading(&*snapshot);
        assert_eq!(tx.get(&ROWS, &Key::of(1u64)).unwrap(), Some(1));
        assert_eq!(tx.get(&ROWS, &Key::of(2u64)).unwrap(), None);
        assert_eq!(tx.get(&ROWS, &Key::of(3u64)).unwrap(), None);
    }

    #[test]
    fn a_panicking_change_leaves_nothing_and_the_writer_goes_on() {
        let backend = Arc::new(Failing::default());
        let writer = Writer::start(Arc::clone(&backend) as Arc<dyn Backend>);
        let panicked: Result<(), MetaError> = writer.change_blocking(|tx| {
            tx.put(&ROWS, &Key::of(1u64), &1)?;
            panic!("on purpose")
        });
        assert!(matches!(panicked, Err(MetaError::Panicked)));
        put(&writer, 2).unwrap();
        let snapshot = backend.snapshot().unwrap();
        assert_eq!(Tx::reading(&*snapshot).get(&ROWS, &Key::of(1u64)).unwrap(), None);
    }

    #[test]
    fn a_closed_writer_says_so() {
        let writer = Writer::start(Arc::new(Failing::default()));
        writer.close();
        assert!(matches!(put(&writer, 1), Err(MetaError::Closed)));
    }
}
