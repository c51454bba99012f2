//! Owns the state of an alarm. Refuses to know how it comes about.

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The three states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateValue {
    /// Within the threshold.
    Ok,
    /// Beyond the threshold.
    Alarm,
    /// Not enough data to tell.
    InsufficientData,
}

impl StateValue {
    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            StateValue::Ok => "OK",
            StateValue::Alarm => "ALARM",
            StateValue::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// Reads a StateValue, with SetAlarmState's error.
    pub fn parse(text: &str) -> Result<StateValue, Fault> {
        [StateValue::Ok, StateValue::Alarm, StateValue::InsufficientData]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| {
                Fault::validation(format!(
                    "1 validation error detected: Value '{text}' at 'stateValue' failed to satisfy constraint: \
                     Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
                ))
            })
    }
}

impl fmt::Display for StateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What hangs over the last evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EvaluationState {
    /// Not all events had been read when it had to happen.
    PartialData,
    /// The alarm is set up so that it cannot be evaluated.
    EvaluationError,
    /// It failed; a fault of ours.
    EvaluationFailure,
}

impl EvaluationState {
    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            EvaluationState::PartialData => "PARTIAL_DATA",
            EvaluationState::EvaluationError => "EVALUATION_ERROR",
            EvaluationState::EvaluationFailure => "EVALUATION_FAILURE",
        }
    }
}

/// The state of an alarm with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmState {
    /// The state.
    pub value: StateValue,
    /// One sentence for people, up to 1,023 characters.
    pub reason: String,
    /// JSON text for programs, up to 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_data: Option<String>,
    /// When value or evaluation state last changed, or SetAlarmState last ran.
    pub updated_ms: i64,
    /// When the value last changed.
    pub transitioned_ms: i64,
    /// What hangs over the last evaluation, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_state: Option<EvaluationState>,
}

impl AlarmState {
    /// The state of an alarm that was just made.
    pub fn initial(now_ms: i64) -> AlarmState {
        AlarmState {
            value: StateValue::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated_ms: now_ms,
            transitioned_ms: now_ms,
            evaluation_state: None,
        }
    }

    /// What SetAlarmState makes of this state; it holds until the next evaluation decides otherwise.
    pub fn set(
        &self,
        value: StateValue,
        reason: &str,
        reason_data: Option<&str>,
        now_ms: i64,
    ) -> Result<AlarmState, Fault> {
        let is_json = |text: &&str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if reason_data.is_some_and(|text| !is_json(&text)) {
            return Err(Fault::new(crate::Code::InvalidFormat, "StateReasonData was not valid JSON"));
        }
        Ok(AlarmState {
            value,
            reason: reason.to_owned(),
            reason_data: reason_data.map(str::to_owned),
            updated_ms: now_ms,
            transitioned_ms: if value == self.value { self.transitioned_ms } else { now_ms },
            evaluation_state: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_changes_the_transition_time_only_with_the_value() {
        let first = AlarmState::initial(1);
        let same = first.set(StateValue::InsufficientData, "again", None, 2).unwrap();
        assert_eq!((same.updated_ms, same.transitioned_ms), (2, 1));
        let other = same.set(StateValue::Alarm, "test", Some("{\"a\":1}"), 3).unwrap();
        assert_eq!((other.updated_ms, other.transitioned_ms), (3, 3));
        assert_eq!(
            other.set(StateValue::Ok, "x", Some("{"), 4).unwrap_err().code,
            crate::Code::InvalidFormat
        );
    }

    #[test]
    fn bad_state_has_awss_text() {
        assert_eq!(
            StateValue::parse("INVALID").unwrap_err().message,
            "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member \
             must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
        );
        assert_eq!(serde_json::to_value(StateValue::InsufficientData).unwrap(), "INSUFFICIENT_DATA");
        assert_eq!(serde_json::to_value(StateValue::Ok).unwrap(), "OK");
    }
}
