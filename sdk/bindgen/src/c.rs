//! The C bindings, `sdk/c/generated`: a header and a source for each world. Without the object file that
//! wit-bindgen usually adds: `sdk/c/componentize.mjs` puts the contract into the module, so that no
//! binary is checked in.

use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::Files;
use wit_bindgen_c::Opts;

/// The worlds a handler can be written for.
const WORLDS: &[&str] = &[
    "subscription-handler",
    "alarm-handler",
    "cron-handler",
    "lambda-handler",
    "event-filter",
    "metric-extractor",
    "query-function",
    "packed-event-filter",
];

/// Every file: path from the repository's root, and text.
pub(crate) fn generate() -> Result<Vec<(PathBuf, String)>, String> {
    let mut all = Vec::new();
    for world in WORLDS {
        let mut resolve = Resolve::default();
        let wit = super::repository().join("wit");
        let (package, _) = resolve.push_path(wit).map_err(|e| format!("wit/: {e:#}"))?;
        let id = resolve.select_world(&[package], Some(world)).map_err(|e| e.to_string())?;
        let mut files = Files::default();
        let options = Opts { no_object_file: true, ..Opts::default() };
        options.build().generate(&mut resolve, id, &mut files).map_err(|e| format!("{world}: {e:#}"))?;
        for (name, bytes) in files.iter() {
            let text = String::from_utf8_lossy(bytes);
            // The last lines would link the object file.
            let text = text.split("\n// Ensure that the *_component_type.o").next().unwrap_or_default();
            let text = text.to_owned();
            all.push((Path::new("sdk/c/generated").join(name), text));
        }
    }
    Ok(all)
}
