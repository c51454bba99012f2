//! Owns metric filters and subscription filters: what they say, revision by revision, and from which event
//! on. Refuses to evaluate them (`ingest/`) and to check them (`api/logs/`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::revisions::Definitions;
use crate::meta::{MetaError, Tx};

/// Metric filters by log group.
pub(crate) const METRIC_FILTERS: Definitions<MetricFilter> =
    Definitions::new("metric_filters", "metric_filter_revisions");

/// Subscription filters by log group.
pub(crate) const SUBSCRIPTION_FILTERS: Definitions<SubscriptionFilter> =
    Definitions::new("subscription_filters", "subscription_filter_revisions");

/// What a metric filter says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricFilter {
    /// The first event it reads: earlier ones belong to the revision before, or to none.
    pub(crate) from: u64,
    /// The filter pattern as given.
    pub(crate) pattern: String,
    /// Namespace of the metric.
    pub(crate) namespace: String,
    /// Name of the metric.
    pub(crate) name: String,
    /// What to publish: a number, `$.selector`, `$name` or `wasm:NAME`.
    pub(crate) value: String,
    /// Published for a minute in which events came and none matched.
    #[serde(default)]
    pub(crate) default_value: Option<f64>,
    /// Dimension name to `$.selector` or `$name`.
    #[serde(default)]
    pub(crate) dimensions: BTreeMap<String, String>,
    /// Unit, as given.
    #[serde(default)]
    pub(crate) unit: Option<String>,
}

/// What a subscription filter says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SubscriptionFilter {
    /// The first event its first revision reads.
    pub(crate) from: u64,
    /// The filter pattern as given.
    pub(crate) pattern: String,
    /// ARN of the destination as given.
    pub(crate) destination: String,
    /// Name of the function at the destination, with a qualifier (`NAME:ALIAS`) if one was given.
    pub(crate) function: String,
    /// As given; a function needs none.
    #[serde(default)]
    pub(crate) role: Option<String>,
    /// `ByLogStream` or `Random`; a function sees no difference.
    pub(crate) distribution: String,
}

/// Ends every filter of a group that is going away.
///
/// # Errors
/// Storage failures.
pub(crate) fn end_all(tx: &mut Tx<'_>, group: u64, now_ms: i64) -> Result<(), MetaError> {
    for subscription in SUBSCRIPTION_FILTERS.list(tx, group)? {
        super::deliveries::forget(tx, subscription.id)?;
    }
    METRIC_FILTERS.remove_all(tx, group, now_ms)?;
    SUBSCRIPTION_FILTERS.remove_all(tx, group, now_ms)
}
