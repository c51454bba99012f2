//! The settings of the deployed version: the environment of the function.

use super::imported;

/// One setting.
pub fn get(key: &str) -> Option<String> {
    imported::config::get(key)
}

/// One setting, or what to use without it.
pub fn get_or(key: &str, default: &str) -> String {
    get(key).unwrap_or_else(|| default.to_owned())
}

/// All settings.
pub fn all() -> Vec<(String, String)> {
    imported::config::all()
}
