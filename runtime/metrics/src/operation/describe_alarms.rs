//! Owns DescribeAlarms and how an alarm is shown. Composite alarms do not exist yet: asked for alone, the true answer
//! is an empty list.

use super::{Failure, Outcome, read_token, token};
use crate::Scope;
use crate::alarm::spec::TreatMissingData;
use crate::alarm::state::{EvaluationState, StateValue};
use crate::fault::Fault;
use crate::records::{AlarmRecord, Reads};
use crate::time;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const PAGE: usize = 100;
const DEFAULT_RECORDS: i64 = 50;

/// The request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct DescribeAlarms {
    pub alarm_names: Vec<String>,
    pub alarm_name_prefix: Option<String>,
    pub alarm_types: Vec<String>,
    pub children_of_alarm_name: Option<String>,
    pub parents_of_alarm_name: Option<String>,
    pub state_value: Option<String>,
    pub action_prefix: Option<String>,
    pub max_records: Option<i64>,
    pub next_token: Option<String>,
}

/// Answers `{MetricAlarms, CompositeAlarms, NextToken?}`, by name.
pub fn describe_alarms<R: Reads>(
    records: &mut R,
    scope: &Scope,
    describe: &DescribeAlarms,
) -> Outcome<Value, R::Error> {
    let state = check(describe)?;
    let wants_metric =
        describe.alarm_types.is_empty() || describe.alarm_types.iter().any(|t| t == "MetricAlarm");
    let keeps = |alarm: &AlarmRecord| {
        let actions =
            [&alarm.spec.ok_actions, &alarm.spec.alarm_actions, &alarm.spec.insufficient_data_actions];
        wants_metric
            && state.is_none_or(|state| state == alarm.state.value)
            && describe
                .action_prefix
                .as_ref()
                .is_none_or(|prefix| actions.into_iter().flatten().any(|arn| arn.starts_with(prefix)))
    };
    let limit = record_limit(describe.max_records, DEFAULT_RECORDS)?;
    if !describe.alarm_names.is_empty() {
        return named(records, scope, describe, keeps).map_err(Failure::Records);
    }
    let mut after = describe.next_token.as_deref().map(|text| read_token('a', text)).transpose()?;
    let prefix = describe.alarm_name_prefix.as_deref().unwrap_or_default();
    let mut shown = Vec::new();
    loop {
        let page = records.alarms(scope, prefix, after.as_deref(), PAGE).map_err(Failure::Records)?;
        let is_last = page.len() < PAGE;
        for alarm in page {
            if shown.len() == limit {
                return Ok(answer(&shown, after.as_deref()));
            }
            after = Some(alarm.spec.name.clone());
            if keeps(&alarm) {
                shown.push(show(&alarm));
            }
        }
        if is_last {
            return Ok(answer(&shown, None));
        }
    }
}

/// Names are answered all at once, unknown ones passed over.
fn named<R: Reads>(
    records: &mut R,
    scope: &Scope,
    describe: &DescribeAlarms,
    keeps: impl Fn(&AlarmRecord) -> bool,
) -> Result<Value, R::Error> {
    let mut names = describe.alarm_names.clone();
    names.sort();
    names.dedup();
    let mut shown = Vec::new();
    for name in names {
        if let Some(alarm) = records.alarm(scope, &name)?.filter(|alarm| keeps(alarm)) {
            shown.push(show(&alarm));
        }
    }
    Ok(answer(&shown, None))
}

fn check(describe: &DescribeAlarms) -> Result<Option<StateValue>, Fault> {
    if describe.children_of_alarm_name.is_some() {
        return Err(Fault::unsupported("ChildrenOfAlarmName in DescribeAlarms (composite alarms)"));
    }
    if describe.parents_of_alarm_name.is_some() {
        return Err(Fault::unsupported("ParentsOfAlarmName in DescribeAlarms (composite alarms)"));
    }
    if !describe.alarm_names.is_empty() && describe.alarm_name_prefix.is_some() {
        return Err(Fault::validation("AlarmNamePrefix and AlarmNames cannot both be specified"));
    }
    if let Some(other) =
        describe.alarm_types.iter().find(|t| !matches!(t.as_str(), "MetricAlarm" | "CompositeAlarm"))
    {
        return Err(Fault::unsupported(format_args!("the AlarmType {other} in DescribeAlarms")));
    }
    describe.state_value.as_deref().map(StateValue::parse).transpose()
}

/// MaxRecords, 1..100.
pub(crate) fn record_limit(asked: Option<i64>, default: i64) -> Result<usize, Fault> {
    let asked = asked.unwrap_or(default);
    let bound = |words: &str| {
        Fault::validation(format!(
            "1 validation error detected: Value '{asked}' at 'maxRecords' failed to satisfy constraint: Member must have \
             value {words}"
        ))
    };
    match usize::try_from(asked) {
        Ok(limit @ 1..=100) => Ok(limit),
        Ok(1..) => Err(bound("less than or equal to 100")),
        _ => Err(bound("greater than or equal to 1")),
    }
}

fn answer(shown: &[Value], after: Option<&str>) -> Value {
    let mut answer = json!({ "MetricAlarms": shown, "CompositeAlarms": [] });
    if let Some(after) = after {
        answer["NextToken"] = json!(token('a', after));
    }
    answer
}

/// An alarm as DescribeAlarms shows it; members that were not given are absent.
pub fn show(alarm: &AlarmRecord) -> Value {
    let spec = &alarm.spec;
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    let state = &alarm.state;
    put("AlarmName", json!(spec.name));
    put("AlarmArn", json!(spec.arn(&alarm.scope)));
    put("AlarmDescription", json!(spec.description));
    put("AlarmConfigurationUpdatedTimestamp", json!(time::to_seconds(alarm.configured_ms)));
    put("ActionsEnabled", json!(spec.actions_enabled));
    put("OKActions", json!(spec.ok_actions));
    put("AlarmActions", json!(spec.alarm_actions));
    put("InsufficientDataActions", json!(spec.insufficient_data_actions));
    put("StateValue", json!(state.value.as_str()));
    put("StateReason", json!(state.reason));
    put("StateReasonData", json!(state.reason_data));
    put("StateUpdatedTimestamp", json!(time::to_seconds(state.updated_ms)));
    put("StateTransitionedTimestamp", json!(time::to_seconds(state.transitioned_ms)));
    put("EvaluationState", json!(state.evaluation_state.map(EvaluationState::as_str)));
    put("MetricName", json!(spec.metric.name));
    put("Namespace", json!(spec.metric.namespace));
    put("Dimensions", json!(spec.metric.dimensions));
    let statistic = if spec.statistic.is_basic() { "Statistic" } else { "ExtendedStatistic" };
    put(statistic, json!(spec.statistic.as_str()));
    put("Period", json!(spec.period_s));
    put("Unit", json!(spec.unit.map(crate::Unit::as_str)));
    put("EvaluationPeriods", json!(spec.evaluation_periods));
    put("DatapointsToAlarm", json!(spec.datapoints_to_alarm));
    put("Threshold", json!(spec.threshold));
    put("ComparisonOperator", json!(spec.comparison.as_str()));
    put("TreatMissingData", json!(spec.treat_missing_data.map(TreatMissingData::as_str)));
    put("EvaluateLowSampleCountPercentile", json!(spec.low_samples_text()));
    Value::Object(shown)
}

/// The definition as the history keeps it: what [`show`] shows, lower-case first letters, without the reason data.
pub(crate) fn definition(alarm: &AlarmRecord) -> Value {
    let Value::Object(shown) = show(alarm) else { return Value::Null };
    let lower = |name: String| match name.strip_prefix("OK") {
        Some(rest) => format!("oK{rest}"),
        None => name[..1].to_lowercase() + &name[1..],
    };
    let kept = shown.into_iter().filter(|(name, _)| name != "StateReasonData");
    Value::Object(kept.map(|(name, value)| (lower(name), value)).collect())
}
