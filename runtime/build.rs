//! Embeds what `logboom new` writes beside a handler: the contract (`wit/`) and the guest SDK, so that a new project
//! builds without anything but its language's tools.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Folders of the repository that are embedded; what is not there is left out.
const TREES: &[&str] = &["wit", "sdk/src", "sdk/c", "sdk/tools"];

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("..");
    let mut files = Vec::new();
    for tree in TREES {
        println!("cargo::rerun-if-changed={}", root.join(tree).display());
        collect(&root, Path::new(tree), &mut files);
    }
    files.sort_unstable();
    let mut table = String::from("&[\n");
    for file in files {
        let path = root.join(&file).canonicalize().expect("a file that was just listed");
        writeln!(table, "    ({file:?}, include_bytes!({path:?})),").expect("a string takes all");
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("embedded.rs"), table).expect("the folder of this build can be written");
}

/// The files below a folder, by their path from the root, with `/` between names.
fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(root, &path, files);
        } else {
            files.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
}
