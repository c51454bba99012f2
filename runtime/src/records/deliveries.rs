//! Owns how far each subscription has delivered, what it is delivering, and what it gave up on. Refuses to
//! read events: they stay in the log, named by position.

use serde::{Deserialize, Serialize};
use store::EventId;

use super::{Scope, calls};
use crate::meta::{Key, MetaError, Span, Table, Tx};

/// subscription id -> how far it is.
const PROGRESS: Table<Progress> = Table::new("subscription_progress");

/// (when, subscription id, first position) -> what was given up.
const DEAD_LETTERS: Table<DeadLetter> = Table::new("subscription_dead_letters");

/// Dead letters kept; the oldest go first.
const DEAD_LETTERS_MAX: usize = 10_000;

/// How far a subscription has read and what is on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The first position not delivered yet.
    pub(crate) next: u64,
    /// A delivery that was begun: its bounds are kept, so that after a restart it is the same delivery.
    #[serde(default)]
    pub(crate) pending: Option<Pending>,
}

/// A delivery that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// One past its last position; it begins at [`Progress::next`].
    pub(crate) to: u64,
    /// When it was begun, epoch milliseconds.
    pub(crate) since_ms: i64,
    /// How many events it had then.
    #[serde(default)]
    pub(crate) events: u64,
}

/// Bytes of messages that a dead letter holds; events beyond it are named by id alone.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Events that a subscription gave up on. The events themselves stay in their log group, as long as that keeps
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// Its id, one of the outbox's: dead letters of both kinds are listed together.
    #[serde(default)]
    pub(crate) id: u64,
    /// Account and region; not there in letters of before they were kept.
    #[serde(default)]
    pub(crate) scope: Option<Scope>,
    /// Id of the subscription filter.
    pub(crate) subscription: u64,
    /// Its name.
    pub(crate) filter: String,
    /// The function it delivers to.
    pub(crate) function: String,
    /// Version of it that failed; empty when it could not be called.
    #[serde(default)]
    pub(crate) version: String,
    /// Digest of the module that failed.
    #[serde(default)]
    pub(crate) digest: String,
    /// Log group.
    pub(crate) group: String,
    /// Its id.
    #[serde(default)]
    pub(crate) group_id: u64,
    /// Log stream.
    pub(crate) stream: String,
    /// Its id.
    #[serde(default)]
    pub(crate) stream_id: u64,
    /// Id of the delivery, the same over all attempts.
    pub(crate) delivery: String,
    /// Ids of the events.
    pub(crate) events: Vec<String>,
    /// Their messages from the first on, as many as fit in [`MESSAGE_BYTES_MAX`].
    #[serde(default)]
    pub(crate) messages: Vec<String>,
    /// Why.
    pub(crate) reason: String,
    /// Lambda's `errorType`.
    #[serde(default)]
    pub(crate) error_type: String,
    /// What the function said when it panicked.
    #[serde(default)]
    pub(crate) panic: Option<String>,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// When it was given up, epoch milliseconds.
    pub(crate) at_ms: i64,
    /// How often it was handed over again.
    #[serde(default)]
    pub(crate) redriven: u32,
    /// Whether the last time it was handed over again is not settled: it goes on under the same delivery ids.
    #[serde(default)]
    pub(crate) redriving: bool,
}

impl DeadLetter {
    /// Its name among the consumers while it is handed over again.
    pub(crate) fn consumer(&self) -> String {
        format!("{REDRIVE}{}-{}", self.id, self.redriven)
    }

    fn first(&self) -> u64 {
        self.events.first().and_then(|id| id.parse::<EventId>().ok()).map_or(0, |id| id.position.seq)
    }

    fn key(&self) -> Key {
        Key::of((self.at_ms, self.subscription, self.first()))
    }
}

const REDRIVE: &str = "redrive-";

const SUBSCRIPTION: &str = "subscription-";

/// The name of a subscription among the consumers.
pub(crate) fn consumer(subscription: u64) -> String {
    format!("{SUBSCRIPTION}{subscription}")
}

/// How far a subscription is; `None` before its first delivery.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn progress(tx: &Tx<'_>, subscription: u64) -> Result<Option<Progress>, MetaError> {
    tx.get(&PROGRESS, &Key::of(subscription))
}

/// Writes how far a subscription is.
pub(crate) fn advance(tx: &mut Tx<'_>, subscription: u64, progress: &Progress) -> Result<(), MetaError> {
    tx.put(&PROGRESS, &Key::of(subscription), progress)
}

/// Forgets a subscription that is gone; its dead letters stay until they are swept.
pub(crate) fn forget(tx: &mut Tx<'_>, subscription: u64) -> Result<(), MetaError> {
    calls::forget(tx, &consumer(subscription))?;
    tx.delete(&PROGRESS, &Key::of(subscription))
}

/// Keeps what was given up, or what changed of it.
pub(crate) fn bury(tx: &mut Tx<'_>, letter: &DeadLetter) -> Result<(), MetaError> {
    tx.put(&DEAD_LETTERS, &letter.key(), letter)
}

/// Removes a dead letter.
pub(crate) fn unbury(tx: &mut Tx<'_>, letter: &DeadLetter) -> Result<(), MetaError> {
    tx.delete(&DEAD_LETTERS, &letter.key())
}

/// The dead letter as it is now, unless it is gone.
pub(crate) fn again(tx: &Tx<'_>, letter: &DeadLetter) -> Result<Option<DeadLetter>, MetaError> {
    tx.get(&DEAD_LETTERS, &letter.key())
}

/// Every dead letter that is wanted, oldest first.
pub(crate) fn every(tx: &Tx<'_>, wanted: impl Fn(&DeadLetter) -> bool) -> Result<Vec<DeadLetter>, MetaError> {
    let mut found = Vec::new();
    for row in tx.scan(&DEAD_LETTERS, &Span::all())? {
        let letter = row?.1;
        if wanted(&letter) {
            found.push(letter);
        }
    }
    Ok(found)
}

/// Whether a consumer of [`calls`] can still be at work.
fn lives(tx: &Tx<'_>, name: &str) -> Result<bool, MetaError> {
    if let Some(id) = name.strip_prefix(SUBSCRIPTION).and_then(|id| id.parse().ok()) {
        return Ok(progress(tx, id)?.is_some());
    }
    Ok(!every(tx, |letter| letter.redriving && letter.consumer() == name)?.is_empty())
}

/// The newest dead letters, newest first.
pub(crate) fn dead_letters(tx: &Tx<'_>, limit: usize) -> Result<Vec<DeadLetter>, MetaError> {
    tx.scan(&DEAD_LETTERS, &Span::all().backwards())?.take(limit).map(|row| Ok(row?.1)).collect()
}

/// Removes dead letters from before `before_ms`, the oldest beyond the number kept, and what is remembered of calls
/// of nobody.
pub(crate) fn sweep(tx: &mut Tx<'_>, before_ms: i64, now_ms: i64) -> Result<usize, MetaError> {
    calls::sweep(tx, lives, now_ms)?;
    let swept = tx.delete_span(&DEAD_LETTERS, &Span::range(&Key::of(i64::MIN), &Key::of(before_ms)))?;
    let beyond: Vec<Key> = tx
        .scan(&DEAD_LETTERS, &Span::all().backwards())?
        .skip(DEAD_LETTERS_MAX)
        .map(|row| Ok(row?.0))
        .collect::<Result<_, MetaError>>()?;
    for key in &beyond {
        tx.delete(&DEAD_LETTERS, key)?;
    }
    Ok(swept + beyond.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    fn letter(at_ms: i64, subscription: u64) -> DeadLetter {
        DeadLetter {
            subscription,
            filter: "f".into(),
            function: "g".into(),
            group: "/a".into(),
            stream: "s".into(),
            delivery: format!("subscription-{subscription}-1-2"),
            events: vec!["1".into()],
            reason: "it failed".into(),
            attempts: 3,
            at_ms,
            ..DeadLetter::default()
        }
    }

    #[test]
    fn dead_letters_are_listed_newest_first_and_swept_by_age() {
        let meta = Meta::in_memory();
        meta.change_blocking(|tx| {
            for (at_ms, subscription) in [(10, 1), (30, 1), (20, 2), (20, 1)] {
                bury(tx, &letter(at_ms, subscription))?;
            }
            Ok::<_, MetaError>(())
        })
        .unwrap();
        let listed = |limit| meta.read(|tx| dead_letters(tx, limit)).unwrap();
        let times = |letters: Vec<DeadLetter>| letters.into_iter().map(|one| one.at_ms).collect::<Vec<_>>();
        assert_eq!(times(listed(3)), [30, 20, 20]);
        assert_eq!(meta.change_blocking(|tx| sweep(tx, 20, 30)).unwrap(), 1);
        assert_eq!(times(listed(9)), [30, 20, 20]);
    }

    #[test]
    fn progress_is_kept_until_forgotten() {
        let meta = Meta::in_memory();
        let begun = Progress { next: 4, pending: Some(Pending { to: 9, since_ms: 5, events: 3 }) };
        let kept = begun.clone();
        meta.change_blocking(move |tx| advance(tx, 3, &kept)).unwrap();
        assert_eq!(meta.read(|tx| progress(tx, 3)).unwrap(), Some(begun));
        meta.change_blocking(|tx| forget(tx, 3)).unwrap();
        assert_eq!(meta.read(|tx| progress(tx, 3)).unwrap(), None);
    }
}
