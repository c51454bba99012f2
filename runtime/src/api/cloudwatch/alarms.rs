//! Owns the operations that change alarms. Refuses to evaluate them: it tells the ticker that there is a new
//! definition.

use std::sync::Arc;

use metrics::Scope;
use metrics::alarm::spec::{AlarmSpec, PutMetricAlarm};
use metrics::alarm::window;
use metrics::operation::Failure;
use metrics::operation::alarm_actions::set_alarm_actions;
use metrics::operation::delete_alarms::delete_alarms;
use metrics::operation::put_metric_alarm::put_spec;
use metrics::operation::set_alarm_state::{SetAlarmState, set_alarm_state};
use metrics::records::Records;
use serde::Deserialize;
use serde_json::Value;
use wire::Fault;
use wire::shape::cloudwatch::Tag;

use super::{change, refusal, tags};
use crate::alarms::actions;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::functions::attach::{self, Purpose};
use crate::records::alarm_tags;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(CloudWatch::PutMetricAlarm => put),
    operation!(CloudWatch::SetAlarmState => set_state),
    operation!(CloudWatch::EnableAlarmActions => enable),
    operation!(CloudWatch::DisableAlarmActions => disable),
    operation!(CloudWatch::DeleteAlarms => delete),
];

#[derive(Deserialize)]
struct Names {
    #[serde(rename = "AlarmNames")]
    names: Vec<String>,
}

async fn put(app: &Arc<App>, caller: &Caller, request: Value) -> Result<(), Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    let given: Vec<Tag> = part(request.get("Tags").cloned().unwrap_or_else(|| Value::Array(Vec::new())))?;
    let given = tags::checked(given, app.limits.sizes.tags_per_resource)?;
    let put: PutMetricAlarm = part(request)?;
    let spec = AlarmSpec::new(&put).map_err(refusal)?;
    let owner = caller.scope();
    app.meta.read(|tx| {
        let actions =
            [&put.ok_actions, &put.alarm_actions, &put.insufficient_data_actions].into_iter().flatten();
        for arn in actions {
            attach::check_arn(tx, &owner, arn, Purpose::AlarmAction)
                .map_err(|reason| Fault::new("ValidationError", reason).status(400))?;
        }
        Ok::<_, Fault>(())
    })?;
    let id = change(app, move |tx| {
        let put = put_spec(tx, &scope, spec, now_ms).map_err(Failure::Records)?;
        let mut alarm = put.alarm;
        // Due at once: on the periods that are complete by now, then at every tick.
        alarm.evaluated_ms = window::watermark_ms(&alarm.spec, now_ms) - window::cadence_ms(&alarm.spec);
        tx.put_alarm(&alarm).map_err(Failure::Records)?;
        if put.is_new && !given.is_empty() {
            alarm_tags::put(tx, alarm.id, &given).map_err(Failure::Records)?;
        }
        Ok(alarm.id)
    });
    app.alarms.changed(id.await?);
    Ok(())
}

fn part<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|error| {
        tracing::error!(%error, "a validated alarm does not fit its type");
        Fault::new("SerializationException", "The request does not fit its shape.")
    })
}

async fn set_state(app: &Arc<App>, caller: &Caller, set: SetAlarmState) -> Result<(), Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    let outbox = Arc::clone(&app.outbox);
    let set = change(app, move |tx| {
        let (mut alarm, transition) = set_alarm_state(tx, &scope, &set, now_ms)?;
        // Ticks up to now are over: the state holds until the next one.
        alarm.evaluated_ms = alarm.evaluated_ms.max(window::watermark_ms(&alarm.spec, now_ms));
        tx.put_alarm(&alarm).map_err(Failure::Records)?;
        match transition {
            Some(transition) => {
                actions::write(&outbox, tx, &alarm, &transition, &[], now_ms).map_err(Failure::Records)
            }
            None => Ok(()),
        }
    });
    set.await?;
    app.outbox.nudge();
    Ok(())
}

async fn enable(app: &Arc<App>, caller: &Caller, request: Names) -> Result<(), Fault> {
    switch_actions(app, caller, request, true).await
}

async fn disable(app: &Arc<App>, caller: &Caller, request: Names) -> Result<(), Fault> {
    switch_actions(app, caller, request, false).await
}

async fn switch_actions(app: &Arc<App>, caller: &Caller, request: Names, enabled: bool) -> Result<(), Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    change(app, move |tx| {
        set_alarm_actions(tx, &scope, &request.names, enabled, now_ms).map_err(Failure::Records)
    })
    .await
}

async fn delete(app: &Arc<App>, caller: &Caller, request: Names) -> Result<(), Fault> {
    let (scope, now_ms) = (Scope::from(&caller.scope()), app.clock.now_ms());
    change(app, move |tx| {
        let gone = delete_alarms(tx, &scope, &request.names, now_ms).map_err(Failure::Records)?;
        gone.iter().try_for_each(|alarm| alarm_tags::remove(tx, alarm.id)).map_err(Failure::Records)
    })
    .await
}
