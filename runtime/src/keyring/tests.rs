//! Tests of data keys: who wraps them, when they come and go.

use std::collections::BTreeMap;

use store::Keys as _;

use super::*;
use crate::records::Scope;
use crate::records::groups::GroupRecord;

const ARN: &str = "arn:aws:kms:us-east-1:000000000000:key/one";
const OTHER: &str = "arn:aws:kms:us-east-1:000000000000:key/two";

/// The master key of tests.
pub(crate) fn master() -> Secret {
    Secret([7; KEY_BYTES])
}

/// Another one.
pub(crate) fn other_master() -> Secret {
    Secret([8; KEY_BYTES])
}

/// What wraps keys in tests that are not about wrapping.
pub(crate) fn wrapping() -> Wrapping {
    Wrapping::new(&master(), Kms::default(), &Clock::real())
}

fn with_kms(folder: &std::path::Path, keys: &[(&str, u8)]) -> Wrapping {
    use std::os::unix::fs::PermissionsExt;
    let mut configured = BTreeMap::new();
    for (arn, byte) in keys {
        let path = folder.join(format!("{byte}.key"));
        std::fs::write(&path, [*byte; 32]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        configured.insert((*arn).to_owned(), kms::KmsKey { key_file: Some(path), key_env: None });
    }
    let kms = Kms::load(&configured, &Clock::real()).unwrap();
    Wrapping::new(&master(), kms, &Clock::real())
}

fn group(name: &str, kms_key: Option<&str>) -> GroupRecord {
    GroupRecord {
        id: 0,
        name: name.to_owned(),
        scope: Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() },
        created_ms: 0,
        retention_days: None,
        class: "STANDARD".to_owned(),
        tags: BTreeMap::new(),
        kms_key: kms_key.map(str::to_owned),
    }
}

fn insert(meta: &Meta, wrapping: &Arc<Wrapping>, record: GroupRecord) -> Result<GroupRecord, Unavailable> {
    let wrapping = Arc::clone(wrapping);
    meta.change_blocking(move |tx| groups::insert(tx, record, &wrapping))
}

#[test]
fn a_key_comes_and_goes_with_its_group() {
    let meta = Meta::in_memory();
    let keyring = Keyring::open(&meta, wrapping()).unwrap();
    let one = insert(&meta, &keyring.wrapping(), group("one", None)).unwrap();
    let two = insert(&meta, &keyring.wrapping(), group("two", None)).unwrap();
    let key = |keyring: &Keyring, id| keyring.group(GroupId(id)).unwrap();
    let (first, second) = (key(&keyring, one.id), key(&keyring, two.id));
    assert!(first.is_some() && first != second);
    let again = Keyring::open(&meta, wrapping()).unwrap();
    assert_eq!(key(&again, one.id), first);
    assert_eq!(again.system(), keyring.system());
    let gone = one.clone();
    meta.change_blocking(move |tx| groups::remove(tx, &gone, 1)).unwrap();
    keyring.forget(one.id);
    assert_eq!(key(&keyring, one.id), None);
    assert_eq!(key(&Keyring::open(&meta, wrapping()).unwrap(), one.id), None, "no new one is made");
    assert_eq!(key(&keyring, two.id), second);
}

#[test]
fn a_key_that_was_read_before_its_group_was_deleted_is_not_kept() {
    let meta = Meta::in_memory();
    let keyring = Keyring::open(&meta, wrapping()).unwrap();
    let forgets: [fn(&Keyring); 2] = [Keyring::forget_all, |keyring| keyring.forget(1)];
    for forget in forgets {
        let before = keyring.kept().forgotten;
        forget(&keyring);
        keyring.kept().keep(1, master(), before);
        assert_eq!(keyring.group(GroupId(1)).unwrap(), None);
    }
    let now = keyring.kept().forgotten;
    keyring.kept().keep(1, master(), now);
    assert!(keyring.group(GroupId(1)).unwrap().is_some());
}

#[test]
fn groups_from_before_get_a_key_at_start() {
    let meta = Meta::in_memory();
    let record = meta
        .change_blocking(|tx| {
            let mut record = group("old", None);
            record.id = tx.next_id("log_group")?;
            groups::update(tx, &record)?;
            Ok::<_, MetaError>(record)
        })
        .unwrap();
    let keyring = Keyring::open(&meta, wrapping()).unwrap();
    let key = keyring.group(GroupId(record.id)).unwrap();
    assert!(key.is_some());
    assert_eq!(Keyring::open(&meta, wrapping()).unwrap().group(GroupId(record.id)).unwrap(), key);
}

#[test]
fn a_kms_key_wraps_what_the_master_key_wrapped_and_gives_it_back() {
    let (meta, folder) = (Meta::in_memory(), tempfile::tempdir().unwrap());
    let keyring = Keyring::open(&meta, with_kms(folder.path(), &[(ARN, 1), (OTHER, 2)])).unwrap();
    let made = insert(&meta, &keyring.wrapping(), group("g", None)).unwrap();
    let key = keyring.group(GroupId(made.id)).unwrap();
    let rewrap = |kms: Option<&'static str>| {
        let wrapping = keyring.wrapping();
        meta.change_blocking(move |tx| wrapping.rewrap_group(tx, made.id, kms))
    };
    let read = |keys: &[(&str, u8)]| {
        Keyring::open(&meta, with_kms(folder.path(), keys)).unwrap().group(GroupId(made.id))
    };
    for kms in [Some(ARN), Some(OTHER), None, Some(ARN)] {
        rewrap(kms).unwrap();
        assert_eq!(read(&[(ARN, 1), (OTHER, 2)]).unwrap(), key, "{kms:?}");
    }
    let error = read(&[(OTHER, 2)]).unwrap_err();
    assert!(error.0.contains(ARN) && error.0.contains("key_file"), "{error}");
    let error = read(&[(ARN, 9)]).unwrap_err();
    assert!(error.0.contains(ARN) && error.0.contains("another key"), "{error}");
    let unknown = rewrap(Some("arn:aws:kms:us-east-1:000000000000:key/none")).unwrap_err();
    assert!(unknown.to_string().contains("key/none"), "{unknown}");
    assert_eq!(read(&[(ARN, 1)]).unwrap(), key, "a refusal changes nothing");
}

#[test]
fn a_group_under_an_unknown_kms_key_is_not_made() {
    let meta = Meta::in_memory();
    let keyring = Keyring::open(&meta, wrapping()).unwrap();
    assert!(matches!(insert(&meta, &keyring.wrapping(), group("g", Some(ARN))), Err(Unavailable::Kms(_))));
    assert_eq!(meta.read(|tx| groups::every(tx)).unwrap(), []);
}

#[test]
fn another_master_key_opens_nothing() {
    let meta = Meta::in_memory();
    Keyring::open(&meta, wrapping()).unwrap();
    let other = Wrapping::new(&other_master(), Kms::default(), &Clock::real());
    assert!(Keyring::open(&meta, other).is_err());
}

#[test]
fn a_sealed_file_opens_under_its_own_name_only() {
    let keyring = Keyring::open(&Meta::in_memory(), wrapping()).unwrap();
    let sealed = keyring.seal_file("a", b"text");
    assert_eq!(keyring.open_file("a", &sealed).unwrap(), b"text");
    assert_eq!(keyring.open_file("b", &sealed), None);
}
