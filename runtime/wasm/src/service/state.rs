//! `state`: durable values of the function. Capability: `state`. A call sees the snapshot plus its
//! own writes; the root validates the versions that were seen when it commits.

use crate::StateEntry;
use crate::bindings::logboom::extension::state::{Entry, Host, StateError};
use crate::guest::Guest;

/// The longest key.
const MAX_KEY_BYTES: usize = 512;

/// The longest page of `list-keys`.
const MAX_PAGE: u32 = 1_000;

impl Guest {
    fn state_allowed(&self, key: &str) -> Result<(), StateError> {
        if let Some(reason) = self.refusal("state") {
            return Err(StateError::NotAllowed(reason));
        }
        if !self.call.grants.state {
            return Err(StateError::NotAllowed(
                "state; grant it with the tag logboom:allow-state=true".to_owned(),
            ));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(StateError::Other(format!("a key has at most {MAX_KEY_BYTES} bytes")));
        }
        Ok(())
    }

    fn state_entry(&mut self, key: &str) -> Result<Option<StateEntry>, StateError> {
        self.state_allowed(key)?;
        // Remembering what was read costs memory too.
        if !self.effects.charge(0, key.len(), &self.limits) {
            return Err(StateError::Quota);
        }
        Ok(self.effects.state_get(&*self.call.services, key)?)
    }

    fn state_write(
        &mut self,
        key: &str,
        value: Vec<u8>,
        seen: u64,
        ttl: Option<u32>,
    ) -> Result<u64, StateError> {
        if key.is_empty() {
            return Err(StateError::Other("a key is not empty".to_owned()));
        }
        if value.len() > self.limits.state_value_bytes {
            return Err(StateError::TooLarge);
        }
        if !self.effects.charge(1, key.len() + value.len(), &self.limits) {
            return Err(StateError::Quota);
        }
        Ok(self.effects.state_put(key, value, seen, ttl))
    }
}

impl Host for Guest {
    fn get(&mut self, key: String) -> Result<Option<Entry>, StateError> {
        Ok(self.state_entry(&key)?.map(|StateEntry { value, version }| Entry { value, version }))
    }

    fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        expected: Option<u64>,
        ttl_seconds: Option<u32>,
    ) -> Result<u64, StateError> {
        let seen = self.state_entry(&key)?.map_or(0, |entry| entry.version);
        if expected.is_some_and(|version| version != seen) {
            return Err(StateError::Conflict);
        }
        self.state_write(&key, value, seen, ttl_seconds)
    }

    fn delete(&mut self, key: String) -> Result<(), StateError> {
        if self.state_entry(&key)?.is_some() {
            if !self.effects.charge(1, key.len(), &self.limits) {
                return Err(StateError::Quota);
            }
            self.effects.state_delete(&key);
        }
        Ok(())
    }

    /// A counter is its decimal text, so that `get` shows it.
    fn increment(&mut self, key: String, by: i64, ttl_seconds: Option<u32>) -> Result<i64, StateError> {
        let entry = self.state_entry(&key)?;
        let seen = entry.as_ref().map_or(0, |e| e.version);
        let before = match &entry {
            None => 0,
            Some(entry) => std::str::from_utf8(&entry.value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .ok_or_else(|| StateError::Other(format!("{key} is not a counter")))?,
        };
        let sum = before.checked_add(by).ok_or_else(|| StateError::Other(format!("{key} would overflow")))?;
        self.state_write(&key, sum.to_string().into_bytes(), seen, ttl_seconds)?;
        Ok(sum)
    }

    fn list_keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>, StateError> {
        self.state_allowed(&prefix)?;
        Ok(self.effects.state_list(&*self.call.services, &prefix, after.as_deref(), limit.min(MAX_PAGE))?)
    }
}

impl From<crate::StateError> for StateError {
    fn from(error: crate::StateError) -> Self {
        match error {
            crate::StateError::Other(reason) => Self::Other(reason),
        }
    }
}
