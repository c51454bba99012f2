//! Owns what the store asks about keys: one for itself, one for each group, and random bytes.
//! Refuses to know where keys come from and how they are kept: the root implements [`Keys`].

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ring::digest;

use crate::id::GroupId;

/// 32 bytes from which the keys of one owner are derived. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Wraps the bytes of a key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for deriving keys from them.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// A key that should be there is missing or cannot be used; the text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(pub String);

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

/// The keys of everything the store writes. Asked from any thread; the store keeps what it derives.
pub trait Keys: Send + Sync {
    /// The secret of what belongs to no group: directories, and the check that finds a wrong key.
    fn system(&self) -> Secret;

    /// The secret of a group. `None`: the group is deleted and its data are unreadable for good.
    ///
    /// # Errors
    /// The key is missing, or it is wrapped by a key that is not configured.
    fn group(&self, group: GroupId) -> Result<Option<Secret>, KeyError>;

    /// Fills the buffer with bytes that nobody can guess and that do not come again.
    fn fill_random(&self, bytes: &mut [u8]);
}

/// Keys made from a seed, for tests and benches: they protect nothing.
#[derive(Debug, Default)]
pub struct MemoryKeys {
    seed: u64,
    drawn: AtomicU64,
    destroyed: Mutex<HashSet<GroupId>>,
}

impl MemoryKeys {
    /// The keys of a seed; two of the same seed are the same keys.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// From now on the group has no key.
    pub fn destroy(&self, group: GroupId) {
        self.destroyed.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
    }

    fn derive(&self, kind: &[u8], number: u64) -> [u8; 32] {
        let text = [kind, &self.seed.to_le_bytes(), &number.to_le_bytes()].concat();
        let mut secret = [0; 32];
        secret.copy_from_slice(digest::digest(&digest::SHA256, &text).as_ref());
        secret
    }
}

impl Keys for MemoryKeys {
    fn system(&self) -> Secret {
        Secret::new(self.derive(b"system", 0))
    }

    fn group(&self, group: GroupId) -> Result<Option<Secret>, KeyError> {
        let destroyed = self.destroyed.lock().unwrap_or_else(PoisonError::into_inner).contains(&group);
        Ok((!destroyed).then(|| Secret::new(self.derive(b"group", group.0))))
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let drawn = self.derive(b"random", self.drawn.fetch_add(1, Ordering::Relaxed));
            part.copy_from_slice(&drawn[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_by_owner_and_do_not_show() {
        let (one, other) = (MemoryKeys::new(1), MemoryKeys::new(2));
        assert_ne!(one.system(), other.system());
        assert_ne!(one.group(GroupId(1)), one.group(GroupId(2)));
        assert_eq!(one.group(GroupId(1)), MemoryKeys::new(1).group(GroupId(1)));
        assert_eq!(format!("{:?}", one.system()), "Secret(..)");
        one.destroy(GroupId(1));
        assert_eq!(one.group(GroupId(1)), Ok(None));
        let mut drawn = [[0; 40]; 2];
        drawn.iter_mut().for_each(|bytes| one.fill_random(bytes));
        assert_ne!(drawn[0], drawn[1]);
    }
}
