//! Owns what PutMetricData accepts: the shape of a datum and every rule it must meet, in AWS's words. Refuses to
//! know where the datum goes.

use crate::distribution::{Distribution, EXACT_MAX};
use crate::fault::Fault;
use crate::name::{Dimension, Metric};
use crate::number::{self, Number};
use crate::point::{PointKey, Tier};
use crate::time;
use crate::unit::Unit;
use serde::Deserialize;

/// The most data in one call.
pub const DATA_MAX: usize = 1000;
const PAST_MAX_MS: i64 = 14 * 86_400_000;
const FUTURE_MAX_MS: i64 = 2 * 3_600_000;

/// A StatisticSet as a request carries it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StatisticSet {
    /// How many values.
    pub sample_count: Number,
    /// Their sum.
    pub sum: Number,
    /// The smallest.
    pub minimum: Number,
    /// The largest.
    pub maximum: Number,
}

/// A MetricDatum as a request carries it, keyed by the model's member names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MetricDatum {
    /// Name of the metric.
    pub metric_name: String,
    /// Dimensions, part of the identity.
    pub dimensions: Vec<Dimension>,
    /// Epoch seconds; now if absent.
    pub timestamp: Option<Number>,
    /// One value.
    pub value: Option<Number>,
    /// A summary of values.
    pub statistic_values: Option<StatisticSet>,
    /// Distinct values.
    pub values: Option<Vec<Number>>,
    /// How often each of them occurred; 1 if absent.
    pub counts: Option<Vec<Number>>,
    /// Unit, None if absent.
    pub unit: Option<String>,
    /// 1 or 60 (seconds); 60 if absent.
    pub storage_resolution: Option<i64>,
}

/// An accepted datum.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Of which metric.
    pub metric: Metric,
    /// When.
    pub timestamp_ms: i64,
    /// High resolution (1 s buckets) or standard (60 s).
    pub tier: Tier,
    /// In which unit.
    pub unit: Unit,
    /// The values.
    pub values: Distribution,
}

impl Datum {
    /// Where the point of this datum is kept: its bucket, coarser if its age says so already.
    pub fn key(&self, now_ms: i64) -> PointKey {
        let tier = crate::retention::tier_at(self.tier, self.timestamp_ms, now_ms);
        PointKey { bucket_ms: tier.bucket_ms(self.timestamp_ms), tier, unit: self.unit }
    }
}

/// Checks the data of one call; the first fault refuses the whole call, as AWS does.
pub fn check(namespace: &str, data: &[MetricDatum], now_ms: i64) -> Result<Vec<Datum>, Fault> {
    if data.is_empty() {
        return Err(Fault::missing("The parameter MetricData is required."));
    }
    if data.len() > DATA_MAX {
        return Err(Fault::value(format!(
            "The collection MetricData must not have a size greater than {DATA_MAX}."
        )));
    }
    data.iter()
        .enumerate()
        .map(|(index, datum)| one(namespace, datum, &format!("MetricData.member.{}.", index + 1), now_ms))
        .collect()
}

fn one(namespace: &str, datum: &MetricDatum, at: &str, now_ms: i64) -> Result<Datum, Fault> {
    exclusive(datum, at)?;
    let values = values(datum, at)?;
    Ok(Datum {
        metric: Metric::new(namespace, &datum.metric_name, &datum.dimensions, at)?,
        timestamp_ms: timestamp(datum, at, now_ms)?,
        tier: tier(datum, at)?,
        unit: match &datum.unit {
            Some(text) => Unit::parse(text, &format!("{at}Unit"))?,
            None => Unit::None,
        },
        values,
    })
}

fn exclusive(datum: &MetricDatum, at: &str) -> Result<(), Fault> {
    let given = [
        ("Value", datum.value.is_some()),
        ("StatisticValues", datum.statistic_values.is_some()),
        ("Values", datum.values.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, there)| *there).map(|(name, _)| name);
    match (given.next(), given.next()) {
        (Some(one), Some(other)) => Err(Fault::combination(format!(
            "The parameters {at}{one} and {at}{other} are mutually exclusive and you have specified both."
        ))),
        (None, _) if datum.counts.is_some() => Err(size_mismatch(at)),
        (None, _) => Err(Fault::missing(format!(
            "At least one of the parameters {at}Value, {at}Values or {at}StatisticValues must be specified."
        ))),
        _ => Ok(()),
    }
}

fn size_mismatch(at: &str) -> Fault {
    Fault::value(format!("The parameters {at}Values and {at}Counts must be of the same size."))
}

fn values(datum: &MetricDatum, at: &str) -> Result<Distribution, Fault> {
    if let Some(value) = datum.value {
        return Ok(Distribution::value(number::accept(value.0, &format!("{at}Value"))?));
    }
    if let Some(set) = &datum.statistic_values {
        return statistic_set(set, at);
    }
    let values = datum.values.as_deref().unwrap_or_default();
    if values.len() > EXACT_MAX {
        return Err(Fault::value(format!(
            "The collection {at}Values must not have a size greater than {EXACT_MAX}."
        )));
    }
    if datum.counts.as_ref().is_some_and(|counts| counts.len() != values.len()) {
        return Err(size_mismatch(at));
    }
    let mut pairs = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let value = number::accept(value.0, &format!("{at}Values.member.{}", index + 1))?;
        let parameter = format!("{at}Counts.member.{}", index + 1);
        let count = match datum.counts.as_ref().and_then(|counts| counts.get(index)) {
            Some(count) => number::accept(count.0, &parameter)?,
            None => 1.0,
        };
        if count < 0.0 {
            return Err(invalid(count, &parameter));
        }
        pairs.push((value, count));
    }
    Distribution::values(&pairs).ok_or_else(|| {
        Fault::value(format!("The parameter {at}Values must hold at least one value that occurred."))
    })
}

fn statistic_set(set: &StatisticSet, at: &str) -> Result<Distribution, Fault> {
    let member = |name: &str| format!("{at}StatisticValues.{name}");
    let count = number::accept(set.sample_count.0, &member("SampleCount"))?;
    let sum = number::accept(set.sum.0, &member("Sum"))?;
    let min = number::accept(set.minimum.0, &member("Minimum"))?;
    let max = number::accept(set.maximum.0, &member("Maximum"))?;
    if count <= 0.0 {
        return Err(invalid(count, &member("SampleCount")));
    }
    if min > max {
        return Err(Fault::combination(format!(
            "The parameter {} must be greater than {}.",
            member("Maximum"),
            member("Minimum")
        )));
    }
    Ok(Distribution::statistic_set(count, sum, min, max))
}

fn invalid(value: f64, parameter: &str) -> Fault {
    Fault::value(format!("The value {} for parameter {parameter} is invalid.", number::text(value)))
}

fn timestamp(datum: &MetricDatum, at: &str, now_ms: i64) -> Result<i64, Fault> {
    let Some(seconds) = datum.timestamp else { return Ok(now_ms) };
    if !seconds.0.is_finite() {
        return Err(invalid(seconds.0, &format!("{at}Timestamp")));
    }
    let timestamp_ms = time::from_seconds(seconds.0);
    if timestamp_ms < now_ms - PAST_MAX_MS {
        return Err(Fault::value(format!(
            "The parameter {at}Timestamp must specify a time within the past two weeks."
        )));
    }
    if timestamp_ms > now_ms + FUTURE_MAX_MS {
        return Err(Fault::value(format!(
            "The parameter {at}Timestamp must specify a time no more than two hours in the future."
        )));
    }
    Ok(timestamp_ms)
}

fn tier(datum: &MetricDatum, at: &str) -> Result<Tier, Fault> {
    match datum.storage_resolution {
        None | Some(60) => Ok(Tier::Minute),
        Some(1) => Ok(Tier::Second),
        Some(other) => Err(Fault::value(format!(
            "The value {other} for parameter {at}StorageResolution is invalid. Valid values are 1 and 60."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// Each line of the table: a datum and either the code and text of its refusal, or what is kept of it.
    #[test]
    fn table() {
        let table = include_str!("../cases/datum.jsonl");
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let datum: MetricDatum = serde_json::from_value(case["datum"].clone()).unwrap();
            match check("App", &[datum], NOW_MS) {
                Err(fault) => {
                    assert_eq!(case["code"], fault.code.as_str(), "{line}");
                    assert_eq!(case["message"], fault.message.as_str(), "{line}");
                }
                Ok(data) => {
                    let d = &data[0].values;
                    let kept = serde_json::json!([d.count, d.sum, d.min, d.max, d.has_values()]);
                    assert_eq!(case["kept"], kept, "{line}");
                }
            }
        }
    }

    #[test]
    fn names_the_member_that_is_wrong() {
        let good =
            MetricDatum { metric_name: "m".into(), value: Some(Number(1.0)), ..MetricDatum::default() };
        let bad = MetricDatum { value: Some(Number(f64::NAN)), ..good.clone() };
        let fault = check("App", &[good.clone(), bad], NOW_MS).unwrap_err();
        assert_eq!(fault.message, "The value NaN for parameter MetricData.member.2.Value is invalid.");
        assert!(check("App", &vec![good; 1001], NOW_MS).is_err());
        assert!(check("App", &[], NOW_MS).is_err());
    }

    #[test]
    fn buckets_follow_resolution_and_age() {
        let datum = |resolution, age_s: f64| MetricDatum {
            metric_name: "m".into(),
            value: Some(Number(1.0)),
            timestamp: Some(Number(NOW_MS as f64 / 1000.0 - age_s)),
            storage_resolution: resolution,
            ..MetricDatum::default()
        };
        let key =
            |resolution, age_s| check("App", &[datum(resolution, age_s)], NOW_MS).unwrap()[0].key(NOW_MS);
        assert_eq!(key(Some(1), 1.5).bucket_ms, NOW_MS - 2000);
        assert_eq!(key(Some(1), 1.5).tier, Tier::Second);
        assert_eq!(key(None, 1.5).tier, Tier::Minute);
        assert_eq!(key(Some(1), 4.0 * 3600.0).tier, Tier::Minute);
    }
}
