//! Owns where sealed segments are kept: whole files, written once, read in parts.
//! Refuses to know what is in them, so that an object store can stand here later.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, DiskFile};

/// Immutable files by name.
pub trait Blobs: Send + Sync {
    /// Stores a file so that it survives a power cut, or leaves nothing under that name.
    ///
    /// # Errors
    /// The file is not there (an older one of that name may be).
    fn put_durable(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Fills the buffer from the offset on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before; otherwise as the storage says.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Removes a file. That it stays gone after a power cut is not promised.
    ///
    /// # Errors
    /// As the storage says.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// The names of all files, those of other owners in the same place included.
    ///
    /// # Errors
    /// As the storage says.
    fn list(&self) -> io::Result<Vec<String>>;
}

/// Files a [`DiskBlobs`] keeps open for the next read.
const OPEN_FILES_MAX: usize = 64;

/// Blobs as files of a [`Disk`]: written under a temporary name, fsynced, renamed, folder fsynced.
pub struct DiskBlobs {
    disk: Arc<dyn Disk>,
    open: Mutex<OpenFiles>,
}

#[derive(Default)]
struct OpenFiles {
    /// With the turn of the last use.
    files: HashMap<String, (Arc<dyn DiskFile>, u64)>,
    turn: u64,
}

impl DiskBlobs {
    /// Keeps the blobs in this folder.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: Mutex::default() }
    }

    fn file(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.turn += 1;
        let turn = open.turn;
        if let Some((file, used)) = open.files.get_mut(name) {
            *used = turn;
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn DiskFile> = Arc::from(self.disk.open(name)?);
        if open.files.len() >= OPEN_FILES_MAX {
            let oldest = open.files.iter().min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone());
            oldest.and_then(|oldest| open.files.remove(&oldest));
        }
        open.files.insert(name.to_owned(), (Arc::clone(&file), turn));
        Ok(file)
    }

    fn forget(&self, name: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).files.remove(name);
    }

    fn write(&self, partial: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.disk.create(partial)?;
        file.append(bytes)?;
        file.sync()?;
        self.disk.rename(partial, name)?;
        self.disk.sync_dir()
    }
}

impl Blobs for DiskBlobs {
    fn put_durable(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = format!("{name}.tmp");
        self.forget(name);
        let outcome = self.write(&partial, name, bytes);
        if outcome.is_err() {
            // What was half written is of no use; a next open sweeps it if this fails too.
            let _ = self.disk.remove(&partial);
        }
        outcome
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file(name)?.read_at(offset, buffer)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.forget(name);
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
}
