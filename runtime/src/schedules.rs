//! Owns schedules at work: when each is due, its runs, and what becomes of them. Refuses to know how a schedule is
//! written down (`records::schedules`), asked for (`own`, `api/scheduler`) and how a function runs.

mod call;
mod cron;
pub(crate) mod define;
pub(crate) mod due;
pub(crate) mod expression;
mod settle;
pub(crate) mod target;
pub(crate) mod ticker;
pub(crate) mod zone;

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::clock::Nudge;
use crate::records::Scope;
use crate::records::schedules::{Run, Schedule};

/// What operations and runs tell the ticker.
#[derive(Default)]
pub(crate) struct Schedules {
    news: Mutex<News>,
    nudge: OnceLock<Nudge>,
}

/// What happened since the ticker last looked.
#[derive(Default)]
struct News {
    /// Everything is to be read again.
    all: bool,
    /// Schedules by id, with where to find the one of that name now.
    changed: BTreeMap<u64, (Scope, String)>,
    /// Runs that were written by hand.
    fresh: Vec<Run>,
    /// Runs that ended, and what is to be tried again.
    ended: Vec<(Run, Option<Run>)>,
}

impl Schedules {
    /// A schedule was made, changed or deleted, durably.
    pub(crate) fn changed(&self, schedule: &Schedule) {
        let place = (schedule.scope.clone(), schedule.name.clone());
        self.tell(|news| drop(news.changed.insert(schedule.id, place)));
    }

    /// Any of them may have changed.
    pub(crate) fn changed_all(&self) {
        self.tell(|news| news.all = true);
    }

    /// As [`Schedules::changed_all`], without waking the ticker: it says so to itself.
    fn read_again(&self) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).all = true;
    }

    /// A run was written by hand, durably.
    pub(crate) fn asked(&self, run: Run) {
        self.tell(|news| news.fresh.push(run));
    }

    fn ended(&self, run: Run, again: Option<Run>) {
        self.tell(|news| news.ended.push((run, again)));
    }

    fn tell(&self, say: impl FnOnce(&mut News)) {
        say(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(nudge) = self.nudge.get() {
            nudge.nudge();
        }
    }

    fn take_news(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
