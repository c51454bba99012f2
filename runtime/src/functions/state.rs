//! Owns the durable values of functions: rows, versions, expiry, how much there may be. Refuses to know what
//! they mean.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use wasm::{StateEntry, StateOp, StateRead, StateWrite};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (function id, key) -> value.
const VALUES: Table<Value> = Table::new("function_state");

/// function id -> bytes of its keys and values.
const BYTES: Table<u64> = Table::new("function_state_bytes");

/// Bytes of keys and values that one function may keep.
pub(super) const BYTES_MAX: u64 = 100 << 20;

#[derive(Serialize, Deserialize)]
struct Value {
    /// Base64.
    value: String,
    version: u64,
    /// Epoch milliseconds from which it is gone.
    #[serde(default)]
    expires_ms: Option<i64>,
}

impl Value {
    fn lives(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }

    fn bytes(&self, key: &str) -> u64 {
        (key.len() + self.value.len() / 4 * 3) as u64
    }
}

/// Why the state that a call left was not written.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// Another call changed what this one had read.
    Conflict,
    /// There would be more than [`BYTES_MAX`].
    Full,
    /// Metadata failed.
    Meta(MetaError),
}

impl From<MetaError> for NotWritten {
    fn from(error: MetaError) -> NotWritten {
        NotWritten::Meta(error)
    }
}

/// The value of a key.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(super) fn get(
    tx: &Tx<'_>,
    function: u64,
    key: &str,
    now_ms: i64,
) -> Result<Option<StateEntry>, MetaError> {
    let found = tx.get(&VALUES, &Key::of((function, key)))?.filter(|value| value.lives(now_ms));
    found
        .map(|Value { value, version, .. }| {
            let value = BASE64_STANDARD.decode(value);
            let value = value.map_err(|error| MetaError::corrupt("function_state", error))?;
            Ok(StateEntry { value, version })
        })
        .transpose()
}

/// Keys with a prefix, in order, after the given one.
pub(super) fn list(
    tx: &Tx<'_>,
    function: u64,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now_ms: i64,
) -> Result<Vec<String>, MetaError> {
    let mut span = Span::prefix(&Key::of(function).starting(prefix));
    if let Some(after) = after {
        span = span.after(&Key::of((function, after)));
    }
    let mut keys = Vec::new();
    for row in tx.scan(&VALUES, &span)? {
        let (key, value) = row?;
        if keys.len() == limit {
            break;
        }
        if value.lives(now_ms) {
            let mut parts = key.reader();
            parts.u64()?;
            keys.push(parts.text()?);
        }
    }
    Ok(keys)
}

/// Checks what a call has read and whether there is room for what it left; says how many bytes there are then.
pub(super) fn check(
    tx: &Tx<'_>,
    function: u64,
    reads: &[StateRead],
    writes: &[StateWrite],
    now_ms: i64,
) -> Result<u64, NotWritten> {
    for StateRead { key, version } in reads {
        if get(tx, function, key, now_ms)?.map_or(0, |entry| entry.version) != *version {
            return Err(NotWritten::Conflict);
        }
    }
    let mut bytes = tx.get(&BYTES, &Key::of(function))?.unwrap_or(0);
    for StateWrite { key, op } in writes {
        let before = tx.get(&VALUES, &Key::of((function, key)))?.map_or(0, |value| value.bytes(key));
        bytes = bytes.saturating_sub(before);
        if let StateOp::Put { value, .. } = op {
            // As `Value::bytes` counts it.
            bytes += (key.len() + value.len().div_ceil(3) * 3) as u64;
        }
    }
    if bytes > BYTES_MAX && !writes.is_empty() {
        return Err(NotWritten::Full);
    }
    Ok(bytes)
}

/// Checks as [`check`] does and writes what the call left.
pub(super) fn commit(
    tx: &mut Tx<'_>,
    function: u64,
    reads: &[StateRead],
    writes: Vec<StateWrite>,
    now_ms: i64,
) -> Result<(), NotWritten> {
    let bytes = check(tx, function, reads, &writes, now_ms)?;
    if writes.is_empty() {
        return Ok(());
    }
    for StateWrite { key, op } in writes {
        let row = Key::of((function, &key));
        match op {
            StateOp::Put { value, version, ttl_seconds } => {
                let expires_ms = ttl_seconds.map(|seconds| now_ms.saturating_add(i64::from(seconds) * 1_000));
                let value = Value { value: BASE64_STANDARD.encode(value), version, expires_ms };
                tx.put(&VALUES, &row, &value)?;
            }
            StateOp::Delete => tx.delete(&VALUES, &row)?,
        }
    }
    Ok(tx.put(&BYTES, &Key::of(function), &bytes)?)
}

/// Removes everything of a function that is gone.
pub(super) fn remove_all(tx: &mut Tx<'_>, function: u64) -> Result<(), MetaError> {
    tx.delete_span(&VALUES, &Span::prefix(&Key::of(function)))?;
    tx.delete(&BYTES, &Key::of(function))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    fn write(key: &str, value: &str, version: u64, ttl_seconds: Option<u32>) -> StateWrite {
        let op = StateOp::Put { value: value.as_bytes().to_vec(), version, ttl_seconds };
        StateWrite { key: key.to_owned(), op }
    }

    fn get_bytes(tx: &Tx<'_>, function: u64) -> Result<u64, MetaError> {
        Ok(tx.get(&BYTES, &Key::of(function))?.unwrap_or(0))
    }

    #[test]
    fn values_expire_and_a_stale_read_is_a_conflict_on_every_backend() {
        let folder = tempfile::tempdir().unwrap();
        for meta in [Meta::in_memory(), Meta::open(&folder.path().join("meta.redb")).unwrap()] {
            values_expire_and_a_stale_read_is_a_conflict(&meta);
        }
    }

    fn values_expire_and_a_stale_read_is_a_conflict(meta: &Meta) {
        let commit = |reads: &[(&str, u64)], writes: Vec<StateWrite>, now_ms| {
            let reads: Vec<StateRead> = reads
                .iter()
                .map(|(key, version)| StateRead { key: (*key).to_owned(), version: *version })
                .collect();
            meta.change_blocking(move |tx| commit(tx, 7, &reads, writes, now_ms))
        };
        commit(&[("a", 0)], vec![write("a", "one", 1, None), write("b", "x", 1, Some(2))], 1_000).unwrap();
        let value = |key: &'static str, now_ms| {
            meta.read(|tx| get(tx, 7, key, now_ms)).unwrap().map(|entry| entry.value)
        };
        assert_eq!(value("b", 2_999), Some(b"x".to_vec()));
        assert_eq!(value("b", 3_000), None);
        assert_eq!(meta.read(|tx| list(tx, 7, "", None, 9, 3_000)).unwrap(), ["a"]);
        assert_eq!(meta.read(|tx| list(tx, 8, "", None, 9, 0)).unwrap(), Vec::<String>::new());
        let stale = commit(&[("a", 0)], vec![write("a", "two", 1, None)], 4_000);
        assert!(matches!(stale, Err(NotWritten::Conflict)));
        assert_eq!(value("a", 4_000), Some(b"one".to_vec()));
        let big = "x".repeat(40 << 20);
        let full = (0..3).map(|n| write(&n.to_string(), &big, 1, None)).collect();
        assert!(matches!(commit(&[], full, 0), Err(NotWritten::Full)));
        let kept = meta.read(|tx| get_bytes(tx, 7)).unwrap();
        let asked = |writes: &[StateWrite]| meta.read(|tx| check(tx, 7, &[], writes, 4_000));
        assert_eq!(asked(&[]).unwrap(), kept, "a check changes nothing");
        let added = asked(&[write("c", "four", 1, None)]).unwrap();
        commit(&[], vec![write("c", "four", 1, None)], 4_000).unwrap();
        assert_eq!(meta.read(|tx| get_bytes(tx, 7)).unwrap(), added);
        let gone = || vec![StateWrite { key: "c".to_owned(), op: StateOp::Delete }];
        assert_eq!(asked(&gone()).unwrap(), kept, "it counts as what is written does");
        commit(&[], gone(), 4_000).unwrap();
        assert_eq!(meta.read(|tx| get_bytes(tx, 7)).unwrap(), kept);
        meta.change_blocking(|tx| remove_all(tx, 7)).unwrap();
        assert_eq!(value("a", 0), None);
    }
}
