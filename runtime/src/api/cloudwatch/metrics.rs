//! Owns the operations on metrics: data in, lists, statistics and data out. Refuses to know statistics.

use std::sync::Arc;

use metrics::Scope;
use metrics::operation::Failure;
use metrics::operation::get_metric_data::{GetMetricData, get_metric_data};
use metrics::operation::get_metric_statistics::{GetMetricStatistics, get_metric_statistics};
use metrics::operation::list_metrics::{ListMetrics, list_metrics};
use metrics::operation::put_metric_data::{PutMetricData, apply};
use serde_json::Value;
use wire::Fault;

use super::{change, read, refusal};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(CloudWatch::PutMetricData => put),
    operation!(CloudWatch::ListMetrics => list),
    operation!(CloudWatch::GetMetricStatistics => statistics),
    operation!(CloudWatch::GetMetricData => data),
];

async fn put(app: &Arc<App>, caller: &Caller, put: PutMetricData) -> Result<(), Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    let data = put.check(now_ms).map_err(refusal)?;
    change(app, move |tx| apply(tx, &scope, &data, now_ms).map_err(Failure::Records)).await
}

async fn list(app: &Arc<App>, caller: &Caller, list: ListMetrics) -> Result<Value, Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    read(app, move |tx| list_metrics(tx, &scope, &list, now_ms)).await
}

async fn statistics(app: &Arc<App>, caller: &Caller, get: GetMetricStatistics) -> Result<Value, Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    read(app, move |tx| get_metric_statistics(tx, &scope, &get, now_ms)).await
}

async fn data(app: &Arc<App>, caller: &Caller, get: GetMetricData) -> Result<Value, Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    read(app, move |tx| get_metric_data(tx, &scope, &get, now_ms)).await
}
