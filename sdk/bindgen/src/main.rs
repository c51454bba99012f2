//! Rewrites `sdk/src/generated` from `wit/`.

fn main() -> Result<(), String> {
    for (path, text) in sdk_bindgen::generate()? {
        let path = sdk_bindgen::repository().join(path);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}
