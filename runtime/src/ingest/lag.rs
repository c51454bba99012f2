//! Owns how far the readers of the log are behind: in events and in time. Refuses to know who asks.

use std::collections::BTreeMap;

use serde::Serialize;
use store::{GroupId, PageLimit, Position};

use super::fan_out::Consumer;
use crate::app::App;

/// How far a reader is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Lag {
    /// Events stored since the first that it has not handled, those of other groups included.
    #[serde(rename = "lag_events")]
    pub(crate) events: u64,
    /// How long the first of them has been waiting.
    #[serde(rename = "lag_ms")]
    pub(crate) age_ms: u64,
}

/// Every reader by name, and how far it is behind. It may read the disk: for a reader that is behind, the first event
/// that it has not handled is looked up.
pub(crate) fn of_all(app: &App) -> BTreeMap<String, (Consumer, Lag)> {
    let (end, now_ms) = (app.store.durable_position(), app.clock.now_ms());
    let lag = |consumer: &Consumer| of(app, consumer, end, now_ms);
    app.fan_out
        .consumers()
        .into_iter()
        .map(|(name, consumer)| (name, (consumer.clone(), lag(&consumer))))
        .collect()
}

fn of(app: &App, consumer: &Consumer, end: Position, now_ms: i64) -> Lag {
    let from = Position::at(consumer.position);
    if from >= end {
        return Lag::default();
    }
    let events = end.seq - from.seq;
    let group = [GroupId(consumer.group)];
    let groups = (consumer.group != 0).then_some(&group[..]);
    let first = app.store.scan_by_position(from, end, PageLimit { events: 1, bytes: 1 }, groups);
    match first.map(|page| page.held.into_iter().next()) {
        Ok(Some(held)) => {
            let first = held.lend();
            let age_ms = u64::try_from(now_ms.saturating_sub(first.ingestion_ms(0))).unwrap_or(0);
            Lag { events: end.seq - first.seq(0), age_ms }
        }
        // Nothing of its group is there any more.
        Ok(None) => Lag::default(),
        Err(error) => {
            tracing::warn!(%error, "the age of what a reader has not read is not known");
            Lag { events, age_ms: 0 }
        }
    }
}
