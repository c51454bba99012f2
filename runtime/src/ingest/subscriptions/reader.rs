//! Owns the reader of one subscription: reads, matches, delivers, moves its cursor. Refuses to know other
//! subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{Event, GroupId, Held, Page, PageLimit, Position};
use tokio::sync::watch;

use super::delivery::{Delivery, GivenUp};
use super::letters::{self, Letter};
use super::{Directory, FAILED_PAUSE_MS, Subscription, find, matched};
use crate::app::App;
use crate::clock::Worker;
use crate::functions::{HOPS_MAX, sink};
use crate::ingest::fan_out::Consumer;
use crate::ingest::guests::{self, Batch, Delivered, texts};
use crate::ingest::reading;
use crate::meta::{MetaError, Tx};
use crate::records::calls::{self, Part};
use crate::records::deliveries::{self, Pending, Progress};
use crate::records::filters::SUBSCRIPTION_FILTERS;
use crate::records::gaps::{self, Gap};
use crate::records::streams;

/// Events that are read at once, at most: those of one delivery.
const PAGE: PageLimit = PageLimit { events: 10_000, bytes: 4 << 20 };

/// How long a page waits to be full. Not under the virtual clock, on which nothing would end the wait.
const WINDOW_MS: u64 = 200;

/// The cursor is written after so many events even when none matched.
const CURSOR_EVENTS: u64 = 50_000;

/// Reads until the subscription is gone or the process stops.
pub(super) async fn run(
    app: Arc<App>,
    directory: Directory,
    first: Arc<Subscription>,
    mut worker: Worker,
    mut stopping: watch::Receiver<bool>,
) {
    let id = first.id;
    let mut reader = Reader::new(app, &directory, first);
    while !*stopping.borrow() {
        let until_ms = match reader.step().await {
            Ok(Step::More) => {
                // A page that lies in memory waits for nothing: others live on the thread too.
                tokio::task::yield_now().await;
                Some(i64::MIN)
            }
            Ok(Step::Rest { until_ms }) => until_ms,
            Err(error) => {
                reader.failed(error);
                // What is done must not wait for what fails behind it.
                reader.write_done().await.unwrap_or_else(|error| reader.failed(error));
                Some(reader.app.clock.now_ms() + FAILED_PAUSE_MS)
            }
        };
        if until_ms != Some(i64::MIN) {
            tokio::select! {
                () = worker.rest(until_ms) => {}
                _ = stopping.changed() => {}
            }
        }
        match find(&directory, id) {
            Some(current) => reader.subscription = current,
            None => return,
        }
    }
    if let Err(error) = reader.write_done().await {
        reader.failed(error);
    }
}

enum Step {
    More,
    Rest { until_ms: Option<i64> },
}

struct Reader {
    app: Arc<App>,
    directory: Directory,
    subscription: Arc<Subscription>,
    /// `None` until read from metadata.
    progress: Option<Progress>,
    /// [`Progress::next`] as it is on disk.
    written: u64,
    /// Whether a delivery is done that is still to be done on disk. While more events wait, that is written together
    /// with the bounds of the next delivery; after a crash, calls that changed nothing are made again.
    is_done: bool,
    /// The delivery that `progress.pending` names, once its events are read.
    delivery: Option<Delivery>,
    /// Events that were read and not matched yet. They are kept when matching fails: retention may take them from
    /// the log before they are matched again.
    page: Option<Page>,
    failure: Option<String>,
}

impl Reader {
    fn new(app: Arc<App>, directory: &Directory, subscription: Arc<Subscription>) -> Reader {
        let directory = Arc::clone(directory);
        let (progress, delivery, page, failure) = (None, None, None, None);
        Reader { app, directory, subscription, progress, written: 0, is_done: false, delivery, page, failure }
    }

    async fn step(&mut self) -> Result<Step, String> {
        let progress = self.progress()?;
        let step = match (&self.delivery, progress.pending) {
            (Some(delivery), _) if delivery.due_ms > self.app.clock.now_ms() => {
                Step::Rest { until_ms: Some(delivery.due_ms) }
            }
            (Some(_), _) => self.attempt().await?,
            (None, Some(pending)) => self.resume(progress.next, pending).await?,
            (None, None) => self.begin(progress.next).await?,
        };
        self.report();
        Ok(step)
    }

    fn failed(&mut self, error: String) {
        let (filter, group) = (&self.subscription.name, &self.subscription.group_name);
        tracing::error!(filter, group, error, "a subscription stands still");
        self.failure = Some(error);
        self.report();
    }

    /// How far it is; at first from metadata, or where the filter was made.
    fn progress(&mut self) -> Result<Progress, String> {
        if let Some(progress) = &self.progress {
            return Ok(progress.clone());
        }
        let stored = self.app.meta.read(|tx| deliveries::progress(tx, self.subscription.id));
        let fresh = || Progress { next: self.subscription.from, pending: None };
        let progress = stored.map_err(|error| error.to_string())?.unwrap_or_else(fresh);
        self.written = progress.next;
        self.progress = Some(progress.clone());
        Ok(progress)
    }

    /// Reads the next events; when some match, writes down the bounds of their delivery.
    async fn begin(&mut self, next: u64) -> Result<Step, String> {
        let mut end = self.app.store.durable_position();
        // What is behind has waited already.
        let is_behind = end.seq.saturating_sub(next) >= PAGE.events as u64;
        if !is_behind {
            self.write_done().await?;
        }
        if end.seq <= next {
            return Ok(Step::Rest { until_ms: None });
        }
        if !is_behind && !self.app.clock.is_virtual() {
            self.app.clock.sleep(WINDOW_MS).await;
            end = self.app.store.durable_position();
        }
        if self.page.is_none() {
            // Retention waits until it is said what was read.
            let fan_out = Arc::clone(&self.app.fan_out);
            let _reading = fan_out.reading().await;
            self.page = Some(reading::page(&self.app, next, end, PAGE, vec![self.group()]).await?);
            self.report();
        }
        // Looked at while it stays where it is: it is read again only by another process.
        let Some(page) = self.page.take() else { return Ok(Step::More) };
        let (reached, missed) = (page.next.seq, self.missed(&page));
        let matched = self.matched(&page).await;
        if matched.is_err() {
            self.page = Some(page);
            return matched.map(|_| Step::More);
        }
        let events = matched?;
        let now_ms = self.app.clock.now_ms();
        if events.is_empty() {
            let progress = Progress { next: reached, pending: None };
            if !missed.is_empty() || reached - self.written >= CURSOR_EVENTS {
                self.write(progress, Vec::new(), missed).await?;
            } else {
                self.progress = Some(progress);
            }
            return Ok(Step::More);
        }
        let pending = Pending { to: reached, since_ms: now_ms, events: events.len() as u64 };
        self.write(Progress { next, pending: Some(pending) }, Vec::new(), missed).await?;
        self.delivery = Some(Delivery::new(events, reached, now_ms));
        Ok(Step::More)
    }

    /// Reads the events of a delivery that was begun before a restart.
    async fn resume(&mut self, next: u64, pending: Pending) -> Result<Step, String> {
        let (all, end) = (PageLimit { events: usize::MAX, bytes: u64::MAX }, Position::at(pending.to));
        // What loops or cannot be read was counted when the delivery was begun.
        let fan_out = Arc::clone(&self.app.fan_out);
        let reading = fan_out.reading().await;
        let page = reading::whole(&self.app, next, end, all, vec![self.group()]).await?;
        drop(reading);
        let events = self.matched(&page).await?;
        let missed = pending.events.saturating_sub(events.len() as u64);
        if missed > 0 {
            let gap = Gap {
                events: missed,
                first: next,
                last: pending.to.saturating_sub(1),
                reason: "they were taken away while their delivery waited".to_owned(),
                at_ms: self.app.clock.now_ms(),
            };
            // With the gap is written what is left, so that it is not counted again.
            let left = Pending { events: events.len() as u64, ..pending };
            self.write(Progress { next, pending: Some(left) }, Vec::new(), vec![gap]).await?;
        }
        let mut delivery = Delivery::new(events, pending.to, pending.since_ms);
        delivery.take_in(&self.made()?);
        if delivery.parts.is_empty() {
            let done = Progress { next: delivery.to, pending: None };
            self.write(done, Vec::new(), Vec::new()).await?;
            return Ok(Step::More);
        }
        self.delivery = Some(delivery);
        Ok(Step::More)
    }

    fn group(&self) -> GroupId {
        GroupId(self.subscription.group)
    }

    /// The gaps of a page: what loops, and what cannot be read.
    fn missed(&self, page: &Page) -> Vec<Gap> {
        let (from, now_ms) = (self.subscription.from, self.app.clock.now_ms());
        let unread = page.damaged.iter().map(|unread| reading::missed(unread, from, now_ms));
        self.looping(page).into_iter().chain(unread).collect()
    }

    /// The gap of the events that came through too many deliveries.
    fn looping(&self, page: &Page) -> Option<Gap> {
        let seqs = |held: &Held| -> Vec<u64> {
            let lent = held.lend();
            (0..lent.len()).filter(|row| lent.hop(*row) >= HOPS_MAX).map(|row| lent.seq(row)).collect()
        };
        let seqs: Vec<u64> = page.held.iter().flat_map(seqs).collect();
        Some(Gap {
            events: seqs.len() as u64,
            first: *seqs.first()?,
            last: *seqs.last()?,
            reason: format!("they come from {HOPS_MAX} deliveries in a row: a loop"),
            at_ms: self.app.clock.now_ms(),
        })
    }

    /// The events of a page that match.
    async fn matched(&self, page: &Page) -> Result<Vec<Event>, String> {
        let source = self.subscription.consumer();
        let asker = self.subscription.asker("", &source, 1);
        matched::matched(&self.app, &self.subscription.pattern, &asker, page).await
    }

    /// Hands over what is left of the delivery, stream by stream.
    async fn attempt(&mut self) -> Result<Step, String> {
        let made = self.made()?;
        let Some(mut delivery) = self.delivery.take() else { return Ok(Step::More) };
        let outcome = self.hand_over(&delivery, &made).await;
        self.count(&delivery, &outcome);
        let now_ms = self.app.clock.now_ms();
        let why = outcome.iter().flatten().flat_map(|one| &one.left).map(|left| left.why.clone()).next();
        self.failure = why.as_ref().map(|why| why.error.clone());
        let mut given_up = delivery.settle(outcome, now_ms);
        let age_ms = now_ms.saturating_sub(delivery.since_ms);
        let age_max_s = self.app.limits.sizes.subscription_retry_seconds;
        if u64::try_from(age_ms).unwrap_or(0) >= age_max_s.saturating_mul(1_000) {
            given_up.extend(delivery.give_up(&why.unwrap_or_else(|| "it was not delivered".into()), now_ms));
        }
        let letters = self.letters(&given_up, now_ms);
        if delivery.parts.is_empty() {
            let done = Progress { next: delivery.to, pending: None };
            if letters.is_empty() {
                (self.progress, self.is_done) = (Some(done), true);
            } else {
                self.write(done, letters, Vec::new()).await?;
            }
            return Ok(Step::More);
        }
        let (filter, group, attempts) =
            (&self.subscription.name, &self.subscription.group_name, delivery.attempts);
        let reason = self.failure.as_deref().unwrap_or_default();
        tracing::warn!(
            filter,
            group,
            attempts,
            reason,
            "a subscription's delivery failed and is tried again"
        );
        let until_ms = Some(delivery.due_ms);
        let progress = self.progress()?;
        self.delivery = Some(delivery);
        if !letters.is_empty() {
            self.write(progress, letters, Vec::new()).await?;
        }
        Ok(Step::Rest { until_ms })
    }

    /// Counts what the function took and what it did not.
    fn count(&self, delivery: &Delivery, outcomes: &[Option<Delivered>]) {
        let subscription = &self.subscription;
        let activity = self.app.fan_out.activity();
        let counts = activity.subscription(subscription.id, subscription.group, &subscription.name);
        for (part, outcome) in delivery.parts.iter().zip(outcomes) {
            let Some(outcome) = outcome else { continue };
            let mut left = outcome.left.iter().map(|left| left.index).peekable();
            let taken = part.events.iter().enumerate().filter(|(index, _)| left.next_if_eq(index).is_none());
            let (mut events, mut bytes) = (0, 0);
            for (_, event) in taken {
                events += 1;
                bytes += event.message.len() as u64;
            }
            counts.forwarded_events.add(events);
            counts.forwarded_bytes.add(bytes);
            counts.delivery_errors.add(outcome.left.len() as u64);
        }
    }

    /// The calls of the delivery whose effects are durable.
    fn made(&self) -> Result<Vec<Part>, String> {
        let made = self.app.meta.read(|tx| calls::of(tx, &self.subscription.consumer()));
        made.map_err(|error: MetaError| error.to_string())
    }

    /// What became of each part. Behind one that comes again no other of its stream is handed over: a stream is
    /// handed over in its order. Nothing is handed over once the subscription is deleted.
    async fn hand_over(&self, delivery: &Delivery, made: &[Part]) -> Vec<Option<Delivered>> {
        let source = self.subscription.consumer();
        let mut outcomes = Vec::with_capacity(delivery.parts.len());
        let mut stuck = None;
        for part in &delivery.parts {
            if stuck == Some(part.stream) || find(&self.directory, self.subscription.id).is_none() {
                outcomes.push(None);
                continue;
            }
            let found = self.app.meta.read(|tx| streams::by_id(tx, part.stream.0));
            let outcome = match found {
                Ok(Some((_, stream))) => {
                    let events: Vec<&Event> = part.events.iter().collect();
                    let texts = texts(&events);
                    let asker = self.subscription.asker(&stream.name, &source, part.attempts + 1);
                    let batch = Batch { asker, events: &events, texts: &texts };
                    guests::deliver(&self.app, &batch, made).await
                }
                // Deleted while it waited: its events are gone with it.
                Ok(None) => Delivered::default(),
                Err(error) => Delivered::nothing(part.events.len(), &error.to_string()),
            };
            if outcome.comes_again() {
                stuck = Some(part.stream);
            }
            outcomes.push(Some(outcome));
        }
        outcomes
    }

    fn letters(&self, given_up: &[GivenUp], at_ms: i64) -> Vec<Letter> {
        let subscription = &self.subscription;
        let source = subscription.consumer();
        let letter = |one: &GivenUp| {
            let (filter, group, count) = (&subscription.name, &subscription.group_name, one.events.len());
            tracing::warn!(filter, group, count, reason = one.why.error, "a subscription gave events up");
            let name = self.app.meta.read(|tx| streams::by_id(tx, one.stream.0)).ok().flatten();
            let lent: Vec<&Event> = one.events.iter().collect();
            let asker = subscription.asker("", &source, one.attempts);
            let delivery = Batch { asker, events: &lent, texts: &[] }.whole_id();
            let stream = name.map(|(_, stream)| stream.name).unwrap_or_default();
            Letter::of(subscription, one, (delivery, stream), at_ms)
        };
        given_up.iter().map(letter).collect()
    }

    /// Writes down that the last delivery is done.
    async fn write_done(&mut self) -> Result<(), String> {
        if !self.is_done {
            return Ok(());
        }
        let progress = self.progress()?;
        self.write(progress, Vec::new(), Vec::new()).await
    }

    /// Writes how far it is, what it gave up and what it missed on the way, in one change.
    async fn write(
        &mut self,
        progress: Progress,
        letters: Vec<Letter>,
        missed: Vec<Gap>,
    ) -> Result<(), String> {
        let (id, group, name) =
            (self.subscription.id, self.subscription.group, self.subscription.name.clone());
        for Gap { events, reason, .. } in &missed {
            let (filter, group) = (&name, &self.subscription.group_name);
            tracing::warn!(filter, group, missed = events, reason, "a subscription misses events");
        }
        let (kept, consumer, app) = (progress.clone(), self.subscription.consumer(), Arc::clone(&self.app));
        let is_done = self.is_done;
        let written = self.app.meta.change(move |tx: &mut Tx<'_>| {
            let given_up: Vec<(u64, u64)> = letters.iter().flat_map(Letter::positions).collect();
            let intents = letters::write(&app, tx, letters)?;
            // It may have been deleted meanwhile: then there is nothing to be written any more.
            let current = SUBSCRIPTION_FILTERS.current(tx, group, &name)?;
            if current.is_some_and(|current| current.id == id) {
                deliveries::advance(tx, id, &kept)?;
                if is_done || kept.pending.is_none() {
                    calls::forget(tx, &consumer)?;
                } else {
                    calls::give_up(tx, &consumer, &given_up)?;
                }
                for gap in missed {
                    gaps::add(tx, &consumer, gap)?;
                }
            }
            Ok::<_, MetaError>(intents)
        });
        let intents = written.await.map_err(|error| error.to_string())?;
        (self.written, self.is_done) = (progress.next, false);
        self.progress = Some(progress);
        sink::append(&self.app, intents).await;
        Ok(())
    }

    /// What retention need not count: the events in memory, and those of a delivery that was begun before a restart,
    /// which counts them itself.
    fn held_to(&self) -> u64 {
        let begun =
            self.progress.as_ref().and_then(|progress| progress.pending).map_or(0, |pending| pending.to);
        let read = self.page.as_ref().map_or(0, |page| page.next.seq);
        self.delivery.as_ref().map_or(0, |delivery| delivery.to).max(begun).max(read)
    }

    fn report(&self) {
        let subscription = &self.subscription;
        let about = BTreeMap::from([
            ("logGroup", subscription.group_name.clone()),
            ("filter", subscription.name.clone()),
            ("function", subscription.function.clone()),
        ]);
        let consumer = Consumer {
            kind: "subscription",
            group: subscription.group,
            about,
            position: self.progress.as_ref().map_or(subscription.from, |progress| progress.next),
            held_to: self.held_to(),
            attempts: self.delivery.as_ref().map_or(0, |delivery| delivery.attempts),
            failure: self.failure.clone(),
        };
        self.app.fan_out.report(&subscription.consumer(), consumer);
    }
}
