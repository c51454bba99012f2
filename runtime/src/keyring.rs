//! Owns the keys of data at rest: the master key, one data key for each log group and one for what belongs to no
//! group, each wrapped by the master key or by a configured KMS key. Refuses to know what is sealed with them.
//!
//! master key (a file) -> metadata; wraps -> data keys (rows of metadata) -> sub-keys of the store.
//! A group's key is made in the transaction that makes the group and destroyed in the one that deletes it; what
//! was sealed with it can then be read by nobody.

pub(crate) mod kms;
pub(crate) mod master;
pub(crate) mod sealing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use store::{GroupId, KeyError};

use crate::clock::Clock;
use crate::meta::{Meta, MetaError, Tx};
use crate::records::data_keys::{self, WrappedKey};
use crate::records::groups;

pub(crate) use kms::{Kms, Unmapped};
use sealing::{KEY_BYTES, Sealer, Secret};

/// Data keys of groups that are kept unwrapped; beyond it all are unwrapped anew when asked for.
const KEPT_MAX: usize = 20_000;

/// Why a data key cannot be used.
#[derive(Clone, Debug)]
pub(crate) enum Unavailable {
    /// The KMS key it is under is not configured.
    Kms(Unmapped),
    /// The KMS key that is configured for it is not the one it was wrapped with, or the row is damaged.
    Refused {
        /// What it is under.
        under: String,
    },
    /// The row could not be read or written.
    Meta(MetaError),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unavailable::Kms(unmapped) => unmapped.fmt(f),
            Unavailable::Refused { under } => write!(
                f,
                "The data key cannot be opened with {under}: it was wrapped with another key, or its row is damaged."
            ),
            Unavailable::Meta(error) => error.fmt(f),
        }
    }
}

impl From<MetaError> for Unavailable {
    fn from(error: MetaError) -> Unavailable {
        Unavailable::Meta(error)
    }
}

impl From<Unmapped> for Unavailable {
    fn from(unmapped: Unmapped) -> Unavailable {
        Unavailable::Kms(unmapped)
    }
}

impl From<Unavailable> for MetaError {
    fn from(error: Unavailable) -> MetaError {
        match error {
            Unavailable::Meta(error) => error,
            other => MetaError::corrupt("group_keys", other),
        }
    }
}

/// Wraps and unwraps data keys.
pub(crate) struct Wrapping {
    master: Sealer,
    kms: Kms,
    clock: Clock,
}

/// What a data key belongs to; sealed into its wrapping, so that one is not taken for another.
fn place(group: Option<u64>) -> String {
    group.map_or_else(|| "system key".to_owned(), |group| format!("group key {group}"))
}

impl Wrapping {
    pub(crate) fn new(master: &Secret, kms: Kms, clock: &Clock) -> Wrapping {
        Wrapping { master: Sealer::new(&master.derive("wrap"), clock), kms, clock: clock.clone() }
    }

    fn sealer(&self, kms: Option<&str>) -> Result<&Sealer, Unmapped> {
        kms.map_or(Ok(&self.master), |arn| self.kms.get(arn))
    }

    /// Whether a KMS key is configured.
    ///
    /// # Errors
    /// It is not; the text says what to do.
    pub(crate) fn check_kms(&self, arn: &str) -> Result<(), Unmapped> {
        self.kms.get(arn).map(drop)
    }

    fn wrap(&self, group: Option<u64>, secret: &Secret, kms: Option<&str>) -> Result<WrappedKey, Unmapped> {
        let sealed = self.sealer(kms)?.seal(place(group).as_bytes(), &secret.0);
        Ok(WrappedKey { kms: kms.map(str::to_owned), sealed: BASE64_STANDARD.encode(sealed) })
    }

    fn unwrap(&self, group: Option<u64>, wrapped: &WrappedKey) -> Result<Secret, Unavailable> {
        let sealer = self.sealer(wrapped.kms.as_deref())?;
        let opened = BASE64_STANDARD
            .decode(&wrapped.sealed)
            .ok()
            .and_then(|sealed| sealer.open(place(group).as_bytes(), &sealed).ok())
            .and_then(|plain| <[u8; KEY_BYTES]>::try_from(plain).ok());
        let under = || wrapped.kms.clone().unwrap_or_else(|| "the master key".to_owned());
        opened.map(Secret).ok_or_else(|| Unavailable::Refused { under: under() })
    }

    /// Makes the key of a new group.
    ///
    /// # Errors
    /// Storage failures, and a KMS key that is not configured.
    pub(crate) fn make_group(
        &self,
        tx: &mut Tx<'_>,
        group: u64,
        kms: Option<&str>,
    ) -> Result<(), Unavailable> {
        let wrapped = self.wrap(Some(group), &Secret::random(&self.clock), kms)?;
        Ok(data_keys::put_group(tx, group, &wrapped)?)
    }

    /// Wraps the key of a group by another key: what was sealed with it stays readable.
    ///
    /// # Errors
    /// As [`Wrapping::make_group`]; also when the key it is under now is not available.
    pub(crate) fn rewrap_group(
        &self,
        tx: &mut Tx<'_>,
        group: u64,
        kms: Option<&str>,
    ) -> Result<(), Unavailable> {
        let secret = match data_keys::group(tx, group)? {
            Some(wrapped) => self.unwrap(Some(group), &wrapped)?,
            None => return Err(MetaError::corrupt("group_keys", format!("group {group} has no key")).into()),
        };
        Ok(data_keys::put_group(tx, group, &self.wrap(Some(group), &secret, kms)?)?)
    }

    /// A row as it is after the master key has changed to `new`'s; rows under KMS keys stay.
    pub(crate) fn moved_to(
        &self,
        new: &Wrapping,
        group: Option<u64>,
        row: WrappedKey,
    ) -> Result<WrappedKey, Unavailable> {
        if row.kms.is_some() {
            return Ok(row);
        }
        Ok(new.wrap(group, &self.unwrap(group, &row)?, None)?)
    }
}

/// The keys of an open data directory.
pub(crate) struct Keyring {
    meta: Meta,
    wrapping: Arc<Wrapping>,
    system: Secret,
    files: Sealer,
    groups: Mutex<Kept>,
}

/// Data keys of groups, unwrapped.
#[derive(Default)]
struct Kept {
    secrets: HashMap<u64, Secret>,
    /// How often groups were forgotten. A row that was read before the last time may be a forgotten group's: its
    /// key is used once and not kept.
    forgotten: u64,
}

impl Kept {
    /// Keeps a key whose row was read when so many were forgotten.
    fn keep(&mut self, group: u64, secret: Secret, forgotten: u64) {
        if self.forgotten != forgotten {
            return;
        }
        if self.secrets.len() >= KEPT_MAX {
            self.secrets.clear();
        }
        self.secrets.insert(group, secret);
    }
}

impl Keyring {
    /// Opens the keys; makes those that are missing: the system key at the first start, and the keys of groups
    /// that were made before groups had one.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn open(meta: &Meta, wrapping: Wrapping) -> Result<Keyring, String> {
        let wrapping = Arc::new(wrapping);
        let (own, clock) = (Arc::clone(&wrapping), wrapping.clock.clone());
        let made = meta.change_blocking(move |tx| {
            for group in groups::every(tx)? {
                if data_keys::group(tx, group.id)?.is_none() {
                    own.make_group(tx, group.id, group.kms_key.as_deref())?;
                }
            }
            if let Some(wrapped) = data_keys::system(tx)? {
                return own.unwrap(None, &wrapped);
            }
            let secret = Secret::random(&clock);
            data_keys::put_system(tx, &own.wrap(None, &secret, None)?)?;
            Ok::<_, Unavailable>(secret)
        });
        let system = made.map_err(|error| format!("the data keys cannot be opened: {error}"))?;
        let files = Sealer::new(&system.derive("files"), &wrapping.clock);
        let keyring = Keyring { meta: meta.clone(), wrapping, system, files, groups: Mutex::default() };
        keyring.warn_of_unavailable().map_err(|error| error.to_string())?;
        Ok(keyring)
    }

    /// Says at start which groups cannot be read and what is missing.
    fn warn_of_unavailable(&self) -> Result<(), MetaError> {
        let mut missing: HashMap<String, usize> = HashMap::new();
        for (_, arn) in self.meta.read(|tx| data_keys::groups(tx))? {
            if let Some(arn) = arn.filter(|arn| self.wrapping.kms.get(arn).is_err()) {
                *missing.entry(arn).or_default() += 1;
            }
        }
        for (arn, groups) in missing {
            let unmapped = Unmapped { arn };
            tracing::warn!(groups, "log groups cannot be read or written. {unmapped}");
        }
        Ok(())
    }

    /// What wraps keys inside a transaction.
    pub(crate) fn wrapping(&self) -> Arc<Wrapping> {
        Arc::clone(&self.wrapping)
    }

    /// Whether the key of a group can be used; a group that is gone has nothing that cannot.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_group(&self, group: u64) -> Result<(), Unavailable> {
        self.group_secret(group).map(drop)
    }

    /// Seals the content of a small file of this data directory.
    pub(crate) fn seal_file(&self, name: &str, content: &[u8]) -> Vec<u8> {
        self.files.seal(name.as_bytes(), content)
    }

    /// Opens what [`Keyring::seal_file`] sealed under the same name; `None` when it did not.
    pub(crate) fn open_file(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.files.open(name.as_bytes(), sealed).ok()
    }

    /// What tells compiled code that was made here from any other.
    pub(crate) fn compiled_key(&self) -> wasm::CompiledKey {
        wasm::CompiledKey::new(self.system.derive("compiled code").0)
    }

    /// Forgets the key of a group that was deleted.
    pub(crate) fn forget(&self, group: u64) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        kept.secrets.remove(&group);
    }

    /// Forgets the keys of all groups: they are gone.
    pub(crate) fn forget_all(&self) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        kept.secrets.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn group_secret(&self, group: u64) -> Result<Option<Secret>, Unavailable> {
        let forgotten = {
            let kept = self.kept();
            if let Some(known) = kept.secrets.get(&group) {
                return Ok(Some(known.clone()));
            }
            kept.forgotten
        };
        let Some(wrapped) = self.meta.read(|tx| data_keys::group(tx, group))? else { return Ok(None) };
        let secret = self.wrapping.unwrap(Some(group), &wrapped)?;
        self.kept().keep(group, secret.clone(), forgotten);
        Ok(Some(secret))
    }
}

impl store::Keys for Keyring {
    fn system(&self) -> store::Secret {
        store::Secret::new(self.system.0)
    }

    fn group(&self, group: GroupId) -> Result<Option<store::Secret>, KeyError> {
        match self.group_secret(group.0) {
            Ok(secret) => Ok(secret.map(|secret| store::Secret::new(secret.0))),
            Err(error) => Err(KeyError(error.to_string())),
        }
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.wrapping.clock.secret_bytes(bytes);
    }
}

#[cfg(test)]
pub(crate) mod tests;
