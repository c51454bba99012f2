//! Owns who is busy in the background, so that an advance of virtual time can wait for rest. Refuses to
//! know what the work is.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Clock;

/// Counts what is busy.
#[derive(Default)]
pub(super) struct Activity {
    busy: Mutex<usize>,
    rest: Notify,
}

impl Activity {
    pub(super) fn enter(self: &Arc<Activity>) -> Busy {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Busy(Arc::clone(self))
    }

    pub(super) async fn at_rest(&self) {
        loop {
            let changed = self.rest.notified();
            if *self.busy.lock().unwrap_or_else(PoisonError::into_inner) == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Something is in flight until this is dropped.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        *busy -= 1;
        if *busy == 0 {
            self.0.rest.notify_waiters();
        }
    }
}

/// What a worker and those who nudge it share.
struct Post {
    #[cfg_attr(not(test), expect(dead_code, reason = "told in tests and in debuggers"))]
    name: &'static str,
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    nudged: bool,
    /// Held while the worker works, and from the moment it is nudged: there is no gap in which it looks idle.
    busy: Option<Busy>,
    gone: bool,
}

impl Post {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A background loop's place at the clock: it works, then [`Worker::rest`]s.
pub(crate) struct Worker {
    clock: Clock,
    post: Arc<Post>,
}

impl Worker {
    pub(super) fn new(clock: Clock, name: &'static str) -> Worker {
        let state = State { nudged: false, busy: Some(clock.busy()), gone: false };
        Worker { post: Arc::new(Post { name, state: Mutex::new(state), wake: Notify::new() }), clock }
    }

    /// The name it was registered under, for logs.
    #[cfg(test)]
    pub(crate) fn name(&self) -> &'static str {
        self.post.name
    }

    /// A handle for whoever has work for this loop.
    pub(crate) fn nudge_handle(&self) -> Nudge {
        Nudge { clock: self.clock.clone(), post: Arc::clone(&self.post) }
    }

    /// Rests until nudged or until `due_ms`, whichever comes first; a nudge since the last rest counts.
    pub(crate) async fn rest(&mut self, due_ms: Option<i64>) {
        if self.take_nudge() {
            return;
        }
        if due_ms.is_some_and(|due_ms| due_ms <= self.clock.now_ms()) {
            // Due already: still give the others a turn.
            tokio::task::yield_now().await;
            return;
        }
        let _place = due_ms.and_then(|due_ms| self.clock.enter_post(due_ms, self.nudge_handle()));
        self.lay_down();
        match due_ms {
            Some(due_ms) if !self.clock.is_virtual() => {
                tokio::select! {
                    () = self.nudged() => {}
                    () = self.clock.sleep_until(due_ms) => self.get_up(),
                }
            }
            _ => self.nudged().await,
        }
    }

    /// Takes a waiting nudge, if there is one.
    fn take_nudge(&self) -> bool {
        std::mem::take(&mut self.post.state().nudged)
    }

    fn lay_down(&self) {
        let mut state = self.post.state();
        if !state.nudged {
            let busy = state.busy.take();
            drop(state);
            drop(busy);
        }
    }

    fn get_up(&self) {
        let busy = self.clock.busy();
        let mut state = self.post.state();
        state.nudged = false;
        state.busy.get_or_insert(busy);
    }

    async fn nudged(&self) {
        while !self.take_nudge() {
            self.post.wake.notified().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut state = self.post.state();
        state.gone = true;
        let busy = state.busy.take();
        drop(state);
        drop(busy);
    }
}

/// Tells one worker that there is something to do. Never waits; many nudges before a look count as one.
#[derive(Clone)]
pub(crate) struct Nudge {
    clock: Clock,
    post: Arc<Post>,
}

impl Nudge {
    /// Whether the worker is gone for good.
    pub(crate) fn is_gone(&self) -> bool {
        self.post.state().gone
    }

    /// Ends the worker's rest, or keeps it from the next one.
    pub(crate) fn nudge(&self) {
        let busy = self.clock.busy();
        let mut state = self.post.state();
        if state.gone {
            return;
        }
        state.nudged = true;
        let spare = match state.busy {
            Some(_) => Some(busy),
            None => {
                state.busy = Some(busy);
                None
            }
        };
        drop(state);
        drop(spare);
        self.post.wake.notify_one();
    }
}
