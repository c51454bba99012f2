//! Owns metadata on disk: one redb file, one redb table per table. The only file that names redb.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError,
    TableHandle,
};

use super::backend::{Backend, Bounds, Overlay, Rows, Snapshot};
use super::error::MetaError;

type Bytes = &'static [u8];

const fn definition(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
}

/// redb's page cache; metadata of a busy server is a few megabytes.
const CACHE_BYTES: usize = 32 << 20;

/// An open file. redb locks it, so that a second process is refused.
pub(super) struct Redb {
    database: Database,
}

impl Redb {
    pub(super) fn open(path: &Path) -> Result<Redb, MetaError> {
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
                redb::DatabaseError::DatabaseAlreadyOpen => MetaError::Locked,
                error => MetaError::storage(error),
            })?;
        Ok(Redb { database })
    }

    /// Opens or creates the database on a storage of the tests' own.
    #[cfg(test)]
    pub(super) fn over(storage: impl redb::StorageBackend) -> Result<Redb, MetaError> {
        let builder = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(storage);
        Ok(Redb { database: builder.map_err(MetaError::storage)? })
    }
}

impl Backend for Redb {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, MetaError> {
        let transaction = self.database.begin_read().map_err(MetaError::storage)?;
        Ok(Box::new(View { transaction, opened: RefCell::default() }))
    }

    fn commit(&self, writes: &Overlay) -> Result<(), MetaError> {
        let mut transaction = self.database.begin_write().map_err(MetaError::storage)?;
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
