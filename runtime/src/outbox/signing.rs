//! Owns the file of the key that signs notifications: made once, in the background, when first needed.
//! Refuses to know what is signed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use deliver::SigningKey;
use tokio::sync::OnceCell;

use crate::app::App;
use crate::clock::Clock;

/// The key, or the promise of one.
pub(crate) struct Signing {
    path: PathBuf,
    clock: Clock,
    key: Arc<OnceLock<SigningKey>>,
    made: OnceCell<()>,
}

impl Signing {
    pub(super) fn at(path: &Path, clock: Clock) -> Signing {
        Signing { path: path.to_owned(), clock, key: Arc::default(), made: OnceCell::new() }
    }

    /// The place the key appears in.
    pub(super) fn key(&self) -> Arc<OnceLock<SigningKey>> {
        Arc::clone(&self.key)
    }

    /// Whether a key was made before.
    pub(crate) fn exists(&self) -> bool {
        self.key.get().is_some() || self.path.exists()
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
            let (path, clock) = (self.path.clone(), self.clock.clone());
            let key = App::blocking(move || load_or_make(&path, &clock)).await?;
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

fn load_or_make(path: &Path, clock: &Clock) -> Result<SigningKey, String> {
    let failed = |error: io::Error| format!("cannot keep the signing key {}: {error}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => return SigningKey::from_pem(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut seed = [0; 32];
    clock.secret_bytes(&mut seed);
    let key = SigningKey::generate(seed, clock.now_ms())?;
    keep(path, key.to_pem()).map_err(failed)?;
    Ok(key)
}

/// Writes the whole file or nothing, for its owner only; durable when this returns.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let clock = Clock::standing_at(1_000, 7);
        let signing = Arc::new(Signing::at(&path, clock.clone()));
        assert_eq!(signing.certificate_at("/x.pem").await, None);
        assert!(!signing.exists(), "asking for a certificate makes no key");
        signing.want();
        let made = signing.ready().await.unwrap().certificate_pem();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Signing::at(&path, clock);
        let at = again.ready().await.unwrap().certificate_path();
        assert_eq!(again.certificate_at(&at).await.unwrap(), made);
        std::fs::write(&path, "rubbish").unwrap();
        let broken = Signing::at(&path, Clock::standing_at(0, 7));
        assert!(broken.ready().await.unwrap_err().contains("unreadable"), "a broken key is never replaced");
    }
}
