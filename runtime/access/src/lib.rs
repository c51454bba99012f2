//! Who may do what: the configured access keys, and IAM policies over them.
//! Knows policy documents and AWS's texts for a refusal; refuses to know signatures, operations' inputs,
//! configuration files and the clock.

mod condition;
mod decide;
mod glob;
mod keys;
mod policy;

pub use condition::Context;
pub use decide::{Decision, Need, NeedsOf, Refusal, Scope, authorize, decide};
pub use keys::{Identity, KeyEntry, Keys, KeysError};
pub use policy::{Policy, PolicyError};
