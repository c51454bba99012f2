//! Owns CreateLogGroup and DeleteLogGroup. Refuses to know listing.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::GroupId;
use wire::Fault;
use wire::shape::logs::{CreateLogGroupRequest, DeleteLogGroupRequest};

use super::{kms, lookup, tags};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::ingest::transform::{self, Transformer};
use crate::meta::MetaError;
use crate::records::groups::{self, GroupRecord};
use crate::records::makers::{self, Made};

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Logs::CreateLogGroup => create), operation!(Logs::DeleteLogGroup => delete)];

/// What AWS keeps for itself.
const RESERVED_PREFIX: &str = "aws/";

async fn create(app: &Arc<App>, caller: &Caller, request: CreateLogGroupRequest) -> Result<(), Fault> {
    let record = new_group(app, caller, request)?;
    let quota = app.limits.quotas.as_ref().map(|quotas| quotas.log_groups);
    let wrapping = app.keyring.wrapping();
    let (is_transformed, store) = (Transformer::of(&record).is_some(), Arc::clone(&app.store));
    let made = app
        .meta
        .change(move |tx| {
            if groups::find(tx, &record.scope, &record.name)?.is_some() {
                return Err(Fault::new(
                    "ResourceAlreadyExistsException",
                    "The specified log group already exists",
                ));
            }
            if let Some(quota) = quota
                && groups::count(tx, &record.scope)? >= quota
            {
                return Err(Fault::new("LimitExceededException", "Resource limit exceeded."));
            }
            let none = BTreeMap::new();
            transform::check(tx, &record.scope, &record.name, &none, &record.tags).map_err(tags::refused)?;
            if let Some(arn) = &record.kms_key {
                wrapping.check_kms(arn).map_err(|unmapped| kms::unusable(&record.arn(), &unmapped))?;
            }
            let since_ms = record.created_ms;
            let group = groups::insert(tx, record, &wrapping)?;
            if is_transformed {
                let nobody = Made { since_ms, by: Vec::new() };
                makers::put(tx, group.id, store.durable_position().seq, &nobody)?;
            }
            Ok(group.id)
        })
        .await?;
    if is_transformed {
        app.makers.begin(made);
    }
    Ok(())
}

fn new_group(app: &App, caller: &Caller, request: CreateLogGroupRequest) -> Result<GroupRecord, Fault> {
    let refuse = |text: &str| Err(Fault::new("InvalidParameterException", text));
    if request.log_group_name.starts_with(RESERVED_PREFIX) {
        return refuse("Log groups starting with AWS/ are reserved for AWS.");
    }
    if request.deletion_protection_enabled == Some(true) {
        return refuse("deletionProtectionEnabled is not served by Logboom yet.");
    }
    let mut tags = BTreeMap::new();
    tags::add(&mut tags, request.tags.unwrap_or_default(), app.limits.sizes.tags_per_resource)?;
    Ok(GroupRecord {
        id: 0,
        name: request.log_group_name,
        scope: caller.scope(),
        created_ms: app.clock.now_ms(),
        retention_days: None,
        class: request.log_group_class.unwrap_or_else(|| "STANDARD".to_owned()),
        tags,
        kms_key: request.kms_key_id,
    })
}

async fn delete(app: &Arc<App>, caller: &Caller, request: DeleteLogGroupRequest) -> Result<(), Fault> {
    let scope = caller.scope();
    let now_ms = app.clock.now_ms();
    let group = app
        .meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &request.log_group_name)?;
            groups::remove(tx, &group, now_ms)?;
            Ok::<_, Fault>(group.id)
        })
        .await?;
    app.fan_out.activity().forget_group(group);
    app.keyring.forget(group);
    app.makers.forget(group);
    app.fan_out.definitions_changed();
    let store = Arc::clone(&app.store);
    App::blocking(move || store.delete_group(GroupId(group))).await;
    app.meta.change(move |tx| groups::forget(tx, group)).await.map_err(|error: MetaError| error.into())
}
