//! Tests of sealed metadata files: what is readable, which keys open them, what becomes of old ones.

use super::*;
use crate::keyring::tests::{master, other_master};
use crate::meta::{Key, Span, Table};

const NAMES: Table<String> = Table::new("log_groups");
const STATE: Table<String> = Table::new("function_state");
const SERIES: Table<String> = Table::new("metric_series");
const TOKENS: Table<u64> = Table::new("sns_subscription_tokens");

const CANARY: &str = "canary-in-the-data";

fn opened(path: &Path, master: &Secret) -> Result<Meta, MetaError> {
    Unopened::at(path)?.open(master, &Clock::real())
}

/// Closed when this returns, so that the file can be opened again.
fn finish(meta: Meta, with: impl FnOnce(&Meta)) {
    with(&meta);
    meta.close();
    drop(meta);
}

fn fill(meta: &Meta) {
    let filled = meta.change_blocking(|tx| {
        tx.put(&NAMES, &Key::of("plain name"), &CANARY.to_owned())?;
        for n in 0..300u64 {
            let text = format!("{CANARY} {n}");
            tx.put(&STATE, &Key::of((n % 3, &text)), &text)?;
            tx.put(&SERIES, &Key::of(("1", "r", &format!("N|m{}|user={text}|", n % 4))), &text)?;
            tx.put(&TOKENS, &Key::of(&text), &n)?;
        }
        Ok::<_, MetaError>(())
    });
    filled.unwrap();
}

fn check(meta: &Meta) {
    meta.read(|tx| -> Result<(), MetaError> {
        assert_eq!(tx.get(&NAMES, &Key::of("plain name"))?.as_deref(), Some(CANARY));
        assert_eq!(tx.get(&TOKENS, &Key::of(&format!("{CANARY} 299")))?, Some(299));
        let mut expected: Vec<String> =
            (0..300).filter(|n| n % 3 == 1).map(|n| format!("{CANARY} {n}")).collect();
        expected.sort();
        let state = |span: &Span| -> Result<Vec<String>, MetaError> {
            tx.scan(&STATE, span)?
                .map(|row| {
                    let (key, value) = row?;
                    let mut parts = key.reader();
                    assert_eq!(parts.u64()?, 1);
                    assert_eq!(parts.text()?, value, "the true key comes back");
                    Ok(value)
                })
                .collect()
        };
        let span = Span::prefix(&Key::of(1u64));
        assert_eq!(state(&span)?, expected);
        let after = Key::of((1u64, &expected[9]));
        assert_eq!(state(&span.clone().after(&after))?, expected[10..]);
        assert_eq!(state(&span.clone().before(&after))?, expected[..9]);
        let reversed: Vec<String> = expected.iter().rev().cloned().collect();
        assert_eq!(state(&span.backwards())?, reversed);
        let begins = Span::prefix(&Key::of(1u64).starting(&format!("{CANARY} 1")));
        assert!(state(&begins)?.iter().all(|key| key.starts_with(&format!("{CANARY} 1"))));
        for prefix in ["", "N|", "N|m2|", "N|m2|user=", "N|m"] {
            let span = Span::prefix(&Key::of(("1", "r")).starting(prefix));
            let found = tx.scan(&SERIES, &span)?.count();
            assert_eq!(found, if prefix.contains("m2") { 75 } else { 300 }, "{prefix}");
        }
        Ok(())
    })
    .unwrap();
}

fn readable(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    memchr_find(&bytes, CANARY.as_bytes())
}

fn memchr_find(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn nothing_but_names_is_readable_and_everything_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.redb");
    let meta = opened(&path, &master()).unwrap();
    fill(&meta);
    check(&meta);
    finish(meta, |_| ());
    assert!(!readable(&path));
    assert!(memchr_find(&std::fs::read(&path).unwrap(), b"plain name"), "names of resources stay readable");
    assert_eq!(Unopened::at(&path).unwrap().sealed_with(), Some(master().id()));
    finish(opened(&path, &master()).unwrap(), check);
}

#[test]
fn a_wrong_key_is_told_by_both_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.redb");
    finish(opened(&path, &master()).unwrap(), fill);
    let error = opened(&path, &other_master()).err().unwrap().to_string();
    let names = [master(), other_master()].map(|key| crate::keyring::master::hex(&key.id()));
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
    finish(opened(&path, &master()).unwrap(), check);
}

#[test]
fn a_file_without_encryption_is_sealed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.redb");
    {
        let plain = Meta::over(Arc::new(super::open(&path).unwrap()));
        fill(&plain);
        plain.close();
    }
    assert!(readable(&path));
    std::fs::write(beside(&path), "what a killed attempt left").unwrap();
    let unopened = Unopened::at(&path).unwrap();
    assert!(unopened.sealed_with().is_none() && !unopened.is_empty());
    let meta = unopened.open(&master(), &Clock::real()).unwrap();
    check(&meta);
    finish(meta, |_| ());
    assert!(!readable(&path) && !beside(&path).exists());
    finish(opened(&path, &master()).unwrap(), check);
}

#[test]
fn a_changed_or_moved_value_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.redb");
    let meta = opened(&path, &master()).unwrap();
    let put = |key: u64| meta.change_blocking(move |tx| tx.put(&NAMES, &Key::of(key), &format!("v{key}")));
    put(1).unwrap();
    put(2).unwrap();
    finish(meta, |_| ());
    {
        let redb = super::open(&path).unwrap();
        let of = |key: u64| redb.snapshot().unwrap().get("log_groups", &key.to_be_bytes()).unwrap();
        let mut swap = Overlay::default();
        swap.set("log_groups", 1u64.to_be_bytes().to_vec(), of(2));
        swap.set("log_groups", 3u64.to_be_bytes().to_vec(), Some(b"\x01\"plain\"".to_vec()));
        redb.commit(&swap).unwrap();
    }
    let meta = opened(&path, &master()).unwrap();
    let get = |key: u64| meta.read(|tx| tx.get(&NAMES, &Key::of(key)));
    assert!(matches!(get(1), Err(MetaError::Corrupt { .. })));
    assert_eq!(get(2).unwrap().as_deref(), Some("v2"));
    assert!(get(3).unwrap_err().to_string().contains("not sealed"));
}

#[test]
fn another_master_key_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.redb");
    let meta = opened(&path, &master()).unwrap();
    fill(&meta);
    let row = WrappedKey { kms: None, sealed: "old".to_owned() };
    meta.change_blocking(move |tx| crate::records::data_keys::put_group(tx, 5, &row)).unwrap();
    finish(meta, |_| ());
    let reseal = |rewrap: Rewrap<'_>| {
        Unopened::at(&path).unwrap().reseal(&master(), &other_master(), &Clock::real(), rewrap)
    };
    assert!(reseal(&|_, _| Err("no".to_owned())).is_err());
    finish(opened(&path, &master()).unwrap(), check);
    reseal(&|group, row| Ok(WrappedKey { sealed: format!("{} {group:?}", row.sealed), ..row })).unwrap();
    assert!(matches!(opened(&path, &master()).err(), Some(MetaError::WrongKey { .. })));
    let meta = opened(&path, &other_master()).unwrap();
    check(&meta);
    let moved = meta.read(|tx| crate::records::data_keys::group(tx, 5)).unwrap().unwrap();
    assert_eq!(moved.sealed, "old Some(5)");
}
