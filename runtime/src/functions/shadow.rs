//! Owns shadows: a version of a function that is given what the version that serves was given, after it, and whose
//! results are compared and thrown away. Refuses to commit anything, and to hold the served path up: a shadow has
//! places and memory of its own, and calls for which there are none are left out and counted.

mod seen;
mod services;
mod tally;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasm::{BatchContext, FunctionRecord, InvokeError, Invoked, LogEvent, Records as _, Role, Stdout};
use wire::Fault;

pub(super) use services::Before;

use super::owned::{Owned, lent};
use super::services::ForGuest;
use super::{Answer, Cause, NotReady, Ready, Work, attach, registry, resolve, run, state};
use crate::app::App;
use crate::meta::{MetaError, Tx, every_function};
use crate::records::Scope;
use crate::records::shadows::{self, Shadow};
use crate::utf8;
use seen::Seen;
use services::ForShadow;
use tally::{About, Tally};

/// Shadows that run at once, of all functions: a fraction of the machine.
pub(super) const AT_ONCE: usize = 1;

/// Calls of one function that wait for its shadow.
const WAITING_MAX: usize = 32;

/// Memory of all calls that wait, in units of [`UNIT_BYTES`].
const WAITING_UNITS_MAX: usize = 32 << 10;
const UNIT_BYTES: usize = 1 << 10;

/// What takes log events. An alarm, a schedule or a query cannot be given to two versions: what follows from it is
/// not a matter of events.
const ROLES: &[Role] = &[
    Role::Subscription,
    Role::Filter,
    Role::PackedFilter,
    Role::Extractor,
    Role::Lambda,
    Role::Command,
    Role::Http,
];

/// All functions that have a shadow.
pub(crate) struct Shadows {
    /// By function id.
    attached: RwLock<HashMap<u64, Arc<Attached>>>,
    places: Semaphore,
    memory: Arc<Semaphore>,
}

impl Default for Shadows {
    fn default() -> Shadows {
        Shadows {
            attached: RwLock::default(),
            places: Semaphore::new(AT_ONCE),
            memory: Arc::new(Semaphore::new(WAITING_UNITS_MAX)),
        }
    }
}

/// The shadow of one function, at work.
struct Attached {
    /// The name of the function.
    name: String,
    shadow: Shadow,
    /// From when on it is counted, epoch milliseconds.
    counted_from_ms: i64,
    room: Arc<Semaphore>,
    tally: Tally,
}

impl Shadows {
    /// The shadow that a call is to be shown to, if there is one and it has room. Only calls that are given log
    /// events are shown.
    pub(super) fn watch(&self, ready: &Ready, cause: &Cause, work: &Work<'_>) -> Option<Watching> {
        if cause.sources.is_empty() || Kind::of(work).is_none() {
            return None;
        }
        let attached = self.attached.read().unwrap_or_else(PoisonError::into_inner);
        let attached = attached.get(&ready.record.id).cloned()?;
        if attached.shadow.version == ready.record.version {
            attached.tally.served_itself();
            return None;
        }
        let Ok(room) = Arc::clone(&attached.room).try_acquire_owned() else {
            attached.tally.skipped();
            return None;
        };
        Some(Watching { attached, room })
    }

    /// Takes over what metadata say of one function.
    fn refresh(&self, app: &App, function: u64, name: &str) -> Result<(), MetaError> {
        // Read under the lock: of two changes the later one is also taken over later.
        let mut attached = self.attached.write().unwrap_or_else(PoisonError::into_inner);
        match app.meta.read(|tx| shadows::of(tx, function))? {
            None => drop(attached.remove(&function)),
            Some(shadow) if attached.get(&function).is_some_and(|known| known.shadow == shadow) => {}
            Some(shadow) => drop(attached.insert(function, attach_in_memory(app, name, shadow))),
        }
        Ok(())
    }

    /// Forgets the shadow of a function that is gone.
    pub(super) fn forget(&self, function: u64) {
        self.attached.write().unwrap_or_else(PoisonError::into_inner).remove(&function);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.attached.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn attach_in_memory(app: &App, name: &str, shadow: Shadow) -> Arc<Attached> {
    Arc::new(Attached {
        name: name.to_owned(),
        shadow,
        counted_from_ms: app.clock.now_ms(),
        room: Arc::new(Semaphore::new(WAITING_MAX)),
        tally: Tally::default(),
    })
}

/// Reads the shadows of earlier starts.
///
/// # Errors
/// Storage failures.
pub(super) fn restore(app: &App) -> Result<(), MetaError> {
    let (every, functions) =
        app.meta.read(|tx| Ok::<_, MetaError>((shadows::every(tx)?, every_function(tx)?)))?;
    let names: HashMap<u64, String> =
        functions.into_iter().map(|(_, _, record)| (record.id, record.name)).collect();
    let mut attached = app.functions.shadows.attached.write().unwrap_or_else(PoisonError::into_inner);
    for (function, shadow) in every {
        if let Some(name) = names.get(&function) {
            attached.insert(function, attach_in_memory(app, name, shadow));
        }
    }
    Ok(())
}

/// Makes a version the shadow of its function, in place of another one.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterValueException` for a version that takes no log events, does not
/// compile or is still being compiled.
pub(crate) async fn begin(app: &Arc<App>, scope: &Scope, name: &str, version: &str) -> Result<(), Fault> {
    let found = app.meta.read(|tx| existing(tx, scope, name, version))?;
    // Compiled before it is attached: its first calls would be left out otherwise.
    warm(app, scope, name, &found.version).await?;
    check_roles(&app.meta.read(|tx| existing(tx, scope, name, version))?)?;
    let (of, named, numbered) = (scope.clone(), name.to_owned(), version.to_owned());
    let since_ms = app.clock.now_ms();
    let function = app.meta.change(move |tx| {
        let record = existing(tx, &of, &named, &numbered)?;
        shadows::put(tx, record.id, &Shadow { version: record.version, since_ms })?;
        Ok::<_, Fault>(record.id)
    });
    Ok(app.functions.shadows.refresh(app, function.await?, name)?)
}

/// Ends the shadow of a function.
///
/// # Errors
/// `ResourceNotFoundException`, also when it has none.
pub(crate) async fn end(app: &Arc<App>, scope: &Scope, name: &str) -> Result<(), Fault> {
    let (of, named) = (scope.clone(), name.to_owned());
    let ended = app.meta.change(move |tx| {
        let latest = function(tx, &of, &named)?;
        if shadows::of(tx, latest.id)?.is_none() {
            return Err(none(&named));
        }
        shadows::remove(tx, latest.id)?;
        Ok::<_, Fault>(latest.id)
    });
    let ended = ended.await?;
    app.functions.shadows.refresh(app, ended, name)?;
    registry::prune(app);
    Ok(())
}

/// Takes over that a promotion ended the shadow of a function.
///
/// # Errors
/// Storage failures.
pub(super) fn refresh(app: &App, function: u64, name: &str) -> Result<(), MetaError> {
    app.functions.shadows.refresh(app, function, name)
}

/// The comparison as JSON.
///
/// # Errors
/// `ResourceNotFoundException`, also when the function has no shadow.
pub(crate) fn shown(app: &App, scope: &Scope, name: &str) -> Result<Value, Fault> {
    let latest = app.meta.read(|tx| function(tx, scope, name))?;
    let attached = app.functions.shadows.attached.read().unwrap_or_else(PoisonError::into_inner);
    let attached = attached.get(&latest.id).cloned().ok_or_else(|| none(name))?;
    let mut shown = attached.tally.shown();
    shown["function"] = json!(name);
    shown["version"] = json!(attached.shadow.version);
    shown["attachedMs"] = json!(attached.shadow.since_ms);
    shown["countedFromMs"] = json!(attached.counted_from_ms);
    shown["nowMs"] = json!(app.clock.now_ms());
    shown["calls"]["waiting"] = json!(WAITING_MAX - attached.room.available_permits());
    Ok(shown)
}

/// The function of this name.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) fn function(tx: &mut Tx<'_>, scope: &Scope, name: &str) -> Result<FunctionRecord, Fault> {
    let found = tx.function(&scope.account, &scope.region, name)?;
    found.ok_or_else(|| missing(format!("There is no function {name}.")))
}

/// A version of the function of this name.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) fn existing(
    tx: &mut Tx<'_>,
    scope: &Scope,
    name: &str,
    version: &str,
) -> Result<FunctionRecord, Fault> {
    let latest = function(tx, scope, name)?;
    let found = resolve::version(tx, &latest, version)?;
    found.ok_or_else(|| {
        missing(format!("{name} has no version {version}: a version is a number or $LATEST, not an alias."))
    })
}

/// Makes sure that the code of a version is ready to run.
///
/// # Errors
/// `InvalidParameterValueException` that says why it is not.
pub(super) async fn warm(app: &Arc<App>, scope: &Scope, name: &str, version: &str) -> Result<(), Fault> {
    let ready = registry::ready(app, scope, &format!("{name}:{version}"), "").await;
    ready.map(drop).map_err(|reason| match reason {
        NotReady::Broken(reason) => Fault::new("ServiceException", reason).status(500),
        reason => refusal(format!("Version {version} of {name} cannot run: {reason}")),
    })
}

fn check_roles(record: &FunctionRecord) -> Result<(), Fault> {
    if ROLES.iter().any(|role| attach::has(record, *role)) {
        return Ok(());
    }
    let exports = record.roles.join(", ");
    Err(refusal(format!(
        "Version {} of {} exports {exports}: a shadow is given log events (of subscriptions, filters, transformers \
         and extractors), not alarms, runs of schedules or rows of queries.",
        record.version, record.name
    )))
}

fn none(name: &str) -> Fault {
    missing(format!("{name} has no shadow."))
}

fn missing(text: String) -> Fault {
    Fault::new("ResourceNotFoundException", text).status(404)
}

fn refusal(text: String) -> Fault {
    Fault::new("InvalidParameterValueException", text).status(400)
}

/// A call that is to be shown to a shadow, which has room for it.
pub(super) struct Watching {
    attached: Arc<Attached>,
    room: OwnedSemaphorePermit,
}

/// What the served call did, before any of it is committed.
pub(super) struct Served {
    seen: Seen,
    before: Before,
    cpu_us: u64,
}

impl Served {
    /// `None` where nothing was run, so that there is nothing to compare.
    pub(super) fn of(
        app: &App,
        (ready, cause): (&Ready, &Cause),
        invoked: &Invoked<Answer>,
        guest: &ForGuest,
    ) -> Option<Served> {
        if let Err(InvokeError::Stopped | InvokeError::Throttled { .. }) = invoked.result {
            return None;
        }
        let mut before = guest.read();
        let now_ms = app.clock.now_ms();
        for write in &invoked.effects.state_writes {
            if !before.knows(&write.key) {
                let entry = app.meta.read(|tx| state::get(tx, ready.record.id, &write.key, now_ms));
                before.remember(&write.key, entry.ok()?.as_ref());
            }
        }
        let seen = Seen::of(cause.events, &invoked.result, &invoked.effects);
        Some(Served { seen, before, cpu_us: invoked.report.cpu_us })
    }
}

/// Shows a call to its shadow, in the background; leaves it out if it is too large to keep meanwhile.
pub(super) fn show(
    app: &Arc<App>,
    watching: Watching,
    served: Served,
    (ready, cause): (&Ready, &Cause),
    work: &Work<'_>,
) {
    let Watching { attached, room } = watching;
    let Some(input) = Input::of(work) else { return };
    let units = (input.bytes() + served.seen.bytes() + served.before.bytes()).div_ceil(UNIT_BYTES);
    let memory = u32::try_from(units).ok();
    let memory =
        memory.and_then(|units| Arc::clone(&app.functions.shadows.memory).try_acquire_many_owned(units).ok());
    let (Some(memory), false) = (memory, served.before.is_too_much()) else {
        attached.tally.skipped();
        return;
    };
    let cause = Cause { request_id: app.clock.uuid(), ..cause.clone() };
    let task = Task { attached, input, served, cause, version: ready.record.version.clone() };
    let (app, scope, function) = (Arc::clone(app), ready.scope.clone(), ready.record.id);
    let busy = app.clock.busy();
    tokio::spawn(async move {
        compare(&app, &scope, function, task).await;
        drop((room, memory, busy));
    });
}

/// A comparison to be made.
struct Task {
    attached: Arc<Attached>,
    input: Input,
    served: Served,
    cause: Cause,
    /// The version that served.
    version: String,
}

async fn compare(app: &Arc<App>, scope: &Scope, function: u64, task: Task) {
    let Task { attached, input, served, cause, version } = task;
    let named = format!("{}:{}", attached.name, attached.shadow.version);
    let ready = match registry::ready(app, scope, &named, &cause.delivery_id).await {
        Ok(ready) if ready.record.id == function => ready,
        // Made anew under its name: this shadow is gone.
        Ok(_) => return,
        Err(reason) => return attached.tally.incomparable(&reason.to_string()),
    };
    let grants = match attach::grants(&ready.record) {
        Ok(grants) => Arc::new(grants),
        Err(reason) => return attached.tally.incomparable(&reason),
    };
    // The semaphore is never closed.
    let _place = app.functions.shadows.places.acquire().await.ok();
    let events = input.typed();
    let work = input.work(&events);
    let services = Arc::new(ForShadow::new(ForGuest::new(app, &ready, cause.hop), served.before));
    let timeout_ms = run::timeout_ms(&ready, &work);
    let call =
        run::call(&ready, &cause, timeout_ms, grants, Arc::clone(&services) as Arc<dyn wasm::Services>);
    // A shadow is given no rows of a query: everything else can be owned.
    let Ok(work) = Owned::of(&work) else { return };
    let shared = Arc::clone(app);
    let called =
        app.functions.crew.run(async move { work.make(&shared.functions.host, &ready.module, &call).await });
    let Some(invoked) = called.await else { return };
    if let Err(InvokeError::Stopped) = invoked.result {
        return;
    }
    if let Some(place) = services.asked() {
        let reason = format!("it asks for requests ({place}), and a shadow sends none");
        return attached.tally.incomparable(&reason);
    }
    let seen = Seen::of(cause.events, &invoked.result, &invoked.effects);
    let about = About {
        version: &version,
        delivery_id: &cause.delivery_id,
        group: cause.sources.first().map_or("", String::as_str),
        stream: &input.context.log_stream,
        count: cause.events,
        event: &|index| input.events.get(index).map(|event| (event.timestamp, event.message.clone())),
        now_ms: app.clock.now_ms(),
    };
    let cpu_us = [served.cpu_us, invoked.report.cpu_us];
    attached.tally.compared(&about, &served.seen, &seen, cpu_us);
}

/// What is given to a version, kept for the other one.
struct Input {
    kind: Kind,
    context: BatchContext,
    events: Vec<Aside>,
    payload: Bytes,
}

/// An event that is put aside for the shadow.
struct Aside {
    timestamp: i64,
    ingestion_time: i64,
    message: String,
}

/// How it is given.
#[derive(Clone, Copy)]
enum Kind {
    Subscription,
    Filter,
    Keep,
    Extract,
    Lambda,
    Command(Stdout),
    Http(u32),
}

impl Kind {
    /// `None` for what a shadow is not given.
    fn of(work: &Work<'_>) -> Option<Kind> {
        Some(match work {
            Work::Subscription(..) => Kind::Subscription,
            Work::Filter(..) => Kind::Filter,
            Work::Keep(..) | Work::KeepHeld(..) => Kind::Keep,
            Work::Extract(..) => Kind::Extract,
            Work::Lambda(_) => Kind::Lambda,
            Work::Command(_, stdout) => Kind::Command(*stdout),
            Work::Http(_, attempt) => Kind::Http(*attempt),
            Work::Alarm(_) | Work::Scheduled(_) | Work::Evaluate(_) => return None,
        })
    }
}

impl Aside {
    fn of(event: &LogEvent<'_>) -> Aside {
        let LogEvent { timestamp, ingestion_time, message } = *event;
        Aside { timestamp, ingestion_time, message: message.to_owned() }
    }
}

impl Input {
    fn of(work: &Work<'_>) -> Option<Input> {
        let kind = Kind::of(work)?;
        let (context, events, payload) = match work {
            Work::Subscription(context, events)
            | Work::Filter(context, events)
            | Work::Keep(context, events)
            | Work::Extract(context, events) => {
                ((*context).clone(), events.iter().map(Aside::of).collect(), Bytes::new())
            }
            Work::KeepHeld(context, held) => {
                let texts = utf8::messages(held);
                let events = lent(held, &texts).iter().map(Aside::of).collect();
                ((*context).clone(), events, Bytes::new())
            }
            Work::Lambda(payload) => (BatchContext::default(), Vec::new(), Bytes::copy_from_slice(payload)),
            Work::Command(payload, _) | Work::Http(payload, _) => {
                (BatchContext::default(), Vec::new(), payload.clone())
            }
            Work::Alarm(_) | Work::Scheduled(_) | Work::Evaluate(_) => return None,
        };
        Some(Input { kind, context, events, payload })
    }

    fn bytes(&self) -> usize {
        let events: usize = self.events.iter().map(|event| event.message.len() + size_of::<Aside>()).sum();
        events + self.payload.len()
    }

    fn typed(&self) -> Vec<LogEvent<'_>> {
        let mut typed = Vec::with_capacity(self.events.len());
        for Aside { timestamp, ingestion_time, message } in &self.events {
            typed.push(LogEvent { timestamp: *timestamp, ingestion_time: *ingestion_time, message });
        }
        typed
    }

    fn work<'a>(&'a self, events: &'a [LogEvent<'a>]) -> Work<'a> {
        let (context, payload) = (&self.context, &self.payload);
        match self.kind {
            Kind::Subscription => Work::Subscription(context, events),
            Kind::Filter => Work::Filter(context, events),
            Kind::Keep => Work::Keep(context, events),
            Kind::Extract => Work::Extract(context, events),
            Kind::Lambda => Work::Lambda(payload),
            Kind::Command(stdout) => Work::Command(payload.clone(), stdout),
            Kind::Http(attempt) => Work::Http(payload.clone(), attempt),
        }
    }
}
