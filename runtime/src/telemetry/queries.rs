//! Owns what is counted of Logs Insights queries. Refuses to know what they ask.

use super::exposition::{Kind, Page};
use super::histogram::Histogram;
use crate::app::App;
use crate::ingest::activity::Count;
use crate::query::State;

/// How queries ended.
const ENDS: [&str; 4] = ["Complete", "Failed", "Cancelled", "Timeout"];

/// Queries that ended.
#[derive(Default)]
pub(crate) struct Tally {
    ended: [Count; ENDS.len()],
    took: Histogram,
}

impl Tally {
    /// Counts one that ended.
    pub(crate) fn ended(&self, state: &State, took_ms: i64) {
        if let Some(at) = ENDS.iter().position(|name| *name == state.name()) {
            self.ended[at].add(1);
        }
        self.took.record_us(u64::try_from(took_ms).unwrap_or(0).saturating_mul(1_000));
    }
}

pub(super) fn families(app: &App, page: &mut Page) {
    let (scheduled, running) = app.queries.at_work();
    let mut family = page.family("logboom_queries", Kind::Gauge, "Queries that have not ended.");
    family.sample(&[("state", "Scheduled")], scheduled);
    family.sample(&[("state", "Running")], running);
    let tally = &app.telemetry.queries;
    let mut family = page.family("logboom_queries_ended_total", Kind::Counter, "Queries by how they ended.");
    for (name, count) in ENDS.iter().zip(&tally.ended) {
        family.sample(&[("state", name)], count.get());
    }
    let help = "From StartQuery to the end, waiting included.";
    page.family("logboom_query_duration_seconds", Kind::Histogram, help).histogram(&[], &tally.took);
}
