//! Rewrites `sdk/src/generated` and `sdk/c/generated` from `wit/`.

fn main() -> Result<(), String> {
    for (path, text) in sdk_bindgen::generate()? {
        let path = sdk_bindgen::repository().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}
