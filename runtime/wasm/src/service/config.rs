//! `config`: the environment of the function.

use crate::bindings::logboom::extension::config::Host;
use crate::guest::Guest;

impl Host for Guest {
    fn get(&mut self, key: String) -> Option<String> {
        self.call.config.get(&key).cloned()
    }

    fn all(&mut self) -> Vec<(String, String)> {
        self.call.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}
