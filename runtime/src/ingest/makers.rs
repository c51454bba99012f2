//! Owns saying, before a batch is stored, which module it went through, so that the stored event can be traced to
//! code. Refuses to know what the module did (`transform`) and where events are (`store`).
//!
//! What is said holds for positions (`records::makers`): a batch is only appended while the row in force names its
//! maker, and a maker leaves that row only when none of its batches is on its way to the log. So an event always is
//! of one of the makers that the row of its position names. A row costs one commit, and is written when the maker
//! changes: where makers alternate (an alias that shares calls out, a transformer that fails now and then) all stay
//! in the row until one was not seen for a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::App;
use crate::meta::{Meta, MetaError, Tx};
use crate::records::makers::{self, Made, Maker};

/// How long makers that alternate stay in the row together.
const HELD_MS: i64 = 60_000;

/// Makers that are remembered after they left.
const LEFT_MAX: usize = 8;

/// The maker of what a client wrote and nobody changed.
const NOBODY: Maker =
    Maker { function: String::new(), version: String::new(), digest: String::new(), failed: false };

/// Who makes the events of the groups that have, or had, a transformer.
#[derive(Default)]
pub(crate) struct Makers {
    groups: Mutex<HashMap<u64, Known>>,
    /// One row at a time.
    writing: tokio::sync::Mutex<()>,
}

/// The row in force of one group.
#[derive(Debug, Default)]
struct Known {
    row: Vec<Used>,
    /// Whether a maker came back soon after it had left.
    held: bool,
    left: Vec<(Maker, i64)>,
}

#[derive(Debug)]
struct Used {
    maker: Maker,
    /// Batches on their way to the log.
    on_the_way: usize,
    last_ms: i64,
}

/// A batch on its way to the log; dropped when it is there, or will never be.
pub(crate) struct OnTheWay {
    makers: Arc<Makers>,
    group: u64,
    maker: Maker,
}

impl OnTheWay {
    /// Nobody knows whether it is in the log: its maker stays in the row as long as the process lives.
    pub(crate) fn stays(self) {
        std::mem::forget(self);
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let mut groups = self.makers.lock();
        let used = groups.get_mut(&self.group).and_then(|known| known.find(&self.maker));
        if let Some(used) = used {
            used.on_the_way = used.on_the_way.saturating_sub(1);
        }
    }
}

impl Known {
    /// Of a group that had no transformer up to now: batches that nobody counted may be on their way, for a moment.
    fn before_any(now_ms: i64) -> Known {
        let nobody = Used { maker: NOBODY, on_the_way: 0, last_ms: now_ms };
        Known { row: vec![nobody], held: true, left: Vec::new() }
    }

    fn find(&mut self, maker: &Maker) -> Option<&mut Used> {
        self.row.iter_mut().find(|used| used.maker == *maker)
    }

    /// Counts a batch of `maker`, if the row is as it should be.
    fn enter(&mut self, maker: &Maker, now_ms: i64, stay: bool) -> bool {
        if !self.stale(maker, now_ms, stay).is_empty() {
            return false;
        }
        let Some(used) = self.find(maker) else { return false };
        used.on_the_way += 1;
        used.last_ms = now_ms;
        true
    }

    /// Makers that need not be in the row any more when `maker` is.
    fn stale(&self, maker: &Maker, now_ms: i64, stay: bool) -> Vec<Maker> {
        let idle = |used: &&Used| {
            let rested = now_ms.saturating_sub(used.last_ms) >= HELD_MS;
            !stay && used.maker != *maker && used.on_the_way == 0 && (rested || !self.held)
        };
        self.row.iter().filter(idle).map(|used| used.maker.clone()).collect()
    }

    /// Takes those out of the row that need not be in it; gives what is to be written, `maker` included.
    fn change(&mut self, maker: &Maker, now_ms: i64, stay: bool) -> Vec<Maker> {
        self.left.retain(|(_, left_ms)| now_ms.saturating_sub(*left_ms) < HELD_MS);
        self.held |= self.left.iter().any(|(left, _)| left == maker);
        let stale = self.stale(maker, now_ms, stay);
        self.row.retain(|used| !stale.contains(&used.maker));
        self.left.extend(stale.into_iter().map(|maker| (maker, now_ms)));
        let many = self.left.len().saturating_sub(LEFT_MAX);
        self.left.drain(..many);
        let mut by: Vec<Maker> = self.row.iter().map(|used| used.maker.clone()).collect();
        by.push(maker.clone());
        by.sort();
        by.dedup();
        self.held &= by.len() > 1;
        by
    }

    fn add(&mut self, maker: &Maker, now_ms: i64) {
        match self.find(maker) {
            Some(used) => used.last_ms = now_ms,
            None => self.row.push(Used { maker: maker.clone(), on_the_way: 0, last_ms: now_ms }),
        }
    }
}

impl Makers {
    /// As the last process left it.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn load(meta: &Meta, now_ms: i64) -> Result<Makers, MetaError> {
        let mut groups: HashMap<u64, Known> = HashMap::new();
        for (group, made) in meta.read(|tx| makers::latest(tx))? {
            let known = groups.entry(group).or_default();
            made.by.iter().for_each(|maker| known.add(maker, now_ms));
        }
        Ok(Makers { groups: Mutex::new(groups), ..Makers::default() })
    }

    /// Whether a group has, or had, a transformer.
    pub(crate) fn knows(&self, group: u64) -> bool {
        self.lock().contains_key(&group)
    }

    /// A group is new and begins with a transformer: nothing was stored without it.
    pub(crate) fn begin(&self, group: u64) {
        self.lock().entry(group).or_default();
    }

    /// Forgets a group that is gone.
    pub(crate) fn forget(&self, group: u64) {
        self.lock().remove(&group);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Known>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Makers>, app: &App, group: u64, maker: &Maker) -> Option<OnTheWay> {
        let mut groups = self.lock();
        let entered = groups.get_mut(&group)?.enter(maker, app.clock.now_ms(), waits(app));
        drop(groups);
        entered.then(|| OnTheWay { makers: Arc::clone(self), group, maker: maker.clone() })
    }
}

/// Whether the log did not take some events yet, of makers that nobody counts any more after a restart. Asked under
/// the lock: whoever failed to append says so before it is no longer on the way.
fn waits(app: &App) -> bool {
    !app.functions.waiting.is_empty()
}

/// Says that a batch of a group is about to be stored that `maker` made; what is returned is kept until it is.
///
/// # Errors
/// Storage failures: then it must not be stored.
pub(crate) async fn enter(app: &Arc<App>, group: u64, maker: Maker) -> Result<OnTheWay, MetaError> {
    let made = &app.makers;
    if let Some(entered) = made.enter(app, group, &maker) {
        return Ok(entered);
    }
    let _one_at_a_time = made.writing.lock().await;
    if let Some(entered) = made.enter(app, group, &maker) {
        return Ok(entered);
    }
    let now_ms = app.clock.now_ms();
    let (before, by) = {
        let mut groups = made.lock();
        let known = groups.entry(group).or_insert_with(|| Known::before_any(now_ms));
        let before: Vec<Maker> = known.row.iter().map(|used| used.maker.clone()).collect();
        // Taken out before the row says so: a batch of one of them waits for its turn to write.
        (before, known.change(&maker, now_ms, waits(app)))
    };
    let (store, row) = (Arc::clone(&app.store), Made { since_ms: now_ms, by });
    let written = app.meta.change(move |tx: &mut Tx<'_>| {
        // What is appended from now on comes behind what is durable, and what was made before is durable.
        let from = store.durable_position().seq;
        makers::put(tx, group, from, &row)
    });
    let written: Result<(), MetaError> = written.await;
    let mut groups = made.lock();
    let known = groups.entry(group).or_default();
    match &written {
        Ok(()) => known.add(&maker, now_ms),
        Err(_) => before.iter().for_each(|maker| known.add(maker, now_ms)),
    }
    written?;
    known.find(&maker).into_iter().for_each(|used| used.on_the_way += 1);
    drop(groups);
    Ok(OnTheWay { makers: Arc::clone(made), group, maker })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(digest: &str) -> Maker {
        Maker { digest: digest.to_owned(), ..Maker::default() }
    }

    /// A batch of a maker that comes and is stored at once; the row that was written for it, if one was.
    fn batch(known: &mut Known, digest: &str, now_ms: i64) -> Option<Vec<String>> {
        let one = maker(digest);
        let written = (!known.enter(&one, now_ms, false)).then(|| {
            let by = known.change(&one, now_ms, false);
            known.add(&one, now_ms);
            by.into_iter().map(|maker| maker.digest).collect()
        });
        if written.is_none() {
            known.find(&one).unwrap().on_the_way -= 1;
        }
        written
    }

    #[test]
    fn a_new_module_takes_the_place_of_the_old_one() {
        let mut known = Known::default();
        assert_eq!(batch(&mut known, "a", 0), Some(vec!["a".to_owned()]));
        assert_eq!(batch(&mut known, "a", 1), None);
        assert_eq!(batch(&mut known, "b", 2), Some(vec!["b".to_owned()]));
        assert_eq!(batch(&mut known, "b", 3), None);
    }

    #[test]
    fn a_first_transformer_shares_its_row_with_what_came_before() {
        let mut known = Known::before_any(0);
        assert_eq!(batch(&mut known, "a", 0), Some(vec![String::new(), "a".to_owned()]));
        assert_eq!(batch(&mut known, "a", HELD_MS - 1), None);
        assert_eq!(batch(&mut known, "a", HELD_MS), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn who_has_a_batch_on_its_way_stays() {
        let mut known = Known::default();
        batch(&mut known, "a", 0);
        assert!(known.enter(&maker("a"), 1, false));
        assert_eq!(batch(&mut known, "b", 2), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(batch(&mut known, "b", 3), None);
        known.find(&maker("a")).unwrap().on_the_way = 0;
        assert_eq!(batch(&mut known, "b", 4), Some(vec!["b".to_owned()]), "as soon as it is there");
        let stay = known.enter(&maker("b"), 5, true) && known.stale(&maker("c"), 5, true).is_empty();
        assert!(stay, "nobody leaves while the log takes nothing");
    }

    #[test]
    fn makers_that_alternate_cost_no_row_each_time() {
        let mut known = Known::default();
        let rows: Vec<usize> = (0..1_000)
            .filter_map(|n| batch(&mut known, ["a", "b"][n % 2], n as i64))
            .map(|by| by.len())
            .collect();
        assert_eq!(rows, [1, 1, 2]);
        assert_eq!(batch(&mut known, "a", 30_000), None);
        let alone = batch(&mut known, "a", 1_000 + HELD_MS);
        assert_eq!(alone, Some(vec!["a".to_owned()]), "the other was not seen for a minute");
    }
}
