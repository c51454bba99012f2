//! Owns the counts of what happened to log events since the process began: what came in, what was forwarded, what
//! could not be delivered or read. Refuses to know how they are shown: `/metrics` and the `AWS/Logs` metrics read
//! them, both by difference.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A count that only rises.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// What it is.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened in one log group.
#[derive(Debug, Default)]
pub(crate) struct OfGroup {
    /// Events that were acknowledged (IncomingLogEvents).
    pub(crate) incoming_events: Count,
    /// Their bytes as AWS counts them: UTF-8 plus 26 for each (IncomingBytes).
    pub(crate) incoming_bytes: Count,
    /// Batches refused because events come faster than they can be stored (ThrottleCount).
    pub(crate) throttled: Count,
    /// Events in embedded metric format that break its rules (EMFValidationErrors).
    pub(crate) emf_validation_errors: Count,
    /// Events that mean to be in that format and are no JSON (EMFParsingErrors).
    pub(crate) emf_parsing_errors: Count,
}

/// What happened to what one subscription filter forwards.
#[derive(Debug, Default)]
pub(crate) struct OfSubscription {
    /// Id of the log group.
    pub(crate) group: u64,
    /// Name of the filter (dimension FilterName).
    pub(crate) filter: String,
    /// Events that the destination took (ForwardedLogEvents).
    pub(crate) forwarded_events: Count,
    /// Bytes of their messages (ForwardedBytes).
    pub(crate) forwarded_bytes: Count,
    /// Events of an attempt that the destination did not take (DeliveryErrors).
    pub(crate) delivery_errors: Count,
}

/// What happened to log events, by group and by subscription.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    groups: RwLock<BTreeMap<u64, Arc<OfGroup>>>,
    subscriptions: RwLock<BTreeMap<u64, Arc<OfSubscription>>>,
}

/// The counts under a number; made where there are none.
fn under<T>(map: &RwLock<BTreeMap<u64, Arc<T>>>, id: u64, new: impl FnOnce() -> T) -> Arc<T> {
    if let Some(found) = map.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Arc::clone(found);
    }
    let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(map.entry(id).or_insert_with(|| Arc::new(new())))
}

impl Activity {
    /// The counts of a log group, by its id.
    pub(crate) fn group(&self, id: u64) -> Arc<OfGroup> {
        under(&self.groups, id, OfGroup::default)
    }

    /// The counts of a subscription, by its id.
    pub(crate) fn subscription(&self, id: u64, group: u64, filter: &str) -> Arc<OfSubscription> {
        let new = || OfSubscription { group, filter: filter.to_owned(), ..OfSubscription::default() };
        under(&self.subscriptions, id, new)
    }

    /// The counts of every group that there are any of, by rising id.
    pub(crate) fn groups(&self) -> Vec<(u64, Arc<OfGroup>)> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.iter().map(|(id, counts)| (*id, Arc::clone(counts))).collect()
    }

    /// The counts of every subscription, by rising id.
    pub(crate) fn subscriptions(&self) -> Vec<(u64, Arc<OfSubscription>)> {
        let subscriptions = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
        subscriptions.iter().map(|(id, counts)| (*id, Arc::clone(counts))).collect()
    }

    /// Forgets a group that was deleted.
    pub(crate) fn forget_group(&self, id: u64) {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Forgets a subscription that is gone.
    pub(super) fn forget_subscription(&self, id: u64) {
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_until_they_are_forgotten() {
        let activity = Activity::default();
        activity.group(3).incoming_events.add(2);
        activity.group(3).incoming_events.add(5);
        activity.subscription(8, 3, "f").forwarded_events.add(1);
        let seen: Vec<_> =
            activity.groups().iter().map(|(id, one)| (*id, one.incoming_events.get())).collect();
        assert_eq!(seen, [(3, 7)]);
        let (id, one) = &activity.subscriptions()[0];
        assert_eq!((*id, one.group, one.filter.as_str(), one.forwarded_events.get()), (8, 3, "f", 1));
        activity.forget_group(3);
        activity.forget_subscription(8);
        assert!(activity.groups().is_empty() && activity.subscriptions().is_empty());
    }
}
