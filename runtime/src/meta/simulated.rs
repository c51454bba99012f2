//! Owns metadata on the simulated disk of the crash tests. Refuses to know what is tested with it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use store::faulty::{FaultyDisk, FaultyFile};
use store::{Disk as _, DiskFile as _};

use super::error::MetaError;
use super::place::{Place, Watched};
use super::sealed::{Cipher, Sealed};
use super::{Meta, redb};

/// The file of the metadata.
const FILE: &str = "meta.redb";
/// Its mark.
const MARK: &str = "meta.redb.open";

/// redb's storage on a simulated file.
#[derive(Debug)]
pub(super) struct Simulated(FaultyFile);

impl ::redb::StorageBackend for Simulated {
    fn len(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_size(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}

/// A database on a simulated disk.
struct OnDisk(FaultyDisk);

impl Place for OnDisk {
    fn open(
        &self,
        builder: &mut ::redb::Builder,
        failed: &Arc<AtomicBool>,
    ) -> Result<::redb::Database, ::redb::DatabaseError> {
        let inner = Simulated(self.0.file(FILE)?);
        builder.create_with_backend(Watched { inner, failed: Arc::clone(failed) })
    }

    fn is_marked(&self) -> io::Result<bool> {
        Ok(self.0.list()?.iter().any(|name| name == MARK))
    }

    fn mark(&self, stands: bool) -> io::Result<()> {
        match stands {
            true if self.is_marked()? => Ok(()),
            true => self.0.create(MARK).map(drop),
            false => self.0.remove(MARK),
        }
    }

    fn rewrite(&self) -> io::Result<()> {
        let old = self.0.file(FILE)?;
        let mut bytes = vec![0; old.size()? as usize];
        old.read_at(0, &mut bytes)?;
        let fresh = format!("{FILE}.tmp");
        // What an earlier attempt left may be there.
        let _ = self.0.remove(&fresh);
        let file = self.0.file(&fresh)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        self.0.rename(&fresh, FILE)?;
        self.0.sync_dir()
    }
}

impl Meta {
    /// Opens or creates metadata on a simulated disk.
    pub(crate) fn simulated(disk: &FaultyDisk) -> Result<Meta, MetaError> {
        let cipher = Cipher::new(&crate::keyring::tests::master(), &crate::clock::Clock::real());
        Ok(Meta::over(Arc::new(Sealed::new(redb::Redb::open(OnDisk(disk.clone()))?, cipher)?)))
    }
}
