//! Owns CreateSchedule, UpdateSchedule and DeleteSchedule. Refuses to know what a schedule may say
//! (`schedules::define`).
//!
//! Client tokens are taken and not kept: a call that is repeated finds the schedule there, or gone.

use std::sync::Arc;

use wire::Fault;
use wire::shape::scheduler::{
    CreateScheduleInput, CreateScheduleOutput, DeleteScheduleInput, DeleteScheduleOutput, FlexibleTimeWindow,
    RetryPolicy, Target, UpdateScheduleInput, UpdateScheduleOutput,
};

use super::lookup::{check_absent, check_group};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::records::schedules;
use crate::schedules::define::{self, Mode, Wanted};

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Scheduler::CreateSchedule => create),
    operation!(Scheduler::UpdateSchedule => update),
    operation!(Scheduler::DeleteSchedule => delete),
];

/// What AWS takes where a target says nothing.
const RETRIES: u32 = 185;
const AGE_S: i64 = 86_400;

async fn create(
    app: &Arc<App>,
    caller: &Caller,
    request: CreateScheduleInput,
) -> Result<CreateScheduleOutput, Fault> {
    let made = define(app, caller, request, Mode::Create).await?;
    Ok(CreateScheduleOutput { schedule_arn: made.arn() })
}

/// Like AWS's: what is not given gets its default, it does not stay.
async fn update(
    app: &Arc<App>,
    caller: &Caller,
    request: UpdateScheduleInput,
) -> Result<UpdateScheduleOutput, Fault> {
    let same = CreateScheduleInput {
        name: request.name,
        group_name: request.group_name,
        schedule_expression: request.schedule_expression,
        start_date: request.start_date,
        end_date: request.end_date,
        description: request.description,
        schedule_expression_timezone: request.schedule_expression_timezone,
        state: request.state,
        kms_key_arn: request.kms_key_arn,
        target: request.target,
        flexible_time_window: request.flexible_time_window,
        client_token: request.client_token,
        action_after_completion: request.action_after_completion,
    };
    let made = define(app, caller, same, Mode::Update).await?;
    Ok(UpdateScheduleOutput { schedule_arn: made.arn() })
}

async fn delete(
    app: &Arc<App>,
    caller: &Caller,
    request: DeleteScheduleInput,
) -> Result<DeleteScheduleOutput, Fault> {
    check_group(request.group_name.as_deref())?;
    define::delete(app, &caller.scope(), &request.name).await?;
    Ok(DeleteScheduleOutput {})
}

async fn define(
    app: &Arc<App>,
    caller: &Caller,
    request: CreateScheduleInput,
    mode: Mode,
) -> Result<schedules::Schedule, Fault> {
    check_group(request.group_name.as_deref())?;
    check_absent(&[("KmsKeyArn", request.kms_key_arn.is_some())])?;
    let ms = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1_000.0).round() as i64);
    let wanted = Wanted {
        name: request.name,
        expression: request.schedule_expression,
        time_zone: request.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
        start_ms: ms(request.start_date),
        end_ms: ms(request.end_date),
        // The model has two states.
        enabled: request.state.as_deref() != Some("DISABLED"),
        target: target(request.target)?,
        description: request.description.unwrap_or_default(),
        delete_when_over: request.action_after_completion.as_deref() == Some("DELETE"),
        window_minutes: window(&request.flexible_time_window)?,
    };
    define::define(app, &caller.scope(), wanted, mode).await
}

fn target(target: Target) -> Result<schedules::Target, Fault> {
    check_absent(&[
        ("EcsParameters", target.ecs_parameters.is_some()),
        ("EventBridgeParameters", target.event_bridge_parameters.is_some()),
        ("EventBridgePutEventsV2Parameters", target.event_bridge_put_events_v2_parameters.is_some()),
        ("EventBridgePutRawEventsParameters", target.event_bridge_put_raw_events_parameters.is_some()),
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        ("SageMakerPipelineParameters", target.sage_maker_pipeline_parameters.is_some()),
        ("SqsParameters", target.sqs_parameters.is_some()),
    ])?;
    let RetryPolicy { maximum_event_age_in_seconds, maximum_retry_attempts } =
        target.retry_policy.unwrap_or_default();
    let retries = maximum_retry_attempts.and_then(|retries| u32::try_from(retries).ok());
    Ok(schedules::Target {
        function: target.arn,
        input: target.input.unwrap_or_else(|| "{}".to_owned()),
        bare: true,
        retries: retries.unwrap_or(RETRIES),
        age_ms: maximum_event_age_in_seconds.map_or(AGE_S, i64::from) * 1_000,
        dead_letter: target.dead_letter_config.and_then(|config| config.arn),
        role: Some(target.role_arn),
    })
}

fn window(window: &FlexibleTimeWindow) -> Result<Option<u32>, Fault> {
    let minutes = window.maximum_window_in_minutes.and_then(|minutes| u32::try_from(minutes).ok());
    let refused = |text: &str| Err(Fault::new("ValidationException", text).status(400));
    match (window.mode.as_str(), minutes) {
        ("OFF", None) => Ok(None),
        ("OFF", Some(_)) => refused("MaximumWindowInMinutes must not be given when the mode is OFF."),
        (_, None) => refused("MaximumWindowInMinutes is needed when the mode is FLEXIBLE."),
        (_, Some(minutes)) => Ok(Some(minutes)),
    }
}
