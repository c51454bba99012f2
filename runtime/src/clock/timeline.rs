//! Owns who sleeps until when in virtual time. Refuses to know the real clock.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::activity::Nudge;

/// Names one sleeper: when it is due, and its turn among those due then.
pub(super) type Ticket = (i64, u64);

pub(super) enum Waker {
    Once(oneshot::Sender<()>),
    Post(Nudge),
}

impl Waker {
    pub(super) fn wake(self) {
        match self {
            // A sleeper that has gone needs no waking.
            Waker::Once(sender) => drop(sender.send(())),
            Waker::Post(post) => post.nudge(),
        }
    }
}

pub(super) struct Timeline {
    now_ms: i64,
    turn: u64,
    sleepers: BTreeMap<Ticket, Waker>,
}

impl Timeline {
    pub(super) fn at(now_ms: i64) -> Timeline {
        Timeline { now_ms, turn: 0, sleepers: BTreeMap::new() }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// `None` when `due_ms` has come already.
    pub(super) fn enter(&mut self, due_ms: i64, waker: Waker) -> Option<Ticket> {
        if due_ms <= self.now_ms {
            return None;
        }
        self.turn += 1;
        let ticket = (due_ms, self.turn);
        self.sleepers.insert(ticket, waker);
        Some(ticket)
    }

    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.sleepers.remove(&ticket);
    }

    /// Moves to the next sleeper due at or before `target_ms` and hands it out to be woken.
    pub(super) fn step(&mut self, target_ms: i64) -> Option<Waker> {
        let entry = self.sleepers.first_entry()?;
        let (due_ms, _) = *entry.key();
        if due_ms > target_ms {
            return None;
        }
        self.now_ms = self.now_ms.max(due_ms);
        Some(entry.remove())
    }

    pub(super) fn arrive(&mut self, target_ms: i64) {
        self.now_ms = self.now_ms.max(target_ms);
    }
}
