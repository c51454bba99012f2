//! Owns GetSchedule and ListSchedules. Refuses to change anything.

use std::sync::Arc;

use wire::Fault;
use wire::shape::scheduler::{GetScheduleInput, GetScheduleOutput, ListSchedulesInput, ListSchedulesOutput};

use super::lookup::check_group;
use super::shown;
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::records::schedules;
use crate::schedules::define;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Scheduler::GetSchedule => get), operation!(Scheduler::ListSchedules => list)];

/// Schedules of one page.
const PAGE: usize = 100;

async fn get(app: &Arc<App>, caller: &Caller, request: GetScheduleInput) -> Result<GetScheduleOutput, Fault> {
    check_group(request.group_name.as_deref())?;
    let scope = caller.scope();
    let found = app.meta.read(|tx| define::find(tx, &scope, &request.name))?;
    Ok(shown::whole(&found))
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListSchedulesInput,
) -> Result<ListSchedulesOutput, Fault> {
    check_group(request.group_name.as_deref())?;
    let scope = caller.scope();
    let after: Option<String> = page::position("ListSchedules", request.next_token.as_deref())?;
    let limit = request.max_results.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE).min(PAGE);
    let prefix = request.name_prefix.as_deref().unwrap_or_default();
    let state = request.state.as_deref();
    let wanted = |one: &schedules::Schedule| state.is_none_or(|state| state == shown::state(one));
    let mut found = app.meta.read(|tx| -> Result<_, Fault> {
        Ok(schedules::list(tx, &scope, prefix, after.as_deref(), limit + 1, wanted)?)
    })?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|last| last.name.clone());
    Ok(ListSchedulesOutput {
        next_token: last.map(|name| page::token("ListSchedules", name)),
        schedules: found.iter().map(shown::summary).collect(),
    })
}
