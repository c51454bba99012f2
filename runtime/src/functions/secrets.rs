//! Owns the secrets of functions: `[secrets.NAME]` of the configuration, read at start. Refuses to know who uses
//! them and where they are put. Values are never shown: not in errors, not in logs, not to guests.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use wasm::Secret;

use crate::keyring::master::{Unread, private_bytes};

/// Where the value of one secret is, one of the three, and where it may go.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SecretPlace {
    /// The value itself.
    pub(crate) value: Option<String>,
    /// A file that only its owner may read; a line break at its end does not count.
    pub(crate) file: Option<PathBuf>,
    /// The name of an environment variable.
    pub(crate) env: Option<String>,
    /// `scheme://host[:port]`; https without a scheme.
    pub(crate) hosts: Vec<String>,
}

impl fmt::Debug for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretPlace").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// All secrets, by name.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// Reads every configured secret.
    ///
    /// # Errors
    /// A sentence that names the secret and what is wrong with it.
    pub(crate) fn load(configured: &BTreeMap<String, SecretPlace>) -> Result<Secrets, String> {
        let read = |(name, place): (&String, &SecretPlace)| {
            let secret = value(place).and_then(|value| Secret::new(value, place.hosts.clone()));
            Ok((name.clone(), secret.map_err(|error| format!("[secrets.{name}]: {error}"))?))
        };
        Ok(Secrets(configured.iter().map(read).collect::<Result<_, String>>()?))
    }

    /// The secret of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }
}

fn value(place: &SecretPlace) -> Result<String, String> {
    match (&place.value, &place.file, &place.env) {
        (Some(value), None, None) => Ok(value.clone()),
        (None, Some(path), None) => {
            let bytes = private_bytes(path).map_err(|unread| match unread {
                Unread::Missing => format!("the file {} is not there", path.display()),
                Unread::Because(reason) => reason,
            })?;
            let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None, Some(name)) => {
            std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))
        }
        _ => Err("give one of value, file and env".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn load(place: SecretPlace) -> Result<Secrets, String> {
        Secrets::load(&BTreeMap::from([("slack".to_owned(), place)]))
    }

    #[test]
    fn a_secret_comes_from_one_place_and_is_never_shown() {
        let hosts = || vec!["hooks.slack.com".to_owned()];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "xoxb-hidden-1\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let file = SecretPlace { file: Some(path.clone()), hosts: hosts(), ..SecretPlace::default() };
        assert!(load(file.clone()).unwrap_err().contains("0644"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let value =
            SecretPlace { value: Some("xoxb-hidden-1".to_owned()), hosts: hosts(), ..SecretPlace::default() };
        for place in [file, value.clone()] {
            assert!(!format!("{place:?}").contains("hidden"));
            let secrets = load(place).unwrap();
            assert!(secrets.get("slack").is_some() && secrets.get("other").is_none());
            assert!(!format!("{secrets:?}").contains("hidden"));
        }
        let both = SecretPlace { env: Some("X".to_owned()), ..value.clone() };
        for (place, expected) in [
            (both, "one of value, file and env"),
            (SecretPlace { hosts: Vec::new(), ..value.clone() }, "hosts"),
            (SecretPlace { hosts: vec!["ftp://x".to_owned()], ..value.clone() }, "ftp://x"),
            (SecretPlace { value: Some("hidden".to_owned()), ..value }, "at least 8 bytes"),
        ] {
            let error = load(place).unwrap_err();
            assert!(error.starts_with("[secrets.slack]: ") && error.contains(expected), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
