//! Tests of `records`, over the smallest store that keeps the verbs' contracts.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::*;
use crate::egress::Rules;
use crate::outbox::SendResult;
use crate::subscription::{Fresh, Subscribe, TOKEN_LIFE_MS, subscribe};
use crate::tests::topic;

#[derive(Default)]
struct Memory {
    topics: BTreeMap<u64, TopicRecord>,
    subscriptions: BTreeMap<u64, SubscriptionRecord>,
    outbox: BTreeMap<u64, OutboxRecord>,
    letters: BTreeMap<u64, DeadLetterRecord>,
}

fn after<T: Clone>(
    rows: &BTreeMap<u64, T>,
    after: Option<u64>,
    limit: usize,
    keep: impl Fn(&T) -> bool,
) -> Vec<T> {
    let from = after.map_or(0, |id| id + 1);
    rows.range(from..).map(|(_, row)| row).filter(|row| keep(row)).take(limit).cloned().collect()
}

impl Records for Memory {
    type Error = Infallible;

    fn topic_put(&mut self, topic: &TopicRecord) -> Result<(), Infallible> {
        self.topics.insert(topic.id, topic.clone());
        Ok(())
    }
    fn topic_by_arn(&mut self, arn: &str) -> Result<Option<TopicRecord>, Infallible> {
        Ok(self.topics.values().find(|t| t.arn == arn).cloned())
    }
    fn topic_delete(&mut self, id: u64) -> Result<(), Infallible> {
        self.topics.remove(&id);
        Ok(())
    }
    fn topics_after(
        &mut self,
        _: &str,
        _: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<TopicRecord>, Infallible> {
        Ok(self.topics.values().cloned().collect())
    }
    fn subscription_put(&mut self, sub: &SubscriptionRecord) -> Result<(), Infallible> {
        self.subscriptions.insert(sub.id, sub.clone());
        Ok(())
    }
    fn subscription_by_arn(&mut self, arn: &str) -> Result<Option<SubscriptionRecord>, Infallible> {
        Ok(self.subscriptions.values().find(|s| s.arn == arn).cloned())
    }
    fn subscription_by_token(&mut self, token: &str) -> Result<Option<SubscriptionRecord>, Infallible> {
        Ok(self.subscriptions.values().find(|s| s.token == token).cloned())
    }
    fn subscription_delete(&mut self, id: u64) -> Result<(), Infallible> {
        self.subscriptions.remove(&id);
        Ok(())
    }
    fn subscriptions_of_topic(
        &mut self,
        topic_id: u64,
        from: Option<u64>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRecord>, Infallible> {
        Ok(after(&self.subscriptions, from, limit, |s| s.topic_id == topic_id))
    }
    fn subscriptions_after(
        &mut self,
        _: &str,
        _: &str,
        from: Option<u64>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRecord>, Infallible> {
        Ok(after(&self.subscriptions, from, limit, |_| true))
    }
    fn outbox_put(&mut self, record: &OutboxRecord) -> Result<(), Infallible> {
        self.outbox.insert(record.id, record.clone());
        Ok(())
    }
    fn outbox_get(&mut self, id: u64) -> Result<Option<OutboxRecord>, Infallible> {
        Ok(self.outbox.get(&id).cloned())
    }
    fn outbox_due(&mut self, now_ms: i64, limit: usize) -> Result<Vec<OutboxRecord>, Infallible> {
        let mut due: Vec<_> = self.outbox.values().filter(|r| r.due_ms <= now_ms).cloned().collect();
        due.sort_by_key(|r| r.due_ms);
        due.truncate(limit);
        Ok(due)
    }
    fn outbox_next_due_ms(&mut self) -> Result<Option<i64>, Infallible> {
        Ok(self.outbox.values().map(|r| r.due_ms).min())
    }
    fn outbox_delete(&mut self, id: u64) -> Result<(), Infallible> {
        self.outbox.remove(&id);
        Ok(())
    }
    fn outbox_after(&mut self, from: Option<u64>, limit: usize) -> Result<Vec<OutboxRecord>, Infallible> {
        Ok(after(&self.outbox, from, limit, |_| true))
    }
    fn dead_letter_put(&mut self, letter: &DeadLetterRecord) -> Result<(), Infallible> {
        self.letters.insert(letter.record.id, letter.clone());
        Ok(())
    }
    fn dead_letters_after(
        &mut self,
        from: Option<u64>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRecord>, Infallible> {
        Ok(after(&self.letters, from, limit, |_| true))
    }
    fn dead_letter_delete(&mut self, id: u64) -> Result<(), Infallible> {
        self.letters.remove(&id);
        Ok(())
    }
    fn dead_letters_sweep(&mut self, before_ms: i64, keep: u64) -> Result<u64, Infallible> {
        let had = self.letters.len();
        self.letters.retain(|_, l| l.died_ms >= before_ms);
        while self.letters.len() as u64 > keep {
            self.letters.pop_first();
        }
        Ok((had - self.letters.len()) as u64)
    }
}

/// A topic with `count` subscriptions, ids from 1000; every one confirmed but the last.
fn filled(count: u64) -> (Memory, TopicRecord) {
    let (mut memory, topic) = (Memory::default(), topic("t"));
    memory.topic_put(&topic).unwrap();
    for n in 0..count {
        let request = Subscribe {
            protocol: "http".to_owned(),
            endpoint: Some(format!("http://h{n}.example/")),
            ..Subscribe::default()
        };
        let fresh = Fresh { id: 1000 + n, uuid: n.to_string(), token: [0; 32], now_ms: 0 };
        let mut record = subscribe(&topic, &request, None, &fresh, &Rules::default()).unwrap().record;
        if n + 1 < count {
            record.state = State::Confirmed;
        }
        memory.subscription_put(&record).unwrap();
    }
    (memory, topic)
}

fn published(memory: &mut Memory, topic: &TopicRecord) -> usize {
    let mut last = memory.outbox.keys().last().copied().unwrap_or(0);
    let mut ids = || {
        last += 1;
        last
    };
    fan_out(memory, topic, &Message::plain("m", &topic.arn, "x", 0), &mut ids, 10).unwrap()
}

#[test]
fn a_message_reaches_every_page_of_subscriptions() {
    let (mut memory, topic) = filled(600);
    assert_eq!(published(&mut memory, &topic), 599);
    assert_eq!(counts(&mut memory, topic.id).unwrap(), Counts { confirmed: 599, pending: 1 });
    let found = find_subscription(&mut memory, topic.id, "http", "http://h300.example/").unwrap().unwrap();
    assert_eq!(found.id, 1300);
    assert!(find_subscription(&mut memory, topic.id, "https", "http://h300.example/").unwrap().is_none());
    assert_eq!(sweep_pending(&mut memory, topic.id, TOKEN_LIFE_MS - 1).unwrap(), 0);
    assert_eq!(sweep_pending(&mut memory, topic.id, TOKEN_LIFE_MS).unwrap(), 1);
    delete_topic(&mut memory, &topic).unwrap();
    assert!(memory.subscriptions.is_empty() && memory.topics.is_empty());
}

#[test]
fn a_taken_record_comes_back_unless_settled() {
    let (mut memory, topic) = filled(3);
    published(&mut memory, &topic);
    assert_eq!(take_due(&mut memory, 9, 10).unwrap().len(), 0, "not due yet");
    let first = take_due(&mut memory, 10, 1).unwrap().remove(0);
    let second = take_due(&mut memory, 10, 10).unwrap().remove(0);
    assert_ne!(first.id, second.id);
    assert_eq!(take_due(&mut memory, 11, 10).unwrap().len(), 0, "both are leased");
    settle(&mut memory, first.id, &Step::Done).unwrap();
    // Nobody reported on the second: a crash. It is tried again, with the same key and attempt.
    let again = take_due(&mut memory, 10 + outbox::LEASE_MS, 10).unwrap().remove(0);
    assert_eq!((again.id, &again.key, again.attempt), (second.id, &second.key, 0));
    let step = outbox::next(again, SendResult::Refused { error: "404".to_owned() }, 20, 0.0);
    settle(&mut memory, second.id, &step).unwrap();
    assert!(memory.outbox.is_empty());
    assert_eq!(memory.dead_letters_after(None, 10).unwrap()[0].error, "404");
    assert_eq!(memory.dead_letters_sweep(21, 10).unwrap(), 1);
}

#[test]
fn nothing_is_sent_to_who_left() {
    let (mut memory, topic) = filled(3);
    published(&mut memory, &topic);
    let gone = memory.subscriptions[&1000].clone();
    memory.outbox_put(&outbox::handshake(&topic, &gone, true, 77, "bye", 10)).unwrap();
    memory.outbox_put(&outbox::handshake(&topic, &gone, false, 78, "hello", 10)).unwrap();
    unsubscribe(&mut memory, &gone).unwrap();
    assert_eq!(memory.topics[&topic.id].subscriptions_deleted, 1);
    let ids: Vec<u64> = take_due(&mut memory, 10, 10).unwrap().iter().map(|r| r.id).collect();
    assert_eq!(ids, [2, 77], "the other subscriber's message, and the farewell");
    // Settling what was deleted meanwhile does not bring it back.
    let taken = memory.outbox.remove(&2).unwrap();
    settle(&mut memory, 2, &Step::Retry(Box::new(taken))).unwrap();
    assert!(!memory.outbox.contains_key(&2));
}
