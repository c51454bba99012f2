//! Owns what is shown of those who read the log by position: how many of each kind, and how far the last of them is
//! behind. Refuses to know what they do.

use std::collections::BTreeMap;

use store::{PageLimit, Position};

use super::exposition::{Kind, Page};
use crate::app::App;

/// The consumers of one kind.
#[derive(Default)]
struct Group {
    count: u64,
    stuck: u64,
    /// Where the last of them is.
    position: u64,
}

pub(super) fn families(app: &App, page: &mut Page) {
    let end = app.store.durable_position();
    let mut kinds: BTreeMap<&'static str, Group> = BTreeMap::new();
    for consumer in app.fan_out.consumers().into_values() {
        let group =
            kinds.entry(consumer.kind).or_insert_with(|| Group { position: end.seq, ..Group::default() });
        group.count += 1;
        group.stuck += u64::from(consumer.attempts > 0);
        group.position = group.position.min(consumer.position);
    }
    let kinds: Vec<(&str, Group, i64)> = kinds
        .into_iter()
        .map(|(kind, group)| (kind, waiting_ms(app, group.position, end), group))
        .map(|(kind, ms, group)| (kind, group, ms))
        .collect();
    let mut family = page.family("logboom_consumers", Kind::Gauge, "Readers of the log by position.");
    for (kind, group, _) in &kinds {
        family.sample(&[("kind", kind)], group.count);
    }
    let help = "Readers whose last attempt to hand events on failed.";
    let mut family = page.family("logboom_consumers_failing", Kind::Gauge, help);
    for (kind, group, _) in &kinds {
        family.sample(&[("kind", kind)], group.stuck);
    }
    let help = "Events that the last reader of a kind has before it.";
    let mut family = page.family("logboom_consumer_lag_events", Kind::Gauge, help);
    for (kind, group, _) in &kinds {
        family.sample(&[("kind", kind)], end.seq.saturating_sub(group.position));
    }
    let help = "How long the first of these events has been stored.";
    let mut family = page.family("logboom_consumer_lag_seconds", Kind::Gauge, help);
    for (kind, _, waiting_ms) in &kinds {
        family.sample(&[("kind", kind)], *waiting_ms as f64 / 1e3);
    }
}

/// How long the event at a position, or the first after it, has waited to be read.
fn waiting_ms(app: &App, position: u64, end: Position) -> i64 {
    if position >= end.seq {
        return 0;
    }
    let one = PageLimit { events: 1, ..PageLimit::default() };
    let page = app.store.scan_by_position(Position::at(position), end, one, None);
    // What cannot be read is told by those who are to read it.
    let first = page.ok().and_then(|page| page.held.first().map(|held| held.lend().ingestion_ms(0)));
    first.map_or(0, |stored_ms| (app.clock.now_ms() - stored_ms).max(0))
}
