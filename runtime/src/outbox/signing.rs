//! Owns the file of the key that signs notifications: made once, in the background, when first needed, and
//! sealed. Refuses to know what is signed.
//!
//! The file holds the key as PEM text, sealed (`Keyring::seal_file`). A file in clear of an earlier version,
//! `sns-signing-key.pem`, is taken over and removed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use deliver::SigningKey;
use tokio::sync::OnceCell;

use crate::app::App;
use crate::clock::Clock;
use crate::data_dir;
use crate::keyring::Keyring;

/// The key, or the promise of one.
pub(crate) struct Signing {
    path: PathBuf,
    clock: Clock,
    keyring: Arc<Keyring>,
    key: Arc<OnceLock<SigningKey>>,
    made: OnceCell<()>,
}

impl Signing {
    /// The key whose file is, or will be, at `path`.
    pub(crate) fn at(path: &Path, clock: &Clock, keyring: &Arc<Keyring>) -> Signing {
        let (clock, keyring) = (clock.clone(), Arc::clone(keyring));
        Signing { path: path.to_owned(), clock, keyring, key: Arc::default(), made: OnceCell::new() }
    }

    /// The place the key appears in.
    pub(super) fn key(&self) -> Arc<OnceLock<SigningKey>> {
        Arc::clone(&self.key)
    }

    /// Whether a key was made before.
    pub(crate) fn exists(&self) -> bool {
        self.key.get().is_some() || self.path.exists() || in_clear(&self.path).exists()
    }

    /// Begins to make the key, if nobody has: something that it will sign is likely.
    pub(crate) fn want(self: &Arc<Self>) {
        if self.key.get().is_some() {
            return;
        }
        let own = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = own.ready().await {
                tracing::error!(error, "there is no signing key");
            }
        });
    }

    /// Waits for the key: read from its file, or made (a second or so) and kept there.
    ///
    /// # Errors
    /// A sentence; the next call tries again.
    pub(crate) async fn ready(&self) -> Result<&SigningKey, String> {
        let make = || async {
            let (path, clock, keyring) = (self.path.clone(), self.clock.clone(), Arc::clone(&self.keyring));
            let key = App::blocking(move || load_or_make(&path, &clock, &keyring)).await?;
            // The cell runs one initializer at a time, and none after one that succeeded.
            let _first = self.key.set(key);
            Ok::<_, String>(())
        };
        self.made.get_or_try_init(make).await?;
        self.key.get().ok_or_else(|| "the signing key was made and is gone".to_owned())
    }

    /// The certificate served at `path`, PEM, if it is this key's.
    pub(crate) async fn certificate_at(&self, path: &str) -> Option<String> {
        if !self.exists() {
            return None;
        }
        let key = self.ready().await.ok()?;
        (key.certificate_path() == path).then(|| key.certificate_pem())
    }
}

/// The name that is sealed with the key.
const SEALED_AS: &str = "sns-signing-key";

/// Where versions before sealing kept it.
fn in_clear(path: &Path) -> PathBuf {
    path.with_extension("pem")
}

/// What is at `path`; `None` when nothing is.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn load_or_make(path: &Path, clock: &Clock, keyring: &Keyring) -> Result<SigningKey, String> {
    let failed = |error: io::Error| format!("cannot keep the signing key {}: {error}", path.display());
    if let Some(sealed) = read(path).map_err(failed)? {
        let text = keyring.open_file(SEALED_AS, &sealed).and_then(|text| String::from_utf8(text).ok());
        let text =
            text.ok_or_else(|| format!("the signing key {} is unreadable: it is damaged", path.display()))?;
        return SigningKey::from_pem(&text);
    }
    let old = read(&in_clear(path)).map_err(failed)?;
    let key = if let Some(text) = &old {
        SigningKey::from_pem(&String::from_utf8_lossy(text))?
    } else {
        let mut seed = [0; 32];
        clock.secret_bytes(&mut seed);
        SigningKey::generate(seed, clock.now_ms())?
    };
    data_dir::keep(path, &keyring.seal_file(SEALED_AS, key.to_pem().as_bytes()), 0o600).map_err(failed)?;
    if old.is_some() {
        std::fs::remove_file(in_clear(path)).map_err(failed)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.sealed");
        let clock = Clock::standing_at(1_000, 7);
        let open = || Keyring::open(&crate::meta::Meta::in_memory(), crate::keyring::tests::wrapping());
        let keyring = App::blocking(open).await.unwrap();
        let keyring = Arc::new(keyring);
        let signing = Arc::new(Signing::at(&path, &clock, &keyring));
        assert_eq!(signing.certificate_at("/x.pem").await, None);
        assert!(!signing.exists(), "asking for a certificate makes no key");
        signing.want();
        let made = signing.ready().await.unwrap().certificate_pem();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let stored = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("PRIVATE KEY"));
        let again = Signing::at(&path, &clock, &keyring);
        let at = again.ready().await.unwrap().certificate_path();
        assert_eq!(again.certificate_at(&at).await.unwrap(), made);
        let pem = keyring.open_file(SEALED_AS, &stored).unwrap();
        std::fs::rename(&path, folder.path().join("gone")).unwrap();
        std::fs::write(folder.path().join("key.pem"), pem).unwrap();
        let taken_over = Signing::at(&path, &clock, &keyring);
        assert!(taken_over.exists());
        assert_eq!(taken_over.certificate_at(&at).await.unwrap(), made);
        assert!(path.exists() && !folder.path().join("key.pem").exists());
        std::fs::write(&path, "rubbish").unwrap();
        let broken = Signing::at(&path, &clock, &keyring);
        assert!(broken.ready().await.unwrap_err().contains("unreadable"), "a broken key is never replaced");
    }
}
