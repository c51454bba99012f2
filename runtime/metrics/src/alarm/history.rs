//! Owns the items of an alarm's history: kinds, summaries and data in AWS's form. Refuses to know where they are
//! kept and when they are swept, but for how long (30 days).

use crate::alarm::evaluate::Transition;
use crate::alarm::message::EvidenceLine;
use crate::alarm::state::AlarmState;
use crate::point::EventReference;
use crate::time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long items are kept.
pub const KEPT_MS: i64 = 30 * 86_400_000;
const SUMMARY_CHARS_MAX: usize = 255;
const DATA_CHARS_MAX: usize = 4095;

/// HistoryItemType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryKind {
    /// The definition was made, changed or deleted.
    ConfigurationUpdate,
    /// The state changed.
    StateUpdate,
    /// An action was carried out, or failed.
    Action,
}

impl HistoryKind {
    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            HistoryKind::ConfigurationUpdate => "ConfigurationUpdate",
            HistoryKind::StateUpdate => "StateUpdate",
            HistoryKind::Action => "Action",
        }
    }

    /// The kind with this spelling, if it is one of ours.
    pub fn parse(text: &str) -> Option<HistoryKind> {
        [HistoryKind::ConfigurationUpdate, HistoryKind::StateUpdate, HistoryKind::Action]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// One item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryItem {
    /// Name of the alarm; the item outlives it.
    pub alarm_name: String,
    /// When.
    pub at_ms: i64,
    /// What kind.
    pub kind: HistoryKind,
    /// HistorySummary, for people.
    pub summary: String,
    /// HistoryData, JSON text.
    pub data: String,
    /// The events behind a transition to ALARM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventReference>,
    /// Their lines, where the root resolved them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceLine>,
}

impl HistoryItem {
    fn new(alarm_name: &str, at_ms: i64, kind: HistoryKind, summary: &str, data: &Value) -> HistoryItem {
        HistoryItem {
            alarm_name: alarm_name.to_owned(),
            at_ms,
            kind,
            summary: summary.chars().take(SUMMARY_CHARS_MAX).collect(),
            data: data.to_string(),
            events: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// A change of state, with the lines behind it.
    pub fn transition(alarm_name: &str, change: &Transition, evidence: &[EvidenceLine]) -> HistoryItem {
        let summary = format!("Alarm updated from {} to {}", change.old.value, change.new.value);
        let data = |old: bool, new: bool| json!({ "version": "1.0", "oldState": state(&change.old, old), "newState": state(&change.new, new) });
        // The old state's details go first when there is no room for both.
        let fits = |data: &Value| data.to_string().chars().count() <= DATA_CHARS_MAX;
        let data = [data(true, true), data(false, true)]
            .into_iter()
            .find(fits)
            .unwrap_or_else(|| data(false, false));
        let at_ms = change.new.updated_ms;
        let mut item = HistoryItem::new(alarm_name, at_ms, HistoryKind::StateUpdate, &summary, &data);
        item.events.clone_from(&change.events);
        item.evidence = evidence.to_vec();
        item
    }

    /// The definition was made: `definition` is the alarm as DescribeAlarms shows it.
    pub fn created(alarm_name: &str, at_ms: i64, definition: &Value) -> HistoryItem {
        configuration(alarm_name, at_ms, ("Create", "created", "createdAlarm"), definition)
    }

    /// The definition was put again.
    pub fn updated(alarm_name: &str, at_ms: i64, definition: &Value) -> HistoryItem {
        configuration(alarm_name, at_ms, ("Update", "updated", "updatedAlarm"), definition)
    }

    /// The alarm was deleted.
    pub fn deleted(alarm_name: &str, at_ms: i64, definition: &Value) -> HistoryItem {
        configuration(alarm_name, at_ms, ("Delete", "deleted", "deletedAlarm"), definition)
    }

    /// An action was carried out (`error` is `None`) or failed for good.
    pub fn action(
        alarm_name: &str,
        at_ms: i64,
        state_updated_ms: i64,
        arn: &str,
        error: Option<&str>,
    ) -> HistoryItem {
        let mut data = json!({
            "actionState": if error.is_none() { "Succeeded" } else { "Failed" },
            "stateUpdateTimestamp": state_updated_ms,
            "notificationResource": arn,
        });
        if let Some(error) = error {
            data["error"] = json!(error.chars().take(1024).collect::<String>());
        }
        let verb = if error.is_none() { "Successfully executed" } else { "Failed to execute" };
        let summary = format!("{verb} action {arn}");
        HistoryItem::new(alarm_name, at_ms, HistoryKind::Action, &summary, &data)
    }

    /// The item as DescribeAlarmHistory answers it.
    pub fn describe(&self) -> Value {
        json!({
            "AlarmName": self.alarm_name,
            "AlarmType": "MetricAlarm",
            "Timestamp": time::to_seconds(self.at_ms),
            "HistoryItemType": self.kind.as_str(),
            "HistorySummary": self.summary,
            "HistoryData": self.data,
        })
    }
}

fn state(state: &AlarmState, with_data: bool) -> Value {
    let mut out = json!({ "stateValue": state.value.as_str(), "stateReason": state.reason });
    let data = state.reason_data.as_deref().filter(|_| with_data);
    if let Some(data) = data.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        out["stateReasonData"] = data;
    }
    out
}

fn configuration(alarm_name: &str, at_ms: i64, words: (&str, &str, &str), definition: &Value) -> HistoryItem {
    let (kind, verb, member) = words;
    let mut data = json!({ "version": "1.0", "type": kind, member: definition });
    if data.to_string().chars().count() > DATA_CHARS_MAX {
        data[member] = json!({ "alarmName": alarm_name });
    }
    let summary = format!("Alarm \"{alarm_name}\" {verb}");
    HistoryItem::new(alarm_name, at_ms, HistoryKind::ConfigurationUpdate, &summary, &data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::state::StateValue;

    fn state_with(value: StateValue, data: &str) -> AlarmState {
        let data = json!({ "version": "1.0", "text": data }).to_string();
        AlarmState::initial(1).set(value, "because", Some(&data), 2_000).unwrap()
    }

    fn item(old: &str, new: &str) -> (HistoryItem, Value) {
        let (old, new) = (state_with(StateValue::Ok, old), state_with(StateValue::Alarm, new));
        let item = HistoryItem::transition("a", &Transition { old, new, events: vec![] }, &[]);
        let data = serde_json::from_str(&item.data).unwrap();
        (item, data)
    }

    #[test]
    fn a_transition_as_recorded() {
        let (item, data) = item("o", "n");
        assert_eq!(
            (item.kind, item.summary.as_str(), item.at_ms),
            (HistoryKind::StateUpdate, "Alarm updated from OK to ALARM", 2_000)
        );
        let state = |value: &str, text: &str| json!({ "stateValue": value, "stateReason": "because", "stateReasonData": { "version": "1.0", "text": text } });
        assert_eq!(
            data,
            json!({ "version": "1.0", "oldState": state("OK", "o"), "newState": state("ALARM", "n") })
        );
    }

    #[test]
    fn details_give_way_to_the_limit_old_ones_first() {
        let long = "x".repeat(3_000);
        let (item_of_both, data) = item(&long, &long);
        assert!(item_of_both.data.chars().count() <= DATA_CHARS_MAX);
        assert!(
            data["oldState"]["stateReasonData"].is_null() && !data["newState"]["stateReasonData"].is_null()
        );
        let (_, data) = item("o", &"x".repeat(5_000));
        assert!(data["newState"]["stateReasonData"].is_null());
        let definition = json!({ "alarmName": "a", "alarmDescription": "d".repeat(5_000) });
        assert!(HistoryItem::created("a", 1, &definition).data.len() <= DATA_CHARS_MAX);
        let name = "n".repeat(255);
        assert_eq!(HistoryItem::created(&name, 1, &json!({})).summary.chars().count(), SUMMARY_CHARS_MAX);
    }

    #[test]
    fn actions_succeed_or_fail_by_name() {
        let arn = "arn:aws:sns:us-east-1:000000000000:t";
        let done = HistoryItem::action("a", 5, 4, arn, None);
        assert_eq!(done.summary, format!("Successfully executed action {arn}"));
        let failed = HistoryItem::action("a", 5, 4, arn, Some("timed out"));
        assert_eq!(failed.summary, format!("Failed to execute action {arn}"));
        let data: Value = serde_json::from_str(&failed.data).unwrap();
        assert_eq!((&data["actionState"], &data["error"]), (&json!("Failed"), &json!("timed out")));
        assert_eq!(failed.describe()["HistoryItemType"], "Action");
    }
}
