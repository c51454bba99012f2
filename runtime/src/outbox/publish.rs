//! Owns writing to the outbox: a message to the subscriptions of its topic, a call of a function, inside the
//! transaction of whoever causes it. Refuses to know when and how they are sent.

use deliver::message::Message;
use deliver::outbox::{self, AppendRecord, InvokeRecord};
use deliver::{Records, Refusal, TopicRecord, records};
use wire::Fault;

use super::Outbox;
use crate::meta::{MetaError, Tx};

/// Why a change of topics, subscriptions or the outbox was not made.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The request is wrong, in AWS's words.
    Refusal(Refusal),
    /// Metadata failed.
    Meta(MetaError),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::Refusal(refusal)
    }
}

impl From<MetaError> for Refused {
    fn from(error: MetaError) -> Refused {
        Refused::Meta(error)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Fault {
        match refused {
            Refused::Refusal(refusal) => Fault::new(refusal.code, refusal.message).status(refusal.status),
            Refused::Meta(error) => error.into(),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Refusal(refusal) => refusal.fmt(f),
            Refused::Meta(error) => error.fmt(f),
        }
    }
}

impl Outbox {
    /// Writes a message to everybody who subscribed to the topic, as part of the caller's transaction: nothing
    /// leaves before it commits. Call [`Outbox::nudge`] after it did.
    ///
    /// # Errors
    /// `NotFound` for a topic that is not there, `Throttled` when the outbox is full, metadata failures.
    pub(crate) fn notify(
        &self,
        tx: &mut Tx<'_>,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
    ) -> Result<(), Refused> {
        let topic = tx.topic_by_arn(topic_arn)?.ok_or_else(|| Refusal::not_found("Topic"))?;
        let message = Message {
            subject: subject.map(str::to_owned),
            body: message.to_owned(),
            ..self.plain(topic_arn)
        };
        self.fan_out(tx, &topic, &message)
    }

    /// An empty message for a topic.
    pub(crate) fn plain(&self, topic_arn: &str) -> Message {
        Message::plain(&self.clock.uuid(), topic_arn, "", self.clock.now_ms())
    }

    /// As [`Outbox::notify`], for a checked message.
    ///
    /// # Errors
    /// As [`Outbox::notify`].
    pub(crate) fn fan_out(
        &self,
        tx: &mut Tx<'_>,
        topic: &TopicRecord,
        message: &Message,
    ) -> Result<(), Refused> {
        self.check_room(tx)?;
        let subscriptions = records::subscriptions(tx, topic.id)?;
        // The ids come one after the other; those that nobody wanted are never used.
        let mut next = tx.next_ids("outbox", subscriptions.len() as u64)?;
        let mut ids = || {
            next += 1;
            next - 1
        };
        let fresh = outbox::expand(topic, &subscriptions, message, &mut ids, self.clock.now_ms());
        fresh.iter().try_for_each(|record| tx.outbox_put(record)).map_err(Refused::from)
    }

    /// Writes a call of a function, as part of the caller's transaction. `key` is its idempotency key. Call
    /// [`Outbox::nudge`] after the commit.
    ///
    /// # Errors
    /// `Throttled` when the outbox is full, metadata failures.
    pub(crate) fn call_function(
        &self,
        tx: &mut Tx<'_>,
        (account, region): (&str, &str),
        call: InvokeRecord,
        key: &str,
    ) -> Result<(), Refused> {
        self.check_room(tx)?;
        let id = tx.next_id("outbox")?;
        let record = outbox::invoke(account, region, call, key, id, self.clock.now_ms());
        Ok(tx.outbox_put(&record)?)
    }

    /// As [`Outbox::call_function`], for a line that goes to a log group.
    ///
    /// # Errors
    /// As [`Outbox::call_function`].
    pub(crate) fn append_line(
        &self,
        tx: &mut Tx<'_>,
        (account, region): (&str, &str),
        line: AppendRecord,
        key: &str,
    ) -> Result<(), Refused> {
        self.check_room(tx)?;
        let id = tx.next_id("outbox")?;
        let record = outbox::append(account, region, line, key, id, self.clock.now_ms());
        Ok(tx.outbox_put(&record)?)
    }

    /// Whether there is room for one more message.
    ///
    /// # Errors
    /// `Throttled` when the outbox is full, metadata failures.
    pub(crate) fn check_room(&self, tx: &Tx<'_>) -> Result<(), Refused> {
        if tx.outbox_len()? < self.limits.outbox_records_max {
            return Ok(());
        }
        let mut refusal = Refusal::new("Throttled", "Too many messages wait to be delivered.");
        refusal.status = 429;
        Err(refusal.into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use deliver::subscription::{self, Fresh, Subscribe};
    use deliver::topic::{self, CreateTopic, Created, Origin};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::meta::Meta;

    const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:ops";

    /// A signing key that cannot be kept, and is not needed.
    fn unkept(clock: &Clock) -> crate::outbox::Signing {
        let keyring = crate::keyring::Keyring::open(&Meta::in_memory(), crate::keyring::tests::wrapping());
        crate::outbox::Signing::at(Path::new("/nowhere/key.sealed"), clock, &Arc::new(keyring.unwrap()))
    }

    /// A topic with a subscriber that needs no handshake and one that has not finished it.
    fn topic_with_two(meta: &Meta, outbox: &Arc<Outbox>) {
        let rules = Arc::clone(&outbox.rules);
        let made = meta.change_blocking(move |tx| -> Result<(), Refused> {
            let origin = Origin { account: "000000000000", region: "us-east-1", id: 1, now_ms: 0 };
            let wanted = CreateTopic { name: "ops".to_owned(), ..CreateTopic::default() };
            let Created::New(topic) = topic::create(&wanted, None, origin)? else { panic!("it is new") };
            tx.topic_put(&topic)?;
            for (id, format) in [(1, "json"), (2, "sns")] {
                let fresh = Fresh { id, uuid: format!("{id}"), token: [id as u8; 32], now_ms: 0 };
                let wanted = Subscribe {
                    protocol: "http".to_owned(),
                    endpoint: Some(format!("http://localhost/{id}")),
                    attributes: [("WebhookFormat".to_owned(), format.to_owned())].into(),
                };
                let made = subscription::subscribe(&topic, &wanted, None, &fresh, &rules)?;
                tx.subscription_put(&made.record)?;
            }
            Ok(())
        });
        made.unwrap();
    }

    #[test]
    fn what_is_said_inside_a_change_goes_with_it_or_not_at_all() {
        let (meta, clock) = (Meta::in_memory(), Clock::standing_at(5, 7));
        let outbox = Outbox::new(&Config::default(), &clock, unkept(&clock)).unwrap();
        topic_with_two(&meta, &outbox);
        let say = |then: Result<(), Refused>| {
            let outbox = Arc::clone(&outbox);
            meta.change_blocking(move |tx| -> Result<(), Refused> {
                outbox.notify(tx, TOPIC, Some("S"), "text")?;
                then
            })
        };
        let waiting = || meta.read(|tx| tx.outbox_due(5, 9)).unwrap();
        say(Err(Refusal::invalid("the rest of the change").into())).unwrap_err();
        assert!(waiting().is_empty());
        say(Ok(())).unwrap();
        let [record] = &waiting()[..] else { panic!("one subscriber is confirmed") };
        assert_eq!(record.subscription_arn(), Some(format!("{TOPIC}:1").as_str()));
        let own = Arc::clone(&outbox);
        let absent = meta.change_blocking(move |tx| own.notify(tx, &TOPIC.replace("ops", "x"), None, "text"));
        assert_eq!(absent.unwrap_err().to_string(), "NotFound: Topic does not exist");
    }

    #[test]
    fn a_full_outbox_takes_no_more() {
        let (meta, clock) = (Meta::in_memory(), Clock::standing_at(5, 7));
        let mut outbox =
            Arc::into_inner(Outbox::new(&Config::default(), &clock, unkept(&clock)).unwrap()).unwrap();
        outbox.limits.outbox_records_max = 1;
        let outbox = Arc::new(outbox);
        topic_with_two(&meta, &outbox);
        let say = || {
            let outbox = Arc::clone(&outbox);
            meta.change_blocking(move |tx| outbox.notify(tx, TOPIC, None, "text"))
        };
        say().unwrap();
        assert!(say().unwrap_err().to_string().starts_with("Throttled"));
    }
}
