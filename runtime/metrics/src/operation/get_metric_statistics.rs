//! Owns GetMetricStatistics. Refuses to return more than 1,440 datapoints.

use super::{Failure, Outcome};
use crate::Scope;
use crate::fault::Fault;
use crate::name::{Dimension, Metric};
use crate::number::Number;
use crate::point::Point;
use crate::records::Reads;
use crate::rollup::{self, STATISTICS_DATAPOINTS_MAX, Window};
use crate::statistic::Statistic;
use crate::time;
use crate::unit::Unit;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct GetMetricStatistics {
    pub namespace: String,
    pub metric_name: String,
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
    pub start_time: Number,
    pub end_time: Number,
    pub period: i64,
    #[serde(default)]
    pub statistics: Vec<String>,
    #[serde(default)]
    pub extended_statistics: Vec<String>,
    #[serde(default)]
    pub unit: Option<String>,
}

/// Answers `{Label, Datapoints}`, oldest first, one datapoint for each period and unit that has data.
pub fn get_metric_statistics<R: Reads>(
    records: &mut R,
    scope: &Scope,
    get: &GetMetricStatistics,
    now_ms: i64,
) -> Outcome<Value, R::Error> {
    let metric = Metric::new(&get.namespace, &get.metric_name, &get.dimensions, "")?;
    let unit = get.unit.as_deref().map(|text| Unit::parse(text, "Unit")).transpose()?;
    let statistics = statistics(get)?;
    let window = window(get, now_ms)?;
    let series = records.series(scope, &metric.key()).map_err(Failure::Records)?;
    let points = match series {
        Some(series) => {
            records.points(series.id, window.start_ms, window.end_ms).map_err(Failure::Records)?
        }
        None => Vec::new(),
    };
    let datapoints: Vec<Value> = rollup::periods(&points, &window)
        .iter()
        .filter(|((_, of), _)| unit.is_none_or(|unit| unit == *of))
        .filter_map(|((start_ms, of), point)| datapoint(*start_ms, *of, point, &statistics))
        .collect();
    Ok(json!({ "Label": get.metric_name, "Datapoints": datapoints }))
}

fn statistics(get: &GetMetricStatistics) -> Result<Vec<Statistic>, Fault> {
    if get.statistics.is_empty() == get.extended_statistics.is_empty() {
        return Err(Fault::combination("Must specify either Statistics or ExtendedStatistics"));
    }
    let basic = get.statistics.iter().enumerate().map(|(index, text)| {
        let basic = Statistic::parse(text).filter(Statistic::is_basic);
        basic.ok_or_else(|| {
            Fault::value(format!(
                "The value {text} for parameter Statistics.member.{} is invalid.",
                index + 1
            ))
        })
    });
    let extended = get.extended_statistics.iter().map(|text| Statistic::read(text, "ExtendedStatistics"));
    basic.chain(extended).collect()
}

fn window(get: &GetMetricStatistics, now_ms: i64) -> Result<Window, Fault> {
    rollup::check_period(get.period, "Period")?;
    let (start_ms, end_ms) = (time::from_seconds(get.start_time.0), time::from_seconds(get.end_time.0));
    if start_ms >= end_ms {
        return Err(Fault::value("The parameter StartTime must be less than the parameter EndTime."));
    }
    let window = Window::of_query(start_ms, end_ms, get.period, now_ms);
    let asked = window.periods();
    if asked > STATISTICS_DATAPOINTS_MAX {
        return Err(Fault::combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of {STATISTICS_DATAPOINTS_MAX}. You \
             may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    Ok(window)
}

/// `None` when none of the statistics can be told.
fn datapoint(start_ms: i64, unit: Unit, point: &Point, statistics: &[Statistic]) -> Option<Value> {
    let mut datapoint = Map::new();
    let mut extended = Map::new();
    for statistic in statistics {
        if let Some(value) = statistic.compute(&point.values) {
            let into = if statistic.is_basic() { &mut datapoint } else { &mut extended };
            into.insert(statistic.as_str().to_owned(), json!(value));
        }
    }
    if !extended.is_empty() {
        datapoint.insert("ExtendedStatistics".to_owned(), Value::Object(extended));
    }
    if datapoint.is_empty() {
        return None;
    }
    datapoint.insert("Timestamp".to_owned(), json!(time::to_seconds(start_ms)));
    datapoint.insert("Unit".to_owned(), json!(unit.as_str()));
    Some(Value::Object(datapoint))
}
