//! Owns metadata on the simulated disk of the crash tests. Refuses to know what is tested with it.

use std::io;

use store::DiskFile as _;
use store::faulty::{FaultyDisk, FaultyFile};

use super::error::MetaError;
use super::{Meta, redb};

/// The file of the metadata.
const FILE: &str = "meta.redb";

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

impl Meta {
    /// Opens or creates metadata on a simulated disk.
    pub(crate) fn simulated(disk: &FaultyDisk) -> Result<Meta, MetaError> {
        let file = disk.file(FILE).map_err(MetaError::storage)?;
        Ok(Meta::over(std::sync::Arc::new(redb::Redb::over(Simulated(file))?)))
    }
}
