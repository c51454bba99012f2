//! Owns SetAlarmState: the state holds until the next evaluation decides otherwise. Refuses to run the actions: it
//! says that they are due.

use super::{Failure, Outcome, unknown_alarm};
use crate::Scope;
use crate::alarm::evaluate::Transition;
use crate::alarm::history::HistoryItem;
use crate::alarm::state::StateValue;
use crate::records::{AlarmRecord, Records};
use serde::Deserialize;

/// The request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct SetAlarmState {
    pub alarm_name: String,
    pub state_value: String,
    pub state_reason: String,
    pub state_reason_data: Option<String>,
}

/// Sets the state. `Some` if its value changed: then the actions of the new state are due.
pub fn set_alarm_state<R: Records>(
    records: &mut R,
    scope: &Scope,
    set: &SetAlarmState,
    now_ms: i64,
) -> Outcome<(AlarmRecord, Option<Transition>), R::Error> {
    let value = StateValue::parse(&set.state_value)?;
    let found = records.alarm(scope, &set.alarm_name).map_err(Failure::Records)?;
    let mut alarm = found.ok_or_else(|| unknown_alarm(&set.alarm_name))?;
    let new = alarm.state.set(value, &set.state_reason, set.state_reason_data.as_deref(), now_ms)?;
    let old = std::mem::replace(&mut alarm.state, new.clone());
    records.put_alarm(&alarm).map_err(Failure::Records)?;
    if old.value == new.value {
        return Ok((alarm, None));
    }
    let change = Transition { old, new, events: Vec::new() };
    let item = HistoryItem::transition(&alarm.spec.name, &change, &[]);
    records.append_history(scope, &item).map_err(Failure::Records)?;
    Ok((alarm, Some(change)))
}
