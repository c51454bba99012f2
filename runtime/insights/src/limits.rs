//! Bounds of one execution. The root may lower or raise them; nothing here reads configuration.

/// How much one execution may hold. Bytes are estimates of live memory, checked once per block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups of one `stats`.
    pub groups: usize,
    /// Bytes of keys and aggregate states of one `stats`.
    pub group_bytes: usize,
    /// Bytes of the rows kept by `sort`, `limit` and `dedup`.
    pub row_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { groups: 1_000_000, group_bytes: 256 << 20, row_bytes: 512 << 20 }
    }
}

/// Rows a query returns when neither it nor the request says how many.
pub(crate) const DEFAULT_ROWS: usize = 10_000;
/// The most rows a query may ask for.
pub(crate) const MAX_ROWS: usize = 100_000;
/// `stats` commands in one query.
pub(crate) const MAX_STATS: usize = 10;
/// Brackets inside brackets, so that parsing never exhausts a thread's stack.
pub(crate) const MAX_NESTING: u16 = 64;
/// Depth of one expression tree, so that walking it never does.
pub(crate) const MAX_DEPTH: u16 = 200;
/// Regular expressions in one query.
pub(crate) const MAX_REGEXES: usize = 64;
/// Rows that one block may become by `unnest` and `parse … multi`.
pub(crate) const MAX_MADE_ROWS: usize = 4_000_000;
/// Compiled size of one regular expression.
pub(crate) const REGEX_BYTES: usize = 1 << 20;
