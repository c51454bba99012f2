//! Owns the `Cargo.toml` of the SDK that travels with a new Rust project: that of the repository, with what it takes
//! from the workspace written out, so that it stands alone.

use std::fmt::Write as _;

use serde::Deserialize;
use std::collections::BTreeMap;

const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
const SDK: &str = include_str!("../../../../sdk/Cargo.toml");

#[derive(Deserialize)]
struct Root {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    dependencies: BTreeMap<String, Shared>,
}

/// A library as the workspace names it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Shared {
    Version(String),
    Table {
        version: Option<String>,
        #[serde(default, rename = "default-features")]
        defaults: Option<bool>,
        #[serde(default)]
        features: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Sdk {
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    dependencies: BTreeMap<String, Used>,
}

/// A library as the SDK uses it.
#[derive(Deserialize)]
struct Used {
    #[serde(default)]
    optional: bool,
}

/// The file.
pub(super) fn text() -> String {
    // Both files are part of this program, and a test reads them.
    let root: Root = toml::from_str(WORKSPACE).expect("the workspace's own file");
    let sdk: Sdk = toml::from_str(SDK).expect("the SDK's own file");
    let mut out = format!(
        "# The guest SDK of Logboom {version}, as `logboom new` wrote it.\n[package]\nname = \"logboom-sdk\"\nversion = \
         \"{version}\"\nedition = \"2024\"\nlicense = \"Apache-2.0\"\npublish = false\n\n[features]\n",
        version = env!("CARGO_PKG_VERSION")
    );
    // Writing to a string does not fail, here and below.
    for (name, parts) in &sdk.features {
        let _ = writeln!(out, "{name} = {parts:?}");
    }
    out.push_str("\n[dependencies]\n");
    for (name, used) in &sdk.dependencies {
        let optional = if used.optional { ", optional = true" } else { "" };
        let _ = match root.workspace.dependencies.get(name) {
            Some(Shared::Version(version)) => {
                writeln!(out, "{name} = {{ version = \"{version}\"{optional} }}")
            }
            Some(Shared::Table { version: Some(version), defaults, features }) => writeln!(
                out,
                "{name} = {{ version = \"{version}\", default-features = {}, features = {features:?}{optional} }}",
                defaults.unwrap_or(true)
            ),
            // A path of the workspace: the test below finds it before a user does.
            Some(Shared::Table { version: None, .. }) | None => Ok(()),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_of_the_sdk_is_written_out() {
        let sdk: Sdk = toml::from_str(SDK).unwrap();
        let written: Sdk = toml::from_str(&text()).unwrap();
        assert!(sdk.dependencies.contains_key("wit-bindgen"));
        assert!(sdk.dependencies.keys().eq(written.dependencies.keys()));
        assert!(sdk.features.keys().eq(written.features.keys()));
        assert!(!text().contains("workspace"));
    }
}
