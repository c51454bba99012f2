//! Owns PutMetricAlarm: makes an alarm, or puts another definition on one whose state stays. Refuses tags: they are
//! the root's.

use super::{Failure, Outcome};
use crate::Scope;
use crate::alarm::history::HistoryItem;
use crate::alarm::spec::{AlarmSpec, PutMetricAlarm};
use crate::alarm::state::AlarmState;
use crate::operation::describe_alarms::definition;
use crate::records::{AlarmDefinition, AlarmRecord, Records};

/// What became of the alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The alarm as it is now.
    pub alarm: AlarmRecord,
    /// It was not there before: the request's tags are to be kept. On an update AWS passes over them.
    pub is_new: bool,
}

/// Checks and keeps the definition, with its history item.
pub fn put_metric_alarm<R: Records>(
    records: &mut R,
    scope: &Scope,
    put: &PutMetricAlarm,
    now_ms: i64,
) -> Outcome<Put, R::Error> {
    let spec = AlarmSpec::new(put)?;
    put_spec(records, scope, spec, now_ms).map_err(Failure::Records)
}

/// Keeps a checked definition.
pub fn put_spec<R: Records>(
    records: &mut R,
    scope: &Scope,
    spec: AlarmSpec,
    now_ms: i64,
) -> Result<Put, R::Error> {
    let old = records.alarm(scope, &spec.name)?;
    let is_new = old.is_none();
    let alarm = match old {
        Some(old) => AlarmRecord { revision: old.revision + 1, configured_ms: now_ms, spec, ..old },
        None => AlarmRecord {
            id: records.new_id()?,
            scope: scope.clone(),
            revision: 1,
            spec,
            created_ms: now_ms,
            configured_ms: now_ms,
            state: AlarmState::initial(now_ms),
            evaluated_ms: now_ms,
        },
    };
    keep(records, &alarm, now_ms)?;
    let item = if is_new { HistoryItem::created } else { HistoryItem::updated };
    records.append_history(scope, &item(&alarm.spec.name, now_ms, &definition(&alarm)))?;
    Ok(Put { alarm, is_new })
}

/// Keeps an alarm whose definition changed.
pub(crate) fn keep<R: Records>(records: &mut R, alarm: &AlarmRecord, now_ms: i64) -> Result<(), R::Error> {
    records.put_alarm(alarm)?;
    records.append_definition(&AlarmDefinition {
        alarm_id: alarm.id,
        revision: alarm.revision,
        valid_from_ms: now_ms,
        spec: Some(alarm.spec.clone()),
    })
}
