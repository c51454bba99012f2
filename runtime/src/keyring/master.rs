//! Owns the file of the master key: made once, for its owner only, durable before anything is sealed with it.
//! Refuses to know what it protects.
//!
//! The file is text. Lines that begin with `#` say what it is; then, each on its line:
//!   logboom-master-key 1     the format and its version
//!   id  16 hex digits        the name of the key, which follows from it
//!   key 64 hex digits        the key

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::sealing::{KEY_BYTES, Secret};
use crate::clock::Clock;

const FORMAT: &str = "logboom-master-key";
const VERSION: &str = "1";

/// No key file is larger.
const FILE_BYTES_MAX: u64 = 4096;

/// What the file says about itself to whoever finds it.
const HEADER: &str = "\
# The master key of a Logboom data directory.
# Whoever has this file and the data can read them; without it nobody can, and there is no way back.
# Keep a copy apart from the copies of the data.
";

/// Reads the key.
///
/// # Errors
/// `Ok(None)` when there is no such file; a sentence when it cannot be read, is open to others, or is damaged.
pub(crate) fn read(path: &Path) -> Result<Option<Secret>, String> {
    let text = match private_text(path) {
        Ok(text) => text,
        Err(Unread::Missing) => return Ok(None),
        Err(Unread::Because(reason)) => return Err(reason),
    };
    parse(&text).map(Some).map_err(|what| {
        format!("the key file {} is damaged ({what}): put a copy of it in its place", path.display())
    })
}

/// Why a file with a key was not read.
pub(crate) enum Unread {
    Missing,
    Because(String),
}

/// The text of a file that only its owner may read.
pub(crate) fn private_bytes(path: &Path) -> Result<Vec<u8>, Unread> {
    let shown = path.display();
    let failed = |error: io::Error| Unread::Because(format!("cannot read the key file {shown}: {error}"));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unread::Missing),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(Unread::Because(format!("the key file {shown} is not a file")));
    }
    let mode = about.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Unread::Because(format!(
            "the key file {shown} is open to others (mode {mode:04o}): allow its owner only, `chmod 600 {shown}`"
        )));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Unread::Because(format!("the key file {shown} is too long to be one")));
    }
    Ok(bytes)
}

fn private_text(path: &Path) -> Result<String, Unread> {
    let bytes = private_bytes(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str) -> Result<Secret, &'static str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    let [format, id, key] = words.as_slice() else { return Err("it does not have its three lines") };
    match format.as_slice() {
        [FORMAT, VERSION] => {}
        [FORMAT, _] => return Err("its version is not known"),
        _ => return Err("it does not begin with logboom-master-key"),
    }
    let (["id", id], ["key", key]) = (id.as_slice(), key.as_slice()) else {
        return Err("it does not have an id and a key");
    };
    let secret = Secret(from_hex(key).ok_or("the key is not 64 hexadecimal digits")?);
    if from_hex(id) != Some(secret.id()) {
        return Err("the key does not belong to its id");
    }
    Ok(secret)
}

/// The bytes that hexadecimal digits say, if they are exactly as many as wanted.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is known of the data before their key is.
pub(crate) struct Data<'a> {
    /// Their directory.
    pub(crate) folder: &'a Path,
    /// The id of the key they are sealed with, if they are.
    pub(crate) sealed_with: Option<[u8; 8]>,
    /// Log data are there, and no metadata.
    pub(crate) without_metadata: bool,
}

/// The key of data: read, or made where there is nothing yet that it should have sealed.
///
/// # Errors
/// A sentence that names the file: missing, damaged, open to others, or of another key; or log data without their
/// metadata, which would be taken for data of deleted groups.
pub(crate) fn of(data: &Data<'_>, path: &Path, clock: &Clock) -> Result<Secret, String> {
    let (shown, folder) = (path.display(), data.folder.display());
    let elsewhere =
        "put a copy of it in its place, or say where it is (--key-file, key_file, LOGBOOM_KEY_FILE)";
    if data.without_metadata {
        let (what, back) = if path.exists() {
            (
                "not their metadata: meta.redb is missing or empty".to_owned(),
                "a copy of meta.redb back in its place",
            )
        } else {
            (
                format!("neither their metadata (meta.redb) nor the key file {shown}"),
                "copies of both back in their places",
            )
        };
        return Err(format!("there are log data in {folder}, but {what}. Put {back}"));
    }
    match (read(path)?, data.sealed_with) {
        (Some(key), Some(id)) if key.id() != id => Err(format!(
            "the key file {shown} holds the key {}, but the data in {folder} are sealed with the key {}: {elsewhere}",
            hex(&key.id()),
            hex(&id)
        )),
        (Some(key), _) => Ok(key),
        (None, Some(id)) => Err(format!(
            "the key file {shown} is missing, and the data in {folder} cannot be read without it \
             (they are sealed with the key {}): {elsewhere}",
            hex(&id)
        )),
        (None, None) => {
            let key = make(path, clock)?;
            tracing::info!(
                key = hex(&key.id()),
                "made the master key {shown}: keep a copy apart from the data"
            );
            Ok(key)
        }
    }
}

/// Makes a key and its file, which must not be there. The file and its name are durable when this returns.
///
/// # Errors
/// A sentence; nothing was made.
pub(crate) fn make(path: &Path, clock: &Clock) -> Result<Secret, String> {
    let secret = Secret::random(clock);
    let text = format!("{HEADER}{FORMAT} {VERSION}\nid  {}\nkey {}\n", hex(&secret.id()), hex(&secret.0));
    keep(path, text.as_bytes())
        .map_err(|error| format!("cannot make the key file {}: {error}", path.display()))?;
    Ok(secret)
}

/// Writes a file that must not be there: whole or not at all, for its owner only, durable when this returns.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = Path::new(&name);
    match std::fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, not a rename: it fails when the name is taken, so a key is never written over.
    let linked = std::fs::hard_link(unfinished, path);
    std::fs::remove_file(unfinished)?;
    linked?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A key of 32 bytes that its user made: 64 hexadecimal digits, base64, or the bytes themselves.
pub(super) fn user_key(bytes: &[u8]) -> Option<Secret> {
    use base64::Engine as _;
    if let Ok(raw) = <[u8; KEY_BYTES]>::try_from(bytes) {
        return Some(Secret(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if let Some(key) = from_hex(text) {
        return Some(Secret(key));
    }
    let decoded = base64::prelude::BASE64_STANDARD.decode(text).ok()?;
    <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).ok().map(Secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logboom.key");
        assert!(read(&path).unwrap().is_none());
        let made = make(&path, &Clock::real()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().unwrap().0, made.0);
        assert!(make(&path, &Clock::real()).is_err(), "a key is never written over");
        assert_eq!(read(&path).unwrap().unwrap().0, made.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_new_key_is_made_only_where_nothing_was_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let key = |sealed_with: Option<[u8; 8]>, without_metadata: bool| {
            let data = Data { folder: Path::new("/the/data"), sealed_with, without_metadata };
            of(&data, &path, &Clock::real()).map(|key| key.id())
        };
        for refused in [key(Some([1; 8]), false), key(None, true)] {
            let error = refused.unwrap_err();
            assert!(error.contains(path.to_str().unwrap()) && error.contains("/the/data"), "{error}");
            assert!(!path.exists());
        }
        let made = key(None, false).unwrap();
        assert_eq!(key(Some(made), false), Ok(made));
        assert_eq!(key(None, false), Ok(made));
        let error = key(None, true).unwrap_err();
        assert!(error.contains("meta.redb") && error.contains("/the/data"), "with the key too: {error}");
        let error = key(Some([1; 8]), false).unwrap_err();
        assert!(error.contains("0101010101010101") && error.contains(&hex(&made)), "{error}");
    }

    #[test]
    fn a_key_of_virtual_time_does_not_follow_from_its_seed() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| make(&folder.path().join(name), &Clock::standing_at(0, 7)).unwrap().0;
        assert_ne!(make("a"), make("b"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        make(&path, &Clock::real()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.contains("0640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn every_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        make(&path, &Clock::real()).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        let key_at = good.find("\nkey ").unwrap() + 5;
        let damages = [
            String::new(),
            good[..key_at + 10].to_owned(),
            good.replace("master-key 1", "master-key 2"),
            good.replace("logboom-master-key", "something"),
            format!("{good}key 00\n"),
        ];
        for damage in damages {
            std::fs::write(&path, &damage).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.contains("damaged"), "{damage:?}: {error}");
        }
        for at in (key_at..key_at + 64).chain(good.find("id  ").unwrap() + 4..good.find("\nkey").unwrap()) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            std::fs::write(&path, &bytes).unwrap();
            assert!(read(&path).unwrap_err().contains("damaged"), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            prop_assert!(parse(&text).is_err());
            let _outcome = user_key(&bytes);
        }

        #[test]
        fn a_key_of_the_user_may_be_written_three_ways(key in any::<[u8; KEY_BYTES]>()) {
            use base64::Engine as _;
            let base64 = base64::prelude::BASE64_STANDARD.encode(key);
            for text in [key.to_vec(), format!("{}\n", hex(&key)).into_bytes(), format!("{base64}\n").into_bytes()] {
                prop_assert_eq!(user_key(&text).unwrap().0, key);
            }
        }
    }
}
