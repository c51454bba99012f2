//! Owns tags of log groups: by ARN, and the deprecated three by name. Refuses to know what a tag means.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::Fault;
use wire::shape::logs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest,
    ListTagsLogGroupResponse, TagLogGroupRequest, TagResourceRequest, UntagLogGroupRequest,
    UntagResourceRequest,
};

use super::lookup;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::ingest::transform;
use crate::records::groups;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Logs::TagResource => tag),
    operation!(Logs::UntagResource => untag),
    operation!(Logs::ListTagsForResource => list),
    operation!(Logs::TagLogGroup => tag_group),
    operation!(Logs::UntagLogGroup => untag_group),
    operation!(Logs::ListTagsLogGroup => list_group),
];

type Tags = BTreeMap<String, String>;

/// Adds `new` to `tags`.
///
/// # Errors
/// More than `count_max` in the end, or a key that AWS keeps for itself: nothing was added.
pub(super) fn add(tags: &mut Tags, new: Tags, count_max: u64) -> Result<(), Fault> {
    if let Some(key) = new.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        let text = format!("aws: prefixed tag key names are not allowed for external use: {key}");
        return Err(Fault::new("InvalidParameterException", text));
    }
    let added = new.keys().filter(|key| !tags.contains_key(*key)).count();
    if (tags.len() + added) as u64 > count_max {
        let text = format!("A resource can have no more than {count_max} tags.");
        return Err(Fault::new("TooManyTagsException", text));
    }
    tags.extend(new);
    Ok(())
}

async fn tag(app: &Arc<App>, caller: &Caller, request: TagResourceRequest) -> Result<(), Fault> {
    let count_max = app.limits.sizes.tags_per_resource;
    change(app, caller, request.resource_arn, move |tags| add(tags, request.tags, count_max)).await
}

async fn untag(app: &Arc<App>, caller: &Caller, request: UntagResourceRequest) -> Result<(), Fault> {
    change(app, caller, request.resource_arn, move |tags| remove(tags, &request.tag_keys)).await
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Fault> {
    Ok(ListTagsForResourceResponse { tags: Some(read(app, caller, &request.resource_arn)?) })
}

async fn tag_group(app: &Arc<App>, caller: &Caller, request: TagLogGroupRequest) -> Result<(), Fault> {
    let count_max = app.limits.sizes.tags_per_resource;
    change(app, caller, request.log_group_name, move |tags| add(tags, request.tags, count_max)).await
}

async fn untag_group(app: &Arc<App>, caller: &Caller, request: UntagLogGroupRequest) -> Result<(), Fault> {
    change(app, caller, request.log_group_name, move |tags| remove(tags, &request.tags)).await
}

async fn list_group(
    app: &Arc<App>,
    caller: &Caller,
    request: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, Fault> {
    Ok(ListTagsLogGroupResponse { tags: Some(read(app, caller, &request.log_group_name)?) })
}

fn remove(tags: &mut Tags, keys: &[String]) -> Result<(), Fault> {
    tags.retain(|key, _| !keys.contains(key));
    Ok(())
}

async fn change(
    app: &Arc<App>,
    caller: &Caller,
    identifier: String,
    work: impl FnOnce(&mut Tags) -> Result<(), Fault> + Send + 'static,
) -> Result<(), Fault> {
    let scope = caller.scope();
    app.meta
        .change(move |tx| {
            let mut group = lookup::group(tx, &scope, lookup::name_in(&scope, &identifier)?)?;
            let before = group.tags.clone();
            work(&mut group.tags)?;
            transform::check(tx, &scope, &group.name, &before, &group.tags).map_err(refused)?;
            groups::update(tx, &group)?;
            Ok(())
        })
        .await
}

/// AWS's answer to tags that mean something to Logboom and cannot be so.
pub(super) fn refused(reason: String) -> Fault {
    Fault::new("InvalidParameterException", reason)
}

fn read(app: &App, caller: &Caller, identifier: &str) -> Result<Tags, Fault> {
    let scope = caller.scope();
    let name = lookup::name_in(&scope, identifier)?;
    app.meta.read(|tx| Ok(lookup::group(tx, &scope, name)?.tags))
}
