//! The seam to stored events: what a block of events lends to a running query.
//! Refuses to know files, encodings and locks; the root adapts the store to this.

use crate::lend::{Templates, Texts};
use crate::value::Cell;

/// Some events of one log group, in any order, all readable at once.
///
/// Rows are numbered from 0 to `len() - 1`. Nothing here fails: a block that cannot be read any more
/// lends what it likes and tells its owner, who drops the execution.
pub trait Block {
    /// How many events the block holds, visible or not.
    fn len(&self) -> usize;

    /// True without events.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that may be read, ascending; None for all. No other row is ever shown or counted.
    fn visible(&self) -> Option<&[u32]> {
        None
    }

    /// No visible event is older or newer than this. Spares reading [`Block::timestamps`] where the
    /// query's window covers it.
    fn time_bounds(&self) -> Option<(i64, i64)> {
        None
    }

    /// Event times in epoch milliseconds, one per row.
    fn timestamps(&self) -> &[i64];

    /// Ingestion times in epoch milliseconds, one per row.
    fn ingestion_times(&self) -> &[i64];

    /// The message of one event. May make every message of the block readable at once; for some rows
    /// of a block with templates, [`Block::messages`] is asked instead.
    fn message(&self, row: usize) -> &str;

    /// Adds the messages of the given rows.
    fn messages(&self, rows: &[u32], into: &mut Texts) {
        for row in rows {
            into.push(self.message(*row as usize));
        }
    }

    /// Exactly the rows, ascending, whose message contains `text`, visible or not. None: the block has no
    /// better way than looking through the messages.
    fn rows_containing(&self, _text: &str) -> Option<Vec<u32>> {
        None
    }

    /// How the messages are made up, if the block keeps them in parts.
    fn templates(&self) -> Option<&dyn Templates> {
        None
    }

    /// The stream of one event.
    fn stream_name(&self, row: usize) -> &str;

    /// The stream of all events, if they are of one stream.
    fn stream(&self) -> Option<&str> {
        None
    }

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

    /// Bytes of the messages of some rows, for the statistics. A block that would have to read the
    /// messages for it may answer with their share of [`Block::bytes`].
    fn bytes_of(&self, rows: &[u32]) -> u64 {
        rows.iter().map(|row| self.message(*row as usize).len() as u64).sum()
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
