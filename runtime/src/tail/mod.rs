//! Owns live tails: who follows the log as it grows, and how many may at once. Refuses to know who asks and
//! how (`api/logs/live_tail.rs`, `own/tail.rs`).
//!
//! A tail reads by position, like every other reader, and nothing of it is in the way of a request that stores
//! events: it wakes when there is something new, reads, and puts bytes into a bounded queue that its
//! connection empties. Two kinds: `session` is AWS's, sampled, each second; `road` is Logboom's own, at once.

mod queue;
mod reader;
mod road;
mod sample;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::limits::Limits;

pub(crate) use reader::{Streams, Wanted};
pub(crate) use road::{Begin, follow};
pub(crate) use session::open;

/// The live tails of the process.
pub(crate) struct Tails {
    all_max: u64,
    /// AWS's quota of an account, when quotas are in force.
    account_max: Option<u64>,
    /// Of an account otherwise: half of all, so that none takes them all.
    share: u64,
    open: Mutex<HashMap<String, u64>>,
    stopping: OnceLock<watch::Receiver<bool>>,
}

/// Why there is no place for one more tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The process has so many.
    Process(u64),
    /// The account has so many.
    Account(u64),
    /// The account has so many of the process's: its share.
    Share(u64),
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Full::Process(max) => {
                write!(f, "{max} live tails are open: `limits.live_tails` is reached; close one.")
            }
            Full::Account(max) => write!(
                f,
                "The account has {max} live tail sessions: `limits.live_tail_sessions` is reached; close one."
            ),
            Full::Share(max) => write!(
                f,
                "The account has {max} live tails: its half of `limits.live_tails` is reached; close one."
            ),
        }
    }
}

impl Tails {
    pub(crate) fn new(limits: &Limits) -> Arc<Tails> {
        Arc::new(Tails {
            all_max: limits.sizes.live_tails,
            share: (limits.sizes.live_tails / 2).max(1),
            account_max: limits.quotas.as_ref().map(|quotas| quotas.live_tail_sessions),
            open: Mutex::default(),
            stopping: OnceLock::new(),
        })
    }

    /// From now on every tail ends when `stopping` changes: the server waits for its connections.
    pub(crate) fn end_with(&self, stopping: &watch::Receiver<bool>) {
        // Called once; a second call would name the same end.
        let _already = self.stopping.set(stopping.clone());
    }

    fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.get().cloned().unwrap_or_else(|| watch::channel(false).1)
    }

    /// How many are open.
    pub(crate) fn open_now(&self) -> u64 {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// A place for one more tail of an account; given back by dropping it.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(crate) fn enter(self: &Arc<Tails>, account: &str) -> Result<Place, Full> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<u64>() >= self.all_max {
            return Err(Full::Process(self.all_max));
        }
        let own = open.get(account).copied().unwrap_or(0);
        let (max, full) = match self.account_max {
            Some(max) => (max, Full::Account(max)),
            None => (self.share, Full::Share(self.share)),
        };
        if own >= max {
            return Err(full);
        }
        open.insert(account.to_owned(), own + 1);
        Ok(Place { tails: Arc::clone(self), account: account.to_owned() })
    }
}

/// A place among the live tails.
pub(crate) struct Place {
    tails: Arc<Tails>,
    account: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.tails.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Quotas, Sizes};

    #[test]
    fn places_are_counted_for_the_account_and_for_the_process_and_come_back() {
        let limits = Limits {
            sizes: Sizes { live_tails: 3, ..Sizes::default() },
            quotas: Some(Quotas { live_tail_sessions: 2, ..Quotas::default() }),
        };
        let tails = Tails::new(&limits);
        let enter = |account| tails.enter(account);
        let (one, two) = (enter("a").unwrap(), enter("a").unwrap());
        assert_eq!(enter("a").err(), Some(Full::Account(2)));
        let other = enter("b").unwrap();
        assert_eq!(enter("b").err(), Some(Full::Process(3)));
        drop(one);
        assert!(enter("a").is_ok());
        drop((two, other));
        assert!(tails.open.lock().unwrap().is_empty(), "nothing is kept of accounts without tails");
    }

    #[test]
    fn without_quotas_an_account_has_half_of_the_places() {
        let tails_of = |live_tails| {
            let sizes = Sizes { live_tails, ..Sizes::default() };
            Tails::new(&Limits { sizes, quotas: None })
        };
        let tails = tails_of(4);
        let _own = (tails.enter("a").unwrap(), tails.enter("a").unwrap());
        assert_eq!(tails.enter("a").err(), Some(Full::Share(2)));
        assert!(Full::Share(2).to_string().contains("limits.live_tails"));
        let _others = (tails.enter("b").unwrap(), tails.enter("c").unwrap());
        assert_eq!(tails.enter("d").err(), Some(Full::Process(4)));
        assert!(tails_of(1).enter("a").is_ok(), "one place is somebody's");
    }
}
