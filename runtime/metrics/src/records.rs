//! Owns the records of this room and the verbs it needs on them. Refuses to know tables, bytes and transactions: the
//! root implements the verbs over one of its own.
//!
//! [`Reads`] is enough for queries and may be implemented over a snapshot; [`Records`] adds what changes.

use crate::Scope;
use crate::alarm::history::{HistoryItem, HistoryKind};
use crate::alarm::spec::AlarmSpec;
use crate::alarm::state::AlarmState;
use crate::name::Metric;
use crate::point::{Point, PointKey, StoredPoint, Tier};
use serde::{Deserialize, Serialize};

/// A series: one metric of one account and region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesRecord {
    /// Never used again.
    pub id: u64,
    /// Whose.
    pub scope: Scope,
    /// Its identity; unique within the scope by [`Metric::key`].
    pub metric: Metric,
    /// When its first datum came.
    pub created_ms: i64,
    /// When its last datum came, to within [`LAST_DATA_STEP_MS`].
    pub last_data_ms: i64,
}

/// How far [`SeriesRecord::last_data_ms`] may lag, so that not every datum rewrites the record.
pub const LAST_DATA_STEP_MS: i64 = 5 * 60_000;

/// An alarm: its current definition and state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmRecord {
    /// Never used again; an alarm deleted and made again has another.
    pub id: u64,
    /// Whose.
    pub scope: Scope,
    /// Rises by one with each PutMetricAlarm and Enable/DisableAlarmActions.
    pub revision: u64,
    /// The definition in force.
    pub spec: AlarmSpec,
    /// When it was made.
    pub created_ms: i64,
    /// When the definition was last put.
    pub configured_ms: i64,
    /// The state.
    pub state: AlarmState,
    /// The last tick evaluated; at first the moment it was made.
    pub evaluated_ms: i64,
}

/// A definition that was in force once. Append only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmDefinition {
    /// Of which alarm.
    pub alarm_id: u64,
    /// Which revision.
    pub revision: u64,
    /// From when on.
    pub valid_from_ms: i64,
    /// The definition; `None` says that the alarm was deleted then.
    pub spec: Option<AlarmSpec>,
}

/// A history item and its place among those of the same moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Rises; given by the implementation.
    pub sequence: u64,
    /// The item.
    pub item: HistoryItem,
}

impl HistoryEntry {
    /// Where it stands in the order of history.
    pub fn place(&self) -> (i64, u64) {
        (self.item.at_ms, self.sequence)
    }
}

/// Which history items to read.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryQuery {
    /// Of this alarm (also one that is gone), or of all.
    pub alarm_name: Option<String>,
    /// Of this kind, or of all.
    pub kind: Option<HistoryKind>,
    /// From here, inclusive.
    pub from_ms: i64,
    /// To here, inclusive.
    pub to_ms: i64,
    /// The order, by (time, sequence).
    pub newest_first: bool,
    /// Only what follows this place in that order.
    pub after: Option<(i64, u64)>,
    /// At most so many.
    pub limit: usize,
}

/// The verbs that read.
pub trait Reads {
    /// What may go wrong below.
    type Error;

    /// The series with this [`Metric::key`].
    fn series(&mut self, scope: &Scope, key: &str) -> Result<Option<SeriesRecord>, Self::Error>;

    /// Series of the scope in byte order of their keys: those whose key begins with `prefix` and is greater than
    /// `after`, at most `limit`.
    fn series_list(
        &mut self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SeriesRecord>, Self::Error>;

    /// Series of all scopes by rising id, greater than `after`, at most `limit`. For sweeps.
    fn series_all(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<SeriesRecord>, Self::Error>;

    /// The point of a series at a key.
    fn point(&mut self, series: u64, key: PointKey) -> Result<Option<Point>, Self::Error>;

    /// The points of a series, of every tier and unit, whose bucket starts in `from_ms..to_ms`.
    fn points(&mut self, series: u64, from_ms: i64, to_ms: i64) -> Result<Vec<StoredPoint>, Self::Error>;

    /// The points of a series in one tier whose bucket starts before `before_ms`, oldest first, at most `limit`. For
    /// sweeps; a table keyed by (series, tier, bucket, unit) answers this and [`Reads::points`] by ranges.
    fn points_before(
        &mut self,
        series: u64,
        tier: Tier,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<StoredPoint>, Self::Error>;

    /// The alarm of this name.
    fn alarm(&mut self, scope: &Scope, name: &str) -> Result<Option<AlarmRecord>, Self::Error>;

    /// Alarms of the scope in byte order of their names: those whose name begins with `prefix` and is greater than
    /// `after`, at most `limit`.
    fn alarms(
        &mut self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AlarmRecord>, Self::Error>;

    /// Alarms of all scopes by rising id, greater than `after`, at most `limit`. For ticks.
    fn alarms_all(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<AlarmRecord>, Self::Error>;

    /// Every definition an alarm had, by rising revision.
    fn alarm_definitions(&mut self, alarm_id: u64) -> Result<Vec<AlarmDefinition>, Self::Error>;

    /// History of the scope.
    fn history(&mut self, scope: &Scope, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, Self::Error>;
}

/// The verbs that change. All changes of one transaction are kept together or not at all.
pub trait Records: Reads {
    /// An id that was never given before.
    fn new_id(&mut self) -> Result<u64, Self::Error>;

    /// Inserts or replaces a series, by scope and key.
    fn put_series(&mut self, series: &SeriesRecord) -> Result<(), Self::Error>;

    /// Inserts or replaces a point.
    fn put_point(&mut self, series: u64, point: &StoredPoint) -> Result<(), Self::Error>;

    /// Deletes a point; nothing if there is none.
    fn delete_point(&mut self, series: u64, key: PointKey) -> Result<(), Self::Error>;

    /// Inserts or replaces an alarm, by scope and name.
    fn put_alarm(&mut self, alarm: &AlarmRecord) -> Result<(), Self::Error>;

    /// Deletes an alarm; its history and definitions stay.
    fn delete_alarm(&mut self, scope: &Scope, name: &str) -> Result<(), Self::Error>;

    /// Keeps a definition.
    fn append_definition(&mut self, definition: &AlarmDefinition) -> Result<(), Self::Error>;

    /// Keeps a history item and gives it its sequence.
    fn append_history(&mut self, scope: &Scope, item: &HistoryItem) -> Result<(), Self::Error>;

    /// Deletes history from before `before_ms`, at most `limit` items of all scopes; says how many.
    fn sweep_history(&mut self, before_ms: i64, limit: usize) -> Result<usize, Self::Error>;

    /// The series of a metric, made if there is none, marked as having data now.
    fn series_for(
        &mut self,
        scope: &Scope,
        metric: &Metric,
        now_ms: i64,
    ) -> Result<SeriesRecord, Self::Error> {
        let found = self.series(scope, &metric.key())?;
        let series = match found {
            Some(series) if now_ms < series.last_data_ms + LAST_DATA_STEP_MS => return Ok(series),
            Some(series) => SeriesRecord { last_data_ms: now_ms, ..series },
            None => SeriesRecord {
                id: self.new_id()?,
                scope: scope.clone(),
                metric: metric.clone(),
                created_ms: now_ms,
                last_data_ms: now_ms,
            },
        };
        self.put_series(&series)?;
        Ok(series)
    }

    /// Merges a point into what stands at its key.
    fn merge_point(&mut self, series: u64, new: &StoredPoint) -> Result<(), Self::Error> {
        match self.point(series, new.key)? {
            Some(there) => {
                self.put_point(series, &StoredPoint { key: new.key, point: there.merge(&new.point) })
            }
            None => self.put_point(series, new),
        }
    }
}
