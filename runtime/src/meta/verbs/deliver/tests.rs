//! Owns the conformance of `deliver`'s verbs, over every backend. Refuses to know delivery.

use deliver::message::Message;
use deliver::outbox::{self, Step};
use deliver::subscription::{Protocol, State};

use super::*;
use crate::meta::conformance::for_each;

fn topic(id: u64, account: &str, name: &str) -> TopicRecord {
    TopicRecord {
        id,
        account: account.to_owned(),
        region: "us-east-1".to_owned(),
        name: name.to_owned(),
        arn: deliver::arn::topic("us-east-1", account, name),
        attributes: Default::default(),
        tags: Default::default(),
        created_ms: 0,
        subscriptions_deleted: 0,
    }
}

fn subscription(id: u64, topic: &TopicRecord, token: &str, state: State) -> SubscriptionRecord {
    SubscriptionRecord {
        id,
        arn: deliver::arn::subscription(&topic.arn, &format!("{id}")),
        topic_id: topic.id,
        topic_arn: topic.arn.clone(),
        account: topic.account.clone(),
        region: topic.region.clone(),
        protocol: Protocol::Http,
        endpoint: format!("http://localhost/{id}"),
        attributes: Default::default(),
        state,
        token: token.to_owned(),
        token_expires_ms: 100,
        authenticate_on_unsubscribe: false,
        confirmation_was_authenticated: false,
        created_ms: 0,
    }
}

fn waiting(id: u64, due_ms: i64) -> OutboxRecord {
    let topic = topic(1, "1", "a");
    let to = [subscription(id, &topic, "t", State::Confirmed)];
    let message = Message::plain("m", &topic.arn, "text", 0);
    let mut fresh = outbox::expand(&topic, &to, &message, &mut || id, due_ms);
    fresh.remove(0)
}

fn change<T: Send + 'static>(
    meta: &crate::meta::Meta,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, MetaError> + Send + 'static,
) -> T {
    meta.change_blocking(work).unwrap()
}

#[test]
fn topics_are_found_by_arn_and_listed_by_name_within_their_owner() {
    for_each(|meta| {
        change(meta, |tx| {
            for (id, account, name) in
                [(1, "1", "b"), (2, "1", "a"), (3, "2", "c"), (4, "1", "ab"), (5, "11", "x")]
            {
                tx.topic_put(&topic(id, account, name))?;
            }
            Ok(())
        });
        let names = |after: Option<&'static str>, limit| -> Vec<String> {
            change(meta, move |tx| {
                let page = tx.topics_after("1", "us-east-1", after, limit)?;
                Ok(page.into_iter().map(|topic| topic.name).collect())
            })
        };
        assert_eq!(names(None, 9), ["a", "ab", "b"]);
        assert_eq!(names(None, 1), ["a"]);
        assert_eq!(names(Some("a"), 9), ["ab", "b"]);
        assert_eq!(change(meta, |tx| tx.topics_len("1", "us-east-1")), 3);
        let arn = topic(2, "1", "a").arn;
        let (first, second) = change(meta, move |tx| {
            let first = tx.topic_by_arn(&arn)?;
            tx.topic_delete(2)?;
            tx.topic_delete(2)?;
            Ok((first, tx.topic_by_arn(&arn)?))
        });
        assert_eq!((first.unwrap().id, second), (2, None));
        assert_eq!(names(None, 9), ["ab", "b"]);
    });
}

#[test]
fn subscriptions_are_found_every_way_until_they_end() {
    for_each(|meta| {
        let (one, two) = (topic(1, "1", "a"), topic(2, "1", "b"));
        let put = [
            subscription(1, &one, "t1", State::Pending),
            subscription(2, &two, "t2", State::Confirmed),
            subscription(3, &one, "t3", State::Confirmed),
        ];
        change(meta, move |tx| put.iter().try_for_each(|record| tx.subscription_put(record)));
        let ids = |found: Vec<SubscriptionRecord>| found.into_iter().map(|one| one.id).collect::<Vec<_>>();
        let of_topic = |after| ids(change(meta, move |tx| tx.subscriptions_of_topic(1, after, 9)));
        let of_owner = |after, limit| {
            ids(change(meta, move |tx| tx.subscriptions_after("1", "us-east-1", after, limit)))
        };
        assert_eq!((of_topic(None), of_topic(Some(1))), (vec![1, 3], vec![3]));
        assert_eq!((of_owner(None, 9), of_owner(Some(1), 1)), (vec![1, 2, 3], vec![2]));
        // A new token takes the place of the old one.
        let renewed = subscription(1, &one, "t9", State::Pending);
        let arn = renewed.arn.clone();
        change(meta, move |tx| tx.subscription_put(&renewed));
        let by_token = |token: &'static str| {
            change(meta, move |tx| Ok(tx.subscription_by_token(token)?.map(|found| found.id)))
        };
        assert_eq!((by_token("t1"), by_token("t9")), (None, Some(1)));
        // At its time an unfinished handshake goes, a confirmed subscription stays.
        assert_eq!(change(meta, |tx| tx.subscriptions_sweep(99)), 0);
        assert_eq!(change(meta, |tx| tx.subscriptions_sweep(100)), 1);
        assert_eq!(change(meta, move |tx| tx.subscription_by_arn(&arn)), None);
        assert_eq!((of_topic(None), of_owner(None, 9), by_token("t9")), (vec![3], vec![2, 3], None));
    });
}

#[test]
fn an_ended_subscription_comes_back_once_and_not_for_ever() {
    for_each(|meta| {
        let gone = subscription(7, &topic(1, "1", "a"), "secret", State::Pending);
        change(meta, move |tx| tx.departed_put(&gone));
        assert_eq!(change(meta, |tx| tx.departed_take("other")), None);
        assert_eq!(change(meta, |tx| tx.departed_take("secret")).unwrap().id, 7);
        assert_eq!(change(meta, |tx| tx.departed_take("secret")), None);
        let gone = subscription(8, &topic(1, "1", "a"), "late", State::Pending);
        change(meta, move |tx| tx.departed_put(&gone));
        assert_eq!(change(meta, |tx| tx.subscriptions_sweep(100)), 1);
        assert_eq!(change(meta, |tx| tx.departed_take("late")), None);
    });
}

#[test]
fn the_outbox_gives_what_is_due_in_order_and_counts_its_rows() {
    for_each(|meta| {
        change(meta, |tx| {
            [(1, 30), (2, 10), (3, 20), (4, -5)]
                .iter()
                .try_for_each(|(id, due)| tx.outbox_put(&waiting(*id, *due)))
        });
        let due = |now: i64, limit| -> Vec<u64> {
            change(meta, move |tx| Ok(tx.outbox_due(now, limit)?.into_iter().map(|one| one.id).collect()))
        };
        assert_eq!((due(20, 9), due(20, 2), due(-6, 9)), (vec![4, 2, 3], vec![4, 2], vec![]));
        assert_eq!(change(meta, |tx| tx.outbox_next_due_ms()), Some(-5));
        assert_eq!(change(meta, |tx| tx.outbox_due_after(10)), Some(20));
        assert_eq!(change(meta, |tx| tx.outbox_due_after(30)), None);
        assert_eq!(change(meta, |tx| tx.outbox_len()), 4);
        let picked = change(meta, |tx| tx.outbox_pick(25, 1, |id, whom| id != 4 && whom.ends_with(":2")));
        assert_eq!(picked.iter().map(|one| one.id).collect::<Vec<_>>(), [2]);
        assert_eq!(change(meta, |tx| tx.outbox_pick(25, 2, |_, _| true)).len(), 2);
        assert_eq!(change(meta, |tx| tx.outbox_pick(25, 9, |_, _| true)).len(), 3);
        // Put off: found at its new time alone.
        change(meta, |tx| tx.outbox_put(&waiting(2, 40)));
        change(meta, |tx| tx.outbox_delete(4));
        change(meta, |tx| tx.outbox_delete(4));
        assert_eq!((due(20, 9), due(40, 9)), (vec![3], vec![3, 1, 2]));
        assert_eq!(change(meta, |tx| tx.outbox_len()), 3);
        let after: Vec<_> = change(meta, |tx| tx.outbox_after(Some(1), 9));
        assert_eq!(after.iter().map(|one| one.id).collect::<Vec<_>>(), [2, 3]);
    });
}

#[test]
fn dead_letters_take_the_place_of_their_rows_and_go_by_age_and_number() {
    for_each(|meta| {
        for (id, died_ms) in [(1, 30), (2, 10), (3, 20)] {
            change(meta, move |tx| {
                tx.outbox_put(&waiting(id, 0))?;
                let letter = DeadLetterRecord {
                    record: waiting(id, 0),
                    error: "no".to_owned(),
                    died_ms,
                    expired: false,
                };
                deliver::records::settle(tx, id, &Step::Dead(Box::new(letter)))
            });
        }
        let left = || -> Vec<u64> {
            change(meta, |tx| {
                Ok(tx.dead_letters_after(None, 9)?.into_iter().map(|one| one.record.id).collect())
            })
        };
        assert_eq!(change(meta, |tx| tx.outbox_len()), 0);
        assert_eq!(left(), [1, 2, 3]);
        assert_eq!(change(meta, |tx| tx.dead_letters_sweep(11, 9)), 1);
        assert_eq!(left(), [1, 3]);
        assert_eq!(change(meta, |tx| tx.dead_letters_sweep(0, 1)), 1);
        assert_eq!(left(), [1]);
        change(meta, |tx| tx.dead_letter_delete(1));
        assert_eq!(change(meta, |tx| tx.dead_letters_sweep(99, 0)), 0);
    });
}
