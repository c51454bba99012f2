//! Owns which version of a function runs beside the one that serves. Refuses to know how it is run and compared.

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// function id -> its shadow.
const SHADOWS: Table<Shadow> = Table::new("function_shadows");

/// The shadow of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shadow {
    /// A number, or `$LATEST`.
    pub(crate) version: String,
    /// When it was attached, epoch milliseconds.
    pub(crate) since_ms: i64,
}

/// The shadow of a function, if it has one.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn of(tx: &Tx<'_>, function: u64) -> Result<Option<Shadow>, MetaError> {
    tx.get(&SHADOWS, &Key::of(function))
}

/// Gives a function this shadow, in place of the one it had.
pub(crate) fn put(tx: &mut Tx<'_>, function: u64, shadow: &Shadow) -> Result<(), MetaError> {
    tx.put(&SHADOWS, &Key::of(function), shadow)
}

/// Ends the shadow of a function; one without is no error.
pub(crate) fn remove(tx: &mut Tx<'_>, function: u64) -> Result<(), MetaError> {
    tx.delete(&SHADOWS, &Key::of(function))
}

/// Every shadow, by function id.
pub(crate) fn every(tx: &Tx<'_>) -> Result<Vec<(u64, Shadow)>, MetaError> {
    let rows = tx.scan(&SHADOWS, &Span::all())?.map(|row| {
        let (key, shadow) = row?;
        Ok((key.reader().u64()?, shadow))
    });
    rows.collect()
}
