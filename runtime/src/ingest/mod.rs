//! Owns flow 1: how events come in, and who reads them by position afterwards. Refuses to know AWS's wire.

pub(crate) mod accept;
#[allow(dead_code, reason = "metrics of the product itself are to read all of it")]
pub(crate) mod activity;
pub(crate) mod fan_out;
pub(crate) mod followers;
pub(crate) mod guests;
pub(crate) mod lag;
pub(crate) mod makers;
pub(crate) mod matching;
pub(crate) mod metric_filters;
pub(crate) mod reading;
pub(crate) mod subscriptions;
pub(crate) mod transform;
