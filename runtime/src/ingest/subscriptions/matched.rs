//! Owns which events of a page match the pattern of a subscription. Refuses to read pages and to deliver.

use std::sync::Arc;

use pattern::{Document, Kind, Pattern};
use store::{Event, Held, Page};

use crate::app::App;
use crate::functions::HOPS_MAX;
use crate::ingest::guests::{self, Asker, Batch, texts};
use crate::ingest::matching::{Matched, matching};
use crate::utf8;

/// The events of a page that match; those that come through too many deliveries are left out. Events stay where they lie
/// until it is known which are taken.
///
/// # Errors
/// A sentence, when a guest could not be asked or fails on too many events.
pub(super) async fn matched(
    app: &Arc<App>,
    pattern: &Pattern,
    asker: &Asker<'_>,
    page: &Page,
) -> Result<Vec<Event>, String> {
    let held: Vec<Held> = page.held.iter().flat_map(without_loops).collect();
    let matched = match pattern.guest_only() {
        Some(name) => guests::kept_held(app, &Asker { function: name, ..*asker }, &held).await?,
        None => by_pattern(app, pattern, asker, &held).await?,
    };
    let mut rows = matched.yes;
    if !matched.unknown.is_empty() {
        // A filter that fails on an event must not lose it.
        let (filter, group, count) = (asker.filter, asker.group, matched.unknown.len());
        let reason = matched.reason.unwrap_or_default();
        tracing::warn!(filter, group, count, reason, "events are delivered although their filter failed");
        rows.extend(matched.unknown);
        rows.sort_unstable();
    }
    Ok(taken(&held, &rows))
}

/// The events that did not come through too many deliveries.
fn without_loops(held: &Held) -> Vec<Held> {
    let lent = held.lend();
    let loops = |row: usize| lent.hop(row) >= HOPS_MAX;
    if !(0..lent.len()).any(loops) {
        return vec![held.clone()];
    }
    let rows = (0..lent.len()).filter(|row| !loops(*row));
    rows.map(|row| held.slice(row..row + 1)).collect()
}

/// What the pattern says, where its own part leaves anything open to guests.
async fn by_pattern(
    app: &Arc<App>,
    pattern: &Pattern,
    asker: &Asker<'_>,
    held: &[Held],
) -> Result<Matched, String> {
    let open = may_match(pattern, held);
    if pattern.guests().is_empty() {
        return Ok(Matched { yes: open, ..Matched::default() });
    }
    let events = taken(held, &open);
    let lent: Vec<&Event> = events.iter().collect();
    let texts = texts(&lent);
    let batch = Batch { asker: *asker, events: &lent, texts: &texts };
    let matched = matching(app, pattern, &batch).await?;
    let places = |indexes: Vec<usize>| indexes.into_iter().map(|index| open[index]).collect();
    let (yes, unknown) = (places(matched.yes), places(matched.unknown));
    Ok(Matched { yes, unknown, reason: matched.reason })
}

/// The rows that the pattern matches if every guest says yes, counted over all.
fn may_match(pattern: &Pattern, held: &[Held]) -> Vec<usize> {
    let count = held.iter().map(Held::len).sum();
    if pattern.kind() == Kind::Everything {
        return (0..count).collect();
    }
    let texts = utf8::messages(held);
    (0..count).filter(|row| pattern.may_match(&Document::new(&texts[*row]))).collect()
}

/// Rows as events.
fn taken(held: &[Held], rows: &[usize]) -> Vec<Event> {
    // Few events must not keep a page in memory.
    let few = rows.len() * 4 < held.iter().map(Held::len).sum();
    let mut events = Vec::with_capacity(rows.len());
    let (mut before, mut rest) = (0, rows);
    for one in held {
        let end = before + one.len();
        let (mine, others) = rest.split_at(rest.partition_point(|row| *row < end));
        let own = mine.iter().map(|row| row - before);
        if few {
            events.extend(one.events_apart(own));
        } else {
            events.extend(one.events(own));
        }
        (before, rest) = (end, others);
    }
    events
}
