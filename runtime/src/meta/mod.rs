//! Owns metadata: ordered tables changed by one writer thread, read through snapshots.
//!
//! A change is a closure over [`Tx`]: it checks, then writes to an overlay that is merged only when it
//! returns `Ok`; all changes that wait share one durable commit and are answered after it. It refuses to
//! know what the records mean (the rooms' verbs live in `verbs/`, the root's own in `records/`), and it is
//! the only place that names redb. Start reading at `tx.rs`, then `writer.rs`.

mod backend;
mod blinded;
mod codec;
#[cfg(test)]
mod conformance;
mod error;
mod ids;
mod key;
#[cfg(test)]
mod memory;
mod place;
mod redb;
mod rewrite;
mod sealed;
#[cfg(test)]
mod simulated;
mod table;
mod tx;
pub(crate) mod verbs;
mod writer;

use std::sync::Arc;

pub(crate) use codec::Packed;
pub(crate) use error::MetaError;
pub(crate) use key::{Key, Span};
pub(crate) use rewrite::Unopened;
pub(crate) use table::{Blob, Packs, Table};
pub(crate) use tx::Tx;
pub(crate) use verbs::{StoreManifest, every_function, every_version, remove_versions};

use backend::Backend;
use writer::Writer;

/// The metadata of one data directory. Cheap to clone; the last clone closes the writer.
#[derive(Clone)]
pub(crate) struct Meta {
    backend: Arc<dyn Backend>,
    writer: Arc<Writer>,
}

impl Meta {
    /// Metadata that lives as long as the process: for tests of what is built on top.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Meta {
        Meta::over(Arc::new(memory::Memory::default()))
    }

    /// Opens or creates the file at `path`, sealed with a key of tests.
    #[cfg(test)]
    pub(crate) fn open(path: &std::path::Path) -> Result<Meta, MetaError> {
        let (master, clock) = (crate::keyring::tests::master(), crate::clock::Clock::real());
        Unopened::at(path)?.open(&master, &clock)
    }

    fn over(backend: Arc<dyn Backend>) -> Meta {
        let writer = Arc::new(Writer::start(Arc::clone(&backend)));
        Meta { backend, writer }
    }

    /// Reads a consistent snapshot that holds every change answered before this call. Runs on the calling
    /// thread and never waits for the writer; a write inside is [`MetaError::ReadOnly`].
    ///
    /// # Errors
    /// What `work` returns, or the storage's own failure.
    pub(crate) fn read<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<MetaError>,
    {
        let snapshot = self.backend.snapshot()?;
        work(&mut Tx::reading(&*snapshot))
    }

    /// Applies `work` on the writer thread; when this returns `Ok`, its writes are durable, all of them.
    /// `work` must neither block nor do I/O: every other change waits for it. A caller that goes away does
    /// not take its change back.
    ///
    /// # Errors
    /// What `work` returns (then nothing was written), or the failure of the commit.
    pub(crate) async fn change<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
    {
        self.writer.change(work).await
    }

    /// [`Meta::change`] for threads that are not tasks (the store's sealer).
    ///
    /// # Errors
    /// As [`Meta::change`].
    pub(crate) fn change_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
    {
        self.writer.change_blocking(work)
    }

    /// Finishes the changes that wait and stops the writer; later changes are [`MetaError::Closed`].
    pub(crate) fn close(&self) {
        self.writer.close();
    }
}
