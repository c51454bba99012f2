//! The access keys of the configuration and the identities behind them. Holds secrets: they never appear
//! in Debug output or errors.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::policy::Policy;

/// A key as a configuration file spells it (`[[keys]]` in TOML).
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// Twelve digits; the server's default account where absent.
    #[serde(default)]
    pub account: Option<String>,
    /// The IAM user name; the access key id where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// IAM policy documents, as tables or as JSON texts. A key without policies is an administrator.
    #[serde(default)]
    pub policies: Vec<Value>,
}

/// Who a request comes from.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// The IAM user name.
    pub name: String,
    /// The access key id.
    pub access_key: String,
    /// Empty for an administrator, who may do everything.
    pub policies: Vec<Policy>,
}

impl Identity {
    /// An identity that may do everything: open mode, and keys without policies.
    pub fn administrator(account: &str, name: &str, access_key: &str) -> Identity {
        Identity {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            name: name.to_owned(),
            access_key: access_key.to_owned(),
            policies: Vec::new(),
        }
    }
}

/// All configured keys.
#[derive(Clone, Default)]
pub struct Keys {
    by_id: BTreeMap<String, (String, Identity)>,
}

/// Why a configuration of keys was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysError {
    message: String,
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeysError {}

fn refused<T>(message: impl Into<String>) -> Result<T, KeysError> {
    Err(KeysError { message: message.into() })
}

impl Keys {
    /// Reads `id:secret[,id:secret...]`, the form of the environment variable.
    ///
    /// # Errors
    /// Names the position of a malformed pair, never its content.
    pub fn parse(text: &str, default_account: &str) -> Result<Keys, KeysError> {
        let mut entries = Vec::new();
        for (at, pair) in text.split(',').map(str::trim).enumerate() {
            let Some((id, secret)) = pair.split_once(':') else {
                return refused(format!("Key {} is not of the form id:secret", at + 1));
            };
            let (id, secret) = (id.to_owned(), secret.to_owned());
            entries.push(KeyEntry { id, secret, account: None, name: None, policies: Vec::new() });
        }
        Keys::from_entries(entries, default_account)
    }

    /// Takes the keys of a configuration file.
    ///
    /// # Errors
    /// An empty id or secret, an id given twice, an account that is not twelve digits, or a policy that is
    /// not understood, each by the key's id.
    pub fn from_entries(entries: Vec<KeyEntry>, default_account: &str) -> Result<Keys, KeysError> {
        let mut keys = Keys::default();
        for (at, entry) in entries.into_iter().enumerate() {
            let id = entry.id.as_str();
            let printable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !printable(id) || id.contains(['/', ',']) {
                return refused(format!(
                    "The access key id of key {} is empty or has characters that ids cannot have",
                    at + 1
                ));
            }
            if !printable(&entry.secret) {
                return refused(format!("The secret of access key {id} is empty or not printable ASCII"));
            }
            let account = entry.account.as_deref().unwrap_or(default_account);
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return refused(format!("The account of access key {id} is not twelve digits: {account}"));
            }
            let mut identity = Identity::administrator(account, entry.name.as_deref().unwrap_or(id), id);
            for document in &entry.policies {
                let policy = match document {
                    Value::String(text) => Policy::parse(text),
                    document => Policy::from_value(document),
                };
                match policy {
                    Ok(policy) => identity.policies.push(policy),
                    Err(error) => return refused(format!("Policy of access key {id}: {error}")),
                }
            }
            if keys.by_id.insert(id.to_owned(), (entry.secret.clone(), identity)).is_some() {
                return refused(format!("Access key {id} is given twice"));
            }
        }
        Ok(keys)
    }

    /// Whether no key is configured, which is open mode.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The secret of an access key id, for the signature check.
    pub fn secret(&self, access_key: &str) -> Option<&str> {
        self.by_id.get(access_key).map(|(secret, _)| secret.as_str())
    }

    /// The identity behind an access key id, once its signature is verified.
    pub fn identity(&self, access_key: &str) -> Option<&Identity> {
        self.by_id.get(access_key).map(|(_, identity)| identity)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEntry").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_environment_form() {
        let keys = Keys::parse("AKIA1:se/cr+et=, AKIA2:other", "000000000000").unwrap();
        assert_eq!(keys.secret("AKIA1"), Some("se/cr+et="));
        assert_eq!(keys.identity("AKIA2").unwrap().arn, "arn:aws:iam::000000000000:user/AKIA2");
        assert!(keys.secret("AKIA3").is_none() && !keys.is_empty());
        assert!(!format!("{keys:?}").contains("other"));
        for bad in ["", "justid", "a:", ":b", "a:b,a:c", "a:b,"] {
            let error = Keys::parse(bad, "000000000000").unwrap_err().to_string();
            assert!(!error.is_empty(), "{bad}");
        }
        assert!(!Keys::parse("hunter2", "000000000000").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn the_file_form() {
        let entry: KeyEntry = serde_json::from_value(json!({
            "id": "AKIA", "secret": "s", "account": "111111111111", "name": "shipper",
            "policies": [{"Statement": {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}}],
        }))
        .unwrap();
        assert!(!format!("{entry:?}").contains("secret"));
        let keys = Keys::from_entries(vec![entry.clone()], "000000000000").unwrap();
        let identity = keys.identity("AKIA").unwrap();
        assert_eq!((identity.account.as_str(), identity.policies.len()), ("111111111111", 1));
        let broken = KeyEntry { policies: vec![json!("{")], ..entry.clone() };
        assert!(Keys::from_entries(vec![broken], "0").unwrap_err().to_string().contains("AKIA"));
        let account = KeyEntry { account: Some("12".into()), ..entry };
        assert!(Keys::from_entries(vec![account], "0").unwrap_err().to_string().contains("twelve"));
    }
}
