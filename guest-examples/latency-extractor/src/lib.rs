//! Finds a latency in each event and publishes it as `App/Latency` in milliseconds, by service. Reads JSON
//! (`{"service":"api","latency_ms":12}`) and text (`took=1.2s`, `Duration: 12.5 ms`). Settings: NAMESPACE, METRIC.

use logboom_sdk::prelude::*;
use serde_json::Value;

struct LatencyExtractor;

/// Names that mean a latency, without their unit.
const NAMES: &[&str] = &["latency", "duration", "elapsed", "response_time", "took", "request_time"];
const SERVICES: &[&str] = &["service", "service_name", "app", "component"];

/// Units and how many milliseconds each has; the longer suffix first.
const UNITS: &[(&str, f64)] =
    &[("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("ns", 1e-6), ("sec", 1e3), ("s", 1e3)];

impl Extractor for LatencyExtractor {
    fn extract(context: &Context, event: &Event<'_>, found: &mut Vec<MetricDatum>) -> Result<(), String> {
        let fields = fields(event.message);
        let Some(latency) = fields.iter().find_map(|(n, v)| latency_ms(n, v)) else { return Ok(()) };
        let service = fields.iter().find(|(n, v)| SERVICES.contains(&n.as_str()) && !v.is_empty());
        let service = service.map_or(context.log_group.as_str(), |(_, value)| value.as_str());
        let metric = (config::get_or("NAMESPACE", "App"), config::get_or("METRIC", "Latency"));
        let datum = MetricDatum::new(metric.0, metric.1, latency).unit(Unit::Milliseconds);
        found.push(if service.is_empty() { datum } else { datum.dimension("service", service) });
        Ok(())
    }
}

logboom_sdk::export!(LatencyExtractor: extractor);

/// Names (lower case) and values: the members of a JSON object, else `name=value` and `name: value unit`.
fn fields(message: &str) -> Vec<(String, String)> {
    if let Ok(Value::Object(members)) = serde_json::from_str(message) {
        let text = |value: Value| if let Value::String(text) = value { text } else { value.to_string() };
        return members.into_iter().map(|(name, value)| (name.to_lowercase(), text(value))).collect();
    }
    let mut fields = Vec::new();
    let mut words = message.split([' ', '\t', ',', ';']).filter(|w| !w.is_empty()).peekable();
    while let Some(word) = words.next() {
        if let Some((name, value)) = word.split_once('=') {
            fields.push((name.to_lowercase(), value.trim_matches('"').to_owned()));
        } else if let Some(name) = word.strip_suffix(':') {
            let value = words.next().unwrap_or_default();
            let unit = words
                .peek()
                .filter(|w| UNITS.iter().any(|(unit, _)| w == &unit))
                .copied()
                .unwrap_or_default();
            fields.push((name.to_lowercase(), format!("{value}{unit}")));
        }
    }
    fields
}

/// The value in milliseconds, if the name means a latency. The unit is the value's, else the name's
/// (`latency_us`), else milliseconds.
fn latency_ms(name: &str, value: &str) -> Option<f64> {
    let (name, of_name) = unit(name, true).unwrap_or((name, 1.0));
    if !NAMES.contains(&name) {
        return None;
    }
    let (number, factor) = unit(value, false).unwrap_or((value, of_name));
    let latency = number.trim().parse::<f64>().ok()? * factor;
    (latency.is_finite() && latency >= 0.0).then_some(latency)
}

/// Cuts a unit off the end; in a name it stands behind an underscore.
fn unit(text: &str, name: bool) -> Option<(&str, f64)> {
    UNITS.iter().find_map(|(suffix, factor)| {
        let rest = text.strip_suffix(suffix)?;
        Some((if name { rest.strip_suffix('_')? } else { rest }, *factor))
    })
}

#[cfg(test)]
mod tests;
