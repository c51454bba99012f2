//! Owns the embedded metric format: which metrics a log event carries in itself. Refuses to touch the event: it is
//! kept whatever is found.
//!
//! An event takes part if it is wholly one JSON object with an `_aws.CloudWatchMetrics` member. Names refer to members
//! of the root alone (`"a.b"` is the literal name). A metric whose member is absent is left out; any other break of
//! the format makes the whole event invalid: no metric, one count in EMFValidationErrors.

use crate::distribution::Distribution;
use crate::filter::Publication;
use crate::name::{DIMENSIONS_MAX, Dimension, Metric};
use crate::number;
use crate::point::{EventReference, Point, PointKey, StoredPoint, Tier};
use crate::unit::Unit;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most metrics one directive may define.
pub const METRICS_MAX: usize = 100;
/// The most values one member may hold.
pub const VALUES_MAX: usize = 100;
const PAST_MAX_MS: i64 = 14 * 86_400_000;
const FUTURE_MAX_MS: i64 = 2 * 3_600_000;

/// What an event turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Embedded {
    /// No embedded metrics: nothing to do, nothing to count.
    None,
    /// It has them: points to merge, one for each metric and dimension set.
    Points(Vec<Publication>),
    /// It means to have them and breaks the format (EMFValidationErrors): why.
    Invalid(String),
    /// It means to have them and is no JSON (EMFParsingErrors): why.
    Unreadable(String),
}

/// What every event in this format contains.
pub const MARK: &str = "\"_aws\"";

/// Reads the metrics of an event. `event` is the reference its points carry.
pub fn read(message: &str, event: &EventReference, now_ms: i64) -> Embedded {
    let text = message.trim();
    // Most events are none: look for the name before parsing.
    if !text.starts_with('{') || !text.contains(MARK) || !text.contains("\"CloudWatchMetrics\"") {
        return Embedded::None;
    }
    let root = match serde_json::from_str(text) {
        Ok(Value::Object(root)) => root,
        Ok(_) => return Embedded::None,
        Err(error) => return Embedded::Unreadable(error.to_string()),
    };
    let Some(aws) = root.get("_aws").and_then(Value::as_object) else { return Embedded::None };
    let Some(directives) = aws.get("CloudWatchMetrics") else { return Embedded::None };
    match points(&root, aws, directives, event, now_ms) {
        Ok(points) => Embedded::Points(points),
        Err(why) => Embedded::Invalid(why),
    }
}

fn points(
    root: &Map<String, Value>,
    aws: &Map<String, Value>,
    directives: &Value,
    event: &EventReference,
    now_ms: i64,
) -> Result<Vec<Publication>, String> {
    let timestamp_ms =
        aws.get("Timestamp").and_then(Value::as_i64).ok_or("_aws.Timestamp must be a whole number")?;
    if timestamp_ms < now_ms - PAST_MAX_MS || timestamp_ms > now_ms + FUTURE_MAX_MS {
        return Err("_aws.Timestamp must be within the past two weeks and at most two hours ahead".to_owned());
    }
    let directives = directives.as_array().ok_or("_aws.CloudWatchMetrics must be an array")?;
    // One point for each series and bucket, also where directives repeat themselves.
    let mut points: BTreeMap<(Metric, PointKey), Distribution> = BTreeMap::new();
    for directive in directives {
        let directive = directive.as_object().ok_or("_aws.CloudWatchMetrics must hold objects")?;
        let namespace =
            directive.get("Namespace").and_then(Value::as_str).ok_or("Namespace must be a string")?;
        if namespace.chars().count() > 1024 {
            return Err("Namespace has more than 1024 characters".to_owned());
        }
        let sets = dimension_sets(root, directive)?;
        for (name, unit, resolution, values) in metrics(root, directive)? {
            for dimensions in &sets {
                let metric = Metric::of_event(namespace, name, dimensions).map_err(|fault| fault.message)?;
                let tier = crate::retention::tier_at(resolution, timestamp_ms, now_ms);
                let key = PointKey { bucket_ms: tier.bucket_ms(timestamp_ms), tier, unit };
                points.entry((metric, key)).or_insert_with(|| values.clone());
            }
        }
    }
    let publication = |((metric, key), values)| {
        let point = Point::with_events(values, vec![event.clone()]);
        Publication { metric, points: vec![StoredPoint { key, point }] }
    };
    Ok(points.into_iter().map(publication).collect())
}

fn dimension_sets(
    root: &Map<String, Value>,
    directive: &Map<String, Value>,
) -> Result<Vec<Vec<Dimension>>, String> {
    let Some(sets) = directive.get("Dimensions") else { return Ok(vec![Vec::new()]) };
    let sets = sets.as_array().ok_or("Dimensions must be an array of arrays")?;
    let mut found = Vec::new();
    for set in sets {
        let names = set.as_array().ok_or("Dimensions must be an array of arrays")?;
        if names.len() > DIMENSIONS_MAX {
            return Err(format!("a dimension set has more than {DIMENSIONS_MAX} names"));
        }
        let dimension = |name: &Value| {
            let name = name.as_str().ok_or("a dimension name must be a string")?;
            let value = root.get(name).and_then(Value::as_str);
            let value =
                value.ok_or_else(|| format!("the dimension {name} must refer to a string in the root"))?;
            Ok::<_, String>(Dimension::new(name, value))
        };
        found.push(names.iter().map(dimension).collect::<Result<Vec<_>, _>>()?);
    }
    // An empty array is a set without dimensions.
    if found.is_empty() {
        found.push(Vec::new());
    }
    Ok(found)
}

type EmbeddedMetric<'a> = (&'a str, Unit, Tier, Distribution);

fn metrics<'a>(
    root: &Map<String, Value>,
    directive: &'a Map<String, Value>,
) -> Result<Vec<EmbeddedMetric<'a>>, String> {
    let metrics = directive.get("Metrics").and_then(Value::as_array).ok_or("Metrics must be an array")?;
    if metrics.len() > METRICS_MAX {
        return Err(format!("a directive has more than {METRICS_MAX} metrics"));
    }
    let mut found = Vec::new();
    for metric in metrics {
        let name = metric.get("Name").and_then(Value::as_str).ok_or("a metric must have a Name")?;
        let unit = match metric.get("Unit") {
            None | Some(Value::Null) => Unit::None,
            Some(Value::String(text)) => Unit::parse(text, "Unit").map_err(|fault| fault.message)?,
            Some(_) => return Err(format!("the Unit of {name} must be a string")),
        };
        let resolution = match metric.get("StorageResolution").map(Value::as_i64) {
            None | Some(Some(60)) => Tier::Minute,
            Some(Some(1)) => Tier::Second,
            Some(_) => return Err(format!("the StorageResolution of {name} must be 1 or 60")),
        };
        if let Some(values) = values(name, root.get(name))? {
            found.push((name, unit, resolution, values));
        }
    }
    Ok(found)
}

fn values(name: &str, member: Option<&Value>) -> Result<Option<Distribution>, String> {
    let one = |value: &Value| {
        let value = value.as_f64().ok_or_else(|| format!("the values of {name} must be numbers"))?;
        number::accept(value, name).map(|value| (value, 1.0)).map_err(|fault| fault.message)
    };
    match member {
        None => Ok(None),
        Some(Value::Array(values)) if values.len() > VALUES_MAX => {
            Err(format!("{name} has more than {VALUES_MAX} values"))
        }
        Some(Value::Array(values)) => {
            let pairs = values.iter().map(one).collect::<Result<Vec<_>, _>>()?;
            Ok(Distribution::values(&pairs))
        }
        Some(value) => Ok(Distribution::values(&[one(value)?])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::tests::event;
    use proptest::prelude::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// Each line: an event, and either its points as `namespace|name|dims -> [unit, count, sum]`, `"invalid"` with a
    /// part of the reason, or `"none"`.
    #[test]
    fn table() {
        let table = include_str!("../cases/emf.jsonl");
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let case: Value = serde_json::from_str(line).unwrap();
            let message = case["event"].as_str().map_or_else(|| case["event"].to_string(), str::to_owned);
            match read(&message, &event(5, 1), NOW_MS) {
                Embedded::None => assert_eq!(case["expect"], "none", "{line}"),
                Embedded::Unreadable(_) => assert_eq!(case["expect"], "unreadable", "{line}"),
                Embedded::Invalid(why) => {
                    let part = case["invalid"].as_str().unwrap_or_else(|| panic!("invalid ({why}): {line}"));
                    assert!(why.contains(part), "{why:?} lacks {part:?}");
                }
                Embedded::Points(points) => {
                    let show = |p: &Publication| {
                        let point = &p.points[0];
                        let d = &point.point.values;
                        (p.metric.key(), serde_json::json!([point.key.unit, d.count, d.sum]))
                    };
                    let shown: Map<String, Value> = points.iter().map(show).collect();
                    assert_eq!(case["expect"], Value::Object(shown), "{line}");
                    assert!(points.iter().all(|p| p.points[0].point.events == [event(5, 1)]));
                }
            }
        }
    }

    #[test]
    fn resolution_and_age_choose_the_bucket() {
        let read_at = |resolution: i64, timestamp_ms: i64| {
            let message = serde_json::json!({"m": 1, "_aws": {"Timestamp": timestamp_ms, "CloudWatchMetrics": [
                {"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "m", "StorageResolution": resolution}]}]}});
            match read(&message.to_string(), &event(5, 1), NOW_MS) {
                Embedded::Points(points) => points[0].points[0].key,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(read_at(1, NOW_MS - 1).bucket_ms, NOW_MS - 1000);
        assert_eq!(read_at(60, NOW_MS - 1).tier, Tier::Minute);
        assert_eq!(read_at(1, NOW_MS - 5 * 3_600_000).tier, Tier::Minute);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn never_panics(text in r#"\{"_aws":\{"CloudWatchMetrics":[\[\]{}",:a-z0-9]{0,30}"#, any in ".{0,40}") {
            let _ = read(&text, &event(0, 0), NOW_MS);
            let _ = read(&any, &event(0, 0), NOW_MS);
        }
    }
}
