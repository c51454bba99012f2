//! Owns the key that signs notifications, its certificate, and the string that is signed.
//! Refuses to draw randomness: a new key comes from a seed the caller gives.

use chrono::{DateTime, Duration, Utc};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey as Pkcs1;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::der;
use crate::envelope::Links;

/// AWS's `SignatureVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Version {
    /// SHA-1, AWS's default.
    #[default]
    #[serde(rename = "1")]
    One,
    /// SHA-256.
    #[serde(rename = "2")]
    Two,
}

impl Version {
    /// Reads the topic attribute; anything but `2` is version 1.
    pub fn of(attribute: Option<&str>) -> Self {
        if attribute == Some("2") { Self::Two } else { Self::One }
    }

    /// As envelopes write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

/// Bits of a generated key.
const BITS: usize = 2048;
const YEARS: i64 = 30;

/// The signing key with its certificate.
pub struct SigningKey {
    sha1: Pkcs1<Sha1>,
    sha256: Pkcs1<Sha256>,
    pem: String,
    certificate: Vec<u8>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("certificate", &self.certificate_path()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a 2048-bit key from 32 random bytes. Slow (about a second): call it off the
    /// request path. The same seed gives the same key.
    pub fn generate(seed: [u8; 32], now_ms: i64) -> Result<Self, String> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let key = RsaPrivateKey::new(&mut rng, BITS).map_err(|e| format!("no signing key was made: {e}"))?;
        Self::from_key(key, now_ms)
    }

    /// Reads what `to_pem` wrote.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let (created, pem) = match text.split_once('\n') {
            Some((first, rest)) if first.starts_with(CREATED) => {
                (first[CREATED.len()..].trim().parse(), rest)
            }
            _ => (Ok(CREATED_UNKNOWN_MS), text),
        };
        let created = created.map_err(|_| "the signing key's creation time is no number".to_owned())?;
        let key =
            RsaPrivateKey::from_pkcs8_pem(pem).map_err(|e| format!("the signing key is unreadable: {e}"))?;
        Self::from_key(key, created)
    }

    /// PKCS#8 PEM with a first line that holds the creation time, which the certificate depends on.
    pub fn to_pem(&self) -> &str {
        &self.pem
    }

    fn from_key(key: RsaPrivateKey, created_ms: i64) -> Result<Self, String> {
        let fault = |e: &dyn std::fmt::Display| format!("the signing key cannot be encoded: {e}");
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| fault(&e))?;
        let public = key.to_public_key().to_public_key_der().map_err(|e| fault(&e))?;
        let sha256 = Pkcs1::<Sha256>::new(key.clone());
        let created = DateTime::<Utc>::from_timestamp_millis(created_ms).unwrap_or_default();
        let digest = Sha256::digest(public.as_bytes());
        let subject = der::Subject {
            common_name: "Logboom notification signing",
            serial: &digest[..15],
            // A day of grace for subscribers whose clock is behind.
            not_before: created - Duration::days(1),
            not_after: created + Duration::days(YEARS * 365),
            public_key: public.as_bytes(),
        };
        let certificate = der::certificate(&subject, |body| sha256.sign(body).to_vec());
        Ok(Self {
            sha1: Pkcs1::new(key),
            sha256,
            pem: format!("{CREATED}{created_ms}\n{}", pem.as_str()),
            certificate,
        })
    }

    /// Base64 of the PKCS#1 v1.5 signature. About a millisecond.
    pub fn sign(&self, version: Version, text: &[u8]) -> String {
        STANDARD.encode(match version {
            Version::One => self.sha1.sign(text).to_vec(),
            Version::Two => self.sha256.sign(text).to_vec(),
        })
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate, PEM, as it is served.
    pub fn certificate_pem(&self) -> String {
        let text = STANDARD.encode(&self.certificate);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// `/SimpleNotificationService-<32 hex digits>.pem`, where it is served.
    pub fn certificate_path(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        let id: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
        format!("/SimpleNotificationService-{id}.pem")
    }
}

const CREATED: &str = "# created_ms ";
/// For a key from elsewhere, without the line: 2020-01-01.
const CREATED_UNKNOWN_MS: i64 = 1_577_836_800_000;

/// A key with what else a signature needs.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// Version asked by the topic.
    pub version: Version,
    /// Where the certificate is.
    pub links: &'a Links,
}

/// The string that is signed: names and values on lines of their own, names in byte order.
pub fn canonical(parts: &mut [(&str, &str)]) -> String {
    parts.sort_unstable_by_key(|(name, _)| *name);
    parts.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use rsa::RsaPublicKey;
    use rsa::pkcs1v15::{Signature, VerifyingKey};
    use rsa::signature::Verifier as _;

    use super::*;
    use crate::tests::key;

    fn verify(version: Version, text: &str, signature: &str) -> bool {
        let public: RsaPublicKey =
            RsaPrivateKey::from_pkcs8_pem(crate::tests::KEY_PEM).unwrap().to_public_key();
        let bytes = STANDARD.decode(signature).unwrap();
        let signature = Signature::try_from(bytes.as_slice()).unwrap();
        match version {
            Version::One => VerifyingKey::<Sha1>::new(public).verify(text.as_bytes(), &signature).is_ok(),
            Version::Two => VerifyingKey::<Sha256>::new(public).verify(text.as_bytes(), &signature).is_ok(),
        }
    }

    #[test]
    fn both_versions_verify_and_only_their_own() {
        let text = canonical(&mut [("Type", "Notification"), ("Message", "m"), ("MessageId", "i")]);
        assert_eq!(text, "Message\nm\nMessageId\ni\nType\nNotification\n");
        for (version, other) in [(Version::One, Version::Two), (Version::Two, Version::One)] {
            let signature = key().sign(version, text.as_bytes());
            assert!(verify(version, &text, &signature));
            assert!(!verify(other, &text, &signature));
            assert!(!verify(version, "other", &signature));
        }
    }

    #[test]
    fn a_key_survives_its_pem_with_the_same_certificate() {
        let again = SigningKey::from_pem(key().to_pem()).unwrap();
        assert_eq!(again.certificate_der(), key().certificate_der());
        assert_eq!(again.certificate_path(), key().certificate_path());
        assert!(SigningKey::from_pem("no key").is_err());
        assert!(SigningKey::from_pem("# created_ms x\n").is_err());
    }

    #[test]
    fn the_certificate_is_read_by_another_implementation() {
        // rustls accepts it as a trust anchor only when the DER is sound.
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from(key().certificate_der().to_vec())).unwrap();
        assert!(key().certificate_pem().starts_with("-----BEGIN CERTIFICATE-----\nMII"));
    }

    #[test]
    fn a_seed_gives_one_key() {
        let one = SigningKey::generate([7; 32], 0).unwrap();
        assert_eq!(one.to_pem(), SigningKey::generate([7; 32], 0).unwrap().to_pem());
    }
}
