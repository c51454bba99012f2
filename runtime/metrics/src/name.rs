//! Owns the identity of a metric: namespace, name and the exact dimension set, within an account and region.
//! Refuses to know how series are stored.

use crate::fault::Fault;
use serde::{Deserialize, Serialize};

/// Who owns a metric or an alarm, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Twelve digits.
    pub account: String,
    /// Region name as in the credential scope.
    pub region: String,
}

/// One dimension: a name and a value, both part of the identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// 1..255 characters.
    pub name: String,
    /// 1..1024 characters.
    pub value: String,
}

impl Dimension {
    /// A dimension from its two texts, unchecked.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Dimension {
        Dimension { name: name.into(), value: value.into() }
    }
}

/// The most dimensions a metric may have.
pub const DIMENSIONS_MAX: usize = 30;

/// The identity of a metric: a query with fewer or other dimensions names another metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Metric {
    /// Namespace, 1..255 characters.
    pub namespace: String,
    /// Metric name, 1..255 characters.
    pub name: String,
    /// Sorted by name, no name twice, at most [`DIMENSIONS_MAX`].
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
}

impl Metric {
    /// Checks and sorts. `at` prefixes the member names in errors (`MetricData.member.1.` or nothing).
    ///
    /// Namespaces that begin with `AWS/` are accepted: CloudWatch reserves them for its own services, and people feed
    /// them to try out their alarms. Only `AWS/Logs` is written here, and PutMetricData refuses it.
    pub fn new(namespace: &str, name: &str, dimensions: &[Dimension], at: &str) -> Result<Metric, Fault> {
        Metric::checked(namespace, 255, name, dimensions, at)
    }

    /// A metric that a log event names in itself: its namespace may have 1,024 characters.
    pub(crate) fn of_event(namespace: &str, name: &str, dimensions: &[Dimension]) -> Result<Metric, Fault> {
        Metric::checked(namespace, 1024, name, dimensions, "")
    }

    fn checked(
        namespace: &str,
        namespace_max: usize,
        name: &str,
        dimensions: &[Dimension],
        at: &str,
    ) -> Result<Metric, Fault> {
        text(namespace, namespace_max, "Namespace")?;
        if namespace.starts_with(':') {
            return Err(invalid(namespace, "Namespace"));
        }
        text(name, 255, &format!("{at}MetricName"))?;
        if dimensions.len() > DIMENSIONS_MAX {
            return Err(Fault::value(format!(
                "The collection {at}Dimensions must not have a size greater than {DIMENSIONS_MAX}."
            )));
        }
        for (index, dimension) in dimensions.iter().enumerate() {
            let member = format!("{at}Dimensions.member.{}", index + 1);
            text(&dimension.name, 255, &format!("{member}.Name"))?;
            text(&dimension.value, 1024, &format!("{member}.Value"))?;
            if dimension.name.starts_with(':') {
                return Err(invalid(&dimension.name, &format!("{member}.Name")));
            }
        }
        let mut sorted = dimensions.to_vec();
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Fault::value(format!(
                "The parameter {at}Dimensions contains the dimension name {} more than once.",
                twice[0].name
            )));
        }
        Ok(Metric { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: sorted })
    }

    /// A text that two metrics share only if they are the same: `namespace|name|dim=value|...`, with `\`
    /// before any `\`, `|` and `=` of the parts. Metrics of one namespace, and of one name in it, are
    /// neighbours in byte order.
    pub fn key(&self) -> String {
        let mut key = key_prefix(&self.namespace, Some(&self.name));
        for dimension in &self.dimensions {
            escape(&dimension.name, &mut key);
            key.push('=');
            escape(&dimension.value, &mut key);
            key.push('|');
        }
        key
    }

    /// Does a ListMetrics filter with these dimensions keep this metric? Each filter names a dimension that
    /// must be there, and may ask for its value; further dimensions do not matter.
    pub fn has_dimensions(&self, filters: &[DimensionFilter]) -> bool {
        filters.iter().all(|filter| {
            self.dimensions.iter().any(|dimension| {
                dimension.name == filter.name
                    && filter.value.as_ref().is_none_or(|value| *value == dimension.value)
            })
        })
    }
}

/// One dimension filter of ListMetrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DimensionFilter {
    /// The dimension that must be there.
    pub name: String,
    /// Its value, if that matters.
    #[serde(default)]
    pub value: Option<String>,
}

/// What the keys of a namespace, or of one metric name in it, begin with.
pub(crate) fn key_prefix(namespace: &str, name: Option<&str>) -> String {
    let mut prefix = String::new();
    escape(namespace, &mut prefix);
    prefix.push('|');
    if let Some(name) = name {
        escape(name, &mut prefix);
        prefix.push('|');
    }
    prefix
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if matches!(c, '\\' | '|' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
}

fn text(value: &str, length_max: usize, parameter: &str) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::missing(format!("The parameter {parameter} is required.")));
    }
    if value.chars().count() > length_max {
        return Err(Fault::value(format!(
            "The parameter {parameter} must be shorter than {} characters.",
            length_max + 1
        )));
    }
    if value.chars().any(char::is_control) || value.trim().is_empty() {
        return Err(invalid(value, parameter));
    }
    Ok(())
}

fn invalid(value: &str, parameter: &str) -> Fault {
    Fault::value(format!("The value {} for parameter {parameter} is invalid.", value.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Code;
    use proptest::prelude::*;

    fn metric(dimensions: &[(&str, &str)]) -> Result<Metric, Fault> {
        let dimensions: Vec<_> = dimensions.iter().map(|(n, v)| Dimension::new(*n, *v)).collect();
        Metric::new("App", "Errors", &dimensions, "MetricData.member.1.")
    }

    #[test]
    fn order_of_dimensions_is_no_part_of_the_identity() {
        assert_eq!(metric(&[("a", "1"), ("b", "2")]), metric(&[("b", "2"), ("a", "1")]));
        assert_ne!(metric(&[("a", "1")]), metric(&[]));
    }

    #[test]
    fn refuses_bad_parts_by_name() {
        let empty = Metric::new("App", "", &[], "MetricData.member.2.").unwrap_err();
        assert_eq!(empty.code, Code::MissingParameter);
        assert_eq!(empty.message, "The parameter MetricData.member.2.MetricName is required.");
        assert!(Metric::new(":App", "x", &[], "").is_err());
        assert!(Metric::new("App\n", "x", &[], "").is_err());
        assert!(Metric::new(&"n".repeat(256), "x", &[], "").is_err());
        assert!(metric(&[("a", "1"), ("a", "2")]).unwrap_err().message.contains("more than once"));
        assert!(metric(&[("a", "")]).is_err());
        let many: Vec<_> = (0..31).map(|i| Dimension::new(format!("d{i}"), "v")).collect();
        assert_eq!(
            Metric::new("App", "x", &many, "").unwrap_err().message,
            "The collection Dimensions must not have a size greater than 30."
        );
    }

    #[test]
    fn dimension_filters() {
        let metric = metric(&[("a", "1"), ("b", "2")]).unwrap();
        let filter = |name: &str, value: Option<&str>| DimensionFilter {
            name: name.into(),
            value: value.map(str::to_owned),
        };
        assert!(metric.has_dimensions(&[]));
        assert!(metric.has_dimensions(&[filter("a", None)]));
        assert!(metric.has_dimensions(&[filter("b", Some("2")), filter("a", None)]));
        assert!(!metric.has_dimensions(&[filter("a", Some("2"))]));
        assert!(!metric.has_dimensions(&[filter("c", None)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn different_metrics_have_different_keys(a in "[ab|=\\\\]{1,4}", b in "[ab|=\\\\]{1,4}",
                                                 c in "[ab|=\\\\]{1,4}", d in "[ab|=\\\\]{1,4}") {
            let one = Metric { namespace: a.clone(), name: b.clone(), dimensions: vec![] };
            let two = Metric { namespace: c.clone(), name: d.clone(), dimensions: vec![] };
            prop_assert_eq!(one == two, one.key() == two.key());
            let three = Metric { namespace: a, name: b, dimensions: vec![Dimension::new(c.as_str(), d)] };
            prop_assert_ne!(one.key(), three.key());
        }
    }
}
