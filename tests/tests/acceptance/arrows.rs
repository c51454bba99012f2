//! Which crate may depend on which (ARCHITECTURE.md, invariants 1 to 3). Reads `cargo metadata`, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use acceptance::repository;
use serde_json::Value;

const ROOMS: &[&str] = &["access", "deliver", "insights", "metrics", "pattern", "store", "wasm", "wire"];
/// What only one crate may name.
const OWNED: &[(&str, &str)] =
    &[("wasmtime", "wasm"), ("redb", "logboom"), ("lettre", "deliver"), ("cbor4ii", "wire")];
/// What a room that is a function of its arguments can have no use for.
const IMPURE: &[&str] = &["tokio", "hyper", "getrandom", "rand"];
const PURE: &[&str] = &["insights", "metrics", "pattern"];

/// Direct dependencies of each workspace member, by package name; dev-dependencies left out.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let names = dependencies.iter().filter(|d| d["kind"].is_null());
            let names = names.map(|d| d["name"].as_str().expect("a name").to_owned()).collect();
            (package["name"].as_str().expect("a name").to_owned(), names)
        })
        .collect()
}

#[test]
fn no_room_depends_on_another_room() {
    let arrows = arrows();
    for room in ROOMS {
        for other in ROOMS {
            assert!(!arrows[*room].contains(*other), "{room} depends on {other}");
        }
        assert!(arrows["logboom"].contains(*room), "the root does not know {room}");
    }
}

#[test]
fn guests_and_tests_know_nothing_of_the_runtime() {
    for (package, dependencies) in arrows() {
        if package == "logboom" || ROOMS.contains(&package.as_str()) {
            continue;
        }
        for room in ROOMS.iter().chain(&["logboom"]) {
            assert!(!dependencies.contains(*room), "{package} depends on {room}");
        }
    }
}

#[test]
fn what_one_crate_owns_no_other_names() {
    for (package, dependencies) in arrows() {
        for (library, owner) in OWNED {
            assert!(
                package == *owner || !dependencies.contains(*library),
                "{package} names {library}, {owner}'s own"
            );
        }
    }
}

#[test]
fn pure_rooms_have_no_use_for_io() {
    let arrows = arrows();
    for room in PURE {
        for library in IMPURE {
            assert!(!arrows[*room].contains(*library), "{room} depends on {library}");
        }
    }
}
