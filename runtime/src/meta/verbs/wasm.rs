//! Owns the verbs of `wasm` over a transaction: functions by name, code by digest. Refuses to know what a
//! module does.

use wasm::{FunctionRecord, Records};

use crate::meta::{Blob, Key, MetaError, Span, Table, Tx};

/// (account, region, name) -> function.
const FUNCTIONS: Table<FunctionRecord> = Table::new("functions");

/// digest -> the WebAssembly.
const CODE: Table<Blob> = Table::new("function_code");

impl Records for Tx<'_> {
    type Error = MetaError;

    fn function(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
    ) -> Result<Option<FunctionRecord>, MetaError> {
        self.get(&FUNCTIONS, &Key::of((account, region, name)))
    }

    fn functions(
        &mut self,
        account: &str,
        region: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FunctionRecord>, MetaError> {
        let mut span = Span::prefix(&Key::of((account, region)));
        if let Some(after) = after {
            span = span.after(&Key::of((account, region, after)));
        }
        self.scan(&FUNCTIONS, &span)?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn put_function(
        &mut self,
        account: &str,
        region: &str,
        record: &FunctionRecord,
    ) -> Result<(), MetaError> {
        self.put(&FUNCTIONS, &Key::of((account, region, &record.name)), record)
    }

    fn delete_function(&mut self, account: &str, region: &str, name: &str) -> Result<(), MetaError> {
        self.delete(&FUNCTIONS, &Key::of((account, region, name)))
    }

    fn code(&mut self, digest: &str) -> Result<Option<Vec<u8>>, MetaError> {
        self.get_bytes(&CODE, &Key::of(digest))
    }

    fn put_code(&mut self, digest: &str, wasm: &[u8]) -> Result<(), MetaError> {
        self.put_bytes(&CODE, &Key::of(digest), wasm)
    }

    fn delete_code(&mut self, digest: &str) -> Result<(), MetaError> {
        self.delete(&CODE, &Key::of(digest))
    }
}

/// Every function of every scope with its account and region: for what is resumed at start.
///
/// # Errors
/// Storage failures.
pub(crate) fn every_function(tx: &Tx<'_>) -> Result<Vec<(String, String, FunctionRecord)>, MetaError> {
    let rows = tx.scan(&FUNCTIONS, &Span::all())?.map(|row| {
        let (key, record) = row?;
        let mut parts = key.reader();
        Ok((parts.text()?, parts.text()?, record))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    #[test]
    fn functions_and_code_read_back_in_order_on_every_backend() {
        let folder = tempfile::tempdir().unwrap();
        for meta in [Meta::in_memory(), Meta::open(&folder.path().join("meta.redb")).unwrap()] {
            functions_and_code_read_back(&meta);
        }
    }

    fn functions_and_code_read_back(meta: &Meta) {
        for (id, name) in [(1, "b"), (2, "a"), (3, "c")] {
            let record = FunctionRecord { id, name: name.to_owned(), ..FunctionRecord::default() };
            meta.change_blocking(move |tx| tx.put_function("1", "r", &record)).unwrap();
        }
        let names = |after: Option<&str>, limit| {
            let found = meta.read(|tx| tx.functions("1", "r", after, limit)).unwrap();
            found.into_iter().map(|record| record.name).collect::<Vec<_>>()
        };
        assert_eq!(
            (names(None, 2), names(Some("a"), 9)),
            (vec!["a".into(), "b".into()], vec!["b".into(), "c".into()])
        );
        let every = meta.read(|tx| every_function(tx)).unwrap();
        assert_eq!((every.len(), every[0].0.as_str(), every[0].1.as_str()), (3, "1", "r"));
        meta.change_blocking(|tx| tx.delete_function("1", "r", "b")).unwrap();
        assert_eq!(names(None, 9), ["a", "c"]);
        meta.change_blocking(|tx| tx.put_code("d", b"\0asm")).unwrap();
        assert_eq!(meta.read(|tx| tx.code("d")).unwrap().unwrap(), b"\0asm");
        meta.change_blocking(|tx| tx.delete_code("d")).unwrap();
        assert_eq!(meta.read(|tx| tx.code("d")).unwrap(), None);
    }
}
