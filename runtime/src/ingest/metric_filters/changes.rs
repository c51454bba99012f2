//! Owns what a reader of metric filters writes in one change of metadata. Refuses to know where it came from.

use std::collections::BTreeMap;

use metrics::Scope;
use metrics::filter::{Publication, Tally};
use metrics::records::{Reads, Records};

use super::TALLIES;
use crate::ingest::fan_out::MetricReader;
use crate::meta::{Key, MetaError, Tx};
use crate::records::cursors;
use crate::records::gaps::{self, Gap};

/// One change of metadata.
pub(super) struct Changes {
    consumer: &'static str,
    /// Points to merge.
    pub(super) points: Vec<(Scope, Publication)>,
    /// Points for minutes that have none.
    pub(super) defaults: Vec<(Scope, Publication)>,
    /// Tallies to write, and those to remove.
    pub(super) tallies: Vec<(u64, Option<Tally>)>,
    /// What was missed on the way.
    pub(super) gaps: Vec<Gap>,
    cursor: u64,
}

impl Changes {
    /// Nothing yet, but that the reader is at `cursor`.
    pub(super) fn of(which: MetricReader, cursor: u64) -> Changes {
        let consumer = which.name();
        Changes {
            consumer,
            points: Vec::new(),
            defaults: Vec::new(),
            tallies: Vec::new(),
            gaps: Vec::new(),
            cursor,
        }
    }

    /// Whether nothing came of the events before the cursor.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.defaults.is_empty() && self.tallies.is_empty() && self.gaps.is_empty()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Storage failures.
    pub(super) fn write(self, tx: &mut Tx<'_>, now_ms: i64) -> Result<(), MetaError> {
        for (scope, Publication { metric, points }) in self.points {
            let series = tx.series_for(&scope, &metric, now_ms)?.id;
            for point in &points {
                tx.merge_point(series, point)?;
            }
        }
        for (scope, Publication { metric, points }) in self.defaults {
            let series = tx.series_for(&scope, &metric, now_ms)?.id;
            for point in &points {
                // Events that come late open a minute again; what was published for it stands.
                if tx.point(series, point.key)?.is_none() {
                    tx.put_point(series, point)?;
                }
            }
        }
        for (id, tally) in self.tallies {
            match tally {
                Some(tally) => tx.put(&TALLIES, &Key::of((self.consumer, id)), &tally)?,
                None => tx.delete(&TALLIES, &Key::of((self.consumer, id)))?,
            }
        }
        for gap in self.gaps {
            gaps::add(tx, self.consumer, gap)?;
        }
        cursors::set(tx, self.consumer, 0, self.cursor)
    }
}

/// Tallies to write, and those to remove.
pub(super) fn difference(
    before: &BTreeMap<u64, Tally>,
    after: &BTreeMap<u64, Tally>,
) -> Vec<(u64, Option<Tally>)> {
    let written = after.iter().filter(|(id, tally)| before.get(id) != Some(tally));
    let written = written.map(|(id, tally)| (*id, Some(tally.clone())));
    let gone = before.keys().filter(|id| !after.contains_key(id)).map(|id| (*id, None));
    written.chain(gone).collect()
}
