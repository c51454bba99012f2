//! Owns the verbs of `wasm` over a transaction: functions by name, their versions, code by digest. Refuses to
//! know what a module does.

use wasm::{EventInvokeRecord, FunctionRecord, Records};

use crate::meta::{Blob, Key, MetaError, Span, Table, Tx};

/// (account, region, name) -> function.
const FUNCTIONS: Table<FunctionRecord> = Table::new("functions");

/// (function id, number) -> a published version.
const VERSIONS: Table<FunctionRecord> = Table::new("function_versions");

/// (function id, qualifier) -> how asynchronous calls are made.
const EVENT_INVOKES: Table<EventInvokeRecord> = Table::new("function_event_invokes");

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

    fn version(&mut self, function: u64, number: u64) -> Result<Option<FunctionRecord>, MetaError> {
        self.get(&VERSIONS, &Key::of((function, number)))
    }

    fn versions(
        &mut self,
        function: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<FunctionRecord>, MetaError> {
        let span = Span::prefix(&Key::of(function)).after(&Key::of((function, after)));
        self.scan(&VERSIONS, &span)?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn put_version(&mut self, version: &FunctionRecord) -> Result<(), MetaError> {
        let number: u64 = version.version.parse().map_err(|error| MetaError::corrupt("versions", error))?;
        self.put(&VERSIONS, &Key::of((version.id, number)), version)
    }

    fn delete_version(&mut self, function: u64, number: u64) -> Result<(), MetaError> {
        self.delete(&VERSIONS, &Key::of((function, number)))
    }

    fn event_invoke(
        &mut self,
        function: u64,
        qualifier: &str,
    ) -> Result<Option<EventInvokeRecord>, MetaError> {
        self.get(&EVENT_INVOKES, &Key::of((function, qualifier)))
    }

    fn event_invokes(
        &mut self,
        function: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, EventInvokeRecord)>, MetaError> {
        let mut span = Span::prefix(&Key::of(function));
        if let Some(after) = after {
            span = span.after(&Key::of((function, after)));
        }
        let rows = self.scan(&EVENT_INVOKES, &span)?.take(limit).map(|row| {
            let (key, record) = row?;
            let mut parts = key.reader();
            parts.u64()?;
            Ok((parts.text()?, record))
        });
        rows.collect()
    }

    fn put_event_invoke(
        &mut self,
        function: u64,
        qualifier: &str,
        record: &EventInvokeRecord,
    ) -> Result<(), MetaError> {
        self.put(&EVENT_INVOKES, &Key::of((function, qualifier)), record)
    }

    fn delete_event_invoke(&mut self, function: u64, qualifier: &str) -> Result<(), MetaError> {
        self.delete(&EVENT_INVOKES, &Key::of((function, qualifier)))
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

/// Every published version of every function.
///
/// # Errors
/// Storage failures.
pub(crate) fn every_version(tx: &Tx<'_>) -> Result<Vec<FunctionRecord>, MetaError> {
    tx.scan(&VERSIONS, &Span::all())?.map(|row| Ok(row?.1)).collect()
}

/// Removes the versions of a function that goes, and what was said about its asynchronous calls.
///
/// # Errors
/// Storage failures.
pub(crate) fn remove_versions(tx: &mut Tx<'_>, function: u64) -> Result<(), MetaError> {
    tx.delete_span(&VERSIONS, &Span::prefix(&Key::of(function)))?;
    tx.delete_span(&EVENT_INVOKES, &Span::prefix(&Key::of(function))).map(drop)
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

    #[test]
    fn versions_read_back_by_number_on_every_backend() {
        let folder = tempfile::tempdir().unwrap();
        for meta in [Meta::in_memory(), Meta::open(&folder.path().join("meta.redb")).unwrap()] {
            versions_read_back(&meta);
        }
    }

    fn versions_read_back(meta: &Meta) {
        for (id, number) in [(1, 10), (1, 2), (2, 3), (1, 1)] {
            let version = FunctionRecord { id, version: number.to_string(), ..FunctionRecord::default() };
            meta.change_blocking(move |tx| tx.put_version(&version)).unwrap();
        }
        let numbers = |after, limit| {
            let found = meta.read(|tx| tx.versions(1, after, limit)).unwrap();
            found.into_iter().map(|version| version.version).collect::<Vec<_>>()
        };
        assert_eq!(
            (numbers(0, 9), numbers(1, 1)),
            (vec!["1".into(), "2".into(), "10".into()], vec!["2".into()])
        );
        assert_eq!(meta.read(|tx| every_version(tx)).unwrap().len(), 4);
        for qualifier in ["live", "$LATEST"] {
            let record = EventInvokeRecord { retries_max: Some(1), ..EventInvokeRecord::default() };
            meta.change_blocking(move |tx| tx.put_event_invoke(1, qualifier, &record)).unwrap();
        }
        let said = meta.read(|tx| tx.event_invokes(1, Some("$LATEST"), 9)).unwrap();
        assert_eq!((said.len(), said[0].0.as_str(), said[0].1.retries_max), (1, "live", Some(1)));
        meta.change_blocking(|tx| tx.delete_version(1, 2)).unwrap();
        assert_eq!(numbers(0, 9), ["1", "10"]);
        meta.change_blocking(|tx| remove_versions(tx, 1)).unwrap();
        assert_eq!(numbers(0, 9), Vec::<String>::new());
        assert_eq!(meta.read(|tx| tx.event_invoke(1, "live")).unwrap(), None);
        assert!(meta.read(|tx| tx.version(2, 3)).unwrap().is_some(), "another function keeps its own");
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
