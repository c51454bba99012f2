//! Owns the verbs this room needs of the metadata store, and the steps made of them.
//! Refuses to know how records are kept. Every call runs inside the caller's transaction.

use crate::message::Message;
use crate::outbox::{self, DeadLetterRecord, OutboxRecord, Payload, Step};
use crate::subscription::{State, SubscriptionRecord};
use crate::topic::{Counts, TopicRecord};

/// Bounds of what accumulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Topics of one account and region (AWS: 100,000).
    pub topics_max: usize,
    /// Subscriptions of one topic. AWS allows 12.5 million; a fan-out here is one transaction.
    pub subscriptions_per_topic_max: usize,
    /// Records in the outbox; beyond it Publish is throttled.
    pub outbox_records_max: u64,
    /// Dead letters kept; the oldest go first.
    pub dead_letters_max: u64,
    /// How long a dead letter is kept, milliseconds.
    pub dead_letter_life_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            topics_max: 100_000,
            subscriptions_per_topic_max: 1_000,
            outbox_records_max: 100_000,
            dead_letters_max: 10_000,
            dead_letter_life_ms: 14 * 24 * 3600 * 1000,
        }
    }
}

/// What the metadata store does for this room.
pub trait Records {
    /// The store's error.
    type Error;

    /// Writes a topic, new or changed, by its id.
    fn topic_put(&mut self, topic: &TopicRecord) -> Result<(), Self::Error>;
    /// The topic of an ARN.
    fn topic_by_arn(&mut self, arn: &str) -> Result<Option<TopicRecord>, Self::Error>;
    /// Deletes a topic.
    fn topic_delete(&mut self, id: u64) -> Result<(), Self::Error>;
    /// Topics of an account and region by name, after the name `after`.
    fn topics_after(
        &mut self,
        account: &str,
        region: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<TopicRecord>, Self::Error>;

    /// Writes a subscription, new or changed, by its id; its ARN and token find it.
    fn subscription_put(&mut self, subscription: &SubscriptionRecord) -> Result<(), Self::Error>;
    /// The subscription of an ARN.
    fn subscription_by_arn(&mut self, arn: &str) -> Result<Option<SubscriptionRecord>, Self::Error>;
    /// The subscription whose current token this is.
    fn subscription_by_token(&mut self, token: &str) -> Result<Option<SubscriptionRecord>, Self::Error>;
    /// Deletes a subscription with its ways to it.
    fn subscription_delete(&mut self, id: u64) -> Result<(), Self::Error>;
    /// Subscriptions of a topic by id, after the id `after`.
    fn subscriptions_of_topic(
        &mut self,
        topic_id: u64,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRecord>, Self::Error>;
    /// Subscriptions of an account and region by id, after the id `after`.
    fn subscriptions_after(
        &mut self,
        account: &str,
        region: &str,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRecord>, Self::Error>;

    /// Writes an outbox record, new or changed, by its id; `due_ms` orders it.
    fn outbox_put(&mut self, record: &OutboxRecord) -> Result<(), Self::Error>;
    /// The record of an id.
    fn outbox_get(&mut self, id: u64) -> Result<Option<OutboxRecord>, Self::Error>;
    /// Records with `due_ms <= now_ms`, the earliest first.
    fn outbox_due(&mut self, now_ms: i64, limit: usize) -> Result<Vec<OutboxRecord>, Self::Error>;
    /// When the earliest record is due.
    fn outbox_next_due_ms(&mut self) -> Result<Option<i64>, Self::Error>;
    /// Deletes a record.
    fn outbox_delete(&mut self, id: u64) -> Result<(), Self::Error>;
    /// Records by id, after the id `after`.
    fn outbox_after(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<OutboxRecord>, Self::Error>;

    /// Keeps a dead letter under its record's id.
    fn dead_letter_put(&mut self, letter: &DeadLetterRecord) -> Result<(), Self::Error>;
    /// Dead letters by id, after the id `after`.
    fn dead_letters_after(
        &mut self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRecord>, Self::Error>;
    /// Deletes a dead letter.
    fn dead_letter_delete(&mut self, id: u64) -> Result<(), Self::Error>;
    /// Deletes dead letters that died before `before_ms`, and the oldest beyond `keep`; how many went.
    fn dead_letters_sweep(&mut self, before_ms: i64, keep: u64) -> Result<u64, Self::Error>;
}

/// How many rows a step reads at a time.
const PAGE: usize = 256;

/// Every subscription of a topic.
pub fn subscriptions<R: Records + ?Sized>(
    records: &mut R,
    topic_id: u64,
) -> Result<Vec<SubscriptionRecord>, R::Error> {
    let mut all: Vec<SubscriptionRecord> = Vec::new();
    loop {
        let page = records.subscriptions_of_topic(topic_id, all.last().map(|sub| sub.id), PAGE)?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// The subscription of one endpoint, for `subscription::subscribe`.
pub fn find_subscription<R: Records + ?Sized>(
    records: &mut R,
    topic_id: u64,
    protocol: &str,
    endpoint: &str,
) -> Result<Option<SubscriptionRecord>, R::Error> {
    let all = subscriptions(records, topic_id)?;
    Ok(all.into_iter().find(|sub| sub.protocol.as_str() == protocol && sub.endpoint == endpoint))
}

/// Writes the outbox records of a message; how many. `ids` gives never-reused ids.
pub fn fan_out<R: Records + ?Sized>(
    records: &mut R,
    topic: &TopicRecord,
    message: &Message,
    ids: &mut dyn FnMut() -> u64,
    now_ms: i64,
) -> Result<usize, R::Error> {
    let subscriptions = subscriptions(records, topic.id)?;
    let fresh = outbox::expand(topic, &subscriptions, message, ids, now_ms);
    for record in &fresh {
        records.outbox_put(record)?;
    }
    Ok(fresh.len())
}

/// Deletes a topic with its subscriptions. What waits for them is dropped when it falls due.
pub fn delete_topic<R: Records + ?Sized>(records: &mut R, topic: &TopicRecord) -> Result<(), R::Error> {
    for sub in subscriptions(records, topic.id)? {
        records.subscription_delete(sub.id)?;
    }
    records.topic_delete(topic.id)
}

/// Ends a subscription and counts it on its topic.
pub fn unsubscribe<R: Records + ?Sized>(
    records: &mut R,
    subscription: &SubscriptionRecord,
) -> Result<(), R::Error> {
    if let Some(mut topic) = records.topic_by_arn(&subscription.topic_arn)? {
        topic.subscriptions_deleted += 1;
        records.topic_put(&topic)?;
    }
    records.subscription_delete(subscription.id)
}

/// How many subscriptions a topic has, for `topic::describe`.
pub fn counts<R: Records + ?Sized>(records: &mut R, topic_id: u64) -> Result<Counts, R::Error> {
    let all = subscriptions(records, topic_id)?;
    let pending = all.iter().filter(|sub| sub.state == State::Pending).count() as u64;
    Ok(Counts { confirmed: all.len() as u64 - pending, pending })
}

/// Takes due records and leases them: each comes back after `outbox::LEASE_MS` unless `settle` is called.
/// Messages and confirmations for a subscription that ended are dropped.
pub fn take_due<R: Records + ?Sized>(
    records: &mut R,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<OutboxRecord>, R::Error> {
    let mut taken = Vec::new();
    for record in records.outbox_due(now_ms, limit)? {
        let ended = match &record.payload {
            Payload::Notification(n) => records.subscription_by_arn(&n.subscription_arn)?.is_none(),
            Payload::Handshake(h) => {
                !h.leaving && records.subscription_by_arn(&h.subscription_arn)?.is_none()
            }
            Payload::Invoke(_) | Payload::Append(_) => false,
        };
        if ended {
            records.outbox_delete(record.id)?;
            continue;
        }
        records.outbox_put(&record.leased(now_ms))?;
        taken.push(record);
    }
    Ok(taken)
}

/// Writes what became of a record that was taken. A record deleted meanwhile stays deleted.
/// `step` comes from `outbox::next`.
pub fn settle<R: Records + ?Sized>(records: &mut R, id: u64, step: &Step) -> Result<(), R::Error> {
    if records.outbox_get(id)?.is_none() {
        return Ok(());
    }
    match step {
        Step::Done => records.outbox_delete(id),
        Step::Retry(record) => records.outbox_put(record),
        Step::Dead(letter) => {
            records.outbox_delete(id)?;
            records.dead_letter_put(letter)
        }
    }
}

/// Deletes subscriptions of a topic whose handshake was never finished; how many.
pub fn sweep_pending<R: Records + ?Sized>(
    records: &mut R,
    topic_id: u64,
    now_ms: i64,
) -> Result<usize, R::Error> {
    let expired: Vec<u64> = subscriptions(records, topic_id)?
        .into_iter()
        .filter(|sub| sub.is_expired(now_ms))
        .map(|sub| sub.id)
        .collect();
    for id in &expired {
        records.subscription_delete(*id)?;
    }
    Ok(expired.len())
}

#[cfg(test)]
mod tests;
