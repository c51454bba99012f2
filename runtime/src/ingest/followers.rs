//! Owns who is told that there are new events. Refuses to know what they do with them: each reads from its
//! own cursor, so a lost or doubled nudge costs nothing.

use std::sync::{PoisonError, RwLock};

use crate::clock::Nudge;

/// The background readers of the log.
#[derive(Default)]
pub(crate) struct Followers(RwLock<Vec<Nudge>>);

impl Followers {
    /// From now on `reader` is nudged whenever events were stored.
    pub(crate) fn join(&self, reader: Nudge) {
        let mut readers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Readers come and go; those that are gone leave when another joins.
        readers.retain(|reader| !reader.is_gone());
        readers.push(reader);
    }

    /// Events were stored. Under the virtual clock this is called before they are acknowledged, so that every reader is busy
    /// by the time the client goes on.
    pub(crate) fn wake(&self) {
        for reader in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            reader.nudge();
        }
    }
}
