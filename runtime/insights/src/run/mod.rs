//! Execution: batches of columns, compiled expressions, and the barriers that keep partial states.
//! Knows no text: it runs what `plan` made.

pub(crate) mod batch;
pub(crate) mod distinct;
pub(crate) mod execution;
pub(crate) mod groups;
pub(crate) mod matcher;
pub(crate) mod node;
pub(crate) mod rank;
pub(crate) mod sink;
pub(crate) mod stage;
pub(crate) mod top;
pub(crate) mod vector;
