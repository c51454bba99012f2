//! Owns sealing small values: AES-256-GCM with nonces that never repeat, and sub-keys by HKDF-SHA256. Refuses
//! to know what is sealed and where it is kept.
//!
//! A sealed value is, in this order: nonce (12 bytes), ciphertext, tag (16 bytes). A nonce is 8 random bytes
//! drawn at start and a counter of 32 bits; when the counter is used up, 8 new bytes are drawn. Two processes
//! meet with a chance of starts squared / 2^65.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};

use crate::clock::Clock;

/// Bytes of every key.
pub(crate) const KEY_BYTES: usize = 32;

/// What sealing adds to a value.
pub(crate) const OVERHEAD_BYTES: usize = NONCE_LEN + 16;

/// A key, from which sub-keys come. It is never shown.
#[derive(Clone)]
pub(crate) struct Secret(pub(super) [u8; KEY_BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Secret {
    /// A key that nobody has.
    pub(crate) fn random(clock: &Clock) -> Secret {
        let mut bytes = [0; KEY_BYTES];
        clock.secret_bytes(&mut bytes);
        Secret(bytes)
    }

    /// The key for one purpose: `label` tells purposes apart, and none leads to another or back.
    pub(crate) fn derive(&self, label: &str) -> Secret {
        let mut bytes = [0; KEY_BYTES];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"logboom").extract(&self.0);
        let info = [label.as_bytes()];
        // Invariant: HKDF-SHA256 gives up to 8,160 bytes, and 32 are asked for.
        let okm = prk.expand(&info, KeyLength).expect("32 bytes can be derived");
        // Invariant: as above; the buffer has the length that was asked for.
        okm.fill(&mut bytes).expect("32 bytes can be derived");
        Secret(bytes)
    }

    /// A name for the key that says nothing about it: 16 hexadecimal digits.
    pub(crate) fn id(&self) -> [u8; 8] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, b"logboom key id");
        let mut id = [0; 8];
        id.copy_from_slice(&tag.as_ref()[..8]);
        id
    }
}

/// Bytes that are not what this key sealed for this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSealed;

impl fmt::Display for NotSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was not sealed with this key, or it was changed")
    }
}

/// Seals and opens values under one key.
pub(crate) struct Sealer {
    key: LessSafeKey,
    nonces: Mutex<Nonces>,
    clock: Clock,
}

struct Nonces {
    salt: [u8; 8],
    next: u32,
}

impl Sealer {
    /// A sealer under a key that is used for nothing else.
    pub(crate) fn new(secret: &Secret, clock: &Clock) -> Sealer {
        // Invariant: a key of AES-256 has 32 bytes, as every `Secret` has.
        let key = UnboundKey::new(&AES_256_GCM, &secret.0).expect("32 bytes are a key");
        let mut salt = [0; 8];
        clock.secret_bytes(&mut salt);
        let nonces = Mutex::new(Nonces { salt, next: 0 });
        Sealer { key: LessSafeKey::new(key), nonces, clock: clock.clone() }
    }

    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&nonces.salt);
        nonce[8..].copy_from_slice(&nonces.next.to_le_bytes());
        match nonces.next.checked_add(1) {
            Some(next) => nonces.next = next,
            None => {
                self.clock.secret_bytes(&mut nonces.salt);
                nonces.next = 0;
            }
        }
        nonce
    }

    /// Appends `plain`, sealed for the place that `place` names, to `out`.
    pub(crate) fn seal_into(&self, place: &[u8], plain: &[&[u8]], out: &mut Vec<u8>) {
        let nonce = self.nonce();
        out.extend_from_slice(&nonce);
        let start = out.len();
        plain.iter().for_each(|part| out.extend_from_slice(part));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(place), &mut out[start..]);
        // Invariant: only values beyond 64 GiB are refused, and metadata has none.
        let tag = tag.expect("a value of metadata can be sealed");
        out.extend_from_slice(tag.as_ref());
    }

    /// `plain`, sealed for the place that `place` names.
    pub(crate) fn seal(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        self.seal_into(place, &[plain], &mut out);
        out
    }

    /// What was sealed for this place.
    ///
    /// # Errors
    /// [`NotSealed`] when another key, another place or other bytes were.
    pub(crate) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotSealed> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotSealed)?;
        let mut bytes = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length =
            self.key.open_in_place(nonce, Aad::from(place), &mut bytes).map_err(|_| NotSealed)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Stand-ins for texts that are not to be read: the same text always gives the same 16 bytes.
pub(crate) struct Blinds(hmac::Key);

impl Blinds {
    /// Stand-ins under a key that is used for nothing else.
    pub(crate) fn new(secret: &Secret) -> Blinds {
        Blinds(hmac::Key::new(hmac::HMAC_SHA256, &secret.0))
    }

    /// The stand-in of `text` in a table.
    pub(crate) fn of(&self, table: &str, text: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&(table.len() as u64).to_le_bytes());
        context.update(table.as_bytes());
        context.update(text);
        let mut blind = [0; 16];
        blind.copy_from_slice(&context.sign().as_ref()[..16]);
        blind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(byte: u8) -> Secret {
        Secret([byte; KEY_BYTES])
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place_only(
            plain in prop::collection::vec(any::<u8>(), 0..64), place in prop::collection::vec(any::<u8>(), 0..8),
            flip in any::<prop::sample::Index>()
        ) {
            let clock = Clock::real();
            let sealer = Sealer::new(&secret(1), &clock);
            let sealed = sealer.seal(&place, &plain);
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
            prop_assert_eq!(sealer.open(&place, &sealed), Ok(plain));
            prop_assert_eq!(sealer.open(&[&place[..], b"x"].concat(), &sealed), Err(NotSealed));
            prop_assert_eq!(Sealer::new(&secret(2), &clock).open(&place, &sealed), Err(NotSealed));
            let mut damaged = sealed.clone();
            let bit = flip.index(sealed.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(sealer.open(&place, &damaged), Err(NotSealed));
            prop_assert_eq!(sealer.open(&place, &sealed[..flip.index(sealed.len())]), Err(NotSealed));
        }
    }

    #[test]
    fn no_nonce_comes_twice_even_when_the_counter_is_used_up() {
        let sealer = Sealer::new(&secret(1), &Clock::real());
        sealer.nonces.lock().unwrap().next = u32::MAX - 2;
        let nonces: std::collections::HashSet<_> = (0..8).map(|_| sealer.nonce()).collect();
        assert_eq!(nonces.len(), 8);
        let other = Sealer::new(&secret(1), &Clock::real());
        assert_ne!(other.nonce()[..8], sealer.nonce()[..8], "another start draws its own");
    }

    #[test]
    fn keys_of_two_purposes_differ_and_are_not_shown() {
        let one = secret(1);
        assert_ne!(one.derive("a").0, one.derive("b").0);
        assert_eq!(one.derive("a").0, one.derive("a").0);
        assert_ne!(one.id(), secret(2).id());
        assert_eq!(format!("{one:?}"), "Secret");
        assert_ne!(Blinds::new(&one).of("ab", b"c"), Blinds::new(&one).of("a", b"bc"));
    }
}
