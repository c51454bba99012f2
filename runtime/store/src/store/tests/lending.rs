//! Events that are lent are those that are read in pages, wherever they are kept.

use proptest::prelude::*;

use super::*;

/// Keeps copies of what it was lent: (seq, group, stream, time, hop, message).
#[derive(Default)]
struct Copies {
    only: Option<u64>,
    rows: Vec<(u64, u64, u64, i64, u8, Vec<u8>)>,
}

impl Borrower for Copies {
    fn wants(&self, group: GroupId) -> bool {
        self.only.is_none_or(|only| only == group.0)
    }

    fn take(&mut self, lent: Lent<'_>) {
        let mut start = lent.start();
        for row in 0..lent.len() {
            let end = lent.ends()[row] as usize;
            assert_eq!(&lent.text()[start..end], lent.message(row));
            start = end;
            let (group, stream) = (lent.group.0, lent.stream.0);
            let (seq, hop, message) = (lent.seq(row), lent.hop(row), lent.message(row).to_vec());
            self.rows.push((seq, group, stream, lent.timestamps[row], hop, message));
        }
    }
}

fn lent(store: &Store, from: u64, bytes: u64, only: Option<u64>) -> Vec<(u64, u64, u64, i64, u8, Vec<u8>)> {
    let mut copies = Copies { only, ..Copies::default() };
    let (mut from, to) = (Position::at(from), store.durable_position());
    while from < to {
        let page = store.lend_by_position(from, to, bytes, &mut copies).unwrap();
        assert!(page.damaged.is_empty() && page.next > from, "{page:?}");
        from = page.next;
    }
    copies.rows.sort();
    copies.rows
}

fn paged(store: &Store, from: u64, only: Option<u64>) -> Vec<(u64, u64, u64, i64, u8, Vec<u8>)> {
    let wanted = |event: &Event| event.position.seq >= from && only.is_none_or(|only| event.group.0 == only);
    let row = |event: Event| {
        let (seq, time, hop) = (event.position.seq, event.timestamp_ms, event.hop);
        (seq, event.group.0, event.stream.0, time, hop, event.message.to_vec())
    };
    followed(store, PageLimit::default()).into_iter().filter(wanted).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var("LOGBOOM_LONG").is_ok() { 256 } else { 24 }))]
    #[test]
    fn what_is_lent_is_what_is_read(
        batches in proptest::collection::vec((1..4u64, proptest::collection::vec((0..50i64, "[a-z]{0,30}"), 1..6)), 1..30),
        seal_after in proptest::option::of(0..30usize),
        deleted in proptest::option::of(1..4u64),
        swept_before in proptest::option::of(0..50i64),
        (from, bytes, only) in (0..40u64, 1..2_000u64, proptest::option::of(1..4u64)),
    ) {
        let bench = Bench::new();
        let store = &bench.store;
        for (index, (group, rows)) in batches.iter().enumerate() {
            let rows: Vec<(i64, &str)> = rows.iter().map(|(time, text)| (*time, text.as_str())).collect();
            put(store, *group, &rows);
            if seal_after == Some(index) {
                store.seal_now().unwrap();
            }
        }
        if let Some(before_ms) = swept_before {
            store.retain(&[(GroupId(1), before_ms)]).unwrap();
        }
        if let Some(group) = deleted {
            store.delete_group(GroupId(group));
        }
        prop_assert_eq!(lent(store, from, bytes, only), paged(store, from, only));
    }
}
