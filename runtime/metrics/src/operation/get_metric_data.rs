//! Owns GetMetricData over single metrics, with its paging. Refuses expressions by name.

use super::{Failure, Outcome, read_token, token};
use crate::Scope;
use crate::fault::Fault;
use crate::name::{Dimension, Metric};
use crate::number::Number;
use crate::records::Reads;
use crate::rollup::{self, DATA_DATAPOINTS_MAX, Window};
use crate::statistic::Statistic;
use crate::time;
use crate::unit::Unit;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const QUERIES_MAX: usize = 500;

/// The request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct GetMetricData {
    // LabelOptions is not here: its time zone matters to dynamic labels alone, and those are refused.
    pub metric_data_queries: Vec<MetricDataQuery>,
    pub start_time: Number,
    pub end_time: Number,
    #[serde(default)]
    pub next_token: Option<String>,
    #[serde(default)]
    pub scan_by: Option<String>,
    #[serde(default)]
    pub max_datapoints: Option<i64>,
}

/// One query of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct MetricDataQuery {
    pub id: String,
    #[serde(default)]
    pub metric_stat: Option<MetricStat>,
    #[serde(default)]
    pub expression: Option<String>,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub return_data: Option<bool>,
    #[serde(default)]
    pub period: Option<i64>,
    #[serde(default)]
    pub account_id: Option<String>,
}

/// The metric of a query, and what is asked of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct MetricStat {
    pub metric: QueriedMetric,
    pub period: i64,
    pub stat: String,
    #[serde(default)]
    pub unit: Option<String>,
}

/// A metric as a query names it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct QueriedMetric {
    pub namespace: String,
    pub metric_name: String,
    pub dimensions: Vec<Dimension>,
}

struct Query {
    id: String,
    label: String,
    metric: Metric,
    statistic: Statistic,
    unit: Option<Unit>,
    window: Window,
}

/// Answers `{MetricDataResults, Messages, NextToken?}`. A page holds up to MaxDatapoints (100,800) datapoints; a
/// result that continues on the next page has StatusCode PartialData.
pub fn get_metric_data<R: Reads>(
    records: &mut R,
    scope: &Scope,
    get: &GetMetricData,
    now_ms: i64,
) -> Outcome<Value, R::Error> {
    let queries = check(scope, get, now_ms)?;
    let ascending = ascending(get)?;
    let page = page_size(get)?;
    let (first, mut skip) = start(get, queries.len())?;
    let (mut results, mut left, mut next) = (Vec::new(), page, None);
    for (index, query) in queries.iter().enumerate().skip(first) {
        if left == 0 {
            next = Some((index, 0));
            break;
        }
        let Found { mut values, units } = read(records, scope, query).map_err(Failure::Records)?;
        if !ascending {
            values.reverse();
        }
        let rest = values.get(skip..).unwrap_or_default();
        let shown = &rest[..rest.len().min(left)];
        let is_complete = shown.len() == rest.len();
        results.push(result(query, shown, is_complete, &units));
        left -= shown.len();
        if !is_complete {
            next = Some((index, skip + shown.len()));
            break;
        }
        skip = 0;
    }
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if let Some((index, skip)) = next {
        answer["NextToken"] = json!(token('d', &format!("{index}.{skip}")));
    }
    Ok(answer)
}

fn result(query: &Query, values: &[(i64, f64)], is_complete: bool, units: &BTreeSet<Unit>) -> Value {
    let mut result = json!({
        "Id": query.id,
        "Label": query.label,
        "Timestamps": values.iter().map(|(ms, _)| time::to_seconds(*ms)).collect::<Vec<_>>(),
        "Values": values.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        "StatusCode": if is_complete { "Complete" } else { "PartialData" },
    });
    if units.len() > 1 {
        // One of them was read; AWS says so in these words.
        let names: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
        let value = format!("Multiple units returned: '[{}]'", names.join(", "));
        result["Messages"] = json!([{ "Code": "MultipleUnits", "Value": value }]);
    }
    result
}

/// What was found for a query.
#[derive(Default)]
struct Found {
    /// Oldest first.
    values: Vec<(i64, f64)>,
    /// The units that had data, where none was asked for.
    units: BTreeSet<Unit>,
}

fn read<R: Reads>(records: &mut R, scope: &Scope, query: &Query) -> Result<Found, R::Error> {
    let Some(series) = records.series(scope, &query.metric.key())? else { return Ok(Found::default()) };
    let points = records.points(series.id, query.window.start_ms, query.window.end_ms)?;
    let values = rollup::periods_of_unit(&points, &query.window, query.unit)
        .into_iter()
        .filter_map(|(start_ms, point)| query.statistic.compute(&point.values).map(|value| (start_ms, value)))
        .collect();
    let units = points.iter().map(|point| point.key.unit).filter(|_| query.unit.is_none()).collect();
    Ok(Found { values, units })
}

fn check(scope: &Scope, get: &GetMetricData, now_ms: i64) -> Result<Vec<Query>, Fault> {
    let all = &get.metric_data_queries;
    if all.is_empty() {
        return Err(Fault::missing("The parameter MetricDataQueries is required."));
    }
    if all.len() > QUERIES_MAX {
        return Err(Fault::validation(format!(
            "The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}."
        )));
    }
    let (start_ms, end_ms) = (time::from_seconds(get.start_time.0), time::from_seconds(get.end_time.0));
    if start_ms == end_ms {
        return Err(Fault::validation("The parameter StartTime must not equal parameter EndTime."));
    }
    if start_ms > end_ms {
        return Err(Fault::validation("The parameter EndTime must be greater than StartTime."));
    }
    let mut queries = Vec::new();
    for (index, query) in all.iter().enumerate() {
        let at = format!("MetricDataQueries.member.{}", index + 1);
        if all[..index].iter().any(|other| other.id == query.id) {
            return Err(Fault::validation(
                "The values for parameter id in MetricDataQueries are not unique.",
            ));
        }
        let checked =
            one(scope, query, &at, all, |period_s| Window::of_query(start_ms, end_ms, period_s, now_ms))?;
        if query.return_data != Some(false) {
            queries.push(checked);
        }
    }
    if queries.is_empty() {
        return Err(Fault::validation("At least one of the MetricDataQueries must return data."));
    }
    Ok(queries)
}

fn one(
    scope: &Scope,
    query: &MetricDataQuery,
    at: &str,
    all: &[MetricDataQuery],
    window: impl Fn(i64) -> Window,
) -> Result<Query, Fault> {
    let mut letters = query.id.chars();
    let is_id = letters.next().is_some_and(|c| c.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_id {
        return Err(Fault::validation(format!(
            "The value {} for parameter {at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
            query.id
        )));
    }
    if let Some(expression) = &query.expression {
        return Err(Fault::unsupported(format_args!(
            "metric math expressions in GetMetricData ({at}.Expression: {expression})"
        )));
    }
    if query.account_id.as_ref().is_some_and(|account| *account != scope.account) {
        return Err(Fault::unsupported(format_args!("the AccountId of another account ({at}.AccountId)")));
    }
    let Some(stat) = &query.metric_stat else {
        return Err(Fault::validation(format!(
            "Either {at}.MetricStat or {at}.Expression must be specified."
        )));
    };
    rollup::check_period(stat.period, &format!("{at}.MetricStat.Period"))?;
    let label = match &query.label {
        Some(label) if label.contains("${") => {
            return Err(Fault::unsupported(format_args!("dynamic labels ({at}.Label: {label})")));
        }
        Some(label) => label.clone(),
        None => label_of(stat, all),
    };
    Ok(Query {
        id: query.id.clone(),
        label,
        metric: Metric::new(
            &stat.metric.namespace,
            &stat.metric.metric_name,
            &stat.metric.dimensions,
            &format!("{at}.MetricStat.Metric."),
        )?,
        statistic: Statistic::read(&stat.stat, &format!("{at}.MetricStat.Stat"))?,
        unit: stat
            .unit
            .as_deref()
            .map(|text| Unit::parse(text, &format!("{at}.MetricStat.Unit")))
            .transpose()?,
        window: window(stat.period),
    })
}

/// The label where none is given: the metric's name, and what tells it from the other queries.
fn label_of(stat: &MetricStat, all: &[MetricDataQuery]) -> String {
    let others = || all.iter().filter_map(|query| query.metric_stat.as_ref());
    let mut label = stat.metric.metric_name.clone();
    if others().any(|other| other.stat != stat.stat) {
        label = format!("{label} {}", stat.stat);
    }
    if others().any(|other| other.period != stat.period) {
        label = format!("{label} {}", stat.period);
    }
    label
}

fn ascending(get: &GetMetricData) -> Result<bool, Fault> {
    match get.scan_by.as_deref() {
        None | Some("TimestampDescending") => Ok(false),
        Some("TimestampAscending") => Ok(true),
        Some(other) => Err(Fault::validation(format!("The value {other} for parameter ScanBy is invalid."))),
    }
}

fn page_size(get: &GetMetricData) -> Result<usize, Fault> {
    let Some(asked) = get.max_datapoints else { return Ok(DATA_DATAPOINTS_MAX) };
    match usize::try_from(asked) {
        Ok(asked) if (1..=DATA_DATAPOINTS_MAX).contains(&asked) => Ok(asked),
        _ => Err(Fault::validation(format!(
            "The value {asked} for parameter MaxDatapoints must be between 1 and {DATA_DATAPOINTS_MAX}."
        ))),
    }
}

fn start(get: &GetMetricData, queries: usize) -> Result<(usize, usize), Fault> {
    let Some(text) = &get.next_token else { return Ok((0, 0)) };
    let text = read_token('d', text)?;
    let place =
        text.split_once('.').and_then(|(index, skip)| Some((index.parse().ok()?, skip.parse().ok()?)));
    place.filter(|(index, _)| *index < queries).ok_or_else(Fault::next_token)
}
