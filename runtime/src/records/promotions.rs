//! Owns what served before a version was promoted, so that it can be gone back to. Refuses to move anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (function id, alias or `$LATEST`) -> the last promotion of it that was not rolled back.
const PROMOTIONS: Table<Promotion> = Table::new("function_promotions");

/// Which versions serve under a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Serving {
    /// A number, or `$LATEST`.
    pub(crate) version: String,
    /// Other versions of an alias, and the share of calls that each gets.
    #[serde(default)]
    pub(crate) additional: BTreeMap<String, f64>,
}

/// A version that was made the one that serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Promotion {
    /// The version.
    pub(crate) version: String,
    /// What served before it.
    pub(crate) before: Serving,
    /// When, epoch milliseconds.
    pub(crate) at_ms: i64,
}

/// Remembers a promotion in place of the one before it.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    function: u64,
    target: &str,
    promotion: &Promotion,
) -> Result<(), MetaError> {
    tx.put(&PROMOTIONS, &Key::of((function, target)), promotion)
}

/// Forgets a promotion.
pub(crate) fn remove(tx: &mut Tx<'_>, function: u64, target: &str) -> Result<(), MetaError> {
    tx.delete(&PROMOTIONS, &Key::of((function, target)))
}

/// The promotions of a function with what they are of.
pub(crate) fn of(tx: &Tx<'_>, function: u64) -> Result<Vec<(String, Promotion)>, MetaError> {
    let rows = tx.scan(&PROMOTIONS, &Span::prefix(&Key::of(function)))?.map(|row| {
        let (key, promotion) = row?;
        let mut parts = key.reader();
        parts.u64()?;
        Ok((parts.text()?, promotion))
    });
    rows.collect()
}

/// Every promotion, by function id.
pub(crate) fn every(tx: &Tx<'_>) -> Result<Vec<(u64, Promotion)>, MetaError> {
    let rows = tx.scan(&PROMOTIONS, &Span::all())?.map(|row| {
        let (key, promotion) = row?;
        Ok((key.reader().u64()?, promotion))
    });
    rows.collect()
}

/// Forgets all promotions of a function that is gone.
pub(crate) fn remove_all(tx: &mut Tx<'_>, function: u64) -> Result<(), MetaError> {
    tx.delete_span(&PROMOTIONS, &Span::prefix(&Key::of(function))).map(drop)
}
