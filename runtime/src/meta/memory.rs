//! Owns metadata that is gone with the process: the model the redb backend is held against in tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::backend::{Backend, Bounds, Overlay, Rows, Snapshot};
use super::error::MetaError;

type Rowset = BTreeMap<Vec<u8>, Vec<u8>>;
type Tables = BTreeMap<String, Arc<Rowset>>;

/// Tables shared copy-on-write with the snapshots that are out.
#[derive(Default)]
pub(super) struct Memory {
    tables: Mutex<Tables>,
}

impl Backend for Memory {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, MetaError> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(View(tables.clone())))
    }

    fn commit(&self, writes: &Overlay) -> Result<(), MetaError> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, rows) in writes.tables() {
            let table = Arc::make_mut(tables.entry(name.to_owned()).or_default());
            for (key, value) in rows {
                match value {
                    Some(value) => table.insert(key.clone(), value.clone()),
                    None => table.remove(key),
                };
            }
        }
        Ok(())
    }
}

struct View(Tables);

impl Snapshot for View {
    fn tables(&self) -> Result<Vec<String>, MetaError> {
        Ok(self.0.keys().cloned().collect())
    }

    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        Ok(self.0.get(table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: &str, bounds: Bounds<'_>, reverse: bool) -> Result<Rows<'_>, MetaError> {
        let Some(rows) = self.0.get(table) else { return Ok(Box::new(std::iter::empty())) };
        let rows = rows.range::<[u8], _>(bounds).map(|(key, value)| Ok((key.clone(), value.clone())));
        Ok(if reverse { Box::new(rows.rev()) } else { Box::new(rows) })
    }
}
