//! Owns the keys that stand in for KMS keys: which ARN is which key, from the configuration. Refuses to know
//! what they wrap.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::master::{Unread, private_bytes, user_key};
use super::sealing::{Sealer, Secret};
use crate::clock::Clock;

/// Where the key of one ARN is: `[kms."arn:aws:kms:..."]` in the configuration. One of the two is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KmsKey {
    /// A file with 32 bytes, or 64 hexadecimal digits, or base64, that only its owner may read.
    pub(crate) key_file: Option<PathBuf>,
    /// The name of an environment variable with 64 hexadecimal digits or base64.
    pub(crate) key_env: Option<String>,
}

/// Whether `text` looks like the ARN of a KMS key or alias.
pub(crate) fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(
        parts.as_slice(),
        ["arn", partition, "kms", region, account, resource]
            if partition.starts_with("aws")
                && !region.is_empty()
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && ["key/", "alias/"].iter().any(|kind| resource.len() > kind.len() && resource.starts_with(kind))
    )
}

/// A KMS key that is not configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unmapped {
    /// Its ARN.
    pub(crate) arn: String,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arn = &self.arn;
        write!(
            f,
            "The KMS key {arn} is not available to Logboom: configure where it is, [kms.\"{arn}\"] with \
             key_file = \"...\" in the configuration file, and start again."
        )
    }
}

/// The configured keys.
#[derive(Default)]
pub(crate) struct Kms {
    keys: BTreeMap<String, Sealer>,
}

impl Kms {
    /// Reads every configured key.
    ///
    /// # Errors
    /// A sentence that names the ARN and what is wrong with its key.
    pub(crate) fn load(configured: &BTreeMap<String, KmsKey>, clock: &Clock) -> Result<Kms, String> {
        let read = |(arn, place): (&String, &KmsKey)| {
            let secret = secret(place).map_err(|error| format!("[kms.\"{arn}\"]: {error}"))?;
            Ok((arn.clone(), Sealer::new(&secret.derive("kms wrap"), clock)))
        };
        Ok(Kms { keys: configured.iter().map(read).collect::<Result<_, String>>()? })
    }

    /// Whether no key is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What seals under a key.
    ///
    /// # Errors
    /// The key is not configured.
    pub(crate) fn get(&self, arn: &str) -> Result<&Sealer, Unmapped> {
        self.keys.get(arn).ok_or_else(|| Unmapped { arn: arn.to_owned() })
    }
}

fn secret(place: &KmsKey) -> Result<Secret, String> {
    const FORMS: &str = "is not 32 bytes, 64 hexadecimal digits or base64 of 32 bytes";
    match (&place.key_file, &place.key_env) {
        (Some(path), None) => {
            let bytes = private_bytes(path).map_err(|unread| match unread {
                Unread::Missing => format!("the key file {} is not there", path.display()),
                Unread::Because(reason) => reason,
            })?;
            user_key(&bytes).ok_or_else(|| format!("the key file {} {FORMS}", path.display()))
        }
        (None, Some(name)) => {
            let text =
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?;
            user_key(text.trim().as_bytes()).ok_or_else(|| format!("the environment variable {name} {FORMS}"))
        }
        _ => Err("give either key_file or key_env".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_of_a_key_is_told_from_other_texts() {
        for good in [
            "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-cn:kms:cn-north-1:111111111111:alias/logs",
        ] {
            assert!(is_arn(good), "{good}");
        }
        for bad in [
            "",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:eu-west-1:000000000000:key/",
            "arn:aws:kms:eu-west-1:0000:key/x",
            "arn:aws:sns:eu-west-1:000000000000:key/x",
        ] {
            assert!(!is_arn(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_configured_key_is_said_with_its_arn() {
        let arn = "arn:aws:kms:eu-west-1:000000000000:key/k";
        let load =
            |key: KmsKey| Kms::load(&BTreeMap::from([(arn.to_owned(), key)]), &Clock::real()).map(drop);
        let missing = KmsKey { key_file: Some("/nowhere/key".into()), key_env: None };
        let error = load(missing).unwrap_err();
        assert!(error.contains(arn) && error.contains("/nowhere/key"), "{error}");
        assert!(load(KmsKey::default()).unwrap_err().contains("either"));
        let unset = KmsKey { key_file: None, key_env: Some("NO_SUCH_VARIABLE_HERE".to_owned()) };
        assert!(load(unset).unwrap_err().contains("NO_SUCH_VARIABLE_HERE"));
        assert!(Kms::default().get(arn).err().unwrap().to_string().contains("[kms."));
    }
}
