//! Secrets never enter a guest: it gets a placeholder, which the host replaces on the way out.

use super::imported;
use crate::SecretError;

/// The text to put where the secret belongs.
///
/// # Errors
/// [`SecretError`]: not granted, or there is no such secret.
pub fn placeholder(name: &str) -> Result<String, SecretError> {
    imported::secrets::placeholder(name)
}
