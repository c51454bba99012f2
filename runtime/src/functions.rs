//! Owns functions at work: one runner for everybody who calls a guest (Invoke, subscriptions, alarm actions,
//! topics, filters), compiled modules, and the bounds on how many run. Refuses to know the Lambda API
//! (`api/lambda`), what a guest may do (`wasm`), and who reads which events (`ingest`).

mod admit;
pub(crate) mod alarm;
pub(crate) mod attach;
mod attached;
pub(crate) mod breakers;
mod compiled;
mod crew;
mod describe;
mod destinations;
mod effects;
pub(crate) mod events;
mod invoker;
pub(crate) mod ledger;
pub(crate) mod once;
pub(crate) mod output;
mod owned;
mod place;
pub(crate) mod promote;
pub(crate) mod registry;
pub(crate) mod resolve;
mod run;
pub(crate) mod scheduled;
mod secrets;
mod services;
mod settle;
pub(crate) mod shadow;
pub(crate) mod sink;
mod state;
pub(crate) mod versions;
pub(crate) mod way_out;
mod writes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deliver::outbox::InvokeRecord;
use tokio::sync::{OnceCell, Semaphore, watch};
use wasm::{FunctionRecord, Host, HostOptions, Ledger, Module};

use wire::Fault;

use crate::app::App;
use crate::clock::Clock;
use crate::meta::{MetaError, Tx, remove_versions};
use crate::outbox::Refused;
use crate::records::Scope;
use crate::records::aliases::ALIASES;
use crate::records::{promotions, shadows};

use breakers::Breakers;
use crew::Crew;
use place::Place;
use shadow::Shadows;

pub(crate) use admit::{Throttled, run, try_run};
pub(crate) use compiled::Compiled;
pub(crate) use destinations::Destination;
pub(crate) use invoker::Invoker;
pub(crate) use output::PREFIX as OUTPUT_PREFIX;
pub(crate) use run::{Answer, Cause, Ran, Rows, Work};
pub(crate) use secrets::SecretPlace;
pub(crate) use way_out::WayOut;

/// Calls of one function that run at once, if there are places for twice as many; the rest waits.
const AT_ONCE_PER_FUNCTION: usize = 10;

/// Deliveries in a row after which something is a loop.
pub(crate) const HOPS_MAX: u8 = 4;

/// The longest a pure call (filter, extractor) may take whatever its function's timeout says: requests wait.
const PURE_TIMEOUT_MS: u64 = 3_000;

/// The longest a call of a query may take, for one batch of rows.
const QUERY_TIMEOUT_MS: u64 = 1_000;

/// What those share who call functions.
pub(crate) struct Functions {
    host: Host,
    /// Where guests run.
    crew: Crew,
    /// By digest; made again after a start, at first use or in the background.
    modules: Mutex<HashMap<String, Arc<OnceCell<Module>>>>,
    /// By function id.
    places: Mutex<HashMap<u64, Arc<Place>>>,
    /// Calls of one function that run at once, pure ones apart.
    at_once: usize,
    /// Calls with effects that run at once: they may take minutes, so they never take the places of pure calls.
    effectful: Semaphore,
    /// Pure calls of ingestion and of readers that run at once.
    pure: Semaphore,
    /// Calls of queries that run at once: apart, so that no query holds up ingestion. With the two above these are all
    /// the places of the host, so none waits there.
    queries: Semaphore,
    /// HTTP requests.
    way_out: Arc<WayOut>,
    /// What was compiled, for the next start.
    compiled: Compiled,
    /// One compilation at a time: it takes a core.
    compiling: Semaphore,
    /// The one place of [`Functions::aside`].
    aside: Semaphore,
    streams: output::Streams,
    /// Log events that the log did not take yet.
    pub(crate) waiting: sink::Waiting,
    /// What each function costs.
    pub(crate) ledger: Ledger,
    /// Which of them rest.
    pub(crate) breakers: Breakers,
    /// Versions that run beside the ones that serve.
    pub(crate) shadows: Shadows,
}

impl Functions {
    /// Starts a task on the threads of guests.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.crew.spawn(work);
    }

    /// Runs a future on the threads of guests; it ends with the one that waits for it. `None` when the process is at its
    /// end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.crew.run(work).await
    }

    /// Does what takes long for one caller on the threads of guests, one at a time. `None` when the process is at its
    /// end.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // Never closed.
        let _alone = self.aside.acquire().await.ok();
        self.crew.blocking(work).await
    }

    /// Starts the engine. Guests keep off as many cores as are `left` to others.
    ///
    /// # Errors
    /// A sentence, when the engine cannot be made on this machine.
    pub(crate) fn new(
        clock: &Clock,
        compiled: Compiled,
        way_out: WayOut,
        left: usize,
    ) -> Result<Functions, String> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let running = (2 * cores).clamp(4, 64);
        // As many places again for pure calls, and for those of queries; shadows have their own.
        let limits =
            wasm::Limits { concurrent_calls: 3 * running + shadow::AT_ONCE, ..wasm::Limits::default() };
        let (clock, compiled_key) = (Arc::new(GuestClock::new(clock)), compiled.key());
        let host = Host::new(HostOptions { limits, clock, compiled_key })?;
        Ok(Functions {
            host,
            crew: Crew::new(cores, left)?,
            modules: Mutex::default(),
            places: Mutex::default(),
            at_once: at_once(running),
            effectful: Semaphore::new(running),
            pure: Semaphore::new(running),
            queries: Semaphore::new(running),
            way_out: Arc::new(way_out),
            compiled,
            compiling: Semaphore::new(1),
            aside: Semaphore::new(1),
            streams: output::Streams::default(),
            waiting: sink::Waiting::default(),
            ledger: Ledger::default(),
            breakers: Breakers::default(),
            shadows: Shadows::default(),
        })
    }

    /// Ends every call, now and from now on: the process stops.
    pub(crate) fn stop(&self) {
        self.host.stop();
    }

    /// Pure calls of a function that may begin now and leave others room; never 0.
    pub(crate) fn free_places(&self, function: u64) -> usize {
        if self.place(function).is_burden() {
            1
        } else {
            (self.pure.available_permits() / 2).clamp(1, self.at_once)
        }
    }

    fn place(&self, function: u64) -> Arc<Place> {
        let mut places = lock(&self.places);
        Arc::clone(places.entry(function).or_insert_with(|| Arc::new(Place::of(self.at_once))))
    }
}

/// Calls of one function that run at once: at most half of the places, so that none takes them all.
fn at_once(running: usize) -> usize {
    AT_ONCE_PER_FUNCTION.min(running / 2).max(1)
}

/// The clock guests see.
pub(crate) struct GuestClock(Clock);

impl GuestClock {
    /// That of the process.
    pub(crate) fn new(clock: &Clock) -> GuestClock {
        GuestClock(clock.clone())
    }
}

impl wasm::Clock for GuestClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn monotonic_us(&self) -> u64 {
        self.0.monotonic_us()
    }
}

/// A function that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Account and region.
    pub(crate) scope: Scope,
    /// The record of the version that is run: `version` and `digest` say which one.
    pub(crate) record: FunctionRecord,
    /// Its code.
    pub(crate) module: Module,
}

/// Why a function cannot be run now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// There is none of that name.
    Missing,
    /// It is still being compiled.
    Pending,
    /// It does not compile; a sentence.
    Failed(String),
    /// Metadata failed.
    Broken(String),
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotReady::Missing => f.write_str("there is no such function"),
            NotReady::Pending => f.write_str("the function is still being compiled"),
            NotReady::Failed(reason) | NotReady::Broken(reason) => f.write_str(reason),
        }
    }
}

impl From<MetaError> for NotReady {
    fn from(error: MetaError) -> NotReady {
        NotReady::Broken(error.to_string())
    }
}

/// Settles what calls of an earlier process left, before anything runs.
pub(crate) async fn settle(app: &Arc<App>) {
    if let Err(error) = sink::settle_left(app).await {
        tracing::error!(error, "events that functions wrote before the last end wait");
    }
}

/// Connects functions to those who call them, and makes ready what was deployed before.
pub(crate) fn start(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    if let Err(error) = ledger::restore(app) {
        tracing::error!(%error, "the books of functions cannot be read; they begin anew");
    }
    if let Err(error) = shadow::restore(app) {
        tracing::error!(%error, "the shadows of functions cannot be read; none runs");
    }
    app.outbox.connect_functions(Invoker::of(app));
    registry::start(app);
    sink::start(app, stopping);
}

/// Removes what a function that is gone has kept.
///
/// # Errors
/// Storage failures.
pub(crate) fn remove_all(tx: &mut Tx<'_>, function: u64, now_ms: i64) -> Result<(), MetaError> {
    remove_versions(tx, function)?;
    ALIASES.remove_all(tx, function, now_ms)?;
    state::remove_all(tx, function)?;
    ledger::remove_all(tx, function)?;
    shadows::remove(tx, function)?;
    promotions::remove_all(tx, function)?;
    effects::remove_all(tx, function)
}

/// Writes a call of a function (`NAME` or `NAME:QUALIFIER`) to be made later, durably.
///
/// # Errors
/// `TooManyRequestsException` when too many wait, metadata failures.
pub(crate) async fn enqueue(
    app: &Arc<App>,
    scope: &Scope,
    function: &str,
    payload: String,
    key: &str,
) -> Result<(), Fault> {
    let call = InvokeRecord {
        function_arn: format!("arn:aws:lambda:{}:{}:function:{function}", scope.region, scope.account),
        payload,
        principal: invoker::PRINCIPAL.to_owned(),
        source_arn: String::new(),
        hop: 0,
    };
    let (outbox, scope, key) = (Arc::clone(&app.outbox), scope.clone(), key.to_owned());
    let write = move |tx: &mut Tx<'_>| outbox.call_function(tx, (&scope.account, &scope.region), call, &key);
    app.meta.change(write).await.map_err(|refused| match refused {
        Refused::Refusal(refusal) => Fault::new("TooManyRequestsException", refusal.message).status(429),
        Refused::Meta(error) => error.into(),
    })?;
    app.outbox.nudge();
    Ok(())
}

/// The base of links to this process.
pub(crate) fn public_url(app: &App) -> String {
    app.outbox.public_url(&app.config)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::at_once;

    #[test]
    fn no_function_takes_every_place() {
        assert_eq!([1, 4, 8, 20, 64].map(at_once), [1, 2, 4, 10, 10]);
    }
}
