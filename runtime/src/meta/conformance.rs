//! Owns the one suite that every metadata backend must pass. A new backend is one more line in [`for_each`].

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Key, Meta, MetaError, Span, Table};

const ROWS: Table<String> = Table::new("rows");
const OTHER: Table<u64> = Table::new("other");

/// Runs `check` on a fresh instance of every backend.
pub(super) fn for_each(check: impl Fn(&Meta)) {
    check(&Meta::in_memory());
    check(&sealed_memory());
    let folder = tempfile::tempdir().unwrap();
    check(&Meta::open(&folder.path().join("meta.redb")).unwrap());
}

fn put(meta: &Meta, key: u64, value: &str) {
    let value = value.to_owned();
    meta.change_blocking(move |tx| tx.put(&ROWS, &Key::of(key), &value)).unwrap();
}

fn keys(meta: &Meta, span: &Span) -> Vec<u64> {
    let read = meta.read(|tx| tx.scan(&ROWS, span)?.map(|row| row?.0.reader().u64()).collect());
    read.unwrap_or_else(|error: MetaError| panic!("{error}"))
}

#[derive(Debug)]
enum Refused {
    OnPurpose,
    Meta,
}

impl From<MetaError> for Refused {
    fn from(_: MetaError) -> Refused {
        Refused::Meta
    }
}

/// The model, sealed.
fn sealed_memory() -> Meta {
    let cipher = super::sealed::Cipher::new(&crate::keyring::tests::master(), &crate::clock::Clock::real());
    Meta::over(Arc::new(super::sealed::Sealed::new(super::memory::Memory::default(), cipher).unwrap()))
}

#[test]
fn a_change_is_whole_or_absent() {
    for_each(|meta| {
        put(meta, 1, "kept");
        let refused = meta.change_blocking(|tx| -> Result<(), Refused> {
            tx.put(&ROWS, &Key::of(2u64), &"lost".to_owned())?;
            tx.delete(&ROWS, &Key::of(1u64))?;
            tx.put(&OTHER, &Key::of(1u64), &9)?;
            Err(Refused::OnPurpose)
        });
        assert!(matches!(refused, Err(Refused::OnPurpose)));
        assert_eq!(keys(meta, &Span::all()), [1]);
        assert_eq!(meta.read(|tx| tx.get(&OTHER, &Key::of(1u64))).unwrap(), None);
    });
}

#[test]
fn a_change_sees_its_own_writes() {
    for_each(|meta| {
        put(meta, 1, "one");
        put(meta, 3, "three");
        let seen = meta.change_blocking(|tx| -> Result<_, MetaError> {
            tx.put(&ROWS, &Key::of(2u64), &"two".to_owned())?;
            tx.put(&ROWS, &Key::of(3u64), &"drei".to_owned())?;
            tx.delete(&ROWS, &Key::of(1u64))?;
            assert!(!tx.contains(&ROWS, &Key::of(1u64))?);
            tx.scan(&ROWS, &Span::all())?.map(|row| Ok(row?.1)).collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(seen.unwrap(), ["two", "drei"]);
    });
}

#[test]
fn spans_walk_in_key_order_both_ways() {
    for_each(|meta| {
        for key in [5, 1, 3, 2, 4] {
            put(meta, key, "x");
        }
        assert_eq!(keys(meta, &Span::all()), [1, 2, 3, 4, 5]);
        assert_eq!(keys(meta, &Span::all().backwards()), [5, 4, 3, 2, 1]);
        assert_eq!(keys(meta, &Span::range(&Key::of(2u64), &Key::of(4u64))), [2, 3]);
        assert_eq!(keys(meta, &Span::all().after(&Key::of(3u64))), [4, 5]);
        assert_eq!(keys(meta, &Span::all().before(&Key::of(3u64)).backwards()), [2, 1]);
        assert_eq!(keys(meta, &Span::range(&Key::of(4u64), &Key::of(2u64))), [0; 0]);
        assert_eq!(keys(meta, &Span::prefix(&Key::of(4u64))), [4]);
        let middle = Span::range(&Key::of(2u64), &Key::of(4u64));
        assert_eq!(keys(meta, &middle.clone().after(&Key::of(1u64)).before(&Key::of(9u64))), [2, 3]);
        assert_eq!(keys(meta, &middle.after(&Key::of(2u64)).before(&Key::of(4u64))), [3]);
    });
}

#[test]
fn a_deleted_span_is_gone_and_the_rest_stays() {
    for_each(|meta| {
        (1..=9).for_each(|key| put(meta, key, "x"));
        let span = Span::range(&Key::of(3u64), &Key::of(7u64));
        let gone = meta.change_blocking(move |tx| tx.delete_span(&ROWS, &span));
        assert_eq!(gone.unwrap(), 4);
        assert_eq!(keys(meta, &Span::all()), [1, 2, 7, 8, 9]);
    });
}

#[test]
fn everything_can_be_cleared_but_what_is_named() {
    for_each(|meta| {
        put(meta, 1, "x");
        meta.change_blocking(|tx| tx.put(&OTHER, &Key::of(1u64), &1)).unwrap();
        let cleared = meta.change_blocking(|tx| {
            tx.put(&ROWS, &Key::of(2u64), &"own".to_owned())?;
            tx.clear_except(&["other"])
        });
        cleared.unwrap();
        assert_eq!(keys(meta, &Span::all()), [0; 0]);
        assert_eq!(meta.read(|tx| tx.get(&OTHER, &Key::of(1u64))).unwrap(), Some(1));
        assert!(matches!(meta.read(|tx| tx.clear_except(&[])), Err(MetaError::ReadOnly)));
    });
}

#[test]
fn a_read_cannot_write() {
    for_each(|meta| {
        let refused = meta.read(|tx| tx.put(&OTHER, &Key::of(1u64), &1));
        assert!(matches!(refused, Err(MetaError::ReadOnly)));
    });
}

#[test]
fn a_snapshot_does_not_move() {
    for_each(|meta| {
        put(meta, 1, "before");
        meta.read(|tx| -> Result<(), MetaError> {
            put(meta, 1, "after");
            put(meta, 2, "after");
            assert_eq!(tx.get(&ROWS, &Key::of(1u64))?.as_deref(), Some("before"));
            assert_eq!(tx.scan(&ROWS, &Span::all())?.count(), 1);
            Ok(())
        })
        .unwrap();
        assert_eq!(keys(meta, &Span::all()), [1, 2]);
    });
}

#[test]
fn concurrent_changes_are_as_if_one_after_the_other() {
    for_each(|meta| {
        let meta = Arc::new(meta.clone());
        let adders = (0..8).map(|_| {
            let meta = Arc::clone(&meta);
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let add = meta.change_blocking(|tx| -> Result<_, MetaError> {
                        let key = Key::of("total");
                        let total = tx.get(&OTHER, &key)?.unwrap_or(0) + 1;
                        tx.put(&OTHER, &key, &total)?;
                        Ok(total)
                    });
                    let total = add.unwrap();
                    let seen = meta.read(|tx| tx.get(&OTHER, &Key::of("total"))).unwrap();
                    assert!(seen >= Some(total), "an answered change is visible: {seen:?} < {total}");
                }
            })
        });
        adders.collect::<Vec<_>>().into_iter().for_each(|adder| adder.join().unwrap());
        assert_eq!(meta.read(|tx| tx.get(&OTHER, &Key::of("total"))).unwrap(), Some(80));
    });
}

#[test]
fn ids_count_up_and_a_refused_change_takes_none() {
    for_each(|meta| {
        let next = || meta.change_blocking(|tx| tx.next_id("thing")).unwrap();
        assert_eq!((next(), next()), (1, 2));
        let refused = meta.change_blocking(|tx| -> Result<(), Refused> {
            tx.next_id("thing")?;
            Err(Refused::OnPurpose)
        });
        assert!(refused.is_err());
        assert_eq!(next(), 3);
        assert_eq!(meta.change_blocking(|tx| tx.next_id("other thing")).unwrap(), 1);
    });
}

#[test]
fn redb_keeps_rows_and_ids_over_a_restart_and_refuses_a_second_opener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.redb");
    let meta = Meta::open(&path).unwrap();
    put(&meta, 7, "seven");
    assert_eq!(meta.change_blocking(|tx| tx.next_id("thing")).unwrap(), 1);
    assert!(matches!(Meta::open(&path), Err(MetaError::Locked)));
    meta.close();
    drop(meta);
    let meta = Meta::open(&path).unwrap();
    assert_eq!(meta.read(|tx| tx.get(&ROWS, &Key::of(7u64))).unwrap().as_deref(), Some("seven"));
    assert_eq!(meta.change_blocking(|tx| tx.next_id("thing")).unwrap(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, u64),
    Delete(u64),
    Refused(u64),
    DeleteSpan(u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let key = 0u64..12;
    let step = prop_oneof![
        4 => (key.clone(), any::<u64>()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => key.clone().prop_map(Step::Delete),
        1 => key.clone().prop_map(Step::Refused),
        1 => (key.clone(), key).prop_map(|(low, high)| Step::DeleteSpan(low, high)),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..5), 1..6)
}

/// One change of several steps; refused as a whole when any step says so.
fn apply(meta: &Meta, model: &mut BTreeMap<u64, u64>, steps: &[Step]) {
    let mut next = model.clone();
    for step in steps {
        match *step {
            Step::Put(key, value) => drop(next.insert(key, value)),
            Step::Delete(key) => drop(next.remove(&key)),
            Step::DeleteSpan(low, high) => next.retain(|key, _| !(low..high).contains(key)),
            Step::Refused(_) => {}
        }
    }
    let owned = steps.to_vec();
    let changed = meta.change_blocking(move |tx| -> Result<(), Refused> {
        for step in owned {
            match step {
                Step::Put(key, value) => tx.put(&OTHER, &Key::of(key), &value)?,
                Step::Delete(key) => tx.delete(&OTHER, &Key::of(key))?,
                Step::Refused(key) => {
                    tx.put(&OTHER, &Key::of(key), &u64::MAX)?;
                    return Err(Refused::OnPurpose);
                }
                Step::DeleteSpan(low, high) => {
                    tx.delete_span(&OTHER, &Span::range(&Key::of(low), &Key::of(high)))?;
                }
            }
        }
        Ok(())
    });
    if changed.is_ok() {
        *model = next;
    }
}

fn agree(meta: &Meta, model: &BTreeMap<u64, u64>, low: u64, high: u64) {
    let scan = |span: Span| -> Vec<(u64, u64)> {
        let rows = meta.read(|tx| {
            let rows = tx.scan(&OTHER, &span)?;
            rows.map(|row| row.and_then(|(key, value)| Ok((key.reader().u64()?, value)))).collect()
        });
        rows.unwrap_or_else(|error: MetaError| panic!("{error}"))
    };
    let all: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
    assert_eq!(scan(Span::all()), all);
    let some: Vec<_> = all.iter().copied().filter(|(key, _)| (low..high).contains(key)).collect();
    assert_eq!(scan(Span::range(&Key::of(low), &Key::of(high))), some);
    let reversed: Vec<_> = some.into_iter().rev().collect();
    assert_eq!(scan(Span::range(&Key::of(low), &Key::of(high)).backwards()), reversed);
}

fn rounds() -> u32 {
    if std::env::var_os("LOGBOOM_LONG").is_some() { 400 } else { 12 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds()))]

    #[test]
    fn every_backend_is_an_ordered_map(changes in steps(), low in 0u64..12, high in 0u64..12) {
        for_each(|meta| {
            let mut model = BTreeMap::new();
            for change in &changes {
                apply(meta, &mut model, change);
                agree(meta, &model, low, high);
            }
        });
    }
}
