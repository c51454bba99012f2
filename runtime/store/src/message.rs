//! Owns how the rows of a block become bytes and back: templates, columns, times, positions.
//! Refuses to know where the bytes are kept, how they are compressed and sealed (see `segment`).
//!
//! A block is stored as a **head** (small: templates, heads of columns) and **chunks** that are read one by
//! one: 0 = timestamps, 1 = ingestion times, positions and hops, 2 = template numbers, then columns. The
//! layout of each is described at its encoder; `docs/format.md` says how to decode a block by hand.

mod compose;
mod head;
mod json;
mod opened;
mod origin;
mod plan;
mod rebuild;
mod rowmap;
mod search;
mod split;
mod text;

use std::sync::Arc;

pub(crate) use compose::Composer;
pub use head::Template;
pub(crate) use opened::Opened;
pub(crate) use origin::{Origins, Times};
pub(crate) use rowmap::RowMap;

use crate::codec::Malformed;
use crate::column::Column;
use crate::error::ReadError;
use rowmap::Numbers;

/// The chunk of the timestamps.
pub(crate) const TIMES: u32 = 0;
/// The chunk of ingestion times, positions and hops.
pub(crate) const ORIGINS: u32 = 1;
/// The chunk of the template numbers; empty in a block of one template.
pub(crate) const TEMPLATES: u32 = 2;
/// The chunk of all small columns; those behind it hold one column each. Also the first key of a decoded
/// column, see [`Chunks::decoded`].
pub(crate) const COLUMNS: u32 = 3;
/// The first key of the rows that columns have, see [`Chunks::decoded`]. There are fewer columns.
const ROW_LISTS: u32 = 1 << 31;

/// A block as bytes.
pub(crate) struct Composed {
    pub(crate) head: Vec<u8>,
    /// The chunks and whether compression may help them. One that is empty need not be stored.
    pub(crate) chunks: Vec<(Vec<u8>, bool)>,
    pub(crate) filter: Vec<u8>,
}

/// The stored chunks of one block, decrypted and decompressed.
pub(crate) trait Chunks: Send + Sync {
    /// The bytes of a chunk, as [`Composed`] had them.
    fn chunk(&self, index: u32) -> Result<Arc<Vec<u8>>, ReadError>;

    /// Names the place of damage that was found in a chunk.
    fn corrupt(&self, malformed: Malformed) -> ReadError;

    /// What was kept under a key: 0, 1, 2 as the chunks, 3 + number for columns, [`ROW_LISTS`] + number for lists of
    /// rows.
    fn decoded(&self, _key: u32) -> Option<Decoded> {
        None
    }

    /// Keeps a decoded part for the next reader, if there is room.
    fn keep(&self, _key: u32, _decoded: &Decoded) {}
}

/// A part of a block that was decoded and may be kept; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Decoded {
    Times(Arc<Times>),
    /// Ingestion times, positions and hops: as they are stored, in runs.
    Runs(Arc<Vec<u8>>),
    Numbers(Arc<Numbers>),
    List(Arc<Vec<u32>>),
    Column(Arc<Column>),
}

impl Decoded {
    pub(crate) fn memory_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Times(times) => times.memory_bytes(),
            Self::Runs(bytes) => bytes.len(),
            Self::Numbers(numbers) => numbers.memory_bytes(),
            Self::List(rows) => rows.len() * 4,
            Self::Column(column) => column.memory_bytes(),
        };
        bytes as u64 + 64
    }
}

#[cfg(test)]
mod tests;
