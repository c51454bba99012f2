//! Owns what the query functions of a module take and return, as the module itself described them when it was
//! compiled: so that a query is planned without calling anything. Refuses to know which functions run the module.

use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Table, Tx};

/// digest of a module -> its query functions.
const DESCRIBED: Table<Vec<Described>> = Table::new("query_functions");

/// A function of the query language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    /// The name in queries.
    pub(crate) name: String,
    /// The types of its parameters.
    pub(crate) parameters: Vec<Kind>,
    /// Whether the last parameter may repeat.
    pub(crate) variadic: bool,
    /// The type of its values.
    pub(crate) returns: Kind,
    /// One line for people.
    #[serde(default)]
    pub(crate) help: String,
}

/// A type of the query language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Whatever is there.
    Any,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// Text.
    Text,
}

/// The query functions of a module; `None` when it was never asked.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn of(tx: &Tx<'_>, digest: &str) -> Result<Option<Vec<Described>>, MetaError> {
    tx.get(&DESCRIBED, &Key::of(digest))
}

/// Keeps what a module described.
pub(crate) fn put(tx: &mut Tx<'_>, digest: &str, described: &Vec<Described>) -> Result<(), MetaError> {
    tx.put(&DESCRIBED, &Key::of(digest), described)
}

/// Forgets a module whose code is gone.
pub(crate) fn forget(tx: &mut Tx<'_>, digest: &str) -> Result<(), MetaError> {
    tx.delete(&DESCRIBED, &Key::of(digest))
}
