//! Durable key-value state of the function. Capability: `state`.
//! A call sees a snapshot plus its own writes; they are stored when the handler returns without an error.

use super::imported;
use crate::{Entry, StateError};

/// The entry of a key.
///
/// # Errors
/// [`StateError`]: not granted, or not served by this host.
pub fn get(key: &str) -> Result<Option<Entry>, StateError> {
    imported::state::get(key)
}

/// The entry of a key as text; bytes that are not UTF-8 are replaced.
///
/// # Errors
/// As [`get`].
pub fn get_text(key: &str) -> Result<Option<String>, StateError> {
    Ok(get(key)?.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()))
}

/// Writes whatever is there now; gives the new version.
///
/// # Errors
/// As [`get`], and too large or over quota.
pub fn put(key: &str, value: &[u8]) -> Result<u64, StateError> {
    imported::state::put(key, value, None, None)
}

/// Writes with conditions: `expected` 0 = must be new, n = must be that version;
/// the entry is gone after `ttl_seconds`.
///
/// # Errors
/// As [`put`], and `Conflict`.
pub fn put_if(
    key: &str,
    value: &[u8],
    expected: Option<u64>,
    ttl_seconds: Option<u32>,
) -> Result<u64, StateError> {
    imported::state::put(key, value, expected, ttl_seconds)
}

/// Removes a key; one that is not there is no error.
///
/// # Errors
/// As [`get`].
pub fn delete(key: &str) -> Result<(), StateError> {
    imported::state::delete(key)
}

/// Adds to a counter (a new one starts at 0); gives the sum.
///
/// # Errors
/// As [`put`]; `Other` when the entry is not a counter.
pub fn increment(key: &str, by: i64) -> Result<i64, StateError> {
    imported::state::increment(key, by, None)
}

/// Adds to a counter that is gone after so many seconds without a write.
///
/// # Errors
/// As [`increment`].
pub fn increment_for(key: &str, by: i64, ttl_seconds: u32) -> Result<i64, StateError> {
    imported::state::increment(key, by, Some(ttl_seconds))
}

/// Keys with a prefix, in order, after the given one.
///
/// # Errors
/// As [`get`].
pub fn list_keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
    imported::state::list_keys(prefix, after, limit)
}
