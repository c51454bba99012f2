//! `secrets`: placeholders that are replaced on the way out. Guests have no way out yet, so a
//! placeholder is only given where the product says that it has the secret.

use crate::bindings::logboom::extension::secrets::{Host, SecretError};
use crate::guest::Guest;

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
        if !self.call.services.has_secret(&name) {
            return Err(SecretError::Missing(name));
        }
        Ok(format!("{{{{logboom-secret:{name}}}}}"))
    }
}
