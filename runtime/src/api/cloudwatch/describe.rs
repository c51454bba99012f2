//! Owns what alarms are asked: the three Describe operations. Refuses to know how an alarm is shown.

use std::sync::Arc;

use metrics::Scope;
use metrics::operation::describe_alarm_history::{DescribeAlarmHistory, describe_alarm_history};
use metrics::operation::describe_alarms::{DescribeAlarms, describe_alarms};
use metrics::operation::describe_alarms_for_metric::{DescribeAlarmsForMetric, describe_alarms_for_metric};
use serde_json::Value;
use wire::Fault;

use super::read;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(CloudWatch::DescribeAlarms => alarms),
    operation!(CloudWatch::DescribeAlarmsForMetric => of_metric),
    operation!(CloudWatch::DescribeAlarmHistory => history),
];

async fn alarms(app: &Arc<App>, caller: &Caller, describe: DescribeAlarms) -> Result<Value, Fault> {
    let scope = Scope::from(&caller.scope());
    read(app, move |tx| describe_alarms(tx, &scope, &describe)).await
}

async fn of_metric(
    app: &Arc<App>,
    caller: &Caller,
    describe: DescribeAlarmsForMetric,
) -> Result<Value, Fault> {
    let scope = Scope::from(&caller.scope());
    read(app, move |tx| describe_alarms_for_metric(tx, &scope, &describe)).await
}

async fn history(app: &Arc<App>, caller: &Caller, describe: DescribeAlarmHistory) -> Result<Value, Fault> {
    let scope = Scope::from(&caller.scope());
    read(app, move |tx| describe_alarm_history(tx, &scope, &describe)).await
}
