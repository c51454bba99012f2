//! Execution: batches of columns, compiled expressions, and the barriers that keep partial states.
//! Knows no text: it runs what `plan` made.

pub(crate) mod batch;
pub(crate) mod column;
pub(crate) mod condition;
pub(crate) mod distinct;
pub(crate) mod execution;
pub(crate) mod gather;
pub(crate) mod groups;
mod keys;
mod load;
pub(crate) mod mask;
pub(crate) mod matcher;
mod narrow;
pub(crate) mod node;
pub(crate) mod outside;
mod parts;
pub(crate) mod rank;
pub(crate) mod sink;
pub(crate) mod stage;
pub(crate) mod strings;
pub(crate) mod top;
pub(crate) mod vector;
