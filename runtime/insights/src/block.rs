//! The seam to stored events: what a block of events lends to a running query.
//! Refuses to know files, encodings and locks; the root adapts the store to this.

use crate::value::Cell;

/// Some events of one log group, in any order, all readable at once.
///
/// Rows are numbered from 0 to `len() - 1`.
pub trait Block {
    /// How many events the block holds.
    fn len(&self) -> usize;

    /// True without events.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Event times in epoch milliseconds, one per row.
    fn timestamps(&self) -> &[i64];

    /// Ingestion times in epoch milliseconds, one per row.
    fn ingestion_times(&self) -> &[i64];

    /// The message of one event.
    fn message(&self, row: usize) -> &str;

    /// The stream of one event.
    fn stream_name(&self, row: usize) -> &str;

    /// `account:group` of the whole block.
    fn log_identifier(&self) -> &str;

    /// The opaque record pointer of one event (`@ptr`).
    fn pointer(&self, row: usize) -> String;

    /// Where the event stands in the intake (shard, sequence): breaks ties between equal times.
    fn position(&self, row: usize) -> (u32, u64);

    /// A discovered field that the store already holds as a column. It must hold exactly what
    /// [`crate::discover`] would find in every message. None: the field is derived from the messages.
    fn column(&self, _field: &str) -> Option<Column<'_>> {
        None
    }

    /// Bytes of all messages, for the statistics.
    fn bytes(&self) -> u64 {
        (0..self.len()).map(|row| self.message(row).len() as u64).sum()
    }
}

/// One field of a block, in the shape the store has it in.
#[derive(Debug, Clone)]
pub enum Column<'a> {
    /// The same value in every row; null for a field no row has.
    Constant(Cell<'a>),
    /// `values[codes[row]]`.
    Dictionary {
        /// One per row.
        codes: &'a [u32],
        /// The distinct values.
        values: Vec<Cell<'a>>,
    },
    /// Whole numbers; `present` false marks absent rows, None means that all are there.
    Ints {
        /// One per row.
        values: &'a [i64],
        /// One per row.
        present: Option<&'a [bool]>,
    },
    /// Floats, all finite.
    Floats {
        /// One per row.
        values: &'a [f64],
        /// One per row.
        present: Option<&'a [bool]>,
    },
    /// Text: row `i` is `text[ends[i - 1]..ends[i]]`, with 0 before the first.
    Texts {
        /// All values, joined.
        text: &'a str,
        /// One per row.
        ends: &'a [u32],
        /// One per row.
        present: Option<&'a [bool]>,
    },
}
