//! Owns aliases of functions, revision by revision: "who answered then" reads old ones. Refuses to know what a
//! version is (`wasm`) and to check what is asked (`api/lambda`).

use wasm::AliasRecord;

use super::revisions::Definitions;

/// Aliases by function.
pub(crate) const ALIASES: Definitions<AliasRecord> =
    Definitions::new("function_aliases", "function_alias_revisions");
