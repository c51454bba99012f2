//! The bounds of one pattern. Owns the numbers; refuses to know who raises them.

/// How large a pattern may be. The defaults are AWS's documented ones; where AWS documents
/// none, they are ours and bound what a hostile pattern can cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Characters of the whole pattern (AWS: 1024).
    pub characters: usize,
    /// Regular expressions inside one JSON or space-delimited pattern (AWS: 2).
    pub regexes: usize,
    /// Patterns with a regular expression per log group, metric and subscription filters
    /// together (AWS: 5). Not checked here, since a pattern does not know its group.
    pub regexes_per_group: usize,
    /// Wildcard steps (`[*]`, `.*`) in one selector (AWS: 1).
    pub wildcards_per_selector: usize,
    /// Selectors with a wildcard step in one pattern (AWS: 3).
    pub wildcards: usize,
    /// Open parentheses at one point of a pattern.
    pub nesting: usize,
    /// Bytes of one compiled regular expression.
    pub regex_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            characters: 1024,
            regexes: 2,
            regexes_per_group: 5,
            wildcards_per_selector: 1,
            wildcards: 3,
            nesting: 64,
            regex_bytes: 1 << 20,
        }
    }
}
