//! Owns the folder of compiled functions: one sealed file for each module and engine, so that a start has to
//! compile nothing. Refuses to know what is in them: the wasm room writes and checks it. A file that is
//! missing, damaged, of another key or of another engine is made again from the WebAssembly; none is ever
//! taken from outside.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasm::{CompiledKey, Host, Module};

use crate::data_dir;
use crate::keyring::Keyring;

const EXTENSION: &str = ".cwasm";

/// Compiled code is for this process alone.
const MODE: u32 = 0o600;

/// The folder.
pub(crate) struct Compiled {
    folder: PathBuf,
    keyring: Arc<Keyring>,
}

impl Compiled {
    /// Files in `folder`, which is made when there is something to keep.
    pub(crate) fn at(folder: &Path, keyring: &Arc<Keyring>) -> Compiled {
        Compiled { folder: folder.to_owned(), keyring: Arc::clone(keyring) }
    }

    /// What the wasm room knows its own code by.
    pub(super) fn key(&self) -> CompiledKey {
        self.keyring.compiled_key()
    }

    /// The module, if it was kept and is as it was. Reads the disk.
    pub(super) fn load(&self, host: &Host, digest: &str) -> Option<Module> {
        let name = name(digest, host.engine_hash());
        let sealed = match std::fs::read(self.folder.join(&name)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(name, %error, "compiled code cannot be read; it is compiled again");
                return None;
            }
        };
        let Some(bytes) = self.keyring.open_file(&name, &sealed) else {
            tracing::warn!(
                name,
                "compiled code was changed or sealed with another key; it is compiled again"
            );
            return None;
        };
        host.load(digest, &bytes)
            .inspect_err(|error| tracing::warn!(name, %error, "it is compiled again"))
            .ok()
    }

    /// Keeps a module for the next start. That it cannot be kept costs the next start its compilation.
    pub(super) fn keep(&self, host: &Host, module: &Module) {
        let name = name(module.digest(), host.engine_hash());
        let kept = host.unload(module).and_then(|bytes| {
            let sealed = self.keyring.seal_file(&name, &bytes);
            let made = data_dir::make_private(&self.folder);
            made.and_then(|()| data_dir::keep(&self.folder.join(&name), &sealed, MODE))
                .map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::warn!(name, error, "compiled code is not kept; the next start compiles it again");
        }
    }

    /// Removes the files of modules that no function uses, and of other engines.
    pub(super) fn sweep(&self, engine: &str, used: &BTreeSet<String>) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let wanted = used.iter().any(|digest| file == name(digest, engine));
            if !wanted && let Err(error) = std::fs::remove_file(entry.path()) {
                tracing::warn!(file, %error, "compiled code that nobody uses cannot be removed");
            }
        }
    }
}

fn name(digest: &str, engine: &str) -> String {
    format!("{digest}-{engine}{EXTENSION}")
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock::Clock;
    use crate::functions::{Functions, WayOut};
    use crate::keyring::tests::wrapping;
    use crate::meta::Meta;

    /// A folder under keys of its own.
    pub(in crate::functions) fn compiled(folder: &Path) -> Compiled {
        // On a thread of its own: it blocks, which it may not where an asynchronous test waits.
        let open = || Keyring::open(&Meta::in_memory(), wrapping()).unwrap();
        let keyring = std::thread::scope(|scope| scope.spawn(open).join().unwrap());
        Compiled::at(folder, &Arc::new(keyring))
    }

    /// Requests as a server without configuration sends them.
    pub(in crate::functions) fn way_out() -> WayOut {
        WayOut::new(&crate::config::Config::default(), &Arc::default()).unwrap()
    }

    const PROGRAM: &str = r#"(module (memory (export "memory") 1) (func (export "_start")) (data (i32.const 0) "canary7f3a91"))"#;

    #[test]
    fn what_is_kept_is_sealed_private_and_loaded_unless_it_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let functions = Functions::new(&Clock::real(), compiled(folder.path()), way_out(), 1).unwrap();
        let (host, compiled) = (&functions.host, &functions.compiled);
        let module = host.compile(&wat::parse_str(PROGRAM).unwrap()).unwrap();
        assert!(compiled.load(host, module.digest()).is_none());
        compiled.keep(host, &module);
        let path = folder.path().join(name(module.digest(), host.engine_hash()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sealed = std::fs::read(&path).unwrap();
        assert!(!sealed.windows(12).any(|window| window == b"canary7f3a91"));
        assert_eq!(compiled.load(host, module.digest()).unwrap().digest(), module.digest());
        // Somebody puts other code in its place: what another server compiled, or a flipped bit.
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Functions::new(&Clock::real(), self::compiled(elsewhere.path()), way_out(), 1).unwrap();
        other.compiled.keep(&other.host, &module);
        std::fs::copy(elsewhere.path().join(path.file_name().unwrap()), &path).unwrap();
        assert!(compiled.load(host, module.digest()).is_none());
        let mut damaged = sealed.clone();
        damaged[100] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(compiled.load(host, module.digest()).is_none());
        compiled.keep(host, &module);
        assert!(compiled.load(host, module.digest()).is_some());
    }

    #[test]
    fn files_that_nobody_uses_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let compiled = compiled(folder.path());
        for file in ["a-e1.cwasm", "b-e1.cwasm", "a-e0.cwasm", "a-e1.unfinished"] {
            std::fs::write(folder.path().join(file), b"x").unwrap();
        }
        compiled.sweep("e1", &BTreeSet::from(["a".to_owned()]));
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["a-e1.cwasm"]);
    }
}
