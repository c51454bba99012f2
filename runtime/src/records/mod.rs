//! Owns the root's own records: what belongs to no room because several meet in it. Refuses to know AWS's
//! wire: operations turn what these functions say into answers.

pub(crate) mod alarm_tags;
pub(crate) mod aliases;
pub(crate) mod calls;
pub(crate) mod cursors;
pub(crate) mod data_keys;
pub(crate) mod deliveries;
pub(crate) mod filters;
pub(crate) mod gaps;
pub(crate) mod groups;
pub(crate) mod makers;
pub(crate) mod promotions;
pub(crate) mod query_functions;
pub(crate) mod revisions;
pub(crate) mod schedules;
pub(crate) mod shadows;
pub(crate) mod streams;

use serde::{Deserialize, Serialize};

/// Where resources live: AWS keeps those of two accounts or regions apart under the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// Twelve digits.
    pub(crate) account: String,
    /// Name of the region.
    pub(crate) region: String,
}

impl From<&Scope> for metrics::Scope {
    fn from(scope: &Scope) -> metrics::Scope {
        metrics::Scope { account: scope.account.clone(), region: scope.region.clone() }
    }
}
