//! One trait per world, and the adapter that turns it into the generated export.

pub mod alarm_action;
mod entry;
pub mod extractor;
pub mod filter;
pub mod lambda;
pub mod outcome;
pub mod packed_filter;
pub mod query_functions;
pub mod scheduled;
pub mod subscription;

/// Carries a handler into the generated traits, so that an author implements only the SDK's.
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<T>(core::marker::PhantomData<T>);
