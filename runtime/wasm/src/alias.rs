//! The records of what leads to versions: aliases with their weights, and how asynchronous calls are made.
//! Refuses to know how they are kept and who calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::function::Statement;

/// What an alias says. Fields are only ever added, each with a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AliasRecord {
    /// The version that is meant: a number or `$LATEST`.
    pub version: String,
    /// As given.
    pub description: String,
    /// Other versions, and the share of calls that each gets instead, 0 to 1.
    pub additional: BTreeMap<String, f64>,
    /// The resource policy of the alias.
    pub policy: Vec<Statement>,
}

impl AliasRecord {
    /// The version that answers the call or delivery with this id: the same one however often it is tried, as
    /// long as the alias says the same.
    pub fn draw(&self, id: &str) -> &str {
        let mut drawn = share_of(id);
        for (version, weight) in &self.additional {
            if drawn < *weight {
                return version;
            }
            drawn -= weight;
        }
        &self.version
    }

    /// Every version that a call may get.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.version.as_str()).chain(self.additional.keys().map(String::as_str))
    }
}

/// A number from 0 to below 1 that follows from the id.
fn share_of(id: &str) -> f64 {
    let hash = Sha256::digest(id.as_bytes());
    let head = hash.iter().take(8).fold(0u64, |head, byte| head << 8 | u64::from(*byte));
    // 53 bits are what a float holds exactly.
    (head >> 11) as f64 / (1u64 << 53) as f64
}

/// How the asynchronous calls of a function (under one qualifier) are made. Fields are only ever added, each with
/// a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventInvokeRecord {
    /// Tries after the first one; `None` for AWS's default.
    pub retries_max: Option<u32>,
    /// Seconds after which a call is not tried any more; `None` for AWS's default.
    pub age_max_s: Option<u32>,
    /// ARN that is told of a success.
    pub on_success: Option<String>,
    /// ARN that is told of a failure.
    pub on_failure: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub last_modified_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_always_draws_the_same_version_and_ids_draw_by_weight() {
        let plain = AliasRecord { version: "1".to_owned(), ..AliasRecord::default() };
        let weighted = AliasRecord { additional: [("2".to_owned(), 0.25)].into(), ..plain.clone() };
        let drawn =
            |alias: &AliasRecord| (0..4_000).filter(|n| alias.draw(&format!("delivery-{n}")) == "2").count();
        assert_eq!((drawn(&plain), drawn(&weighted)), (0, drawn(&weighted)));
        assert!((900..1_100).contains(&drawn(&weighted)), "{}", drawn(&weighted));
        let more = AliasRecord { additional: [("2".to_owned(), 0.5)].into(), ..plain };
        for id in (0..1_000).map(|n| format!("delivery-{n}")) {
            assert_eq!(weighted.draw(&id), weighted.draw(&id));
            // A weight that grows takes calls from the other version only.
            assert!(weighted.draw(&id) != "2" || more.draw(&id) == "2");
        }
        assert_eq!(more.versions().collect::<Vec<_>>(), ["1", "2"]);
    }
}
