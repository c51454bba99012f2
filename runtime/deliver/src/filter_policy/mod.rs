//! Owns the SNS filter-policy language: parsing with AWS's texts, and whether a message passes.
//! Refuses to know topics, subscriptions and delivery. Start at `FilterPolicy::parse`.

mod matching;
mod parse;
mod reader;
mod rule;
mod syntax;

use std::collections::BTreeMap;

use crate::attribute::MessageAttribute;
use rule::Node;

pub(crate) use syntax::check as check_json;

/// What a policy is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The message attributes (AWS's default).
    MessageAttributes,
    /// The message body, which must be a JSON object.
    MessageBody,
}

impl Scope {
    /// Reads the value of `FilterPolicyScope`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "MessageAttributes" => Some(Self::MessageAttributes),
            "MessageBody" => Some(Self::MessageBody),
            _ => None,
        }
    }
}

/// Longest policy text in bytes (AWS: 256 KB).
pub const POLICY_BYTES_MAX: usize = 256 * 1024;
/// Most keys at the top of a policy.
const KEYS_MAX: usize = 5;
/// Most combinations of values.
const COMBINATIONS_MAX: u64 = 150;

/// A parsed policy.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterPolicy {
    scope: Scope,
    root: Node,
}

impl FilterPolicy {
    /// Parses a policy. The error is AWS's text from `FilterPolicy:` on; the caller puts the
    /// operation's prefix before it.
    pub fn parse(text: &str, scope: Scope) -> Result<Self, String> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(format!("FilterPolicy: must be at most {POLICY_BYTES_MAX} bytes long"));
        }
        let value = syntax::check(text).map_err(|e| format!("FilterPolicy: failed to parse JSON. {e}"))?;
        if value.as_object().is_some_and(|object| object.len() > KEYS_MAX) {
            return Err(format!("FilterPolicy: Filter policy can not have more than {KEYS_MAX} keys"));
        }
        if parse::combinations(&value, 1) > COMBINATIONS_MAX {
            return Err("FilterPolicy: Filter policy is too complex".to_owned());
        }
        let root = parse::policy(text).map_err(|e| format!("FilterPolicy: {e}"))?;
        if scope == Scope::MessageAttributes && root.is_nested() {
            return Err(
                "Filter policy scope MessageAttributes does not support nested filter policy".to_owned()
            );
        }
        Ok(Self { scope, root })
    }

    /// Whether the attribute says there is no policy: AWS removes it when the text is empty or `{}`.
    pub fn is_absent(text: &str) -> bool {
        matches!(text.trim(), "" | "{}")
    }

    /// Whether a message passes. A body that is no JSON object never passes a `MessageBody` policy.
    pub fn matches(&self, attributes: &BTreeMap<String, MessageAttribute>, body: &str) -> bool {
        match self.scope {
            Scope::MessageAttributes => matching::attributes(&self.root, attributes),
            Scope::MessageBody => match serde_json::from_str(body) {
                Ok(value) => matching::body(&self.root, &value),
                Err(_) => false,
            },
        }
    }
}

#[cfg(test)]
mod tests;
