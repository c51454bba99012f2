//! What is not a function is refused with a sentence that says why.

use proptest::prelude::*;
use wasm::{CompileError, Role};

use crate::support::{HOST, HOSTILE, guest};

fn compile(text: &str) -> Result<Vec<Role>, CompileError> {
    HOST.compile(&wat::parse_str(text).expect("text")).map(|m| m.roles().to_vec())
}

fn message(result: Result<Vec<Role>, CompileError>) -> String {
    result.expect_err("refused").to_string()
}

#[test]
fn a_guest_of_all_worlds_is_recognised() {
    let expected = [
        Role::Subscription,
        Role::Extractor,
        Role::Filter,
        Role::PackedFilter,
        Role::AlarmAction,
        Role::Scheduled,
        Role::QueryFunctions,
        Role::Lambda,
    ];
    assert_eq!(HOSTILE.roles(), expected);
    assert_eq!(HOSTILE.digest().len(), 64);
    assert!(
        HOSTILE.imports().iter().any(|i| i == "logboom:extension/notify@0.1.0"),
        "{:?}",
        HOSTILE.imports()
    );
}

#[test]
fn an_import_that_is_not_there_is_named() {
    let unknown = r#"(component (import "acme:db/sql@1.0.0" (instance (export "query" (func)))))"#;
    let text = message(compile(unknown));
    assert!(text.contains("acme:db/sql@1.0.0") && text.contains("not granted"), "{text}");
    for import in
        ["logboom:extension/root@0.1.0", "logboom:extension/log@9.0.0", "wasi:cli/run@0.3.0", "wasi:x/y"]
    {
        let text = message(compile(&format!(r#"(component (import "{import}" (instance)))"#)));
        assert!(text.contains(import), "{text}");
    }
    let text = message(compile(r#"(module (import "env" "system" (func)) (func (export "_start")))"#));
    assert!(text.contains("env.system"), "{text}");
    let preview = r#"(module (import "wasi_snapshot_preview1" "fork" (func)) (func (export "_start")))"#;
    assert!(message(compile(preview)).contains("fork"));
}

#[test]
fn an_import_of_wasi_links_even_where_nothing_is_behind_it() {
    // Some toolchains import a world whether it is used or not.
    let web = r#"(component
      (import "wasi:keyvalue/store@0.2.0" (instance (export "open" (func))))
      (core module $m (func (export "run") (result i32) i32.const 0))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $run-interface (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $run-interface)))"#;
    assert_eq!(compile(web), Ok(vec![Role::Command]));
}

#[test]
fn nothing_suitable_lists_what_was_found_and_what_would_do() {
    let text = message(compile("(component)"));
    assert!(text.contains("exports nothing") && text.contains("filter") && text.contains("_start"), "{text}");
    let text = message(compile(r#"(module (func (export "add")))"#));
    assert!(text.contains("exports add"), "{text}");
    let shape = r#"(component
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      (instance $x (export "apply" (func $f)))
      (export "logboom:extension/filter@0.1.0" (instance $x)))"#;
    let text = message(compile(shape));
    assert!(text.contains("logboom:extension/filter@0.1.0") && text.contains("shape"), "{text}");
}

/// As packed filters were before they got times of ingestion.
#[test]
fn a_packed_filter_of_another_contract_is_refused_by_name() {
    let fields = |names: &[(&str, &str)]| -> String {
        names.iter().map(|(name, of)| format!(r#"(field "{name}" {of})"#)).collect()
    };
    let context = fields(&[
        ("account-id", "string"),
        ("region", "string"),
        ("log-group", "string"),
        ("log-stream", "string"),
        ("binding", "string"),
        ("delivery-id", "string"),
        ("attempt", "u32"),
        ("first-sequence", "u64"),
        ("attributes", "(list $attribute)"),
    ]);
    let filter = |before: &[(&str, &str)]| {
        let batch = fields(&[before, &[("ends", "(list u32)"), ("text", "(list u8)")]].concat());
        let attribute = fields(&[("key", "string"), ("value", "string")]);
        format!(
            r#"(component
              (type $attribute' (record {attribute}))
              (export $attribute "attribute" (type $attribute'))
              (type $context' (record {context}))
              (export $context "batch-context" (type $context'))
              (type $batch' (record {batch}))
              (export $batch "packed-batch" (type $batch'))
              (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
                (func (export "apply") (param i32) (result i32) i32.const 0))
              (core instance $i (instantiate $m))
              (func $apply (param "context" $context) (param "batch" $batch)
                (result (result (list u8) (error string)))
                (canon lift (core func $i "apply") (memory (core memory $i "memory"))
                  (realloc (core func $i "realloc"))))
              (instance $x (export "apply" (func $apply)))
              (export "logboom:extension/packed-filter@0.1.0" (instance $x)))"#
        )
    };
    let (timestamps, ingestion) = (("timestamps", "(list s64)"), ("ingestion-times", "(list s64)"));
    assert_eq!(compile(&filter(&[timestamps, ingestion])), Ok(vec![Role::PackedFilter]));
    let text = message(compile(&filter(&[timestamps])));
    assert!(text.contains("logboom:extension/packed-filter@0.1.0") && text.contains("built anew"), "{text}");
}

#[test]
fn too_many_imports_and_too_many_memories_are_refused() {
    let imports: String = (0..1001).map(|i| format!(r#"(import "wasi:x/i{i}@0.2.0" (instance))"#)).collect();
    let text = message(compile(&format!("(component {imports})")));
    assert!(text.contains("more than 1000 imports"), "{text}");
    let imports = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#.repeat(1001);
    let text = message(compile(&format!(r#"(module {imports} (func (export "_start")))"#)));
    assert!(text.contains("more than 1000 imports"), "{text}");
    let memories = "(core module $m (memory 1))".to_owned() + &"(core instance (instantiate $m))".repeat(5);
    assert!(matches!(compile(&format!("(component {memories})")), Err(CompileError::Invalid(_))));
}

#[test]
fn components_in_components_without_end_are_refused() {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..200 {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        // The length as LEB128, padded to three bytes.
        let length = component.len();
        outer.extend([length as u8 & 0x7f | 0x80, (length >> 7) as u8 & 0x7f | 0x80, (length >> 14) as u8]);
        outer.append(&mut component);
        component = outer;
    }
    let text = message(HOST.compile(&component).map(|_| Vec::new()));
    assert!(text.contains("deeper than 100 levels"), "{text}");
}

#[test]
fn ten_thousand_imports_and_three_hundred_megabytes_are_refused_at_once() {
    let imports: String =
        (0..10_000).map(|i| format!(r#"(import "wasi:x/i{i}@0.2.0" (instance))"#)).collect();
    let text = message(compile(&format!("(component {imports})")));
    assert!(text.contains("more than 1000 imports"), "{text}");
    let imports = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#.repeat(10_000);
    let text = message(compile(&format!(r#"(module {imports} (func (export "_start")))"#)));
    assert!(text.contains("more than 1000 imports"), "{text}");
    let mut bytes = vec![0; 300 << 20];
    bytes[..8].copy_from_slice(b"\0asm\x01\0\0\0");
    assert!(matches!(HOST.compile(&bytes), Err(CompileError::TooLarge(_))));
    assert!(matches!(wasm::unpack(&bytes, "", wasm::MAX_WASM_BYTES), Err(CompileError::TooLarge(_))));
}

/// A guest with a few bytes changed: refused, or run under its limits; the host is not harmed either way.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutated_guest_is_refused_or_contained() {
    let seed =
        std::env::var("LOGBOOM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_129_u64);
    eprintln!("LOGBOOM_SEED={seed}");
    let mut state = seed;
    // splitmix64
    let mut random = move |below: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).expect("small")
    };
    let (program, mut refused) = (guest("program-guest"), 0);
    for round in 0..rounds() {
        let mut bytes = program.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            bytes[at] = u8::try_from(random(256)).expect("a byte");
        }
        if round % 4 == 0 {
            bytes.truncate(random(bytes.len()));
        }
        let Ok(module) = HOST.compile(&bytes) else {
            refused += 1;
            continue;
        };
        let (mut call, _) = crate::support::call("");
        call.timeout_ms = 200;
        let _outcome = HOST.command(&module, &call, "1".into(), wasm::Stdout::Answer).await;
    }
    assert!(refused > 0, "a change of the first bytes is found");
    let (good, _) = crate::support::call("good");
    assert!(HOST.lambda(&HOSTILE, &good, b"x").await.result.is_ok());
}

#[test]
fn a_program_text_is_not_wasm() {
    for bytes in [&b""[..], b"#!/bin/sh", b"\0as", b"\x7fELF"] {
        assert!(matches!(HOST.compile(bytes), Err(CompileError::NotWasm(_))));
    }
    for bytes in [&b"\0asm"[..], b"\0asm\x01\0\0\0\xff", b"\0asm\x0d\0\x01\0\xff", b"\0asm\x02\0\0\0"] {
        assert!(matches!(HOST.compile(bytes), Err(CompileError::Invalid(_))), "{bytes:?}");
    }
}

fn rounds() -> u32 {
    if std::env::var_os("LOGBOOM_LONG").is_some() { 2_000 } else { 40 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), component in any::<bool>()) {
        let head: &[u8] = if component { b"\0asm\x0d\0\x01\0" } else { b"\0asm\x01\0\0\0" };
        bytes.splice(0..0, head.iter().copied());
        prop_assert!(HOST.compile(&bytes).is_err());
    }

    #[test]
    fn a_truncated_guest_is_an_error(cut in 1usize..20_000) {
        let bytes = guest("redact");
        prop_assert!(HOST.compile(&bytes[..bytes.len() - cut]).is_err());
    }
}
