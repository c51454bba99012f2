//! Owns DeleteAlarms. Unknown names are passed over, as AWS does; the history of alarms stays.

use crate::Scope;
use crate::alarm::history::HistoryItem;
use crate::operation::describe_alarms::definition;
use crate::records::{AlarmDefinition, AlarmRecord, Records};

/// Deletes the alarms; answers what they were, so that the caller can drop their tags.
pub fn delete_alarms<R: Records>(
    records: &mut R,
    scope: &Scope,
    names: &[String],
    now_ms: i64,
) -> Result<Vec<AlarmRecord>, R::Error> {
    let mut unique = names.to_vec();
    unique.sort();
    unique.dedup();
    let mut alarms = Vec::new();
    for name in &unique {
        if let Some(alarm) = records.alarm(scope, name)? {
            delete(records, scope, &alarm, now_ms)?;
            alarms.push(alarm);
        }
    }
    Ok(alarms)
}

fn delete<R: Records>(
    records: &mut R,
    scope: &Scope,
    alarm: &AlarmRecord,
    now_ms: i64,
) -> Result<(), R::Error> {
    records.delete_alarm(scope, &alarm.spec.name)?;
    records.append_definition(&AlarmDefinition {
        alarm_id: alarm.id,
        revision: alarm.revision + 1,
        valid_from_ms: now_ms,
        spec: None,
    })?;
    records.append_history(scope, &HistoryItem::deleted(&alarm.spec.name, now_ms, &definition(alarm)))
}
