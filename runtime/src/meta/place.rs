//! Owns where the database file is, and the knowledge of whether its last process ended in order. Refuses to
//! know what is in the file.
//!
//! An fsync that fails leaves pages that can still be read but may be gone after the next power cut, and only
//! the process that saw the failure knows. So a mark stands beside the file from before the first write until
//! every write is known to be durable; a file whose mark stands is written anew before it is used.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

/// Where a database is kept.
pub(super) trait Place: Send + Sync {
    /// Opens it, or makes it; a failed write or fsync sets `failed`.
    fn open(&self, builder: &mut Builder, failed: &Arc<AtomicBool>) -> Result<Database, DatabaseError>;

    /// Writes all of it anew, durably, and puts that in its place; `WouldBlock` if a process has it open.
    fn rewrite(&self) -> io::Result<()>;

    /// Whether the mark stands.
    fn is_marked(&self) -> io::Result<bool>;

    /// Sets the mark or takes it away. It has to outlive the process, not the power.
    fn mark(&self, stands: bool) -> io::Result<()>;
}

/// A file of the file system.
pub(super) struct OnFile {
    file: PathBuf,
    mark: PathBuf,
}

impl OnFile {
    pub(super) fn new(file: &Path) -> OnFile {
        OnFile { file: file.to_owned(), mark: file.with_extension("redb.open") }
    }
}

impl Place for OnFile {
    fn open(&self, builder: &mut Builder, failed: &Arc<AtomicBool>) -> Result<Database, DatabaseError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.file)?;
        builder.create_with_backend(Watched { inner: FileBackend::new(file)?, failed: Arc::clone(failed) })
    }

    fn rewrite(&self) -> io::Result<()> {
        if !self.file.exists() {
            return Ok(());
        }
        // redb holds this lock while it has the file open.
        let old = File::open(&self.file)?;
        old.try_lock()?;
        let fresh = self.file.with_extension("redb.tmp");
        let copied = fs::copy(&self.file, &fresh).and_then(|_| File::open(&fresh)?.sync_all());
        if copied.is_err() {
            // On a disk that is nearly full, half a copy would take the room that is left.
            let _ = fs::remove_file(&fresh);
        }
        copied?;
        fs::rename(&fresh, &self.file)?;
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn is_marked(&self) -> io::Result<bool> {
        self.mark.try_exists()
    }

    fn mark(&self, stands: bool) -> io::Result<()> {
        if stands { File::create(&self.mark).map(drop) } else { fs::remove_file(&self.mark) }
    }
}

/// A storage that remembers that something failed.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) inner: S,
    pub(super) failed: Arc<AtomicBool>,
}

impl<S> Watched<S> {
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if outcome.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: StorageBackend> StorageBackend for Watched<S> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(self.inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(self.inner.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(self.inner.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.note(self.inner.close())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
