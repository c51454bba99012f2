//! Owns DescribeAlarmsForMetric: the alarms of exactly one metric. It has no paging, in AWS neither.

use super::{Failure, Outcome};
use crate::Scope;
use crate::name::{Dimension, Metric};
use crate::operation::describe_alarms::show;
use crate::records::{AlarmRecord, Reads};
use crate::unit::Unit;
use serde::Deserialize;
use serde_json::{Value, json};

const PAGE: usize = 500;

/// The request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct DescribeAlarmsForMetric {
    pub metric_name: String,
    pub namespace: String,
    pub dimensions: Vec<Dimension>,
    pub statistic: Option<String>,
    pub extended_statistic: Option<String>,
    pub period: Option<i64>,
    pub unit: Option<String>,
}

/// Answers `{MetricAlarms}`, by name.
pub fn describe_alarms_for_metric<R: Reads>(
    records: &mut R,
    scope: &Scope,
    describe: &DescribeAlarmsForMetric,
) -> Outcome<Value, R::Error> {
    let metric = Metric::new(&describe.namespace, &describe.metric_name, &describe.dimensions, "")?;
    let unit = describe.unit.as_deref().map(|text| Unit::parse(text, "Unit")).transpose()?;
    let statistics = [&describe.statistic, &describe.extended_statistic];
    let keeps = |alarm: &AlarmRecord| {
        alarm.spec.metric == metric
            && statistics
                .iter()
                .all(|text| text.as_ref().is_none_or(|text| text == alarm.spec.statistic.as_str()))
            && describe.period.is_none_or(|period| period == i64::from(alarm.spec.period_s))
            && (unit.is_none() || alarm.spec.unit == unit)
    };
    let (mut shown, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = records.alarms(scope, "", after.as_deref(), PAGE).map_err(Failure::Records)?;
        shown.extend(page.iter().filter(|alarm| keeps(alarm)).map(show));
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.spec.name.clone()),
            _ => return Ok(json!({ "MetricAlarms": shown })),
        }
    }
}
