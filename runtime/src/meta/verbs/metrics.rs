//! Owns the verbs of `metrics` over a transaction: series, points, alarms, definitions, history. Refuses to
//! know statistics and evaluation.
//!
//! Series and alarms have a row by name, which pages of a scope walk, and a row by id, which sweeps and ticks
//! walk. A history item has its row by time in its scope, one by its alarm's name and one by age.

use metrics::Scope;
use metrics::alarm::history::HistoryItem;
use metrics::point::{Point, PointKey, StoredPoint, Tier};
use metrics::records::{
    AlarmDefinition, AlarmRecord, HistoryEntry, HistoryQuery, Reads, Records, SeriesRecord,
};
use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Packed, Packs, Span, Table, Tx};

/// (account, region, metric key) -> series.
const SERIES: Table<SeriesRecord> = Table::new("metric_series");

/// series id -> where its row is.
const SERIES_IDS: Table<Place> = Table::new("metric_series_ids");

/// (series id, tier, bucket, unit) -> point.
const POINTS: Table<Packs<StoredPoint>> = Table::new("metric_points");

impl Packed for StoredPoint {
    fn pack(&self, out: &mut Vec<u8>) {
        metrics::packed::pack(self, out);
    }

    fn unpack(bytes: &[u8]) -> Option<StoredPoint> {
        metrics::packed::unpack(bytes)
    }
}

/// (account, region, name) -> alarm.
const ALARMS: Table<AlarmRecord> = Table::new("alarms");

/// alarm id -> where its row is.
const ALARM_IDS: Table<Place> = Table::new("alarm_ids");

/// (alarm id, revision) -> definition.
const DEFINITIONS: Table<AlarmDefinition> = Table::new("alarm_definitions");

/// (account, region, time, sequence) -> history item.
const HISTORY: Table<HistoryItem> = Table::new("alarm_history");

/// (account, region, alarm, time, sequence) -> nothing: the way to one alarm's history.
const HISTORY_OF: Table<()> = Table::new("alarm_history_of");

/// (time, sequence) -> whose item it is: the way to the oldest.
const HISTORY_AGE: Table<Aged> = Table::new("alarm_history_age");

#[derive(Serialize, Deserialize)]
struct Place {
    scope: Scope,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Aged {
    scope: Scope,
    alarm: String,
}

fn named(scope: &Scope, name: &str) -> Key {
    Key::of((&scope.account, &scope.region, name))
}

fn names(scope: &Scope, prefix: &str, after: Option<&str>) -> Span {
    let span = Span::prefix(&Key::of((&scope.account, &scope.region)).starting(prefix));
    match after {
        Some(after) => span.after(&named(scope, after)),
        None => span,
    }
}

fn ids(after: Option<u64>) -> Span {
    match after {
        Some(after) => Span::all().after(&Key::of(after)),
        None => Span::all(),
    }
}

/// The byte of a tier in keys; on disk, so it never changes.
fn tier_number(tier: Tier) -> u64 {
    match tier {
        Tier::Second => 0,
        Tier::Minute => 1,
        Tier::FiveMinutes => 2,
        Tier::Hour => 3,
    }
}

fn point_key(series: u64, key: PointKey) -> Key {
    Key::of((series, tier_number(key.tier), key.bucket_ms, key.unit.as_str()))
}

impl Reads for Tx<'_> {
    type Error = MetaError;

    fn series(&mut self, scope: &Scope, key: &str) -> Result<Option<SeriesRecord>, MetaError> {
        self.get(&SERIES, &named(scope, key))
    }

    fn series_list(
        &mut self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SeriesRecord>, MetaError> {
        self.scan(&SERIES, &names(scope, prefix, after))?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn series_all(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<SeriesRecord>, MetaError> {
        let mut found = Vec::new();
        for row in self.scan(&SERIES_IDS, &ids(after))?.take(limit) {
            let (_, Place { scope, name }) = row?;
            found.extend(self.get(&SERIES, &named(&scope, &name))?);
        }
        Ok(found)
    }

    fn point(&mut self, series: u64, key: PointKey) -> Result<Option<Point>, MetaError> {
        Ok(self.get_packed(&POINTS, &point_key(series, key))?.map(|stored| stored.point))
    }

    fn points(&mut self, series: u64, from_ms: i64, to_ms: i64) -> Result<Vec<StoredPoint>, MetaError> {
        let mut found = Vec::new();
        for tier in Tier::ALL.map(tier_number) {
            let span = Span::range(&Key::of((series, tier, from_ms)), &Key::of((series, tier, to_ms)));
            for row in self.scan_packed(&POINTS, &span)? {
                found.push(row?.1);
            }
        }
        Ok(found)
    }

    fn points_before(
        &mut self,
        series: u64,
        tier: Tier,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<StoredPoint>, MetaError> {
        let tier = tier_number(tier);
        let span = Span::range(&Key::of((series, tier)), &Key::of((series, tier, before_ms)));
        self.scan_packed(&POINTS, &span)?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn alarm(&mut self, scope: &Scope, name: &str) -> Result<Option<AlarmRecord>, MetaError> {
        self.get(&ALARMS, &named(scope, name))
    }

    fn alarms(
        &mut self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AlarmRecord>, MetaError> {
        self.scan(&ALARMS, &names(scope, prefix, after))?.take(limit).map(|row| Ok(row?.1)).collect()
    }

    fn alarms_all(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<AlarmRecord>, MetaError> {
        let mut found = Vec::new();
        for row in self.scan(&ALARM_IDS, &ids(after))?.take(limit) {
            let (_, Place { scope, name }) = row?;
            found.extend(self.get(&ALARMS, &named(&scope, &name))?);
        }
        Ok(found)
    }

    fn alarm_definitions(&mut self, alarm_id: u64) -> Result<Vec<AlarmDefinition>, MetaError> {
        let span = Span::prefix(&Key::of(alarm_id));
        self.scan(&DEFINITIONS, &span)?.map(|row| Ok(row?.1)).collect()
    }

    fn history(&mut self, scope: &Scope, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, MetaError> {
        match &query.alarm_name {
            Some(alarm) => {
                let prefix = Key::of((&scope.account, &scope.region, alarm));
                let at = |(at_ms, sequence): (i64, u64)| {
                    Key::of((&scope.account, &scope.region, alarm, at_ms, sequence))
                };
                let rows = self.scan(&HISTORY_OF, &history_span(&prefix, query, at))?;
                let entries = rows.map(|row| {
                    let (key, ()) = row?;
                    let mut parts = key.reader();
                    let (account, region, _alarm) = (parts.text()?, parts.text()?, parts.text()?);
                    let (at_ms, sequence) = (parts.i64()?, parts.u64()?);
                    let item = self.get(&HISTORY, &Key::of((&account, &region, at_ms, sequence)))?;
                    Ok(item.map(|item| HistoryEntry { sequence, item }))
                });
                chosen(entries, query)
            }
            None => {
                let prefix = Key::of((&scope.account, &scope.region));
                let at =
                    |(at_ms, sequence): (i64, u64)| Key::of((&scope.account, &scope.region, at_ms, sequence));
                let rows = self.scan(&HISTORY, &history_span(&prefix, query, at))?;
                let entries = rows.map(|row| {
                    let (key, item) = row?;
                    let mut parts = key.reader();
                    let (_account, _region, _at_ms) = (parts.text()?, parts.text()?, parts.i64()?);
                    Ok(Some(HistoryEntry { sequence: parts.u64()?, item }))
                });
                chosen(entries, query)
            }
        }
    }
}

/// Rows of `prefix` within the query's times, behind its place, in its order.
fn history_span(prefix: &Key, query: &HistoryQuery, at: impl Fn((i64, u64)) -> Key) -> Span {
    let mut span = Span::prefix(prefix).before(&at((query.to_ms.saturating_add(1), 0)));
    if let Some(last_before) = query.from_ms.checked_sub(1) {
        span = span.after(&at((last_before, u64::MAX)));
    }
    if let Some(place) = query.after {
        span = if query.newest_first { span.before(&at(place)) } else { span.after(&at(place)) };
    }
    if query.newest_first { span.backwards() } else { span }
}

fn chosen(
    entries: impl Iterator<Item = Result<Option<HistoryEntry>, MetaError>>,
    query: &HistoryQuery,
) -> Result<Vec<HistoryEntry>, MetaError> {
    let wanted = |entry: &HistoryEntry| query.kind.is_none_or(|kind| entry.item.kind == kind);
    let entries = entries.filter_map(Result::transpose);
    entries.filter(|entry| entry.as_ref().map_or(true, wanted)).take(query.limit).collect()
}

impl Records for Tx<'_> {
    fn new_id(&mut self) -> Result<u64, MetaError> {
        self.next_id("metrics")
    }

    fn put_series(&mut self, series: &SeriesRecord) -> Result<(), MetaError> {
        let (scope, name) = (series.scope.clone(), series.metric.key());
        self.put(&SERIES, &named(&scope, &name), series)?;
        self.put(&SERIES_IDS, &Key::of(series.id), &Place { scope, name })
    }

    fn put_point(&mut self, series: u64, point: &StoredPoint) -> Result<(), MetaError> {
        self.put_packed(&POINTS, &point_key(series, point.key), point)
    }

    fn delete_point(&mut self, series: u64, key: PointKey) -> Result<(), MetaError> {
        self.delete(&POINTS, &point_key(series, key))
    }

    fn put_alarm(&mut self, alarm: &AlarmRecord) -> Result<(), MetaError> {
        let (scope, name) = (alarm.scope.clone(), alarm.spec.name.clone());
        self.put(&ALARMS, &named(&scope, &name), alarm)?;
        self.put(&ALARM_IDS, &Key::of(alarm.id), &Place { scope, name })
    }

    fn delete_alarm(&mut self, scope: &Scope, name: &str) -> Result<(), MetaError> {
        let key = named(scope, name);
        if let Some(alarm) = self.get(&ALARMS, &key)? {
            self.delete(&ALARM_IDS, &Key::of(alarm.id))?;
        }
        self.delete(&ALARMS, &key)
    }

    fn append_definition(&mut self, definition: &AlarmDefinition) -> Result<(), MetaError> {
        self.put(&DEFINITIONS, &Key::of((definition.alarm_id, definition.revision)), definition)
    }

    fn append_history(&mut self, scope: &Scope, item: &HistoryItem) -> Result<(), MetaError> {
        let sequence = self.next_id("alarm_history")?;
        let (account, region, alarm) = (&scope.account, &scope.region, &item.alarm_name);
        self.put(&HISTORY, &Key::of((account, region, item.at_ms, sequence)), item)?;
        self.put(&HISTORY_OF, &Key::of((account, region, alarm, item.at_ms, sequence)), &())?;
        let aged = Aged { scope: scope.clone(), alarm: alarm.clone() };
        self.put(&HISTORY_AGE, &Key::of((item.at_ms, sequence)), &aged)
    }

    fn sweep_history(&mut self, before_ms: i64, limit: usize) -> Result<usize, MetaError> {
        let span = Span::all().before(&Key::of((before_ms, 0u64)));
        let old = self.scan(&HISTORY_AGE, &span)?.take(limit).collect::<Result<Vec<_>, _>>()?;
        for (key, Aged { scope, alarm }) in &old {
            let mut parts = key.reader();
            let (at_ms, sequence) = (parts.i64()?, parts.u64()?);
            let (account, region) = (&scope.account, &scope.region);
            self.delete(&HISTORY, &Key::of((account, region, at_ms, sequence)))?;
            self.delete(&HISTORY_OF, &Key::of((account, region, alarm, at_ms, sequence)))?;
            self.delete(&HISTORY_AGE, key)?;
        }
        Ok(old.len())
    }
}

#[cfg(test)]
mod tests;
