//! Owns subscription filters at work: one reader each, with its own cursor, so that a slow or failing one
//! holds up no other. Refuses to know what a function does with its events.
//!
//! Delivery is at least once. The bounds of a delivery are durable before its first attempt, so its id is the
//! same over retries and restarts; a call whose effects are durable is remembered until the delivery is settled,
//! so those effects are exactly once.

mod delivery;
mod letters;
mod matched;
mod reader;
pub(crate) mod redrive;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use pattern::{Options, Pattern};
use tokio::sync::watch;

use crate::app::App;
use crate::clock::{Nudge, Worker};
use crate::ingest::guests::Asker;
use crate::meta::MetaError;
use crate::records::Scope;
use crate::records::filters::SUBSCRIPTION_FILTERS;
use crate::records::groups;

/// Pause between two looks while there are no subscriptions: every batch that is stored asks for one.
const IDLE_MS: u64 = 50;

/// Pause after a failure of storage.
const FAILED_PAUSE_MS: i64 = 1_000;

/// A subscription filter in force.
#[derive(Debug)]
struct Subscription {
    id: u64,
    number: u64,
    name: String,
    group: u64,
    group_name: String,
    scope: Scope,
    /// The first position it reads.
    from: u64,
    pattern: Pattern,
    function: String,
}

impl Subscription {
    /// Its name among the consumers, and what its delivery ids begin with.
    fn consumer(&self) -> String {
        consumer(self.id)
    }

    /// It, asking its function about events of `stream` (of several when that is empty); `source` is its name among the
    /// consumers.
    fn asker<'a>(&'a self, stream: &'a str, source: &'a str, attempt: u32) -> Asker<'a> {
        Asker {
            scope: &self.scope,
            function: &self.function,
            group: &self.group_name,
            stream,
            filter: &self.name,
            source,
            attempt,
        }
    }
}

pub(crate) use crate::records::deliveries::consumer;

/// The subscriptions in force, shared with their readers.
type Directory = Arc<RwLock<HashMap<u64, Arc<Subscription>>>>;

fn find(directory: &Directory, id: u64) -> Option<Arc<Subscription>> {
    directory.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
}

/// Starts the readers of all subscriptions, and of those to come.
pub(crate) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    let worker = app.clock.worker("subscriptions");
    app.followers.join(worker.nudge_handle());
    app.fan_out.readers().join(worker.nudge_handle());
    let supervisor = Supervisor {
        app: Arc::clone(app),
        stopping: stopping.clone(),
        directory: Directory::default(),
        readers: HashMap::new(),
        seen: None,
    };
    tokio::spawn(supervisor.run(worker));
}

/// Starts a reader for each subscription, and passes nudges on.
struct Supervisor {
    app: Arc<App>,
    stopping: watch::Receiver<bool>,
    directory: Directory,
    readers: HashMap<u64, Nudge>,
    seen: Option<u64>,
}

impl Supervisor {
    async fn run(mut self, mut worker: Worker) {
        while !*self.stopping.borrow() {
            let until_ms = match self.refresh() {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(%error, "the subscriptions cannot be read");
                    Some(self.app.clock.now_ms() + FAILED_PAUSE_MS)
                }
            };
            self.readers.values().for_each(Nudge::nudge);
            if self.readers.is_empty() && !self.app.clock.is_virtual() {
                self.app.clock.sleep(IDLE_MS).await;
            }
            tokio::select! {
                () = worker.rest(until_ms) => {}
                _ = self.stopping.changed() => {}
            }
        }
        self.readers.values().for_each(Nudge::nudge);
    }

    /// Reads the definitions again if they changed.
    fn refresh(&mut self) -> Result<(), MetaError> {
        let definitions = self.app.fan_out.definitions();
        if self.seen == Some(definitions) {
            return Ok(());
        }
        let current = self.load()?;
        for id in current.keys().filter(|id| !self.readers.contains_key(id)).copied().collect::<Vec<_>>() {
            let worker = self.app.clock.worker("a subscription");
            self.readers.insert(id, worker.nudge_handle());
            let (app, directory, stopping) =
                (Arc::clone(&self.app), Arc::clone(&self.directory), self.stopping.clone());
            // Its first look at the directory comes after what is written below.
            let first = current.get(&id).map(Arc::clone);
            // Where its functions run: what it does between their calls stands behind requests too.
            self.app.functions.spawn(async move {
                if let Some(first) = first {
                    reader::run(app, directory, first, worker, stopping).await;
                }
            });
        }
        let living: Vec<u64> = current.keys().copied().collect();
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = current;
        for (id, nudge) in self.readers.extract_if(|id, _| !living.contains(id)) {
            // Nudged once more, it sees that it is gone.
            self.app.fan_out.leave(&consumer(id));
            self.app.fan_out.activity().forget_subscription(id);
            nudge.nudge();
        }
        self.seen = Some(definitions);
        Ok(())
    }

    fn load(&self) -> Result<HashMap<u64, Arc<Subscription>>, MetaError> {
        let strict = self.app.config.strict_patterns;
        self.app.meta.read(|tx| {
            let mut current = HashMap::new();
            for (owner, revision) in SUBSCRIPTION_FILTERS.every(tx)? {
                if let Some(known) = find(&self.directory, revision.id)
                    && known.number == revision.number
                {
                    current.insert(known.id, known);
                    continue;
                }
                let (Some(group), Some(body)) = (groups::by_id(tx, owner)?, revision.body) else { continue };
                let pattern = match Pattern::parse(&body.pattern, Options { strict }) {
                    Ok(pattern) => pattern,
                    Err(error) => {
                        let (filter, group) = (&revision.name, &group.name);
                        tracing::error!(filter, group, %error, "a subscription filter is not understood");
                        continue;
                    }
                };
                let subscription = Subscription {
                    id: revision.id,
                    number: revision.number,
                    name: revision.name,
                    group: group.id,
                    group_name: group.name,
                    scope: group.scope,
                    from: body.from,
                    pattern,
                    function: body.function,
                };
                current.insert(subscription.id, Arc::new(subscription));
            }
            Ok(current)
        })
    }
}
