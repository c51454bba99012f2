//! What a call wants to change. Collected while the guest runs, handed to the root when it returned
//! without an error, thrown away otherwise; so a call that fails and is tried again changes nothing
//! twice. Bounded in number and bytes.

use std::collections::BTreeMap;

use crate::abi::{Attribute, MetricDatum};
use crate::services::{Services, StateEntry, StateError};

/// A notification a guest wants to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The subject, if any.
    pub subject: Option<String>,
    /// The text.
    pub message: String,
    /// Message attributes.
    pub attributes: Vec<Attribute>,
    /// The same key within five minutes is delivered once.
    pub dedup_key: Option<String>,
}

/// A notification and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The topic.
    pub topic_arn: String,
    /// The id the guest was told; the same when the same delivery runs again.
    pub message_id: String,
    /// What to send.
    pub notification: Notification,
}

/// A log event a guest wants to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkEvent {
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The text.
    pub message: String,
}

/// Log events and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkWrite {
    /// The log group; it exists.
    pub log_group: String,
    /// The stream; it may have to be made.
    pub log_stream: String,
    /// The events.
    pub events: Vec<SinkEvent>,
}

/// A version the call has seen: if the key has another one at commit, the call must run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRead {
    /// The key.
    pub key: String,
    /// 0: there was no entry.
    pub version: u64,
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateOp {
    /// Write these bytes as this version.
    Put {
        /// The bytes.
        value: Vec<u8>,
        /// The version after the write.
        version: u64,
        /// Gone after so many seconds.
        ttl_seconds: Option<u32>,
    },
    /// Remove the key.
    Delete,
}

/// The last word of the call on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// The key.
    pub key: String,
    /// What to do.
    pub op: StateOp,
}

/// All a call wants to change. The root commits it together with the cursor that moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Notifications, in order.
    pub publishes: Vec<Publish>,
    /// Metric values, in order.
    pub metrics: Vec<MetricDatum>,
    /// Log events, in order.
    pub writes: Vec<SinkWrite>,
    /// Versions to validate before anything is written.
    pub state_reads: Vec<StateRead>,
    /// State to write, one entry per key.
    pub state_writes: Vec<StateWrite>,
}

impl Effects {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.publishes.is_empty()
            && self.metrics.is_empty()
            && self.writes.is_empty()
            && self.state_writes.is_empty()
    }
}

/// Effects while the guest runs.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) publishes: Vec<Publish>,
    pub(crate) metrics: Vec<MetricDatum>,
    pub(crate) writes: Vec<SinkWrite>,
    reads: BTreeMap<String, u64>,
    state: BTreeMap<String, StateOp>,
    count: usize,
    bytes: usize,
}

impl Pending {
    /// Takes so many effects of so many bytes into account; `false` if that is more than the call may.
    pub(crate) fn charge(&mut self, count: usize, bytes: usize, limits: &crate::Limits) -> bool {
        let (count, bytes) = (self.count.saturating_add(count), self.bytes.saturating_add(bytes));
        if count > limits.effects || bytes > limits.effect_bytes {
            return false;
        }
        (self.count, self.bytes) = (count, bytes);
        true
    }

    /// The entry as this call sees it: its own write, else the snapshot.
    pub(crate) fn state_get(
        &mut self,
        services: &dyn Services,
        key: &str,
    ) -> Result<Option<StateEntry>, StateError> {
        match self.state.get(key) {
            Some(StateOp::Put { value, version, .. }) => {
                Ok(Some(StateEntry { value: value.clone(), version: *version }))
            }
            Some(StateOp::Delete) => Ok(None),
            None => {
                let entry = services.state_get(key)?;
                self.reads.entry(key.to_owned()).or_insert(entry.as_ref().map_or(0, |e| e.version));
                Ok(entry)
            }
        }
    }

    /// Writes a key; gives the new version.
    pub(crate) fn state_put(
        &mut self,
        key: &str,
        value: Vec<u8>,
        seen: u64,
        ttl_seconds: Option<u32>,
    ) -> u64 {
        let base = self.reads.get(key).copied().unwrap_or(0);
        let version = seen.max(base) + 1;
        self.state.insert(key.to_owned(), StateOp::Put { value, version, ttl_seconds });
        version
    }

    pub(crate) fn state_delete(&mut self, key: &str) {
        self.state.insert(key.to_owned(), StateOp::Delete);
    }

    /// The snapshot's keys, plus the call's own, less those it removed.
    pub(crate) fn state_list(
        &self,
        services: &dyn Services,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StateError> {
        // Keys the call removed take up room in the snapshot's page, so ask for that many more.
        let more = u32::try_from(self.state.len()).unwrap_or(u32::MAX);
        let mut keys = services.state_list(prefix, after, limit.saturating_add(more))?;
        keys.retain(|key| !matches!(self.state.get(key), Some(StateOp::Delete)));
        let own = self.state.iter().filter(|(key, op)| {
            matches!(op, StateOp::Put { .. })
                && key.starts_with(prefix)
                && after.is_none_or(|a| key.as_str() > a)
        });
        keys.extend(own.map(|(key, _)| key.clone()));
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(limit as usize);
        Ok(keys)
    }

    pub(crate) fn finish(self) -> Effects {
        Effects {
            publishes: self.publishes,
            metrics: self.metrics,
            writes: self.writes,
            state_reads: self.reads.into_iter().map(|(key, version)| StateRead { key, version }).collect(),
            state_writes: self.state.into_iter().map(|(key, op)| StateWrite { key, op }).collect(),
        }
    }
}
