//! Owns what a shadow is lent: the product as the served call saw it, and no way out of the process. Refuses to
//! write anything: output lines are dropped, effects are only compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use hyper::{Request, Response};
use wasm::{
    BoxFuture, Egress, LogLine, NotifyError, Secret, Services, SinkError, StateEntry, StateError, Unanswered,
};

use crate::functions::lock;
use crate::functions::services::ForGuest;

/// Bytes of state that are remembered of one call; a call that reads more is not compared.
const REMEMBERED_BYTES_MAX: usize = 1 << 20;

/// State as it was for a call, by key: what it read and what it was about to write.
#[derive(Debug, Default)]
pub(in crate::functions) struct Before {
    entries: BTreeMap<String, Option<StateEntry>>,
    bytes: usize,
}

impl Before {
    /// Remembers an entry that a call read; the first time counts.
    pub(in crate::functions) fn remember(&mut self, key: &str, entry: Option<&StateEntry>) {
        if self.is_too_much() || self.entries.contains_key(key) {
            return;
        }
        self.bytes += key.len() + entry.map_or(0, |entry| entry.value.len());
        self.entries.insert(key.to_owned(), entry.cloned());
    }

    /// Whether something is known of a key.
    pub(in crate::functions) fn knows(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether not all of it is remembered.
    pub(super) fn is_too_much(&self) -> bool {
        self.bytes > REMEMBERED_BYTES_MAX
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A page of keys as they were, from a page (one of at least so many more keys) as they are now.
    fn list(&self, mut now: Vec<String>, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        now.retain(|key| self.entries.get(key).is_none_or(Option::is_some));
        let here = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let gone = self.entries.iter().filter(|(key, entry)| entry.is_some() && here(key));
        now.extend(gone.map(|(key, _)| key.clone()));
        now.sort_unstable();
        now.dedup();
        now.truncate(limit);
        now
    }
}

/// The services of a shadow's call.
pub(super) struct ForShadow {
    guest: ForGuest,
    before: Before,
    way: Arc<NoWay>,
}

impl ForShadow {
    pub(super) fn new(guest: ForGuest, before: Before) -> ForShadow {
        let way = Arc::new(NoWay { to: guest.egress(), asked: Mutex::default() });
        ForShadow { guest, before, way }
    }

    /// The first place it wanted to send a request to, if any.
    pub(super) fn asked(&self) -> Option<String> {
        lock(&self.way.asked).clone()
    }
}

impl Services for ForShadow {
    fn log(&self, _: LogLine) {}

    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        self.guest.topic_arn(topic)
    }

    fn check_log_group(&self, log_group: &str) -> Result<(), SinkError> {
        self.guest.check_log_group(log_group)
    }

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        Some(Arc::clone(&self.way) as Arc<dyn Egress>)
    }

    fn state_get(&self, key: &str) -> Result<Option<StateEntry>, StateError> {
        match self.before.entries.get(key) {
            Some(entry) => Ok(entry.clone()),
            None => self.guest.state_get(key),
        }
    }

    fn state_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
        // What the served call added since is in the page of now, and takes up room there.
        let more = u32::try_from(self.before.entries.len()).unwrap_or(u32::MAX);
        let now = self.guest.state_list(prefix, after, limit.saturating_add(more))?;
        Ok(self.before.list(now, prefix, after, limit as usize))
    }
}

/// No request of a shadow leaves: the version that serves has sent it.
struct NoWay {
    to: Option<Arc<dyn Egress>>,
    asked: Mutex<Option<String>>,
}

impl Egress for NoWay {
    fn send(
        &self,
        request: Request<Bytes>,
        _: usize,
    ) -> BoxFuture<'static, Result<Response<Bytes>, Unanswered>> {
        let host = request.uri().host().unwrap_or_default();
        lock(&self.asked).get_or_insert_with(|| format!("{} {host}", request.method()));
        Box::pin(async { Err(Unanswered::Prohibited("a shadow sends no requests".to_owned())) })
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        // Whether there is one is what the guest is told; its value leaves with a request only.
        self.to.as_ref().and_then(|to| to.secret(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> StateEntry {
        StateEntry { value: value.as_bytes().to_vec(), version: 1 }
    }

    #[test]
    fn keys_are_listed_as_they_were() {
        let mut before = Before::default();
        before.remember("a/new", None);
        before.remember("a/old", Some(&entry("x")));
        before.remember("b/old", Some(&entry("x")));
        before.remember("a/old", None);
        let now = || vec!["a/kept".to_owned(), "a/new".to_owned(), "a/third".to_owned()];
        assert_eq!(before.list(now(), "a/", None, 9), ["a/kept", "a/old", "a/third"]);
        assert_eq!(before.list(now(), "a/", None, 2), ["a/kept", "a/old"]);
        assert_eq!(before.list(vec!["a/third".to_owned()], "a/", Some("a/old"), 9), ["a/third"]);
    }

    #[test]
    fn what_is_too_much_is_known_to_be() {
        let mut before = Before::default();
        before.remember("k", Some(&entry(&"x".repeat(REMEMBERED_BYTES_MAX))));
        assert!(before.is_too_much());
        before.remember("l", None);
        assert!(!before.knows("l"));
    }
}
