//! Records in memory: the plainest thing that keeps the promises of the verbs.

use crate::Scope;
use crate::alarm::history::HistoryItem;
use crate::point::{Point, PointKey, StoredPoint, Tier};
use crate::records::{
    AlarmDefinition, AlarmRecord, HistoryEntry, HistoryQuery, Reads, Records, SeriesRecord,
};
use std::collections::BTreeMap;
use std::convert::Infallible;

#[derive(Clone, Default)]
pub(super) struct Memory {
    ids: u64,
    series: BTreeMap<(Scope, String), SeriesRecord>,
    points: BTreeMap<(u64, PointKey), Point>,
    alarms: BTreeMap<(Scope, String), AlarmRecord>,
    definitions: Vec<AlarmDefinition>,
    history: Vec<(Scope, HistoryEntry)>,
}

fn from_prefix<'a, T: Clone>(
    table: &'a BTreeMap<(Scope, String), T>,
    scope: &'a Scope,
    prefix: &'a str,
    after: Option<&'a str>,
    limit: usize,
) -> Vec<T> {
    table
        .iter()
        .filter(|((of, name), _)| {
            of == scope && name.starts_with(prefix) && after.is_none_or(|a| name.as_str() > a)
        })
        .take(limit)
        .map(|(_, record)| record.clone())
        .collect()
}

impl Reads for Memory {
    type Error = Infallible;

    fn series(&mut self, scope: &Scope, key: &str) -> Result<Option<SeriesRecord>, Infallible> {
        Ok(self.series.get(&(scope.clone(), key.to_owned())).cloned())
    }

    fn series_list(
        &mut self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SeriesRecord>, Infallible> {
        Ok(from_prefix(&self.series, scope, prefix, after, limit))
    }

    fn series_all(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<SeriesRecord>, Infallible> {
        let mut all: Vec<_> =
            self.series.values().filter(|s| after.is_none_or(|a| s.id > a)).cloned().collect();
        all.sort_by_key(|s| s.id);
        all.truncate(limit);
        Ok(all)
    }

    fn point(&mut self, series: u64, key: PointKey) -> Result<Option<Point>, Infallible> {
        Ok(self.points.get(&(series, key)).cloned())
    }

    fn points(&mut self, series: u64, from_ms: i64, to_ms: i64) -> Result<Vec<StoredPoint>, Infallible> {
        let inside = |key: &PointKey| key.bucket_ms >= from_ms && key.bucket_ms < to_ms;
        Ok(self
            .points
            .iter()
            .filter(|((of, key), _)| *of == series && inside(key))
            .map(|((_, key), point)| StoredPoint { key: *key, point: point.clone() })
            .collect())
    }

    fn points_before(
        &mut self,
        series: u64,
        tier: Tier,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<StoredPoint>, Infallible> {
        let mut found = self.points(series, i64::MIN, before_ms)?;
        found.retain(|point| point.key.tier == tier);
        found.truncate(limit);
        Ok(found)
    }

    fn alarm(&mut self, scope: &Scope, name: &str) -> Result<Option<AlarmRecord>, Infallible> {
        Ok(self.alarms.get(&(scope.clone(), name.to_owned())).cloned())
    }

    fn alarms(
        &mut self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AlarmRecord>, Infallible> {
        Ok(from_prefix(&self.alarms, scope, prefix, after, limit))
    }

    fn alarms_all(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<AlarmRecord>, Infallible> {
        let mut all: Vec<_> =
            self.alarms.values().filter(|a| after.is_none_or(|id| a.id > id)).cloned().collect();
        all.sort_by_key(|a| a.id);
        all.truncate(limit);
        Ok(all)
    }

    fn alarm_definitions(&mut self, alarm_id: u64) -> Result<Vec<AlarmDefinition>, Infallible> {
        Ok(self.definitions.iter().filter(|d| d.alarm_id == alarm_id).cloned().collect())
    }

    fn history(&mut self, scope: &Scope, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, Infallible> {
        let keeps = |item: &HistoryItem| {
            query.alarm_name.as_ref().is_none_or(|name| *name == item.alarm_name)
                && query.kind.is_none_or(|kind| kind == item.kind)
                && (query.from_ms..=query.to_ms).contains(&item.at_ms)
        };
        let of_scope = self.history.iter().filter(|(of, entry)| of == scope && keeps(&entry.item));
        let mut found: Vec<HistoryEntry> = of_scope.map(|(_, entry)| entry.clone()).collect();
        found.sort_by_key(HistoryEntry::place);
        if query.newest_first {
            found.reverse();
        }
        let follows = |entry: &HistoryEntry, place| {
            if query.newest_first { entry.place() < place } else { entry.place() > place }
        };
        found.retain(|entry| query.after.is_none_or(|place| follows(entry, place)));
        found.truncate(query.limit);
        Ok(found)
    }
}

impl Records for Memory {
    fn new_id(&mut self) -> Result<u64, Infallible> {
        self.ids += 1;
        Ok(self.ids)
    }

    fn put_series(&mut self, series: &SeriesRecord) -> Result<(), Infallible> {
        self.series.insert((series.scope.clone(), series.metric.key()), series.clone());
        Ok(())
    }

    fn put_point(&mut self, series: u64, new: &StoredPoint) -> Result<(), Infallible> {
        self.points.insert((series, new.key), new.point.clone());
        Ok(())
    }

    fn delete_point(&mut self, series: u64, key: PointKey) -> Result<(), Infallible> {
        self.points.remove(&(series, key));
        Ok(())
    }

    fn put_alarm(&mut self, alarm: &AlarmRecord) -> Result<(), Infallible> {
        self.alarms.insert((alarm.scope.clone(), alarm.spec.name.clone()), alarm.clone());
        Ok(())
    }

    fn delete_alarm(&mut self, scope: &Scope, name: &str) -> Result<(), Infallible> {
        self.alarms.remove(&(scope.clone(), name.to_owned()));
        Ok(())
    }

    fn append_definition(&mut self, definition: &AlarmDefinition) -> Result<(), Infallible> {
        self.definitions.push(definition.clone());
        Ok(())
    }

    fn append_history(&mut self, scope: &Scope, item: &HistoryItem) -> Result<(), Infallible> {
        let sequence = self.history.len() as u64;
        self.history.push((scope.clone(), HistoryEntry { sequence, item: item.clone() }));
        Ok(())
    }

    fn sweep_history(&mut self, before_ms: i64, limit: usize) -> Result<usize, Infallible> {
        let mut left = limit;
        self.history.retain(|(_, entry)| {
            let goes = left > 0 && entry.item.at_ms < before_ms;
            left -= usize::from(goes);
            !goes
        });
        Ok(limit - left)
    }
}
