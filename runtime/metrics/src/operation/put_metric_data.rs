//! Owns PutMetricData: data are checked as a whole, then merged into their points. Refuses entities by name.

use super::{Failure, Outcome};
use crate::Scope;
use crate::datum::{self, Datum, MetricDatum};
use crate::fault::Fault;
use crate::point::{Point, StoredPoint};
use crate::records::Records;
use serde::Deserialize;

/// What is told of the log store itself: nobody else writes there.
const OWN_NAMESPACE: &str = "AWS/Logs";

/// The request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PutMetricData {
    /// Of all data in the call.
    pub namespace: String,
    /// Up to 1,000 data.
    pub metric_data: Vec<MetricDatum>,
    /// Not supported.
    pub entity_metric_data: Vec<serde_json::Value>,
}

impl PutMetricData {
    /// Checks the whole call; no transaction is needed for that.
    pub fn check(&self, now_ms: i64) -> Result<Vec<Datum>, Fault> {
        if !self.entity_metric_data.is_empty() {
            return Err(Fault::unsupported("EntityMetricData in PutMetricData"));
        }
        if self.namespace == OWN_NAMESPACE {
            return Err(Fault::value(format!(
                "The value {OWN_NAMESPACE} for parameter Namespace is invalid."
            )));
        }
        datum::check(&self.namespace, &self.metric_data, now_ms)
    }
}

/// Merges checked data into the series of the scope.
pub fn apply<R: Records>(
    records: &mut R,
    scope: &Scope,
    data: &[Datum],
    now_ms: i64,
) -> Result<(), R::Error> {
    for datum in data {
        let series = records.series_for(scope, &datum.metric, now_ms)?;
        let point = Point::of(datum.values.clone());
        records.merge_point(series.id, &StoredPoint { key: datum.key(now_ms), point })?;
    }
    Ok(())
}

/// Both steps.
pub fn put_metric_data<R: Records>(
    records: &mut R,
    scope: &Scope,
    put: &PutMetricData,
    now_ms: i64,
) -> Outcome<(), R::Error> {
    let data = put.check(now_ms)?;
    apply(records, scope, &data, now_ms).map_err(Failure::Records)
}
