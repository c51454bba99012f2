//! Owns the implementations of the rooms' verbs over one transaction, a file per room. Refuses to know
//! redb: everything here runs on both backends.

mod deliver;
mod metrics;
mod store;
pub(crate) mod wasm;

pub(crate) use store::StoreManifest;
pub(crate) use wasm::{every_function, every_version, remove_versions};
