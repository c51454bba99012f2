//! Owns metadata on disk: one redb file, one redb table per table. The only file that names redb.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{
    Database, DatabaseError, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition,
    TableError, TableHandle,
};

use super::backend::{Backend, Bounds, Overlay, Rows, Snapshot};
use super::error::MetaError;
use super::place::Place;

type Bytes = &'static [u8];

const fn definition(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
}

/// redb's page cache; metadata of a busy server is a few megabytes.
const CACHE_BYTES: usize = 32 << 20;

/// An open file. redb locks it, so that a second process is refused.
pub(super) struct Redb {
    /// `None` only while it is dropped.
    database: Option<Database>,
    place: Box<dyn Place>,
    failed: Arc<AtomicBool>,
}

impl Redb {
    /// Opens or creates the database.
    pub(super) fn open(place: impl Place + 'static) -> Result<Redb, MetaError> {
        let failed = Arc::new(AtomicBool::new(false));
        let open = || {
            place.open(Database::builder().set_cache_size(CACHE_BYTES), &failed).map_err(
                |error| match error {
                    DatabaseError::DatabaseAlreadyOpen => MetaError::Locked,
                    error => MetaError::storage(error),
                },
            )
        };
        if place.is_marked().map_err(MetaError::storage)? {
            // Before redb opens it: a repair would make pages durable that lean on lost ones.
            match place.rewrite() {
                Ok(()) => {}
                // A full disk is no reason to stay away: the mark is left standing, the next start tries again.
                Err(error) if is_full(&error) => {
                    failed.store(true, Ordering::Relaxed);
                    tracing::warn!("the disk is too full to write the metadata anew after a crash");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(MetaError::Locked),
                Err(error) => return Err(MetaError::storage(error)),
            }
        }
        place.mark(true).map_err(MetaError::storage)?;
        let database = Some(open()?);
        Ok(Redb { database, place: Box::new(place), failed })
    }

    fn database(&self) -> Result<&Database, MetaError> {
        self.database.as_ref().ok_or(MetaError::Closed)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl Drop for Redb {
    fn drop(&mut self) {
        // Closing writes; only then it is known whether everything is durable.
        drop(self.database.take());
        if !self.failed.load(Ordering::Relaxed) {
            // If the mark stays, the next process writes the file anew for nothing.
            let _ = self.place.mark(false);
        }
    }
}

impl Backend for Redb {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, MetaError> {
        let transaction = self.database()?.begin_read().map_err(MetaError::storage)?;
        Ok(Box::new(View { transaction, opened: RefCell::default() }))
    }

    fn commit(&self, writes: &Overlay) -> Result<(), MetaError> {
        let mut transaction = self.database()?.begin_write().map_err(MetaError::storage)?;
        transaction.set_durability(Durability::Immediate).map_err(MetaError::storage)?;
        for (name, rows) in writes.tables() {
            let mut table = transaction.open_table(definition(name)).map_err(MetaError::storage)?;
            for (key, value) in rows {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice()).map(drop),
                    None => table.remove(key.as_slice()).map(drop),
                }
                .map_err(MetaError::storage)?;
            }
        }
        transaction.commit().map_err(MetaError::storage)
    }
}

type Opened = Option<ReadOnlyTable<Bytes, Bytes>>;

struct View {
    transaction: ReadTransaction,
    /// Tables are looked up by name once per snapshot; `None` is a table never written.
    opened: RefCell<BTreeMap<String, Opened>>,
}

impl View {
    fn with<T>(
        &self,
        name: &str,
        absent: T,
        read: impl FnOnce(&ReadOnlyTable<Bytes, Bytes>) -> Result<T, redb::StorageError>,
    ) -> Result<T, MetaError> {
        let mut opened = self.opened.borrow_mut();
        if !opened.contains_key(name) {
            let table = match self.transaction.open_table(definition(name)) {
                Ok(table) => Some(table),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(MetaError::storage(error)),
            };
            opened.insert(name.to_owned(), table);
        }
        match opened.get(name) {
            Some(Some(table)) => read(table).map_err(MetaError::storage),
            _ => Ok(absent),
        }
    }
}

impl Snapshot for View {
    fn tables(&self) -> Result<Vec<String>, MetaError> {
        let tables = self.transaction.list_tables().map_err(MetaError::storage)?;
        Ok(tables.map(|table| table.name().to_owned()).collect())
    }

    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        self.with(table, None, |table| Ok(table.get(key)?.map(|value| value.value().to_vec())))
    }

    fn range(&self, table: &str, bounds: Bounds<'_>, reverse: bool) -> Result<Rows<'_>, MetaError> {
        let rows = self.with(table, None, |table| table.range::<&[u8]>(bounds).map(Some))?;
        let Some(rows) = rows else { return Ok(Box::new(std::iter::empty())) };
        let rows = rows.map(|row| {
            let (key, value) = row.map_err(MetaError::storage)?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        Ok(if reverse { Box::new(rows.rev()) } else { Box::new(rows) })
    }
}
