//! Owns sealing bytes on the disk: AES-256-GCM under keys derived from the secrets of [`Keys`].
//! Refuses to know what is sealed and where it stands; nonces and associated data come in.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;

use crate::id::GroupId;
use crate::keys::{KeyError, Keys, Secret};

/// What sealing adds to the bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// The random part of a nonce; the number of the extent or frame is the rest.
pub(crate) const NONCE_RANDOM_BYTES: usize = 8;
/// Bytes that tell a wrong system key from a right one without giving it away.
pub(crate) const CHECK_BYTES: usize = 8;
/// Derived keys that are kept; beyond it all are derived anew when they are asked for.
const KEPT_MAX: usize = 20_000;

/// What a key is for. Each has its own derived key, so that nonces of one never meet those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Directories of segments; from the system secret.
    Directory,
    /// Extents of segments; from the secret of their group.
    Segment,
    /// Frames of the intake log; from the secret of their group.
    Intake,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Directory => b"logboom store directory",
            Self::Segment => b"logboom store segment",
            Self::Intake => b"logboom store intake",
        }
    }
}

/// The bytes were not sealed with this key, nonce and associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsealable;

/// One derived key.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    fn derive(secret: &Secret, label: &[u8]) -> Self {
        let pseudo_random = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.bytes());
        let info = [label];
        // Invariant: HKDF refuses only outputs of more than 255 hashes; a key is one.
        let okm = pseudo_random.expand(&info, &AES_256_GCM).expect("a key is short");
        Self(LessSafeKey::new(UnboundKey::from(okm)))
    }

    /// Seals `bytes[from..]` where they stand and appends the tag.
    pub(crate) fn seal(&self, nonce: [u8; 12], aad: &[u8], bytes: &mut Vec<u8>, from: usize) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut bytes[from..]);
        // Invariant: AES-GCM refuses only more than 64 GiB at once.
        bytes.extend_from_slice(tag.expect("an extent is far below 64 GiB").as_ref());
    }

    /// Opens sealed bytes (with their tag at the end) where they stand; what is left is without the tag.
    pub(crate) fn open(&self, nonce: [u8; 12], aad: &[u8], bytes: &mut Vec<u8>) -> Result<(), Unsealable> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.0.open_in_place(nonce, Aad::from(aad), bytes).map_err(|_| Unsealable)?.len();
        bytes.truncate(plain);
        Ok(())
    }
}

/// A nonce: the random bytes of a file or block, then the number of the part in it.
pub(crate) fn nonce(random: [u8; NONCE_RANDOM_BYTES], number: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..NONCE_RANDOM_BYTES].copy_from_slice(&random);
    nonce[NONCE_RANDOM_BYTES..].copy_from_slice(&number.to_le_bytes());
    nonce
}

/// All keys the store works with; those of groups are derived when they are first asked for.
pub(crate) struct Ciphers {
    keys: Arc<dyn Keys>,
    directory: Cipher,
    check: [u8; CHECK_BYTES],
    groups: RwLock<Kept>,
}

/// Derived keys of groups.
#[derive(Default)]
struct Kept {
    ciphers: HashMap<(Purpose, GroupId), Arc<Cipher>>,
    /// How often a group was forgotten. A secret that was asked for before the last time may be that group's: it is
    /// used once and not kept.
    forgotten: u64,
}

impl Ciphers {
    pub(crate) fn new(keys: Arc<dyn Keys>) -> Self {
        let system = keys.system();
        let directory = Cipher::derive(&system, Purpose::Directory.label());
        let mac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, system.bytes());
        let tag = ring::hmac::sign(&mac, b"logboom store key check");
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&tag.as_ref()[..CHECK_BYTES]);
        Self { keys, directory, check, groups: RwLock::default() }
    }

    /// The key of what belongs to no group.
    pub(crate) fn directory(&self) -> &Cipher {
        &self.directory
    }

    /// Stands in clear in every file: another value there means another system key.
    pub(crate) fn check(&self) -> [u8; CHECK_BYTES] {
        self.check
    }

    /// The key of a group for a purpose; `None` = the group is deleted, its data are unreadable for good.
    pub(crate) fn group(&self, purpose: Purpose, group: GroupId) -> Result<Option<Arc<Cipher>>, KeyError> {
        let forgotten = {
            let kept = self.groups.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = kept.ciphers.get(&(purpose, group)) {
                return Ok(Some(Arc::clone(known)));
            }
            kept.forgotten
        };
        let Some(secret) = self.keys.group(group)? else { return Ok(None) };
        let cipher = Arc::new(Cipher::derive(&secret, purpose.label()));
        let mut kept = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        if kept.forgotten == forgotten {
            if kept.ciphers.len() >= KEPT_MAX {
                kept.ciphers.clear();
            }
            kept.ciphers.insert((purpose, group), Arc::clone(&cipher));
        }
        Ok(Some(cipher))
    }

    /// Forgets what was derived for a group that is deleted.
    pub(crate) fn forget(&self, group: GroupId) {
        let mut kept = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        kept.forgotten += 1;
        for purpose in [Purpose::Segment, Purpose::Intake] {
            kept.ciphers.remove(&(purpose, group));
        }
    }

    /// The random part of the nonces of a new file or block.
    pub(crate) fn random(&self) -> [u8; NONCE_RANDOM_BYTES] {
        let mut random = [0; NONCE_RANDOM_BYTES];
        self.keys.fill_random(&mut random);
        random
    }
}

impl fmt::Debug for Ciphers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Ciphers(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, Weak};

    use super::*;
    use crate::keys::MemoryKeys;

    fn group(ciphers: &Ciphers, purpose: Purpose, id: u64) -> Option<Arc<Cipher>> {
        ciphers.group(purpose, GroupId(id)).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_with_all_that_it_was_sealed_with() {
        let ciphers = Ciphers::new(Arc::new(MemoryKeys::new(1)));
        let cipher = group(&ciphers, Purpose::Segment, 1).unwrap();
        let at = nonce(ciphers.random(), 3);
        let mut sealed = b"before".to_vec();
        sealed.extend_from_slice(b"secret");
        cipher.seal(at, b"aad", &mut sealed, 6);
        assert_eq!((&sealed[..6], sealed.len()), (&b"before"[..], 12 + TAG_BYTES));
        let sealed = sealed[6..].to_vec();
        let open = |cipher: &Cipher, at, aad: &[u8], bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            cipher.open(at, aad, &mut bytes).map(|()| bytes)
        };
        assert_eq!(open(&cipher, at, b"aad", &sealed), Ok(b"secret".to_vec()));
        assert_eq!(open(&cipher, at, b"other", &sealed), Err(Unsealable));
        assert_eq!(open(&cipher, nonce([0; 8], 3), b"aad", &sealed), Err(Unsealable));
        assert_eq!(open(&cipher, at, b"aad", &sealed[1..]), Err(Unsealable));
        assert_eq!(open(&cipher, at, b"aad", &[]), Err(Unsealable));
        for other in [group(&ciphers, Purpose::Intake, 1), group(&ciphers, Purpose::Segment, 2)] {
            assert_eq!(open(&other.unwrap(), at, b"aad", &sealed), Err(Unsealable));
        }
        let another = Ciphers::new(Arc::new(MemoryKeys::new(2)));
        assert_ne!(another.check(), ciphers.check());
    }

    #[test]
    fn a_destroyed_key_is_gone_once_it_is_forgotten() {
        let keys = Arc::new(MemoryKeys::new(1));
        let ciphers = Ciphers::new(keys.clone());
        assert!(group(&ciphers, Purpose::Segment, 1).is_some());
        keys.destroy(GroupId(1));
        ciphers.forget(GroupId(1));
        assert!(group(&ciphers, Purpose::Segment, 1).is_none());
    }

    /// Every group is deleted while its secret is being read.
    struct Deleting {
        keys: MemoryKeys,
        ciphers: OnceLock<Weak<Ciphers>>,
    }

    impl Keys for Deleting {
        fn system(&self) -> Secret {
            self.keys.system()
        }

        fn group(&self, group: GroupId) -> Result<Option<Secret>, KeyError> {
            let read = self.keys.group(group);
            self.keys.destroy(group);
            self.ciphers.get().unwrap().upgrade().unwrap().forget(group);
            read
        }

        fn fill_random(&self, bytes: &mut [u8]) {
            self.keys.fill_random(bytes);
        }
    }

    #[test]
    fn a_key_that_was_read_before_its_group_was_deleted_is_not_kept() {
        let keys = Arc::new(Deleting { keys: MemoryKeys::new(1), ciphers: OnceLock::new() });
        let ciphers = Arc::new(Ciphers::new(keys.clone()));
        assert!(keys.ciphers.set(Arc::downgrade(&ciphers)).is_ok());
        assert!(group(&ciphers, Purpose::Segment, 1).is_some(), "the reader has it");
        assert!(group(&ciphers, Purpose::Segment, 1).is_none());
    }
}
