//! Owns query sessions: what was asked, how far it is, what it found. Refuses to know the language (`insights`) and
//! storage (`lent.rs` adapts it).
//!
//! Sessions live in memory. Their number and their rows are bounded; the oldest finished ones make room.

mod lent;
pub(crate) mod outside;
mod pointer;
mod run;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::app::App;
use crate::records::Scope;
use crate::telemetry::QueryTally;

pub(crate) use pointer::pointer;
pub(crate) use run::Outcome;
#[cfg(test)]
pub(crate) use run::push;

/// Sessions kept, running ones included.
const SESSIONS_MAX: usize = 1_000;
/// Bytes of the rows of all finished sessions.
const ROW_BYTES_MAX: usize = 256 << 20;
/// How long results can be fetched, as at AWS: seven days.
const KEPT_MS: i64 = 7 * 86_400_000;
/// Queries at work at once; more wait as `Scheduled`.
const RUNNING_MAX: usize = 4;

/// A log group as a query reads it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
}

/// What was asked.
pub(crate) struct Asked {
    /// Whose query it is.
    pub(crate) scope: Scope,
    /// The groups it reads.
    pub(crate) groups: Vec<Group>,
    /// The text as DescribeQueries shows it.
    pub(crate) text: String,
    /// The compiled query.
    pub(crate) query: insights::Query,
    /// Functions of modules that it calls.
    pub(crate) called: Vec<Arc<outside::Called>>,
}

/// How far a query is.
#[derive(Clone)]
pub(crate) enum State {
    /// Waits for its turn.
    Scheduled,
    /// At work.
    Running,
    /// Done, with what it found.
    Complete(Arc<Outcome>),
    /// It ran into a bound, an unreadable block or a function that failed; a sentence.
    Failed(Arc<str>),
    /// Stopped by StopQuery.
    Cancelled,
    /// It took longer than AWS's 60 minutes.
    Timeout,
}

impl State {
    /// AWS's word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            State::Scheduled => "Scheduled",
            State::Running => "Running",
            State::Complete(_) => "Complete",
            State::Failed(_) => "Failed",
            State::Cancelled => "Cancelled",
            State::Timeout => "Timeout",
        }
    }

    /// Whether it may still change.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, State::Scheduled | State::Running)
    }
}

/// One query.
pub(crate) struct Session {
    /// The id that StartQuery gave.
    pub(crate) id: String,
    /// When it was started, epoch milliseconds.
    pub(crate) created_ms: i64,
    /// What was asked.
    pub(crate) asked: Asked,
    state: Mutex<(State, i64)>,
    cancelled: AtomicBool,
    ended: Notify,
    tally: Arc<QueryTally>,
}

impl Session {
    /// How far it is.
    pub(crate) fn state(&self) -> State {
        lock(&self.state).0.clone()
    }

    /// How long it ran, in milliseconds; 0 while it is open.
    pub(crate) fn duration_ms(&self) -> i64 {
        lock(&self.state).1
    }

    /// Stops it; false if it had ended.
    pub(crate) fn stop(&self, now_ms: i64) -> bool {
        self.cancelled.store(true, Ordering::Relaxed);
        self.end(State::Cancelled, now_ms)
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if !self.state().is_open() {
                return;
            }
            ended.await;
        }
    }

    fn end(&self, state: State, now_ms: i64) -> bool {
        let mut held = lock(&self.state);
        let open = held.0.is_open();
        if open {
            self.tally.ended(&state, now_ms - self.created_ms);
            *held = (state, now_ms - self.created_ms);
        }
        drop(held);
        self.ended.notify_waiters();
        open
    }

    fn row_bytes(&self) -> usize {
        match &lock(&self.state).0 {
            State::Complete(outcome) => outcome.row_bytes,
            _ => 0,
        }
    }
}

/// All sessions, the newest last.
pub(crate) struct Queries {
    sessions: Mutex<VecDeque<Arc<Session>>>,
    turns: Arc<Semaphore>,
    tally: Arc<QueryTally>,
}

/// There are as many open queries as may be.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Queries {
    /// No sessions; `tally` counts how those to come end.
    pub(crate) fn new(tally: &Arc<QueryTally>) -> Queries {
        let turns = Arc::new(Semaphore::new(RUNNING_MAX));
        Queries { sessions: Mutex::default(), turns, tally: Arc::clone(tally) }
    }

    /// How many wait for their turn, and how many are at work.
    pub(crate) fn at_work(&self) -> (u64, u64) {
        let sessions = lock(&self.sessions);
        let in_state = |wanted: fn(&State) -> bool| {
            sessions.iter().filter(|session| wanted(&lock(&session.state).0)).count() as u64
        };
        (
            in_state(|state| matches!(state, State::Scheduled)),
            in_state(|state| matches!(state, State::Running)),
        )
    }

    /// Starts a query; it goes on when the request has been answered.
    ///
    /// # Errors
    /// [`TooMany`] when every session is still open.
    pub(crate) fn start(&self, app: &Arc<App>, asked: Asked) -> Result<String, TooMany> {
        let session = Arc::new(Session {
            id: app.clock.uuid(),
            created_ms: app.clock.now_ms(),
            asked,
            state: Mutex::new((State::Scheduled, 0)),
            cancelled: AtomicBool::new(false),
            ended: Notify::new(),
            tally: Arc::clone(&self.tally),
        });
        self.make_room(session.created_ms)?;
        lock(&self.sessions).push_back(Arc::clone(&session));
        let id = session.id.clone();
        let (app, turns) = (Arc::clone(app), Arc::clone(&self.turns));
        tokio::spawn(async move {
            let _busy = app.clock.busy();
            // The semaphore is never closed.
            let Ok(_turn) = turns.acquire().await else { return };
            if !session.cancelled.load(Ordering::Relaxed) {
                lock(&session.state).0 = State::Running;
                let (held, shared) = (Arc::clone(&app), Arc::clone(&session));
                // A task of its own, so that a panic in it ends the query and not its session's life.
                let ended = tokio::spawn(async move { run::run(&held, &shared).await }).await;
                let broken = |_| State::Failed("it broke inside Logboom".into());
                session.end(ended.unwrap_or_else(broken), app.clock.now_ms());
                app.queries.evict(&session.id);
            }
            session.asked.called.iter().for_each(|one| one.release());
        });
        Ok(id)
    }

    /// The session of this id in this scope.
    pub(crate) fn find(&self, scope: &Scope, id: &str) -> Option<Arc<Session>> {
        let sessions = lock(&self.sessions);
        sessions.iter().find(|session| session.id == id && session.asked.scope == *scope).cloned()
    }

    /// All sessions of a scope, the newest first.
    pub(crate) fn list(&self, scope: &Scope) -> Vec<Arc<Session>> {
        let sessions = lock(&self.sessions);
        sessions.iter().rev().filter(|session| session.asked.scope == *scope).cloned().collect()
    }

    /// Open queries of a scope.
    pub(crate) fn open(&self, scope: &Scope) -> usize {
        self.list(scope).iter().filter(|session| session.state().is_open()).count()
    }

    /// Forgets every session.
    pub(crate) fn clear(&self) {
        lock(&self.sessions).clear();
    }

    /// Drops the oldest finished sessions, but `kept`, until the rows of all fit the bound.
    fn evict(&self, kept: &str) {
        let mut sessions = lock(&self.sessions);
        let mut bytes: usize = sessions.iter().map(|session| session.row_bytes()).sum();
        while bytes > ROW_BYTES_MAX {
            let old = |session: &Arc<Session>| !session.state().is_open() && session.id != kept;
            let Some(oldest) = sessions.iter().position(old) else { return };
            bytes -= sessions.remove(oldest).map_or(0, |session| session.row_bytes());
        }
    }

    fn make_room(&self, now_ms: i64) -> Result<(), TooMany> {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|session| session.state().is_open() || session.created_ms + KEPT_MS > now_ms);
        while sessions.len() >= SESSIONS_MAX {
            let Some(oldest) = sessions.iter().position(|session| !session.state().is_open()) else {
                return Err(TooMany);
            };
            sessions.remove(oldest);
        }
        Ok(())
    }
}

/// A panic while a lock was held left nothing half-done: every critical section is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
