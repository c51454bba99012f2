//! `metrics`: metric values. Capability: the namespace.

use super::{attribute_bytes, attributes};
use crate::abi::{MetricDatum, MetricUnit};
use crate::bindings::logboom::extension::metrics::{Host, MetricError};
use crate::bindings::logboom::extension::types;
use crate::guest::Guest;

/// CloudWatch's bound on dimensions.
pub(crate) const MAX_DIMENSIONS: usize = 30;

impl Host for Guest {
    fn put(&mut self, data: Vec<types::MetricDatum>) -> Result<(), MetricError> {
        if let Some(reason) = self.refusal("metrics") {
            return Err(MetricError::NotAllowed(reason));
        }
        let denied = data.iter().find(|d| !self.call.grants.may_measure(&d.namespace));
        if let Some(datum) = denied {
            let namespace = &datum.namespace;
            let reason = format!("metrics in {namespace}; grant it with the tag logboom:allow-metrics");
            return Err(MetricError::NotAllowed(reason));
        }
        let bytes =
            data.iter().map(|d| d.namespace.len() + d.name.len() + attribute_bytes(&d.dimensions)).sum();
        let data: Vec<MetricDatum> = data.into_iter().map(datum).collect();
        for datum in &data {
            datum.check().map_err(MetricError::Invalid)?;
        }
        if !self.effects.charge(data.len(), bytes, &self.limits) {
            return Err(MetricError::Throttled);
        }
        self.effects.metrics.extend(data);
        Ok(())
    }
}

fn datum(datum: types::MetricDatum) -> MetricDatum {
    let types::MetricDatum { namespace, name, value, unit, dimensions, timestamp } = datum;
    let unit = MetricUnit::from_index(unit as usize);
    MetricDatum { namespace, name, value, unit, dimensions: attributes(dimensions), timestamp }
}

impl MetricDatum {
    /// The rules CloudWatch has for a value.
    ///
    /// # Errors
    /// A sentence that names the rule.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { namespace, name, value, dimensions, .. } = self;
        if namespace.is_empty() || namespace.len() > 255 {
            return Err(format!("the namespace of {name:?} must have 1 to 255 characters"));
        }
        if name.is_empty() || name.len() > 255 {
            return Err(format!("a metric name in {namespace} must have 1 to 255 characters"));
        }
        if !value.is_finite() {
            return Err(format!("the value of {name} is not a finite number"));
        }
        if dimensions.len() > MAX_DIMENSIONS {
            return Err(format!("{name} has more than {MAX_DIMENSIONS} dimensions"));
        }
        if dimensions.iter().any(|d| d.key.is_empty() || d.value.is_empty()) {
            return Err(format!("a dimension of {name} has an empty name or value"));
        }
        Ok(())
    }
}
