//! Owns TagResource, UntagResource and ListTags of functions. Tags grant capabilities, from the next call on.
//! Refuses versions and aliases, which have no tags of their own, and grants that mean nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{ListTagsRequest, ListTagsResponse, TagResourceRequest, UntagResourceRequest};

use super::lookup;
use super::settings::{self, refuse};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::TagResource => tag),
    operation!(Lambda::UntagResource => untag),
    operation!(Lambda::ListTags => list),
];

async fn tag(app: &Arc<App>, caller: &Caller, request: TagResourceRequest) -> Result<(), Fault> {
    if request.tags.is_empty() {
        return refuse("An error occurred and the request cannot be processed.");
    }
    let count_max = app.limits.sizes.tags_per_resource;
    change(app, caller, &request.resource, move |tags| {
        tags.extend(request.tags);
        if tags.len() as u64 > count_max {
            return refuse("Number of tags exceeds resource tag limit.");
        }
        Ok(())
    })
    .await
}

async fn untag(app: &Arc<App>, caller: &Caller, request: UntagResourceRequest) -> Result<(), Fault> {
    change(app, caller, &request.resource, move |tags| {
        tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(())
    })
    .await
}

async fn list(app: &Arc<App>, caller: &Caller, request: ListTagsRequest) -> Result<ListTagsResponse, Fault> {
    let name = of_function(caller, &request.resource)?;
    let record = app.meta.read(|tx| lookup::function(tx, caller, &name))?;
    Ok(ListTagsResponse { tags: Some(record.tags) })
}

async fn change(
    app: &Arc<App>,
    caller: &Caller,
    arn: &str,
    edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Fault> + Send + 'static,
) -> Result<(), Fault> {
    let name = of_function(caller, arn)?;
    let of = caller.clone();
    app.meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            edit(&mut record.tags)?;
            settings::check_grants(&record)?;
            record.revision += 1;
            let scope = of.scope();
            Ok(tx.put_function(&scope.account, &scope.region, &record)?)
        })
        .await
}

/// The function of an ARN.
fn of_function(caller: &Caller, arn: &str) -> Result<String, Fault> {
    if !arn.starts_with("arn:") || !arn.contains(":function:") {
        return refuse(format!(
            "{arn} is not the ARN of a function: other resources of Lambda have no tags here."
        ));
    }
    let named = lookup::named(caller, arn, None)?;
    if named.qualifier.is_some() {
        return refuse(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        );
    }
    Ok(named.name)
}
