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
    /// There may be more to do: the limit was reached.
    pub has_more: bool,
}

/// Sweeps the points of one series, in one transaction with whatever else is in it: at most `limit` points of each
/// tier. A bucket that the limit cuts is joined in two steps, to the same sum.
pub fn sweep_points<R: Records>(
    records: &mut R,
    series: u64,
    now_ms: i64,
    limit: usize,
) -> Result<Swept, R::Error> {
    let mut swept = Swept::default();
    for tier in Tier::ALL {
        let points = records.points_before(series, tier, now_ms - retention::kept_ms(tier), limit)?;
        let plan = retention::plan(&points, now_ms);
        let gone: usize = plan.rollups.iter().map(|rollup| rollup.from.len()).sum();
        swept.joined += plan.rollups.len();
        swept.gone += gone + plan.drops.len();
        swept.has_more |= points.len() == limit && gone + plan.drops.len() > 0;
        for rollup in plan.rollups {
            records.merge_point(series, &rollup.into)?;
            for key in rollup.from {
                records.delete_point(series, key)?;
            }
        }
        for key in plan.drops {
            records.delete_point(series, key)?;
        }
    }
    Ok(swept)
}

/// Deletes history past its time, at most `limit` items; says how many.
pub fn sweep_history<R: Records>(records: &mut R, now_ms: i64, limit: usize) -> Result<usize, R::Error> {
    records.sweep_history(now_ms - history::KEPT_MS, limit)
}
