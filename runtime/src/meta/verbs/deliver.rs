//! Owns how topics, subscriptions, the outbox and dead letters are kept in tables: `deliver`'s verbs over one
//! transaction. Refuses to know what the records mean.
//!
//! Tables and keys:
//!   sns_topics               id
//!   sns_topic_arns           ARN -> id
//!   sns_topic_names          account, region, name -> id
//!   sns_subscriptions        id
//!   sns_subscription_arns    ARN -> id
//!   sns_subscription_tokens  token of the handshake -> id
//!   sns_topic_subscriptions  topic id, id
//!   sns_owner_subscriptions  account, region, id
//!   sns_departed             token -> a subscription that was ended by its link and may come back
//!   outbox                   id
//!   outbox_due               due_ms, id -> whom it is for
//!   dead_letters             id
//!   dead_letters_died        died_ms, id
//!   deliver_counts           name -> rows of a table

use deliver::{DeadLetterRecord, OutboxRecord, Records, SubscriptionRecord, TopicRecord};
use serde::de::DeserializeOwned;

use crate::meta::{Key, MetaError, Span, Table, Tx};
use crate::outbox::whom;

const TOPICS: Table<TopicRecord> = Table::new("sns_topics");
const TOPIC_ARNS: Table<u64> = Table::new("sns_topic_arns");
const TOPIC_NAMES: Table<u64> = Table::new("sns_topic_names");
const SUBSCRIPTIONS: Table<SubscriptionRecord> = Table::new("sns_subscriptions");
const SUBSCRIPTION_ARNS: Table<u64> = Table::new("sns_subscription_arns");
const SUBSCRIPTION_TOKENS: Table<u64> = Table::new("sns_subscription_tokens");
const BY_TOPIC: Table<()> = Table::new("sns_topic_subscriptions");
const BY_OWNER: Table<()> = Table::new("sns_owner_subscriptions");
const DEPARTED: Table<SubscriptionRecord> = Table::new("sns_departed");
const OUTBOX: Table<OutboxRecord> = Table::new("outbox");
const OUTBOX_DUE: Table<String> = Table::new("outbox_due");
const DEAD: Table<DeadLetterRecord> = Table::new("dead_letters");
const DIED: Table<()> = Table::new("dead_letters_died");
const COUNTS: Table<u64> = Table::new("deliver_counts");

const WAITING: &str = "outbox";

/// The rows of `table` whose ids stand in the keys of an index span, where `id_of` reads them.
fn follow<V: DeserializeOwned, I: DeserializeOwned>(
    tx: &Tx<'_>,
    (index, span): (&Table<I>, &Span),
    limit: usize,
    id_of: fn(&Key) -> Result<u64, MetaError>,
    table: &Table<V>,
) -> Result<Vec<V>, MetaError> {
    let mut found = Vec::new();
    for row in tx.scan(index, span)?.take(limit) {
        if let Some(record) = tx.get(table, &Key::of(id_of(&row?.0)?))? {
            found.push(record);
        }
    }
    Ok(found)
}

fn id_after_number(key: &Key) -> Result<u64, MetaError> {
    let mut reader = key.reader();
    reader.u64()?;
    reader.u64()
}

fn id_after_owner(key: &Key) -> Result<u64, MetaError> {
    let mut reader = key.reader();
    reader.text()?;
    reader.text()?;
    reader.u64()
}

/// Keys whose first part, a moment, is at most `now_ms`.
fn until(now_ms: i64) -> Span {
    Span::range(&Key::of(i64::MIN), &Key::of(now_ms.saturating_add(1)))
}

fn after_id(after: Option<u64>) -> Span {
    after.map_or_else(Span::all, |id| Span::all().after(&Key::of(id)))
}

impl Tx<'_> {
    /// Records due at `now_ms`, the earliest first, as far as `wanted` (given the id and whom it is for) takes
    /// them; reads the others' index rows alone.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn outbox_pick(
        &self,
        now_ms: i64,
        limit: usize,
        mut wanted: impl FnMut(u64, &str) -> bool,
    ) -> Result<Vec<OutboxRecord>, MetaError> {
        let mut picked = Vec::new();
        for row in self.scan(&OUTBOX_DUE, &until(now_ms))? {
            let (key, whom) = row?;
            let id = id_after_number(&key)?;
            if picked.len() == limit {
                break;
            }
            if wanted(id, &whom) {
                picked.extend(self.get(&OUTBOX, &Key::of(id))?);
            }
        }
        Ok(picked)
    }

    /// Rows in the outbox.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn outbox_len(&self) -> Result<u64, MetaError> {
        Ok(self.get(&COUNTS, &Key::of(WAITING))?.unwrap_or(0))
    }

    /// Dead letters kept. Counted one by one: their number is bounded, and this is asked seldom.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn dead_letters_len(&self) -> Result<u64, MetaError> {
        Ok(self.scan(&DIED, &Span::all())?.count() as u64)
    }

    /// When the earliest record is due that is not due at `now_ms`.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn outbox_due_after(&self, now_ms: i64) -> Result<Option<i64>, MetaError> {
        let span = Span::all().after(&Key::of((now_ms, u64::MAX)));
        self.scan(&OUTBOX_DUE, &span)?.next().map(|row| row?.0.reader().i64()).transpose()
    }

    /// Topics of an account and region.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn topics_len(&self, account: &str, region: &str) -> Result<usize, MetaError> {
        Ok(self.scan(&TOPIC_NAMES, &Span::prefix(&Key::of((account, region))))?.count())
    }

    /// Keeps a subscription that was ended by its link, so that its token may bring it back.
    ///
    /// # Errors
    /// As [`Tx::put`].
    pub(crate) fn departed_put(&mut self, subscription: &SubscriptionRecord) -> Result<(), MetaError> {
        self.put(&DEPARTED, &Key::of(&subscription.token), subscription)
    }

    /// Takes the ended subscription of a token out of the ended ones.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn departed_take(&mut self, token: &str) -> Result<Option<SubscriptionRecord>, MetaError> {
        let key = Key::of(token);
        let found = self.get(&DEPARTED, &key)?;
        if found.is_some() {
            self.delete(&DEPARTED, &key)?;
        }
        Ok(found)
    }

    /// Deletes subscriptions whose handshake was never finished and ended ones that cannot come back; how
    /// many went.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn subscriptions_sweep(&mut self, now_ms: i64) -> Result<usize, MetaError> {
        let expired = |row: Result<(Key, SubscriptionRecord), MetaError>| match row {
            Ok((_, record)) => record.is_expired(now_ms).then_some(Ok(record)),
            Err(error) => Some(Err(error)),
        };
        let pending: Result<Vec<_>, _> =
            self.scan(&SUBSCRIPTIONS, &Span::all())?.filter_map(expired).collect();
        let departed: Result<Vec<_>, _> = self.scan(&DEPARTED, &Span::all())?.filter_map(expired).collect();
        let (pending, departed) = (pending?, departed?);
        for record in &pending {
            self.subscription_delete(record.id)?;
        }
        for record in &departed {
            self.delete(&DEPARTED, &Key::of(&record.token))?;
        }
        Ok(pending.len() + departed.len())
    }

    fn outbox_count(&mut self, change: i64) -> Result<(), MetaError> {
        let count = self.outbox_len()?.saturating_add_signed(change);
        self.put(&COUNTS, &Key::of(WAITING), &count)
    }
}

impl Records for Tx<'_> {
    type Error = MetaError;

    fn topic_put(&mut self, topic: &TopicRecord) -> Result<(), MetaError> {
        self.put(&TOPIC_ARNS, &Key::of(&topic.arn), &topic.id)?;
        self.put(&TOPIC_NAMES, &Key::of((&topic.account, &topic.region, &topic.name)), &topic.id)?;
        self.put(&TOPICS, &Key::of(topic.id), topic)
    }

    fn topic_by_arn(&mut self, arn: &str) -> Result<Option<TopicRecord>, MetaError> {
        let Some(id) = self.get(&TOPIC_ARNS, &Key::of(arn))? else { return Ok(None) };
        self.get(&TOPICS, &Key::of(id))
    }

    fn topic_delete(&mut self, id: u64) -> Result<(), MetaError> {
        let Some(topic) = self.get(&TOPICS, &Key::of(id))? else { return Ok(()) };
        self.delete(&TOPIC_ARNS, &Key::of(&topic.arn))?;
        self.delete(&TOPIC_NAMES, &Key::of((&topic.account, &topic.region, &topic.name)))?;
        self.delete(&TOPICS, &Key::of(id))
    }

    fn topics_after(
        &mut self,
        account: &str,
        region: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<TopicRecord>, MetaError> {
        let mut span = Span::prefix(&Key::of((account, region)));
        if let Some(name) = after {
            span = span.after(&Key::of((account, region, name)));
        }
        let mut found = Vec::new();
        for row in self.scan(&TOPIC_NAMES, &span)?.take(limit) {
            found.extend(self.get(&TOPICS, &Key::of(row?.1))?);
        }
        Ok(found)
    }

    fn subscription_put(&mut self, subscription: &SubscriptionRecord) -> Result<(), MetaError> {
        let id = subscription.id;
        let old = self.get(&SUBSCRIPTIONS, &Key::of(id))?;
        if let Some(old) = old.filter(|old| old.token != subscription.token) {
            self.delete(&SUBSCRIPTION_TOKENS, &Key::of(&old.token))?;
        }
        if !subscription.token.is_empty() {
            self.put(&SUBSCRIPTION_TOKENS, &Key::of(&subscription.token), &id)?;
        }
        self.put(&SUBSCRIPTION_ARNS, &Key::of(&subscription.arn), &id)?;
        self.put(&BY_TOPIC, &Key::of((subscription.topic_id, id)), &())?;
        self.put(&BY_OWNER, &Key::of((&subscription.account, &subscription.region, id)), &())?;
        self.put(&SUBSCRIPTIONS, &Key::of(id), subscription)
    }

    fn subscription_by_arn(&mut self, arn: &str) -> Result<Option<SubscriptionRecord>, MetaError> {
        let Some(id) = self.get(&SUBSCRIPTION_ARNS, &Key::of(arn))? else { return Ok(None) };
        self.get(&SUBSCRIPTIONS, &Key::of(id))
    }

    fn subscription_by_token(&mut self, token: &str) -> Result<Option<SubscriptionRecord>, MetaError> {
        let Some(id) = self.get(&SUBSCRIPTION_TOKENS, &Key::of(token))? else { return Ok(None) };
        self.get(&SUBSCRIPTIONS, &Key::of(id))
    }

    fn subscription_delete(&mut self, id: u64) -> Result<(), MetaError> {
        let Some(old) = self.get(&SUBSCRIPTIONS, &Key::of(id))? else { return Ok(()) };
        self.delete(&SUBSCRIPTION_TOKENS, &Key::of(&old.token))?;
        self.delete(&SUBSCRIPTION_ARNS, &Key::of(&old.arn))?;
        self.delete(&BY_TOPIC, &Key::of((old.topic_id, id)))?;
        self.delete(&BY_OWNER, &Key::of((&old.account, &old.region, id)))?;
        self.delete(&SUBSCRIPTIONS, &Key::of(id))
    }

    fn subscriptions_of_topic(
        &mut self,
        topic_id: u64,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRecord>, MetaError> {
        let mut span = Span::prefix(&Key::of(topic_id));
        if let Some(id) = after {
            span = span.after(&Key::of((topic_id, id)));
        }
        follow(self, (&BY_TOPIC, &span), limit, id_after_number, &SUBSCRIPTIONS)
    }

    fn subscriptions_after(
        &mut self,
        account: &str,
        region: &str,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRecord>, MetaError> {
        let mut span = Span::prefix(&Key::of((account, region)));
        if let Some(id) = after {
            span = span.after(&Key::of((account, region, id)));
        }
        follow(self, (&BY_OWNER, &span), limit, id_after_owner, &SUBSCRIPTIONS)
    }

    fn outbox_put(&mut self, record: &OutboxRecord) -> Result<(), MetaError> {
        let key = Key::of(record.id);
        match self.get(&OUTBOX, &key)? {
            Some(old) => self.delete(&OUTBOX_DUE, &Key::of((old.due_ms, old.id)))?,
            None => self.outbox_count(1)?,
        }
        self.put(&OUTBOX_DUE, &Key::of((record.due_ms, record.id)), &whom(record).to_owned())?;
        self.put(&OUTBOX, &key, record)
    }

    fn outbox_get(&mut self, id: u64) -> Result<Option<OutboxRecord>, MetaError> {
        self.get(&OUTBOX, &Key::of(id))
    }

    fn outbox_due(&mut self, now_ms: i64, limit: usize) -> Result<Vec<OutboxRecord>, MetaError> {
        // The first part is a moment, which takes as many bytes as a number.
        follow(self, (&OUTBOX_DUE, &until(now_ms)), limit, id_after_number, &OUTBOX)
    }

    fn outbox_next_due_ms(&mut self) -> Result<Option<i64>, MetaError> {
        self.scan(&OUTBOX_DUE, &Span::all())?.next().map(|row| row?.0.reader().i64()).transpose()
    }

    fn outbox_delete(&mut self, id: u64) -> Result<(), MetaError> {
        let key = Key::of(id);
        let Some(old) = self.get(&OUTBOX, &key)? else { return Ok(()) };
        self.outbox_count(-1)?;
        self.delete(&OUTBOX_DUE, &Key::of((old.due_ms, id)))?;
        self.delete(&OUTBOX, &key)
    }

    fn outbox_after(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<OutboxRecord>, MetaError> {
        self.scan(&OUTBOX, &after_id(after))?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn dead_letter_put(&mut self, letter: &DeadLetterRecord) -> Result<(), MetaError> {
        let id = letter.record.id;
        if let Some(old) = self.get(&DEAD, &Key::of(id))? {
            self.delete(&DIED, &Key::of((old.died_ms, id)))?;
        }
        self.put(&DIED, &Key::of((letter.died_ms, id)), &())?;
        self.put(&DEAD, &Key::of(id), letter)
    }

    fn dead_letters_after(
        &mut self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRecord>, MetaError> {
        self.scan(&DEAD, &after_id(after))?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn dead_letter_delete(&mut self, id: u64) -> Result<(), MetaError> {
        let Some(old) = self.get(&DEAD, &Key::of(id))? else { return Ok(()) };
        self.delete(&DIED, &Key::of((old.died_ms, id)))?;
        self.delete(&DEAD, &Key::of(id))
    }

    fn dead_letters_sweep(&mut self, before_ms: i64, keep: u64) -> Result<u64, MetaError> {
        let mut all = Vec::new();
        for row in self.scan(&DIED, &Span::all())? {
            let (key, ()) = row?;
            let mut reader = key.reader();
            all.push((reader.i64()?, reader.u64()?));
        }
        let surplus = all.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut gone = 0;
        for (at, (died_ms, id)) in all.into_iter().enumerate() {
            if at < surplus || died_ms < before_ms {
                self.dead_letter_delete(id)?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests;
