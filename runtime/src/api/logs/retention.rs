//! Owns PutRetentionPolicy and DeleteRetentionPolicy. Refuses to delete anything: the sweeper does.

use std::sync::Arc;

use wire::Fault;
use wire::shape::logs::{DeleteRetentionPolicyRequest, PutRetentionPolicyRequest};

use super::lookup;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::records::groups;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Logs::PutRetentionPolicy => put), operation!(Logs::DeleteRetentionPolicy => delete)];

/// The days that AWS takes.
const DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

async fn put(app: &Arc<App>, caller: &Caller, request: PutRetentionPolicyRequest) -> Result<(), Fault> {
    let wanted = request.retention_in_days;
    let Some(days) = DAYS.into_iter().find(|days| i64::from(*days) == i64::from(wanted)) else {
        let days = DAYS.map(|days| days.to_string()).join(", ");
        let text = format!(
            "1 validation error detected: Value '{wanted}' at 'retentionInDays' failed to satisfy constraint: \
             Member must satisfy enum value set: [{days}]"
        );
        return Err(Fault::new("InvalidParameterException", text));
    };
    set(app, caller, request.log_group_name, Some(days)).await
}

async fn delete(app: &Arc<App>, caller: &Caller, request: DeleteRetentionPolicyRequest) -> Result<(), Fault> {
    set(app, caller, request.log_group_name, None).await
}

async fn set(app: &Arc<App>, caller: &Caller, name: String, days: Option<u32>) -> Result<(), Fault> {
    let scope = caller.scope();
    app.meta
        .change(move |tx| {
            let mut group = lookup::group(tx, &scope, &name)?;
            group.retention_days = days;
            groups::update(tx, &group)?;
            Ok(())
        })
        .await
}
