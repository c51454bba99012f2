//! Owns metadata files before they are opened: what a file holds, sealing one of a version that did not seal, and
//! sealing one with another key. Refuses to know records.
//!
//! A file is never changed in part: all rows are written to `<file>.new`, which then takes the file's place.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backend::{Backend, Overlay, Row};
use super::error::MetaError;
use super::place::OnFile;
use super::redb::Redb;
use super::sealed::{Cipher, Found, Sealed, look};
use super::{Meta, codec};
use crate::clock::Clock;
use crate::keyring::sealing::Secret;
use crate::records::data_keys::WrappedKey;

/// Rows are copied in commits of about this size.
const COMMIT_BYTES: usize = 8 << 20;

/// A metadata file whose key is not known yet.
pub(crate) struct Unopened {
    path: PathBuf,
    redb: Redb,
    found: Found,
}

/// Gives a wrapped key (of a group, or the system key) under the new master key.
pub(crate) type Rewrap<'a> = &'a dyn Fn(Option<u64>, WrappedKey) -> Result<WrappedKey, String>;

impl Unopened {
    /// Looks at the file at `path`, which is made empty if it is missing.
    ///
    /// # Errors
    /// [`MetaError::Locked`] when another process has it open, [`MetaError::Storage`] otherwise.
    pub(crate) fn at(path: &Path) -> Result<Unopened, MetaError> {
        let redb = open(path)?;
        let found = look(&redb)?;
        Ok(Unopened { path: path.to_owned(), redb, found })
    }

    /// The id of the master key it is sealed with, if it is.
    pub(crate) fn sealed_with(&self) -> Option<[u8; 8]> {
        match self.found {
            Found::Sealed(id) => Some(id),
            Found::Nothing | Found::Unsealed => None,
        }
    }

    /// Whether nothing was ever written to it.
    pub(crate) fn is_empty(&self) -> bool {
        self.found == Found::Nothing
    }

    /// Opens it. A file that a version without encryption wrote is sealed first.
    ///
    /// # Errors
    /// [`MetaError::WrongKey`], or a failure of storage.
    pub(crate) fn open(self, master: &Secret, clock: &Clock) -> Result<Meta, MetaError> {
        let cipher = Cipher::new(master, clock);
        let redb = if self.found == Found::Unsealed {
            let new = fresh(&self.path)?;
            let sealed = Sealed::new(new, Cipher::new(master, clock))?;
            copy(&self.redb, &sealed, &|_, row| Ok(row))?;
            tracing::info!("the metadata were written by a version without encryption and are sealed now");
            self.replace_with(sealed)?
        } else {
            self.redb
        };
        Ok(Meta::over(Arc::new(Sealed::new(redb, cipher)?)))
    }

    /// Seals everything with another master key; `rewrap` sees to the data keys.
    ///
    /// # Errors
    /// As [`Unopened::open`], and what `rewrap` says; then nothing has changed.
    pub(crate) fn reseal(
        self,
        old: &Secret,
        new: &Secret,
        clock: &Clock,
        rewrap: Rewrap<'_>,
    ) -> Result<(), MetaError> {
        let Unopened { path, redb, found } = self;
        let opened = Sealed::new(redb, Cipher::new(old, clock))?;
        let sealed = Sealed::new(fresh(&path)?, Cipher::new(new, clock))?;
        copy(&opened, &sealed, &|table, row| rewrapped(table, row, rewrap))?;
        let unopened = Unopened { path, redb: opened.into_backend(), found };
        unopened.replace_with(sealed).map(drop)
    }

    /// Puts the new file in the place of this one.
    fn replace_with(self, new: Sealed<Redb>) -> Result<Redb, MetaError> {
        drop(self.redb);
        drop(new);
        rename(&beside(&self.path), &self.path).map_err(MetaError::storage)?;
        open(&self.path)
    }
}

fn rewrapped(table: &str, (key, value): Row, rewrap: Rewrap<'_>) -> Result<Row, MetaError> {
    let Some(table) = crate::records::data_keys::TABLES.into_iter().find(|name| *name == table) else {
        return Ok((key, value));
    };
    let group = <[u8; 8]>::try_from(key.as_slice()).ok().map(u64::from_be_bytes);
    let row = rewrap(group, codec::decode(table, &value)?).map_err(MetaError::storage)?;
    Ok((key, codec::encode(table, &row)?))
}

fn open(path: &Path) -> Result<Redb, MetaError> {
    Redb::open(OnFile::new(path))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// An empty file beside `path`; what an earlier attempt left there goes.
fn fresh(path: &Path) -> Result<Redb, MetaError> {
    let new = beside(path);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(MetaError::storage(error)),
        _ => open(&new),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Copies every row; each goes through `change`.
fn copy(
    from: &dyn Backend,
    to: &dyn Backend,
    change: &dyn Fn(&str, Row) -> Result<Row, MetaError>,
) -> Result<(), MetaError> {
    let snapshot = from.snapshot()?;
    let (mut writes, mut bytes) = (Overlay::default(), 0);
    for table in snapshot.tables()? {
        for row in snapshot.range(&table, (Bound::Unbounded, Bound::Unbounded), false)? {
            let (key, value) = change(&table, row?)?;
            bytes += key.len() + value.len();
            writes.set(table.clone(), key, Some(value));
            if bytes >= COMMIT_BYTES {
                to.commit(&std::mem::take(&mut writes))?;
                bytes = 0;
            }
        }
    }
    if writes.is_empty() { Ok(()) } else { to.commit(&writes) }
}

#[cfg(test)]
mod tests;
