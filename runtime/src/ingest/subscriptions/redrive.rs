//! Owns handing dead letters of subscriptions over again, by hand. Refuses to know how they are asked for.
//!
//! That a letter is being handed over is durable before the first call, and each call is remembered with its effects
//! until the letter is settled: whoever asks again after a crash goes on where it ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::{Event, EventId, GroupId, Position, StreamId};

use crate::app::App;
use crate::ingest::guests::{self, Asker, Batch, Delivered, Why, texts};
use crate::meta::{MetaError, Tx};
use crate::records::calls;
use crate::records::deliveries::{self, DeadLetter};
use crate::records::groups;

/// What became of a letter.
#[derive(Debug)]
pub(crate) struct Redriven {
    /// The letter as it was.
    pub(crate) letter: DeadLetter,
    /// Events that were handled.
    pub(crate) handled: usize,
    /// Events that are left in the letter.
    pub(crate) left: usize,
    /// Why they are.
    pub(crate) error: Option<String>,
}

/// Hands a letter over again and removes from it what was handled. `None`: it is gone. One at a time: two that hand
/// over the same letter would do it twice.
///
/// # Errors
/// A sentence; the letter is as it was, and asking again goes on.
pub(crate) async fn redrive(app: &Arc<App>, letter: &DeadLetter) -> Result<Option<Redriven>, String> {
    let _alone = app.fan_out.redriving().await;
    let Some(letter) = begin(app, letter).await.map_err(|error| error.to_string())? else { return Ok(None) };
    let consumer = letter.consumer();
    let made = app.meta.read(|tx| calls::of(tx, &consumer)).map_err(|error: MetaError| error.to_string())?;
    let (mut events, mut missing) = (Vec::new(), BTreeSet::new());
    for (index, id) in letter.events.iter().enumerate() {
        let Ok(id) = id.parse::<EventId>() else { continue };
        if calls::is_done(&made, letter.stream_id, id.position.seq) {
            continue;
        }
        match event(app, &letter, id, index).await? {
            Some(event) => events.push(event),
            None => drop(missing.insert(id.position.seq)),
        }
    }
    let lent: Vec<&Event> = events.iter().collect();
    let texts = texts(&lent);
    let delivered = match &letter.scope {
        None => Delivered::nothing(lent.len(), "it is too old to say where its function is"),
        Some(_) if lent.is_empty() => Delivered::default(),
        Some(scope) => {
            let asker = Asker {
                scope,
                function: &letter.function,
                group: &letter.group,
                stream: &letter.stream,
                filter: &letter.filter,
                source: &consumer,
                attempt: 1,
            };
            let batch = Batch { asker, events: &lent, texts: &texts };
            guests::deliver(app, &batch, &made).await
        }
    };
    let why = delivered.left.first().map(|left| left.why.clone());
    let why = why.or_else(|| (!missing.is_empty()).then(|| "its events are not in the log any more".into()));
    let left = delivered.left.iter().filter_map(|left| Some(lent.get(left.index)?.position.seq));
    missing.extend(left);
    settle(app, letter, missing, why).await.map(Some).map_err(|error| error.to_string())
}

/// Writes that the letter is being handed over, unless an earlier time is not settled yet.
async fn begin(app: &Arc<App>, letter: &DeadLetter) -> Result<Option<DeadLetter>, MetaError> {
    let letter = letter.clone();
    let begun = app.meta.change(move |tx: &mut Tx<'_>| {
        let Some(mut letter) = deliveries::again(tx, &letter)? else { return Ok(None) };
        if !letter.redriving {
            letter.redriving = true;
            letter.redriven += 1;
            deliveries::bury(tx, &letter)?;
        }
        Ok(Some(letter))
    });
    begun.await
}

/// An event of a letter: from the log, or what the letter holds of it.
async fn event(
    app: &Arc<App>,
    letter: &DeadLetter,
    id: EventId,
    index: usize,
) -> Result<Option<Event>, String> {
    let (group, stream) = (GroupId(letter.group_id), StreamId(letter.stream_id));
    let exists = app.meta.read(|tx| Ok(groups::by_id(tx, group.0)?.is_some()));
    if exists.map_err(|error: MetaError| error.to_string())? {
        let store = Arc::clone(&app.store);
        let found = App::blocking(move || store.event(group, Some(stream), id)).await;
        if let Some(event) = found.map_err(|error| error.to_string())? {
            return Ok(Some(event));
        }
    }
    Ok(letter.messages.get(index).map(|message| Event {
        group,
        stream,
        position: Position::at(id.position.seq),
        timestamp_ms: id.timestamp_ms,
        ingestion_ms: letter.at_ms,
        hop: 0,
        message: message.clone().into(),
    }))
}

/// Keeps of the letter only what is at the positions `left`, and forgets its calls.
async fn settle(
    app: &Arc<App>,
    letter: DeadLetter,
    left: BTreeSet<u64>,
    why: Option<Why>,
) -> Result<Redriven, MetaError> {
    let error = why.as_ref().map(|why| why.error.clone());
    let kept = shrunk(&letter, &left, why);
    let redriven =
        Redriven { handled: letter.events.len() - kept.events.len(), left: kept.events.len(), error, letter };
    let before = redriven.letter.clone();
    let settled = app.meta.change(move |tx: &mut Tx<'_>| {
        calls::forget(tx, &before.consumer())?;
        // Swept meanwhile, it stays away.
        if deliveries::again(tx, &before)?.is_none() {
            return Ok(());
        }
        deliveries::unbury(tx, &before)?;
        if kept.events.is_empty() { Ok(()) } else { deliveries::bury(tx, &kept) }
    });
    settled.await.map(|()| redriven)
}

fn shrunk(letter: &DeadLetter, left: &BTreeSet<u64>, why: Option<Why>) -> DeadLetter {
    let mut kept =
        DeadLetter { events: Vec::new(), messages: Vec::new(), redriving: false, ..letter.clone() };
    for (index, id) in letter.events.iter().enumerate() {
        if id.parse::<EventId>().is_ok_and(|id| left.contains(&id.position.seq)) {
            kept.events.push(id.clone());
            kept.messages.extend(letter.messages.get(index).cloned());
        }
    }
    if let Some(Why { error, error_type, panic, version, digest }) = why {
        (kept.reason, kept.error_type, kept.panic) = (error, error_type, panic);
        (kept.version, kept.digest) = (version, digest);
        kept.attempts = kept.attempts.saturating_add(1);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_what_is_left_of_its_events_and_messages() {
        let id = |seq| EventId::new(5, Position::at(seq)).to_string();
        let letter = DeadLetter {
            events: vec![id(1), id(2), id(3), id(4)],
            messages: vec!["one".into(), "two".into()],
            reason: "first".into(),
            attempts: 3,
            redriving: true,
            ..DeadLetter::default()
        };
        let kept = shrunk(&letter, &BTreeSet::from([2, 4]), Some("second".into()));
        assert_eq!((kept.events, kept.messages), (vec![id(2), id(4)], vec!["two".to_owned()]));
        assert_eq!((kept.reason.as_str(), kept.attempts, kept.redriving), ("second", 4, false));
        assert!(shrunk(&letter, &BTreeSet::new(), None).events.is_empty());
    }
}
