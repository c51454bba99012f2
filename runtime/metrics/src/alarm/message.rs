//! Owns what an alarm tells others: the SNS message with its subject, and the Lambda event. Refuses to send.
//!
//! Both are AWS's documents with one member more, `LogboomEvidence`: the log lines behind the breach, newest
//! datapoint first, `[{"logGroup","logStream","timestamp","message","eventId"}]` (timestamp in epoch
//! milliseconds; `"truncated": true` where the message was cut). It is absent when there are none. The document
//! stays within SNS's and Lambda's 256 KiB; long messages are cut first.

use crate::Scope;
use crate::alarm::evaluate::Transition;
use crate::alarm::region;
use crate::alarm::spec::AlarmSpec;
use crate::alarm::state::AlarmState;
use crate::time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The largest message SNS takes, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 262_144;
/// The longest subject SNS takes, in characters.
pub const SUBJECT_CHARS_MAX: usize = 100;

/// One log line behind a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceLine {
    /// Name of the log group.
    pub log_group: String,
    /// Name of the log stream.
    pub log_stream: String,
    /// The event's time, epoch milliseconds.
    pub timestamp: i64,
    /// The line.
    pub message: String,
    /// The event's id.
    pub event_id: String,
    /// The line was cut to fit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// What is published to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `ALARM: "name" in US East (N. Virginia)`, at most 100 ASCII characters.
    pub subject: String,
    /// The JSON text.
    pub message: String,
}

/// The subject of a notification. A long name is cut, as AWS does.
pub fn subject(name: &str, state: &str, region: &str) -> String {
    let region = region::long_name(region);
    let name: String = name.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    let whole = format!("{state}: \"{name}\" in {region}");
    if whole.len() <= SUBJECT_CHARS_MAX {
        return whole;
    }
    let around = whole.len() - name.len() + "...".len();
    let kept = SUBJECT_CHARS_MAX.saturating_sub(around);
    let cut = format!("{state}: \"{}...\" in {region}", &name[..kept.min(name.len())]);
    cut.chars().take(SUBJECT_CHARS_MAX).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnsMessage<'a> {
    alarm_name: &'a str,
    alarm_description: Option<&'a str>,
    #[serde(rename = "AWSAccountId")]
    account: &'a str,
    alarm_configuration_updated_timestamp: String,
    new_state_value: &'a str,
    new_state_reason: &'a str,
    state_change_time: String,
    region: &'a str,
    alarm_arn: String,
    old_state_value: &'a str,
    action_executed_after_mute_window: bool,
    #[serde(rename = "OKActions")]
    ok_actions: &'a [String],
    alarm_actions: &'a [String],
    insufficient_data_actions: &'a [String],
    trigger: Trigger<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    logboom_evidence: &'a [EvidenceLine],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger<'a> {
    metric_name: &'a str,
    namespace: &'a str,
    statistic_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_statistic: Option<&'a str>,
    unit: Option<&'a str>,
    dimensions: Vec<TriggerDimension<'a>>,
    period: u32,
    evaluation_periods: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    datapoints_to_alarm: Option<u32>,
    comparison_operator: &'a str,
    threshold: f64,
    treat_missing_data: &'a str,
    evaluate_low_sample_count_percentile: &'a str,
}

#[derive(Serialize)]
struct TriggerDimension<'a> {
    value: &'a str,
    name: &'a str,
}

fn trigger(spec: &AlarmSpec) -> Trigger<'_> {
    let basic = spec.statistic.is_basic();
    Trigger {
        metric_name: &spec.metric.name,
        namespace: &spec.metric.namespace,
        statistic_type: if basic { "Statistic" } else { "ExtendedStatistic" },
        statistic: basic.then(|| spec.statistic.as_str().to_uppercase()),
        extended_statistic: (!basic).then(|| spec.statistic.as_str()),
        unit: spec.unit.map(crate::Unit::as_str),
        dimensions: spec
            .metric
            .dimensions
            .iter()
            .map(|d| TriggerDimension { value: &d.value, name: &d.name })
            .collect(),
        period: spec.period_s,
        evaluation_periods: spec.evaluation_periods,
        datapoints_to_alarm: spec.datapoints_to_alarm,
        comparison_operator: spec.comparison.as_str(),
        threshold: spec.threshold,
        treat_missing_data: spec.treat_missing_data.map_or("", |t| t.as_str()),
        evaluate_low_sample_count_percentile: spec.low_samples_text().unwrap_or(""),
    }
}

/// What an alarm publishes to a topic when it changes. `configured_ms` is when the definition was last put.
pub fn sns(
    spec: &AlarmSpec,
    scope: &Scope,
    configured_ms: i64,
    change: &Transition,
    lines: &[EvidenceLine],
) -> Notice {
    let write = |lines: &[EvidenceLine]| {
        let message = SnsMessage {
            alarm_name: &spec.name,
            alarm_description: spec.description.as_deref(),
            account: &scope.account,
            alarm_configuration_updated_timestamp: time::iso(configured_ms),
            new_state_value: change.new.value.as_str(),
            new_state_reason: &change.new.reason,
            state_change_time: time::iso(change.new.transitioned_ms),
            region: region::long_name(&scope.region),
            alarm_arn: spec.arn(scope),
            old_state_value: change.old.value.as_str(),
            action_executed_after_mute_window: false,
            ok_actions: &spec.ok_actions,
            alarm_actions: &spec.alarm_actions,
            insufficient_data_actions: &spec.insufficient_data_actions,
            trigger: trigger(spec),
            logboom_evidence: lines,
        };
        serde_json::to_string(&message).unwrap_or_default()
    };
    Notice {
        subject: subject(&spec.name, change.new.value.as_str(), &scope.region),
        message: within(lines, write),
    }
}

/// What a function receives as an alarm action.
pub fn lambda(spec: &AlarmSpec, scope: &Scope, change: &Transition, lines: &[EvidenceLine]) -> String {
    let arn = spec.arn(scope);
    let write = |lines: &[EvidenceLine]| {
        let mut event = json!({
            "source": "aws.cloudwatch",
            "alarmArn": arn,
            "accountId": scope.account,
            "time": time::iso(change.new.transitioned_ms),
            "region": scope.region,
            "alarmData": {
                "alarmName": spec.name,
                "state": state(&change.new),
                "previousState": state(&change.old),
                "configuration": configuration(spec, &arn),
            },
        });
        if !lines.is_empty() {
            event["LogboomEvidence"] = json!(lines);
        }
        event.to_string()
    };
    within(lines, write)
}

fn state(state: &AlarmState) -> Value {
    let mut out = json!({
        "value": state.value.as_str(),
        "reason": state.reason,
        "timestamp": time::iso(state.transitioned_ms),
    });
    if let Some(data) = &state.reason_data {
        out["reasonData"] = json!(data);
    }
    out
}

fn configuration(spec: &AlarmSpec, arn: &str) -> Value {
    let dimensions: Map<String, Value> =
        spec.metric.dimensions.iter().map(|d| (d.name.clone(), json!(d.value))).collect();
    let mut stat = json!({
        "metric": { "namespace": spec.metric.namespace, "name": spec.metric.name, "dimensions": dimensions },
        "period": spec.period_s,
        "stat": spec.statistic.as_str(),
    });
    if let Some(unit) = spec.unit {
        stat["unit"] = json!(unit.as_str());
    }
    let mut configuration =
        json!({ "metrics": [{ "id": stable_id(arn), "metricStat": stat, "returnData": true }] });
    if let Some(description) = &spec.description {
        configuration["description"] = json!(description);
    }
    configuration
}

/// An id in the form of a UUID that stays the same for an alarm (FNV-1a over its ARN).
fn stable_id(arn: &str) -> String {
    let hash = |seed: u64| {
        arn.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// Writes the document with the lines, cutting them so that it fits.
fn within(lines: &[EvidenceLine], write: impl Fn(&[EvidenceLine]) -> String) -> String {
    let whole = write(lines);
    if whole.len() <= MESSAGE_BYTES_MAX || lines.is_empty() {
        return whole;
    }
    let bare = write(&[]).len() + "\"LogboomEvidence\":[],".len();
    let each = MESSAGE_BYTES_MAX.saturating_sub(bare) / lines.len();
    let size = |line: &EvidenceLine| serde_json::to_string(line).map_or(0, |text| text.len()) + 1;
    // Lines shorter than their share leave the rest to the long ones.
    let spare: usize = lines.iter().map(|line| each.saturating_sub(size(line))).sum();
    let long = lines.iter().filter(|line| size(line) > each).count().max(1);
    let cut: Vec<EvidenceLine> = lines.iter().map(|line| cut(line, each + spare / long, size)).collect();
    let shorter = write(&cut);
    if shorter.len() <= MESSAGE_BYTES_MAX { shorter } else { write(&[]) }
}

fn cut(line: &EvidenceLine, size_max: usize, size: impl Fn(&EvidenceLine) -> usize) -> EvidenceLine {
    let mut line = line.clone();
    while size(&line) > size_max && !line.message.is_empty() {
        // Escaping makes text longer; shrink by the excess, at least by a byte, until it fits.
        let excess = size(&line) - size_max;
        let keep = line.message.len().saturating_sub((excess / 6).max(1) + usize::from(!line.truncated) * 20);
        let end = (0..=keep).rev().find(|end| line.message.is_char_boundary(*end)).unwrap_or(0);
        line.message.truncate(end);
        line.truncated = true;
    }
    line
}

#[cfg(test)]
mod tests;
