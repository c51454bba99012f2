//! Owns how a schedule is shown in the shapes of EventBridge Scheduler. Refuses to read or change it.

use wire::shape::scheduler::{
    DeadLetterConfig, FlexibleTimeWindow, GetScheduleOutput, RetryPolicy, ScheduleSummary, Target,
    TargetSummary,
};

use super::lookup::GROUP;
use crate::records::schedules::Schedule;
use crate::schedules::target;

pub(super) fn state(schedule: &Schedule) -> &'static str {
    if schedule.enabled { "ENABLED" } else { "DISABLED" }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// As GetSchedule shows it.
pub(super) fn whole(schedule: &Schedule) -> GetScheduleOutput {
    let given = &schedule.target;
    let shown = Target {
        arn: target::arn(&schedule.scope, &given.function),
        role_arn: given.role.clone().unwrap_or_default(),
        dead_letter_config: given.dead_letter.clone().map(|arn| DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(RetryPolicy {
            maximum_event_age_in_seconds: i32::try_from(given.age_ms / 1_000).ok(),
            maximum_retry_attempts: i32::try_from(given.retries).ok(),
        }),
        input: Some(given.input.clone()),
        ..Target::default()
    };
    GetScheduleOutput {
        arn: Some(schedule.arn()),
        group_name: Some(GROUP.to_owned()),
        name: Some(schedule.name.clone()),
        schedule_expression: Some(schedule.expression.clone()),
        start_date: schedule.start_ms.map(seconds),
        end_date: schedule.end_ms.map(seconds),
        description: Some(schedule.description.clone()).filter(|text| !text.is_empty()),
        schedule_expression_timezone: Some(schedule.time_zone.clone()),
        state: Some(state(schedule).to_owned()),
        creation_date: Some(seconds(schedule.created_ms)),
        last_modification_date: Some(seconds(schedule.modified_ms)),
        kms_key_arn: None,
        target: Some(shown),
        flexible_time_window: Some(FlexibleTimeWindow {
            mode: if schedule.window_minutes.is_some() { "FLEXIBLE" } else { "OFF" }.to_owned(),
            maximum_window_in_minutes: schedule
                .window_minutes
                .and_then(|minutes| i32::try_from(minutes).ok()),
        }),
        action_after_completion: Some(if schedule.delete_when_over { "DELETE" } else { "NONE" }.to_owned()),
    }
}

/// As ListSchedules shows it.
pub(super) fn summary(schedule: &Schedule) -> ScheduleSummary {
    ScheduleSummary {
        arn: Some(schedule.arn()),
        name: Some(schedule.name.clone()),
        group_name: Some(GROUP.to_owned()),
        state: Some(state(schedule).to_owned()),
        creation_date: Some(seconds(schedule.created_ms)),
        last_modification_date: Some(seconds(schedule.modified_ms)),
        target: Some(TargetSummary { arn: target::arn(&schedule.scope, &schedule.target.function) }),
    }
}
