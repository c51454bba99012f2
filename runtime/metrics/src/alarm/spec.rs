//! Owns the definition of a metric alarm: what PutMetricAlarm accepts, and what it refuses by name. Refuses to know
//! state.

use crate::alarm::action::Action;
use crate::alarm::state::StateValue;
use crate::fault::Fault;
use crate::name::{Dimension, Metric};
use crate::number::{self, Number};
use crate::statistic::Statistic;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};

const DAY_S: u64 = 86_400;
const WEEK_S: u64 = 604_800;
const HOUR_S: u64 = 3_600;

/// PutMetricAlarm as a request carries it, keyed by the model's member names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct PutMetricAlarm {
    pub alarm_name: String,
    pub alarm_description: Option<String>,
    pub actions_enabled: Option<bool>,
    #[serde(rename = "OKActions")]
    pub ok_actions: Vec<String>,
    pub alarm_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    pub metric_name: Option<String>,
    pub namespace: Option<String>,
    pub statistic: Option<String>,
    pub extended_statistic: Option<String>,
    pub dimensions: Vec<Dimension>,
    pub period: Option<i64>,
    pub unit: Option<String>,
    pub evaluation_periods: Option<i64>,
    pub datapoints_to_alarm: Option<i64>,
    pub threshold: Option<Number>,
    pub comparison_operator: Option<String>,
    pub treat_missing_data: Option<String>,
    pub evaluate_low_sample_count_percentile: Option<String>,
    pub metrics: Vec<serde_json::Value>,
    pub threshold_metric_id: Option<String>,
    pub evaluation_criteria: Option<serde_json::Value>,
    pub evaluation_interval: Option<i64>,
    pub evaluation_window: Option<serde_json::Value>,
    pub warm_up_configuration: Option<serde_json::Value>,
    pub action_configuration: Option<serde_json::Value>,
}

/// How a datapoint is compared with the threshold: datapoint first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "AWS's names")]
pub enum Comparison {
    /// `>=`
    GreaterThanOrEqualToThreshold,
    /// `>`
    GreaterThanThreshold,
    /// `<`
    LessThanThreshold,
    /// `<=`
    LessThanOrEqualToThreshold,
}

const COMPARISONS: [(Comparison, &str, &str); 4] = [
    (Comparison::GreaterThanOrEqualToThreshold, "GreaterThanOrEqualToThreshold", "greater than or equal to"),
    (Comparison::GreaterThanThreshold, "GreaterThanThreshold", "greater than"),
    (Comparison::LessThanThreshold, "LessThanThreshold", "less than"),
    (Comparison::LessThanOrEqualToThreshold, "LessThanOrEqualToThreshold", "less than or equal to"),
];

const BANDS: [&str; 3] =
    ["LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold"];

impl Comparison {
    fn row(self) -> (Comparison, &'static str, &'static str) {
        COMPARISONS.into_iter().find(|(of, _, _)| *of == self).unwrap_or(COMPARISONS[0])
    }

    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The words of a StateReason: `greater than`, ...
    pub fn words(self) -> &'static str {
        self.row().2
    }

    /// Is the value beyond the threshold?
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::GreaterThanOrEqualToThreshold => value >= threshold,
            Comparison::GreaterThanThreshold => value > threshold,
            Comparison::LessThanThreshold => value < threshold,
            Comparison::LessThanOrEqualToThreshold => value <= threshold,
        }
    }
}

/// What a period without data counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TreatMissingData {
    /// As nothing; the default.
    #[default]
    Missing,
    /// As a reason to leave the state alone.
    Ignore,
    /// As beyond the threshold.
    Breaching,
    /// As within the threshold.
    NotBreaching,
}

const TREATMENTS: [(TreatMissingData, &str); 4] = [
    (TreatMissingData::Breaching, "breaching"),
    (TreatMissingData::NotBreaching, "notBreaching"),
    (TreatMissingData::Ignore, "ignore"),
    (TreatMissingData::Missing, "missing"),
];

impl TreatMissingData {
    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        TREATMENTS.into_iter().find(|(of, _)| *of == self).map_or("missing", |(_, text)| text)
    }
}

/// The definition of an alarm on one metric. What was not given stays absent, as DescribeAlarms shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmSpec {
    /// 1..255 characters, unique within account and region.
    pub name: String,
    /// Up to 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Off: the state changes and nobody is told.
    pub actions_enabled: bool,
    /// ARNs to act on when it becomes OK.
    #[serde(default)]
    pub ok_actions: Vec<String>,
    /// ARNs to act on when it becomes ALARM.
    #[serde(default)]
    pub alarm_actions: Vec<String>,
    /// ARNs to act on when it becomes INSUFFICIENT_DATA.
    #[serde(default)]
    pub insufficient_data_actions: Vec<String>,
    /// The metric it watches.
    pub metric: Metric,
    /// Basic (Statistic) or extended (ExtendedStatistic).
    pub statistic: Statistic,
    /// 10, 20, 30 or a multiple of 60.
    pub period_s: u32,
    /// Only data in this unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// N: how many datapoints are looked at.
    pub evaluation_periods: u32,
    /// M: how many of them must breach; N if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datapoints_to_alarm: Option<u32>,
    /// What datapoints are compared with.
    pub threshold: f64,
    /// How.
    pub comparison: Comparison,
    /// What a period without data counts as; missing if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treat_missing_data: Option<TreatMissingData>,
    /// Percentile alarms: may datapoints of too few samples change the state? Yes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_low_samples: Option<bool>,
}

impl AlarmSpec {
    /// Checks a request. Tags are the caller's business.
    pub fn new(put: &PutMetricAlarm) -> Result<AlarmSpec, Fault> {
        refuse_unsupported(put)?;
        if put.alarm_name.is_empty() {
            return Err(Fault::missing("The parameter AlarmName is required."));
        }
        if put.alarm_name.chars().any(char::is_control) {
            return Err(Fault::validation("AlarmName must not contain ASCII control characters"));
        }
        let spec = AlarmSpec {
            name: put.alarm_name.clone(),
            description: put.alarm_description.clone(),
            actions_enabled: put.actions_enabled.unwrap_or(true),
            ok_actions: put.ok_actions.clone(),
            alarm_actions: put.alarm_actions.clone(),
            insufficient_data_actions: put.insufficient_data_actions.clone(),
            metric: Metric::new(
                required(put.namespace.as_deref(), "Namespace")?,
                required(put.metric_name.as_deref(), "MetricName")?,
                &put.dimensions,
                "",
            )?,
            statistic: statistic(put)?,
            period_s: period(required(put.period, "Period")?)?,
            unit: put.unit.as_deref().map(|text| Unit::parse(text, "Unit")).transpose()?,
            evaluation_periods: at_least_one(
                required(put.evaluation_periods, "EvaluationPeriods")?,
                "evaluationPeriods",
            )?,
            datapoints_to_alarm: put
                .datapoints_to_alarm
                .map(|m| at_least_one(m, "datapointsToAlarm"))
                .transpose()?,
            threshold: number::accept(required(put.threshold, "Threshold")?.0, "Threshold")?,
            comparison: comparison(required(put.comparison_operator.as_deref(), "ComparisonOperator")?)?,
            treat_missing_data: put.treat_missing_data.as_deref().map(treat_missing_data).transpose()?,
            evaluate_low_samples: put
                .evaluate_low_sample_count_percentile
                .as_deref()
                .map(low_samples)
                .transpose()?,
        };
        spec.check_lengths()?;
        for arn in spec.ok_actions.iter().chain(&spec.alarm_actions).chain(&spec.insufficient_data_actions) {
            Action::parse(arn)?;
        }
        Ok(spec)
    }

    fn check_lengths(&self) -> Result<(), Fault> {
        let total_s = u64::from(self.period_s) * u64::from(self.evaluation_periods);
        if u64::from(self.period_s) < HOUR_S && total_s > DAY_S {
            return Err(Fault::validation(
                "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400) for \
                 alarms using period < 3600",
            ));
        }
        if total_s > WEEK_S {
            return Err(Fault::validation(
                "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800) \
                 for alarms using period >= 3600",
            ));
        }
        if self.datapoints_to_alarm.is_some_and(|m| m > self.evaluation_periods) {
            return Err(Fault::validation(
                "DatapointsToAlarm must be less than or equal to EvaluationPeriods",
            ));
        }
        for (name, actions) in [
            ("oKActions", &self.ok_actions),
            ("alarmActions", &self.alarm_actions),
            ("insufficientDataActions", &self.insufficient_data_actions),
        ] {
            if actions.len() > 5 {
                return Err(Fault::validation(format!(
                    "1 validation error detected: Value '[{}]' at '{name}' failed to satisfy constraint: Member must \
                     have length less than or equal to 5",
                    actions.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// N.
    pub fn n(&self) -> usize {
        self.evaluation_periods as usize
    }

    /// M, which is N where it was not given.
    pub fn m(&self) -> usize {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods) as usize
    }

    /// The length of a period.
    pub fn period_ms(&self) -> i64 {
        i64::from(self.period_s) * 1000
    }

    /// What a period without data counts as.
    pub fn treatment(&self) -> TreatMissingData {
        self.treat_missing_data.unwrap_or_default()
    }

    /// The ARNs to act on when the alarm becomes `state`; none while actions are disabled.
    pub fn actions(&self, state: StateValue) -> &[String] {
        match state {
            _ if !self.actions_enabled => &[],
            StateValue::Ok => &self.ok_actions,
            StateValue::Alarm => &self.alarm_actions,
            StateValue::InsufficientData => &self.insufficient_data_actions,
        }
    }

    /// How many samples a datapoint needs before it may change the state, where that was asked for: 10 divided
    /// by the distance of the percentile from the nearer end.
    pub fn samples_needed(&self) -> Option<f64> {
        if self.evaluate_low_samples != Some(false) {
            return None;
        }
        let share = self.statistic.percentile()? / 100.0;
        let distance = if share >= 0.5 { 1.0 - share } else { share };
        (distance > 0.0).then(|| 10.0 / distance)
    }

    /// EvaluateLowSampleCountPercentile as AWS spells it.
    pub fn low_samples_text(&self) -> Option<&'static str> {
        self.evaluate_low_samples.map(|evaluate| if evaluate { "evaluate" } else { "ignore" })
    }

    /// The ARN of the alarm.
    pub fn arn(&self, scope: &crate::Scope) -> String {
        format!("arn:aws:cloudwatch:{}:{}:alarm:{}", scope.region, scope.account, self.name)
    }
}

fn refuse_unsupported(put: &PutMetricAlarm) -> Result<(), Fault> {
    if !put.metrics.is_empty() {
        return Err(Fault::unsupported(
            "Metrics in PutMetricAlarm (alarms on metric math or several metrics)",
        ));
    }
    if put.threshold_metric_id.is_some() {
        return Err(Fault::unsupported("ThresholdMetricId in PutMetricAlarm (anomaly detection alarms)"));
    }
    if put.evaluation_criteria.is_some() {
        return Err(Fault::unsupported("EvaluationCriteria in PutMetricAlarm (PromQL alarms)"));
    }
    if put.evaluation_interval.is_some() {
        return Err(Fault::unsupported("EvaluationInterval in PutMetricAlarm (PromQL alarms)"));
    }
    for (name, member) in [
        ("EvaluationWindow", &put.evaluation_window),
        ("WarmUpConfiguration", &put.warm_up_configuration),
        ("ActionConfiguration", &put.action_configuration),
    ] {
        if member.is_some() {
            return Err(Fault::unsupported(format_args!("{name} in PutMetricAlarm")));
        }
    }
    match put.comparison_operator.as_deref() {
        Some(band) if BANDS.contains(&band) => {
            Err(Fault::unsupported(format_args!("the ComparisonOperator {band} (anomaly detection alarms)")))
        }
        _ => Ok(()),
    }
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::validation(format!("{name} must not be null")))
}

fn statistic(put: &PutMetricAlarm) -> Result<Statistic, Fault> {
    match (&put.statistic, &put.extended_statistic) {
        (Some(text), None) => {
            let basic = Statistic::parse(text).filter(Statistic::is_basic);
            basic.ok_or_else(|| {
                Fault::validation(format!(
                    "1 validation error detected: Value '{text}' at 'statistic' failed to satisfy constraint: Member \
                     must satisfy enum value set: [Minimum, Sum, SampleCount, Average, Maximum]"
                ))
            })
        }
        (None, Some(text)) => {
            let extended = Statistic::parse(text).filter(Statistic::is_alarm_extended);
            extended.ok_or_else(|| {
                Fault::value(format!("The value {text} for parameter ExtendedStatistic is not supported."))
            })
        }
        _ => Err(Fault::validation("Exactly one of Statistic and ExtendedStatistic must be set")),
    }
}

fn period(period_s: i64) -> Result<u32, Fault> {
    let valid = matches!(period_s, 10 | 20 | 30) || (period_s > 0 && period_s % 60 == 0);
    match u32::try_from(period_s) {
        Ok(period) if valid => Ok(period),
        _ => Err(Fault::validation("Period must be 10, 20, 30 or a multiple of 60")),
    }
}

fn at_least_one(value: i64, member: &str) -> Result<u32, Fault> {
    u32::try_from(value).ok().filter(|value| *value > 0).ok_or_else(|| {
        Fault::validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have \
             value greater than or equal to 1"
        ))
    })
}

fn comparison(text: &str) -> Result<Comparison, Fault> {
    let row = COMPARISONS.into_iter().find(|(_, name, _)| *name == text);
    row.map(|(comparison, _, _)| comparison).ok_or_else(|| {
        Fault::validation(format!(
            "1 validation error detected: Value '{text}' at 'comparisonOperator' failed to satisfy constraint: Member \
             must satisfy enum value set: [GreaterThanOrEqualToThreshold, GreaterThanThreshold, LessThanThreshold, \
             LessThanOrEqualToThreshold, LessThanLowerOrGreaterThanUpperThreshold, LessThanLowerThreshold, \
             GreaterThanUpperThreshold]"
        ))
    })
}

fn treat_missing_data(text: &str) -> Result<TreatMissingData, Fault> {
    let row = TREATMENTS.into_iter().find(|(_, name)| *name == text);
    row.map(|(treatment, _)| treatment).ok_or_else(|| {
        Fault::validation(format!(
            "Option {text} is not supported. Supported options for parameter TreatMissingData are breaching, \
             notBreaching, ignore and missing."
        ))
    })
}

fn low_samples(text: &str) -> Result<bool, Fault> {
    match text {
        "evaluate" => Ok(true),
        "ignore" => Ok(false),
        other => Err(Fault::validation(format!(
            "Option {other} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are \
             evaluate and ignore."
        ))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A request that is accepted, with changes.
    pub(crate) fn request(changes: &Value) -> PutMetricAlarm {
        let mut request = json!({
            "AlarmName": "DatabaseErrorsAlarm", "MetricName": "DatabaseErrors", "Namespace": "MyApplication",
            "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold",
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                request.as_object_mut().unwrap().remove(name);
            } else {
                request[name] = value.clone();
            }
        }
        serde_json::from_value(request).unwrap()
    }

    pub(crate) fn spec(changes: &Value) -> AlarmSpec {
        AlarmSpec::new(&request(changes)).unwrap()
    }

    /// Each line: changes to a good request, and the code and text of the refusal (none if it is accepted).
    #[test]
    fn table() {
        let table = include_str!("../../cases/put_metric_alarm.jsonl");
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let case: Value = serde_json::from_str(line).unwrap();
            match AlarmSpec::new(&request(&case["put"])) {
                Ok(spec) => {
                    assert!(case["code"].is_null(), "accepted: {line}");
                    let back: AlarmSpec =
                        serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
                    assert_eq!(back, spec);
                }
                Err(fault) => {
                    assert_eq!(case["code"], fault.code.as_str(), "{line}");
                    assert_eq!(case["message"], fault.message.as_str(), "{line}");
                }
            }
        }
    }

    #[test]
    fn low_sample_counts() {
        let needed = |percentile: &str, evaluate: &str| {
            let put = json!({"Statistic": null, "ExtendedStatistic": percentile,
                             "EvaluateLowSampleCountPercentile": evaluate});
            spec(&put).samples_needed().map(f64::round)
        };
        assert_eq!(needed("p99", "ignore"), Some(1000.0));
        assert_eq!(needed("p50", "ignore"), Some(20.0));
        assert_eq!(needed("p10", "ignore"), Some(100.0));
        assert_eq!(needed("p100", "ignore"), None);
        assert_eq!(needed("p99", "evaluate"), None);
        assert_eq!(needed("tm99", "ignore"), None);
    }

    #[test]
    fn actions_by_state() {
        let arn = "arn:aws:sns:us-east-1:000000000000:t";
        let on = spec(&json!({"AlarmActions": [arn]}));
        assert_eq!(on.actions(StateValue::Alarm), [arn.to_owned()]);
        assert!(on.actions(StateValue::Ok).is_empty());
        let off = spec(&json!({"AlarmActions": [arn], "ActionsEnabled": false}));
        assert!(off.actions(StateValue::Alarm).is_empty());
    }
}
