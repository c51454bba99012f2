//! What a guest finds in its memory is what the engine itself would have put there, whatever the guest's allocator does.

use proptest::prelude::*;
use wasmtime::component::Lower;
use wasmtime::component::{Component, Instance, Linker};
use wasmtime::{Engine, Result, Store};

use super::events::EVENT_BYTES;
use super::{Events, Pieces};
use crate::LogEvent;

/// An allocator that gives one place behind the other, and memory that grows with each.
const HONEST: &str = "
    (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (drop (memory.grow (i32.const 1)))
    (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
    (global.set $top (i32.add (local.get $at) (local.get $size)))";

const EVENT: &str =
    r#"(record (field "timestamp" s64) (field "ingestion-time" s64) (field "message" string))"#;

/// A guest whose functions give back all that lies in its memory, and what they were called with. `flat` gets its list as
/// two numbers, `stored` has so many parameters that they lie in memory.
fn guest(engine: &Engine, realloc: &str, encoding: &str, element: &str) -> Component {
    let many = "u64 ".repeat(16);
    let lift = |function: &str| {
        format!(
            r#"(canon lift (core func $i "{function}") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))
               string-encoding={encoding})"#
        )
    };
    let text = format!(
        r#"(component
          (core module $m
            (memory (export "memory") 2)
            (global $top (mut i32) (i32.const 32))
            (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
                  (result i32) (local $at i32)
              {realloc}
              (local.get $at))
            (func $all (param i32 i32) (result i32)
              (i32.store (i32.const 8) (local.get 0))
              (i32.store (i32.const 12) (local.get 1))
              (i32.store (i32.const 0) (i32.const 8))
              (i32.store (i32.const 4) (i32.sub (global.get $top) (i32.const 8)))
              (i32.const 0))
            (func (export "flat") (param i32 i32) (result i32) (call $all (local.get 0) (local.get 1)))
            (func (export "stored") (param i32) (result i32) (call $all (local.get 0) (i32.const 0))))
          (core instance $i (instantiate $m))
          (type $element {element})
          (export $event "element" (type $element))
          (func (export "flat") (param "events" (list $event)) (result (list u8)) {})
          (func (export "stored") (param "many" (tuple {many})) (param "events" (list $event)) (result (list u8)) {}))"#,
        lift("flat"),
        lift("stored"),
    );
    Component::new(engine, wat::parse_str(text).expect("a component")).expect("it compiles")
}

type Many = (u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64);
const MANY: Many = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);

fn instance(engine: &Engine, component: &Component) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, component).expect("an instance");
    (store, instance)
}

/// What the two functions find, each in a fresh instance.
fn found<L: Lower>(engine: &Engine, component: &Component, list: impl Fn() -> L) -> [Result<Vec<u8>>; 2] {
    let (mut store, guest) = instance(engine, component);
    let flat = guest.get_typed_func::<(L,), (Vec<u8>,)>(&mut store, "flat").expect("its type");
    let flat = flat.call(&mut store, (list(),)).map(|(all,)| all);
    let (mut store, guest) = instance(engine, component);
    let stored = guest.get_typed_func::<(Many, L), (Vec<u8>,)>(&mut store, "stored").expect("its type");
    [flat, stored.call(&mut store, (MANY, list())).map(|(all,)| all)]
}

fn check(encoding: &str, events: &[LogEvent<'_>]) {
    let engine = Engine::default();
    let component = guest(&engine, HONEST, encoding, EVENT);
    let ours = found(&engine, &component, || Events(events)).map(|all| all.expect("ours"));
    let theirs = found(&engine, &component, || events).map(|all| all.expect("the engine's"));
    assert_eq!(ours, theirs);
    let bytes: usize = events.iter().map(|event| event.message.len()).sum();
    assert!(ours.iter().all(|all| all.len() >= bytes + events.len() * EVENT_BYTES), "they are there");
}

fn event(timestamp: i64, ingestion_time: i64, message: &str) -> LogEvent<'_> {
    LogEvent { timestamp, ingestion_time, message }
}

#[test]
fn a_guest_finds_what_the_engine_would_have_stored() {
    let some = [event(1, -2, "one"), event(i64::MIN, i64::MAX, ""), event(3, 4, "zwölf €")];
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        for count in 0..=some.len() {
            check(encoding, &some[..count]);
        }
    }
}

/// The same for bytes, and each piece of them is lowered behind the one before.
fn check_pieces(pieces: &[&[u8]]) {
    let engine = Engine::default();
    let component = guest(&engine, HONEST, "utf8", "u8");
    let whole = pieces.concat();
    let ours = found(&engine, &component, || Pieces(pieces)).map(|all| all.expect("ours"));
    let theirs = found(&engine, &component, || &whole[..]).map(|all| all.expect("the engine's"));
    assert_eq!(ours, theirs);
    assert!(
        ours.iter().all(|all| all.windows(whole.len().max(1)).any(|part| part == whole) || whole.is_empty())
    );
}

#[test]
fn pieces_are_one_list() {
    let some: [&[&[u8]]; 4] = [&[], &[b""], &[b"one"], &[b"one", b"", b"two and three"]];
    for pieces in some {
        check_pieces(pieces);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn whatever_the_pieces_are(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
        check_pieces(&pieces);
    }

    #[test]
    fn whatever_the_events_are(events in prop::collection::vec((any::<i64>(), any::<i64>(), ".{0,20}"), 0..20)) {
        let events: Vec<_> = events.iter().map(|(one, two, text)| event(*one, *two, text)).collect();
        check("utf8", &events);
    }
}

#[test]
fn an_allocator_that_lies_is_an_error_or_the_loss_of_its_guest() {
    let engine = Engine::default();
    let some = [event(1, 2, "one"), event(3, 4, "two and three")];
    let at = |place: &str| format!("(local.set $at (i32.const {place}))");
    // (the allocator, whether that can be seen)
    let liars = [
        (at("0x7fffffff"), true),
        (at("-1"), true),
        // One byte past the end of the two pages, for the longer text.
        (at("131064"), true),
        (at("33"), true),
        ("(unreachable)".to_owned(), true),
        // The same place each time: its own data is what it spoils.
        (at("64"), false),
    ];
    for (realloc, is_seen) in liars {
        let component = guest(&engine, &realloc, "utf8", EVENT);
        for (ours, theirs) in found(&engine, &component, || Events(&some[..])).into_iter().zip(found(
            &engine,
            &component,
            || &some[..],
        )) {
            assert_eq!((ours.is_err(), theirs.is_err()), (is_seen, is_seen), "{realloc}");
        }
    }
}

#[test]
fn an_allocator_that_lies_about_pieces_is_an_error() {
    let engine = Engine::default();
    for place in ["0x7fffffff", "-1", "131070"] {
        let component = guest(&engine, &format!("(local.set $at (i32.const {place}))"), "utf8", "u8");
        let ours = found(&engine, &component, || Pieces(&[b"o", b"ne"]));
        assert!(ours.iter().all(Result::is_err), "{place}");
    }
}
