//! Owns the sweeps over records: points by age, history after 30 days. Refuses to know when they run.

use crate::alarm::history;
use crate::point::Tier;
use crate::records::Records;
use crate::retention;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Coarser points that were made or added to.
    pub joined: usize,
    /// Points that are gone: joined into others, or too old.
    pub gone: usize,
}

/// Sweeps the points of one series, in one transaction with whatever else is in it.
pub fn sweep_points<R: Records>(records: &mut R, series: u64, now_ms: i64) -> Result<Swept, R::Error> {
    let until_ms = now_ms - retention::kept_ms(Tier::Second);
    let points = records.points(series, i64::MIN, until_ms)?;
    let plan = retention::plan(&points, now_ms);
    let mut swept = Swept { joined: plan.rollups.len(), gone: plan.drops.len() };
    for rollup in plan.rollups {
        records.merge_point(series, rollup.into.key, &rollup.into.point)?;
        for key in &rollup.from {
            records.delete_point(series, *key)?;
        }
        swept.gone += rollup.from.len();
    }
    for key in plan.drops {
        records.delete_point(series, key)?;
    }
    Ok(swept)
}

/// Deletes history past its time, at most `limit` items; says how many.
pub fn sweep_history<R: Records>(records: &mut R, now_ms: i64, limit: usize) -> Result<usize, R::Error> {
    records.sweep_history(now_ms - history::KEPT_MS, limit)
}
