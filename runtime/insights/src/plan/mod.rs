//! From syntax to what runs: names become slots, commands become stages. Knows no block.

pub(crate) mod calls;
pub(crate) mod filters;
pub(crate) mod needs;
pub(crate) mod planner;
pub(crate) mod query;
pub(crate) mod scope;
