//! The two ways a query fails: it does not compile, or it runs into a bound.
//! Knows no AWS error code; the root maps these.

use std::fmt;

/// Why a query text was refused. Offsets count characters from 0; `end` is exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// First character of the offending text.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// What is wrong, where, what was expected, and the nearest valid spelling where there is one.
    pub message: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CompileError {}

/// Why a running query stopped without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The query needs more than a bound allows.
    LimitExceeded {
        /// Which bound, in words a user can act on.
        limit: &'static str,
        /// Its value.
        maximum: u64,
    },
    /// A guest function failed.
    Guest {
        /// The function's name as written in the query.
        function: String,
        /// What the guest said.
        message: String,
    },
    /// Two executions of different queries were merged.
    Mismatch,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::LimitExceeded { limit, maximum } => {
                write!(
                    f,
                    "the query exceeds the limit of {maximum} {limit}; narrow the time range or the filter"
                )
            }
            Error::Guest { function, message } => write!(f, "function '{function}' failed: {message}"),
            Error::Mismatch => f.write_str("partial results of different queries cannot be merged"),
        }
    }
}

impl std::error::Error for Error {}
