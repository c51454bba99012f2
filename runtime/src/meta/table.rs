//! Owns the type of a table: a name and what its rows hold. Refuses to know who reads it.

use std::marker::PhantomData;

/// A named ordered table of `V`, declared as a `const` beside the records it keeps. The name is on disk:
/// it never changes, and two tables never share one.
pub(crate) struct Table<V> {
    pub(super) name: &'static str,
    holds: PhantomData<fn() -> V>,
}

impl<V> Table<V> {
    /// Declares the table.
    pub(crate) const fn new(name: &'static str) -> Table<V> {
        Table { name, holds: PhantomData }
    }
}

/// What a table of packed records holds: `Table<Packs<V>>`, read and written by `Tx::get_packed` and its like.
pub(crate) struct Packs<V>(PhantomData<V>);

/// What a table of plain bytes holds: `Table<Blob>`, read and written by `Tx::get_bytes` and `put_bytes`.
pub(crate) enum Blob {}
