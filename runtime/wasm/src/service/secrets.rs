//! `secrets`: placeholders that are replaced on the way out, and only towards the secret's own hosts.

use crate::bindings::logboom::extension::secrets::{Host, SecretError};
use crate::guest::Guest;
use crate::secret;

/// Secrets one call may ask for.
const SECRETS_MAX: usize = 100;

impl Host for Guest {
    fn placeholder(&mut self, name: String) -> Result<String, SecretError> {
        if let Some(reason) = self.refusal("secrets") {
            return Err(SecretError::NotAllowed(reason));
        }
        if !self.call.grants.may_use_secret(&name) {
            return Err(SecretError::NotAllowed(format!(
                "secret {name}; grant it with the tag logboom:allow-secrets"
            )));
        }
        if self.call.services.egress().and_then(|egress| egress.secret(&name)).is_none() {
            return Err(SecretError::Missing(name));
        }
        let placeholder = secret::placeholder(&self.call, &name);
        let asked = &mut self.hooks.placeholders;
        if !asked.contains(&name) {
            if asked.len() == SECRETS_MAX {
                return Err(SecretError::NotAllowed(format!("more than {SECRETS_MAX} secrets in one call")));
            }
            asked.push(name);
        }
        Ok(placeholder)
    }
}
