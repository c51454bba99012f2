//! Compiled code that is kept: loaded only if it was made here, unchanged, for this module and engine.

use std::sync::Arc;

use proptest::prelude::*;
use wasm::{CompiledKey, Host, HostOptions, Limits};

use crate::support::{HOST, HOSTILE, PROGRAM, TestClock, call, context, events};

/// Another host with the key that ends in `last`.
pub(crate) fn host(last: u8) -> Host {
    let compiled_key = CompiledKey::new([last; 32]);
    let clock = Arc::new(TestClock::new());
    let limits = Limits { concurrent_calls: 2, ..Limits::default() };
    Host::new(HostOptions { limits, clock, compiled_key }).expect("an engine")
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_loaded_by_the_next_start_and_does_the_same() {
    let bytes = HOST.unload(&HOSTILE).expect("written");
    let next = host(7);
    assert_eq!(next.engine_hash(), HOST.engine_hash(), "the hash is the same in every start");
    let loaded = next.load(HOSTILE.digest(), &bytes).expect("loaded");
    assert_eq!((loaded.roles(), loaded.imports()), (HOSTILE.roles(), HOSTILE.imports()));
    assert_eq!((loaded.digest(), loaded.wasm_bytes()), (HOSTILE.digest(), HOSTILE.wasm_bytes()));
    let (call, _) = call("good");
    let verdicts = next.filter(&loaded, &call, &context(), &events(&["keep", "drop"])).await.result;
    assert_eq!(verdicts, Ok(vec![wasm::Verdict::Keep, wasm::Verdict::Drop]));
    let bytes = HOST.unload(&PROGRAM).expect("written");
    let loaded = next.load(PROGRAM.digest(), &bytes).expect("a program too");
    let ran = next.command(&loaded, &call, "1".into(), wasm::Stdout::Answer).await.result;
    assert_eq!(ran.expect("an answer").stdout, b"{\"echo\":1}\n");
}

#[test]
fn a_core_module_is_kept_too() {
    let text = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let module = HOST.compile(&wat::parse_str(text).expect("text")).expect("a module");
    let bytes = HOST.unload(&module).expect("written");
    assert_eq!(HOST.load(module.digest(), &bytes).expect("loaded").roles(), [wasm::Role::Command]);
}

#[test]
fn code_of_another_key_or_another_module_is_refused() {
    let bytes = HOST.unload(&HOSTILE).expect("written");
    for refused in [host(8).load(HOSTILE.digest(), &bytes), HOST.load(PROGRAM.digest(), &bytes)] {
        let text = refused.expect_err("refused").to_string();
        assert!(text.contains("not made here"), "{text}");
    }
    // The kind is covered: a component is never taken for a module.
    let mut other = bytes.clone();
    other[5] ^= 1;
    assert!(HOST.load(HOSTILE.digest(), &other).is_err());
    for cut in [0, 3, 15, 47, 48, bytes.len() - 1] {
        assert!(HOST.load(HOSTILE.digest(), &bytes[..cut]).is_err(), "{cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_bit_is_found(bit in any::<prop::sample::Index>()) {
        let mut bytes = HOST.unload(&PROGRAM).expect("written");
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(HOST.load(PROGRAM.digest(), &bytes).is_err());
    }
}
