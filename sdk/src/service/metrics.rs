//! Publishing metric values. Capability: the namespace.

use super::imported;
use crate::{MetricDatum, MetricError};

/// Publishes values; stored only when the handler returns without an error.
///
/// # Errors
/// [`MetricError`]: the namespace is not granted, or a value is not one.
pub fn put(data: &[MetricDatum]) -> Result<(), MetricError> {
    imported::metrics::put(data)
}
