//! Owns the data directory: made, locked for one process, and where each room's files are. Refuses to know
//! what is in them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// A directory that this process holds until dropped.
pub(crate) struct DataDir {
    paths: Paths,
    /// Held for its lock; the operating system releases it with the process, however it ends.
    _lock: File,
}

impl DataDir {
    /// Makes `root` if it is missing (0700: logs are private) and locks it.
    ///
    /// # Errors
    /// Exit code 3 with the holder's process id when another process has it, 1 when it cannot be made.
    pub(crate) fn lock(root: &Path) -> Result<DataDir, Failure> {
        let shown = root.display();
        make_private(root).map_err(|error| Failure::failed(format!("cannot make {shown}: {error}")))?;
        let path = root.join("LOCK");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Failure::failed(format!("cannot open {}: {error}", path.display())))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number is a courtesy: without it the message is still right.
                let _unread = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                return Err(Failure::in_use(format!(
                    "the data directory {shown} is in use by another logboom{holder}; stop it or choose another --data"
                )));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Failure::failed(format!("cannot lock {}: {error}", path.display())));
            }
        }
        // As above: the process id is a courtesy to whoever comes second.
        let _unwritten = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        Ok(DataDir { paths: Paths { root: root.to_owned() }, _lock: file })
    }

    /// Where what is in it lies.
    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }
}

/// Where what is in a data directory lies.
#[derive(Clone)]
pub(crate) struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The metadata file.
    pub(crate) fn meta(&self) -> PathBuf {
        self.root.join("meta.redb")
    }

    /// The file of the master key: where it is configured to be, or here.
    pub(crate) fn key(&self, configured: Option<&Path>) -> PathBuf {
        configured.map_or_else(|| self.root.join("logboom.key"), Path::to_owned)
    }

    /// Whether there are log data, whatever they are.
    pub(crate) fn has_log_data(&self) -> bool {
        std::fs::read_dir(self.store()).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// The folder of log data.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The folder of compiled functions.
    pub(crate) fn compiled(&self) -> PathBuf {
        self.root.join("cwasm")
    }

    /// The folder of the local certificate authority.
    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The file of the key that signs notifications, sealed.
    pub(crate) fn signing_key(&self) -> PathBuf {
        self.root.join("sns-signing-key.sealed")
    }
}

/// Makes a folder that only its owner can look into, and those above it.
///
/// # Errors
/// What the system says.
pub(crate) fn make_private(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root)
}

/// Writes the whole file or nothing; durable when this returns. `mode` is the file's from its first byte on.
///
/// # Errors
/// What the system says.
pub(crate) fn keep(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
