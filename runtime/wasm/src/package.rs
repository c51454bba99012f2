//! What a user uploads: raw WebAssembly, or a zip with one module in it. Owns finding the module
//! under bounds; refuses to know what is in it.

use std::io::{Cursor, Read};

use crate::CompileError;

/// The most one entry of a zip may unpack to: 64 MiB, counted while reading, not believed.
pub const MAX_WASM_BYTES: usize = 64 << 20;

/// The most `function.toml` may have.
const MAX_MANIFEST_BYTES: usize = 64 << 10;

/// Names of entries an error lists.
const LISTED: usize = 5;

const HOW_TO_BUILD: &str = "Logboom runs WebAssembly. Build it, for example with \
    `cargo build --release --target wasm32-wasip2` (Rust), `GOOS=wasip1 GOARCH=wasm go build -o bootstrap.wasm` (Go) \
    or `componentize-py` (Python), and zip the .wasm file";

/// What was found in an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The module or component.
    pub wasm: Vec<u8>,
    /// The entry's name; empty for raw bytes.
    pub name: String,
    /// The text of `function.toml`, if the zip has one beside the module.
    pub manifest: Option<String>,
}

/// Finds the WebAssembly in an upload. `handler` is Lambda's `Handler`: it names the entry when a
/// zip has several.
///
/// # Errors
/// [`CompileError`] with a sentence that says what was found and what would do.
pub fn unpack(bytes: &[u8], handler: &str, max_wasm_bytes: usize) -> Result<Package, CompileError> {
    if is_wasm(bytes) {
        if bytes.len() > max_wasm_bytes {
            return Err(too_large("the module", max_wasm_bytes));
        }
        return Ok(Package { wasm: bytes.to_vec(), name: String::new(), manifest: None });
    }
    if !bytes.starts_with(b"PK") {
        return Err(CompileError::NotWasm(format!(
            "The code is neither a zip file nor WebAssembly. {HOW_TO_BUILD}."
        )));
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| CompileError::BadPackage(format!("Could not unzip uploaded file: {e}.")))?;
    let names = entry_names(&archive)?;
    let index = choose(&names, handler)?;
    let wasm = read(&mut archive, index, &names[index], max_wasm_bytes)?;
    if !is_wasm(&wasm) {
        return Err(CompileError::NotWasm(format!(
            "{} in the zip is not WebAssembly. {HOW_TO_BUILD}.",
            names[index]
        )));
    }
    let manifest = match names.iter().position(|n| n == "function.toml") {
        None => None,
        Some(at) => {
            let bytes = read(&mut archive, at, "function.toml", MAX_MANIFEST_BYTES)?;
            let text = String::from_utf8(bytes);
            Some(text.map_err(|_| CompileError::BadPackage("function.toml is not UTF-8.".to_owned()))?)
        }
    };
    Ok(Package { wasm, name: names[index].clone(), manifest })
}

/// Whether bytes begin as WebAssembly does, module or component.
pub(crate) fn is_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm")
}

fn entry_names(archive: &zip::ZipArchive<Cursor<&[u8]>>) -> Result<Vec<String>, CompileError> {
    archive
        .file_names()
        .map(|name| name.map(std::borrow::Cow::into_owned))
        .collect::<Result<_, _>>()
        .map_err(|e| CompileError::BadPackage(format!("Could not unzip uploaded file: {e}.")))
}

/// The entry that is meant: the one `Handler` names, else `bootstrap`, else the only module.
fn choose(names: &[String], handler: &str) -> Result<usize, CompileError> {
    let named =
        [handler.to_owned(), format!("{handler}.wasm"), "bootstrap.wasm".to_owned(), "bootstrap".to_owned()];
    if let Some(index) =
        named.iter().find_map(|wanted| names.iter().position(|n| n == wanted && !n.is_empty()))
    {
        return Ok(index);
    }
    let modules: Vec<usize> = (0..names.len())
        .filter(|i| names[*i].to_ascii_lowercase().ends_with(".wasm") && !names[*i].starts_with("__MACOSX/"))
        .collect();
    match modules[..] {
        [only] => Ok(only),
        [] => Err(CompileError::NotWasm(format!(
            "The zip has no WebAssembly in it (found: {}). {HOW_TO_BUILD}.",
            list(names.iter())
        ))),
        _ => Err(CompileError::BadPackage(format!(
            "The zip has {} modules ({}); name the one to run in Handler.",
            modules.len(),
            list(modules.iter().map(|i| &names[*i]))
        ))),
    }
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let total = names.len();
    let mut text =
        names.take(LISTED).map(|n| n.chars().take(100).collect()).collect::<Vec<String>>().join(", ");
    match total {
        0 => text.push_str("nothing"),
        n if n > LISTED => text.push_str(&format!(" and {} more", n - LISTED)),
        _ => {}
    }
    text
}

/// Reads one entry through a counter: what the zip claims about sizes is not believed, unless it says itself that it is
/// too large.
fn read(
    archive: &mut zip::ZipArchive<Cursor<&[u8]>>,
    index: usize,
    name: &str,
    limit: usize,
) -> Result<Vec<u8>, CompileError> {
    let broken =
        |e: &dyn std::fmt::Display| CompileError::BadPackage(format!("Could not unzip {name}: {e}."));
    let entry = archive.by_index(index).map_err(|e| broken(&e))?;
    if entry.size() > limit as u64 {
        return Err(too_large(name, limit));
    }
    let mut bytes = Vec::new();
    entry.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| broken(&e))?;
    if bytes.len() > limit {
        return Err(too_large(name, limit));
    }
    Ok(bytes)
}

fn too_large(name: &str, limit: usize) -> CompileError {
    CompileError::TooLarge(format!("{name} is larger than {limit} bytes when unpacked."))
}

#[cfg(test)]
mod tests;
