//! Owns the configuration: a TOML file, under `LOGBOOM_*` variables, under flags. Refuses to know what the
//! settings do. An unknown name is an error wherever it stands: a misspelt `keys` must not open a door.

mod environment;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::functions::SecretPlace;
use crate::keyring::kms::{KmsKey, is_arn};

/// Everything that can be configured, with defaults. Names are those of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Address and port to listen on. Anything but loopback needs `keys`.
    pub(crate) listen: String,
    /// Data directory.
    pub(crate) data: PathBuf,
    /// File of the master key; by default `logboom.key` in the data directory. Made if there are no data yet.
    pub(crate) key_file: Option<PathBuf>,
    /// Keys that stand in for KMS keys, by ARN.
    pub(crate) kms: BTreeMap<String, KmsKey>,
    /// Secrets that functions put into requests, by name.
    pub(crate) secrets: BTreeMap<String, SecretPlace>,
    /// Account (12 digits) of access keys that are not twelve digits themselves.
    pub(crate) account: String,
    /// Base of links in notifications; without it they point to the listener.
    pub(crate) public_url: Option<String>,
    /// AWS's meaning for `[ERROR]` in filter patterns.
    pub(crate) strict_patterns: bool,
    /// AWS's rate and count quotas.
    pub(crate) aws_quotas: bool,
    /// When events beyond their retention go: seconds, minutes, hours, day of month, month, day of week.
    pub(crate) retention_schedule: String,
    /// Serve `POST /_logboom/reset`.
    pub(crate) allow_reset: bool,
    /// Access keys; with at least one, every request must be signed.
    pub(crate) keys: Vec<access::KeyEntry>,
    /// The mail server of e-mail subscriptions.
    pub(crate) smtp: Option<Smtp>,
    /// HTTPS.
    pub(crate) tls: Tls,
    /// Where outbound requests may go.
    pub(crate) egress: Egress,
    /// Limits changed from their defaults, by name (`limits.rs`).
    pub(crate) limits: BTreeMap<String, u64>,
}

/// The mail server.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smtp {
    /// Host name or address.
    pub(crate) host: String,
    /// Port; by default 25, 587 or 465 as `tls` says.
    #[serde(default)]
    pub(crate) port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub(crate) tls: SmtpTls,
    /// Login, when the server asks for one.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub(crate) password: Option<String>,
    /// Sender of every message.
    pub(crate) from: String,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Protection of the mail connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SmtpTls {
    /// Plain text: for a relay on this machine.
    None,
    /// STARTTLS, required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
}

/// Whether the port serves HTTPS, and with which certificate.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// File of the certificate (PEM), followed by those that vouch for it.
    pub(crate) cert: Option<PathBuf>,
    /// File of its key (PEM).
    pub(crate) key: Option<PathBuf>,
    /// Make a local authority and a certificate in the data directory.
    pub(crate) self_signed: bool,
    /// Names and addresses that the certificate so made holds for besides this machine's.
    pub(crate) names: Vec<String>,
}

impl Tls {
    /// Whether the port serves HTTPS.
    pub(crate) fn is_on(&self) -> bool {
        self.cert.is_some() || self.key.is_some() || self.self_signed
    }

    /// `https` or `http`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_on() { "https" } else { "http" }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let given = self.cert.is_some() || self.key.is_some();
        let wrong = if self.cert.is_some() != self.key.is_some() {
            "a TLS certificate needs its key: set both tls.cert and tls.key (--tls-cert and --tls-key)"
        } else if given && self.self_signed {
            "tls.self_signed makes a certificate and tls.cert names one: choose one of them"
        } else if !self.names.is_empty() && !self.self_signed {
            "tls.names (--tls-name) are for the certificate that tls.self_signed makes"
        } else {
            return Ok(());
        };
        Err(ConfigError(wrong.to_owned()))
    }
}

/// Outbound rules beyond the built-in ones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// Hosts (`name` or `name:port`) that webhooks may go to although they are private addresses or not a
    /// vendor's.
    pub(crate) allow: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: "127.0.0.1:4586".to_owned(),
            data: PathBuf::from("logboom-data"),
            key_file: None,
            kms: BTreeMap::new(),
            secrets: BTreeMap::new(),
            account: "000000000000".to_owned(),
            public_url: None,
            strict_patterns: false,
            aws_quotas: false,
            retention_schedule: "0 0 * * * *".to_owned(),
            allow_reset: false,
            keys: Vec::new(),
            smtp: None,
            tls: Tls::default(),
            egress: Egress::default(),
            limits: BTreeMap::new(),
        }
    }
}

/// Settings from one source, to be laid over those below it.
#[derive(Default)]
pub(crate) struct Overlay(Vec<(&'static str, Value)>);

impl Overlay {
    /// Sets `path` (names separated by dots).
    pub(crate) fn set(&mut self, path: &'static str, value: impl Into<Value>) {
        self.0.push((path, value.into()));
    }

    fn lay_over(&self, table: &mut Table) -> Result<(), ConfigError> {
        for (path, value) in &self.0 {
            set_at(table, path, value.clone())?;
        }
        Ok(())
    }
}

fn set_at(table: &mut Table, path: &str, value: Value) -> Result<(), ConfigError> {
    let Some((section, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return Ok(());
    };
    let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    match inner {
        Value::Table(inner) => set_at(inner, rest, value),
        _ => Err(ConfigError(format!("`{section}` in the configuration file is not a section"))),
    }
}

/// What is wrong with the configuration, in one sentence that names the place.
#[derive(Debug)]
pub(crate) struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Config {
    /// Reads `file` (if any), lays the environment and then `flags` over it, and checks the result.
    ///
    /// # Errors
    /// An unreadable file, a name that is not a setting, a value of the wrong kind.
    pub(crate) fn load(file: Option<&Path>, flags: &Overlay) -> Result<Config, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?,
        };
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Config::from_sources(&text, variables, flags)
    }

    fn from_sources(
        file: &str,
        variables: impl Iterator<Item = (String, String)>,
        flags: &Overlay,
    ) -> Result<Config, ConfigError> {
        let mut table: Table = toml::from_str(file).map_err(|error| ConfigError(error.to_string()))?;
        environment::lay_over(&mut table, variables)?;
        flags.lay_over(&mut table)?;
        let config: Config =
            Value::Table(table).try_into().map_err(|error| ConfigError(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// The configured keys with their policies parsed.
    ///
    /// # Errors
    /// A sentence that names the key, never its secret.
    pub(crate) fn access_keys(&self) -> Result<access::Keys, ConfigError> {
        let keys = access::Keys::from_entries(self.keys.clone(), &self.account);
        keys.map_err(|error| ConfigError(error.to_string()))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !is_account(&self.account) {
            return Err(ConfigError(format!("account {:?} is not twelve digits", self.account)));
        }
        if let Some(name) = self.kms.keys().find(|name| !is_arn(name)) {
            let text =
                format!("[kms.{name:?}] is not the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID)");
            return Err(ConfigError(text));
        }
        self.access_keys()?;
        self.tls.check()?;
        crate::retention::schedule(&self.retention_schedule).map_err(ConfigError)?;
        crate::limits::Limits::from_config(self).map(drop).map_err(ConfigError)
    }
}

/// Whether `text` is an AWS account id: twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
