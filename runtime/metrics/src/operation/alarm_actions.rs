//! Owns EnableAlarmActions and DisableAlarmActions. Unknown names are passed over, as AWS does.

use crate::Scope;
use crate::alarm::history::HistoryItem;
use crate::operation::describe_alarms::definition;
use crate::operation::put_metric_alarm::keep;
use crate::records::Records;

/// Switches the actions of these alarms on or off.
pub fn set_alarm_actions<R: Records>(
    records: &mut R,
    scope: &Scope,
    names: &[String],
    enabled: bool,
    now_ms: i64,
) -> Result<(), R::Error> {
    for name in names {
        let Some(mut alarm) = records.alarm(scope, name)? else { continue };
        if alarm.spec.actions_enabled == enabled {
            continue;
        }
        alarm.spec.actions_enabled = enabled;
        alarm.revision += 1;
        alarm.configured_ms = now_ms;
        keep(records, &alarm, now_ms)?;
        records.append_history(scope, &HistoryItem::updated(name, now_ms, &definition(&alarm)))?;
    }
    Ok(())
}
