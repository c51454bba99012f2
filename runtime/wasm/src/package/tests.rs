//! Uploads that are functions, and all the ways in which they are not.

use std::io::Write;

use proptest::prelude::*;

use super::{MAX_WASM_BYTES, unpack};
use crate::CompileError;

const WASM: &[u8] = b"\0asm\x01\0\0\0";

/// Names and contents.
type Entries<'a> = &'a [(&'a str, &'a [u8])];

fn zip(entries: Entries<'_>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("entry");
        writer.write_all(bytes).expect("write");
    }
    writer.finish().expect("zip").into_inner()
}

#[test]
fn the_module_that_is_meant_is_found() {
    let other: &[u8] = b"\0asm\x01\0\0\0other";
    let cases: [(Entries<'_>, &str, &str); 7] = [
        (&[("f.wasm", WASM)], "", "f.wasm"),
        (&[("README", b"x"), ("dir/f.WASM", WASM)], "index.handler", "dir/f.WASM"),
        (&[("a.wasm", other), ("b.wasm", WASM)], "b", "b.wasm"),
        (&[("a.wasm", other), ("b.wasm", WASM)], "b.wasm", "b.wasm"),
        (&[("bootstrap", WASM)], "x", "bootstrap"),
        (&[("bootstrap.wasm", WASM), ("a.wasm", other)], "", "bootstrap.wasm"),
        (&[("__MACOSX/f.wasm", b"x"), ("f.wasm", WASM)], "", "f.wasm"),
    ];
    for (entries, handler, name) in cases {
        let found = unpack(&zip(entries), handler, MAX_WASM_BYTES).expect("a package");
        assert_eq!((found.name.as_str(), found.wasm.as_slice()), (name, WASM));
    }
    assert_eq!(unpack(WASM, "", MAX_WASM_BYTES).expect("raw").wasm, WASM);
    let with_manifest = zip(&[("f.wasm", WASM), ("function.toml", b"name = 'f'")]);
    let found = unpack(&with_manifest, "", MAX_WASM_BYTES).expect("a package");
    assert_eq!(found.manifest.as_deref(), Some("name = 'f'"));
}

#[test]
fn what_is_no_function_says_what_would_be() {
    let python = zip(&[("lambda_function.py", b"def handler(): pass")]);
    let error = unpack(&python, "lambda_function.handler", MAX_WASM_BYTES).expect_err("python");
    assert!(matches!(error, CompileError::NotWasm(_)));
    let text = error.to_string();
    assert!(text.contains("lambda_function.py") && text.contains("wasm32-wasip2"), "{text}");
    let elf = zip(&[("bootstrap", b"\x7fELF")]);
    assert!(matches!(unpack(&elf, "", MAX_WASM_BYTES), Err(CompileError::NotWasm(_))));
    let two = zip(&[("a.wasm", WASM), ("b.wasm", WASM)]);
    assert!(unpack(&two, "", MAX_WASM_BYTES).is_err_and(|e| e.to_string().contains("Handler")));
    assert!(matches!(unpack(b"#!/bin/sh", "", MAX_WASM_BYTES), Err(CompileError::NotWasm(_))));
    assert!(matches!(unpack(b"", "", MAX_WASM_BYTES), Err(CompileError::NotWasm(_))));
    assert!(matches!(unpack(b"PK\x03\x04broken", "", MAX_WASM_BYTES), Err(CompileError::BadPackage(_))));
    assert!(matches!(unpack(&zip(&[]), "", MAX_WASM_BYTES), Err(CompileError::NotWasm(_))));
}

#[test]
fn a_zip_bomb_stops_at_the_bound() {
    let mut bomb = WASM.to_vec();
    bomb.resize(8 << 20, 0);
    let packed = zip(&[("f.wasm", &bomb)]);
    assert!(packed.len() < 100 << 10, "it is a bomb");
    assert!(matches!(unpack(&packed, "", 1 << 20), Err(CompileError::TooLarge(_))));
    assert!(matches!(unpack(&bomb, "", 1 << 20), Err(CompileError::TooLarge(_))));
    // What it says of its size does not help it.
    let mut small = packed;
    let (honest, lie) = ((8_u32 << 20).to_le_bytes(), 100_u32.to_le_bytes());
    let places: Vec<usize> =
        small.windows(4).enumerate().filter(|(_, four)| *four == honest).map(|(at, _)| at).collect();
    assert!(places.len() >= 2, "in front of the entry and in the directory");
    places.into_iter().for_each(|at| small[at..at + 4].copy_from_slice(&lie));
    assert!(unpack(&small, "", 1 << 20).is_err());
}

proptest! {
    #[test]
    fn damaged_zips_are_errors_not_panics(cut in 0usize..200, at in 0usize..200, byte in any::<u8>()) {
        let mut bytes = zip(&[("f.wasm", WASM), ("g.txt", b"text")]);
        let index = at % bytes.len();
        bytes[index] = byte;
        bytes.truncate(bytes.len().saturating_sub(cut).max(2));
        let _ = unpack(&bytes, "f", MAX_WASM_BYTES);
    }
}
