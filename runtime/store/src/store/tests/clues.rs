//! Owns the tests of asking many blocks at once whether they can hold a text.

use std::collections::BTreeSet;

use super::*;

/// The events of stream `s` are about word `word(s)`, in a sentence that every stream has.
fn word(stream: u64) -> String {
    let letter = |part: u64| char::from(b'g' + (part % 20) as u8);
    format!("w{}{}{}", letter(stream), letter(stream / 20), letter(stream / 400))
}

fn id(stream: u64) -> String {
    format!("{:016x}", (stream + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A store whose events stay in memory until they are sealed, all at once.
fn store_with(cache_bytes: u64) -> Store {
    let limits = Limits { cache_bytes, generation_bytes: 1 << 20, ..small_limits() };
    let manifest: Arc<dyn Manifest> = Arc::new(MemoryManifest::default());
    let options = Options { limits, ..Options::default() };
    Store::open(options, Arc::new(FaultyDisk::new(1)), manifest, keys()).unwrap()
}

/// One sealed segment with two groups of many streams, each stream one block.
fn filled(streams: u64) -> Store {
    let store = store_with(64 << 20);
    for group in [1, 2] {
        for stream in 0..streams {
            let text = format!("worker {} saw id={} in {{\"a\":\"b\"}}", word(stream), id(stream));
            let escaped = format!("a line with a \\ of stream {stream}");
            let rows = [
                (stream as i64, text.as_str()),
                (stream as i64 + 5, if stream % 5 == 0 { &escaped } else { "x" }),
            ];
            store.append_wait(batch(group, group * 1000 + stream, &rows)).unwrap();
        }
    }
    store.seal_now().unwrap();
    assert_eq!(store.counters().segments, 1);
    store
}

fn clue(text: &str, how: Containing) -> Clue {
    Clue { text: text.as_bytes().to_vec(), how }
}

/// The streams of the blocks that are left, those that were left by `blocks_with` alone, and those that a look at
/// each block by itself leaves.
fn left(store: &Store, selection: &Selection, clues: &[Vec<Clue>]) -> [BTreeSet<u64>; 3] {
    let streams =
        |handles: &mut dyn Iterator<Item = &BlockHandle>| handles.map(|it| it.meta.stream.0).collect();
    let given = store.blocks_with(selection, 0, i64::MAX, None, clues.to_vec());
    let all = store.blocks(selection, 0, i64::MAX, None);
    let alone = |handle: &&BlockHandle| {
        clues.iter().all(|list| list.iter().any(|clue| handle.may_contain(&clue.text, clue.how)))
    };
    let told = streams(&mut given.iter());
    [streams(&mut given.iter().filter(|it| it.may_hold())), told, streams(&mut all.iter().filter(alone))]
}

#[test]
fn many_blocks_answer_as_each_does() {
    let store = &filled(300);
    let (raw, decoded, whole) = (Containing::Raw, Containing::Decoded, Containing::WholeDecoded);
    let one_stream = Selection { groups: vec![GroupId(1)], streams: Some(vec![StreamId(1_217)]) };
    let some = Selection { streams: Some((1_100..1_290).map(StreamId).collect()), ..groups(&[1, 2]) };
    for selection in [groups(&[1]), groups(&[1, 2]), some, one_stream] {
        for (clues, found) in [
            (vec![vec![clue(&word(217), raw)]], true),
            (vec![vec![clue(&id(217), raw)]], true),
            (vec![vec![clue(&format!("={} ", id(217)), raw)]], true),
            (vec![vec![clue(&id(217), decoded)]], true),
            (vec![vec![clue(&id(217), whole)]], true),
            (vec![vec![clue(&id(217), raw), clue(&id(118), raw)]], true),
            (vec![vec![clue(&id(217), raw)], vec![clue(" saw ", raw)]], true),
            (vec![vec![clue(" saw ", raw)]], true),
            (vec![vec![clue("unheard", raw)]], false),
            (vec![vec![clue("unheard", whole)]], false),
            (vec![vec![clue(&id(217), raw)], vec![clue("unheard", raw)]], false),
            (vec![vec![]], false),
        ] {
            // First the filters are read, then they are there.
            for round in 0..3 {
                let [asked, told, alone] = left(store, &selection, &clues);
                assert_eq!(asked, alone, "{clues:?} in {selection:?}, round {round}");
                assert_eq!(
                    asked.contains(&1_217),
                    found || clues[0].iter().any(|it| it.how != raw) && 217 % 5 == 0
                );
                if round > 0 && selection.streams.is_none() {
                    assert_eq!(told, asked, "known without a look at the handles: {clues:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_hidden_is_not_given() {
    let store = &filled(300);
    let saw = vec![vec![clue(" saw ", Containing::Raw)]];
    for _ in 0..2 {
        let given = store.blocks_with(&groups(&[1, 2]), 0, i64::MAX, None, saw.clone());
        assert_eq!(given.iter().filter(|it| it.may_hold()).count(), 600);
    }
    let given = store.blocks_with(&groups(&[1]), 100, 150, None, saw.clone());
    assert!(given.iter().all(|it| it.meta.max_ms >= 100 && it.meta.min_ms <= 150) && given.len() == 56);
    store.delete_stream(StreamId(1_217));
    let of_group = |group| store.blocks_with(&groups(&[group]), 0, i64::MAX, None, saw.clone());
    assert_eq!(of_group(1).len(), 299);
    store.retain(&[(GroupId(2), 100)]).unwrap();
    assert_eq!(of_group(2).len(), 205);
    store.delete_group(GroupId(2));
    assert_eq!(of_group(2).len(), 0);
    let early = store.blocks_with(&groups(&[1]), 0, i64::MAX, Some(Position::at(20)), saw.clone());
    assert_eq!(early.len(), 10);
}

/// With a cache that holds next to nothing, what occurs is found all the same.
#[test]
fn what_cannot_be_kept_is_asked_one_by_one() {
    let store = store_with(16 << 10);
    for stream in 0..200 {
        let text = format!("worker {} saw {} again", word(stream), id(stream));
        store.append_wait(batch(1, 1000 + stream, &[(1, &text)])).unwrap();
    }
    store.seal_now().unwrap();
    for stream in (0..200).step_by(17) {
        let [asked, _, alone] =
            left(&store, &groups(&[1]), &[vec![clue(&format!(" {} ", id(stream)), Containing::Raw)]]);
        assert_eq!(asked, alone);
        assert!(asked.contains(&(1000 + stream)) && asked.len() < 20, "{asked:?}");
    }
}
