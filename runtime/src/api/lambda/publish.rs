//! Owns PublishVersion and ListVersionsByFunction. Refuses to know compiling: a version of code that is on its way
//! is `Pending` until it is done.

use std::sync::Arc;

use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{
    FunctionConfiguration, ListVersionsByFunctionRequest, ListVersionsByFunctionResponse,
    PublishVersionRequest,
};

use super::settings::refuse;
use super::{list, lookup, shown};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::functions::versions;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::PublishVersion => publish_version),
    operation!(Lambda::ListVersionsByFunction => list_versions),
];

const LIST: &str = "ListVersionsByFunction";

async fn publish_version(
    app: &Arc<App>,
    caller: &Caller,
    request: PublishVersionRequest,
) -> Result<FunctionConfiguration, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    if request.publish_to.is_some() {
        return refuse("PublishTo is not served by Logboom.");
    }
    let of = caller.clone();
    let version = app
        .meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            lookup::check_revision(&record, request.revision_id.as_deref())?;
            if let Some(wanted) = request.code_sha256.as_ref().filter(|wanted| **wanted != record.code_sha256) {
                return refuse(format!(
                    "CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({}). Please try again with \
                     the CodeSHA256 in $LATEST.",
                    record.code_sha256
                ));
            }
            lookup::check_settled(&of, &record)?;
            let version = versions::publish(tx, &mut record, request.description)?;
            let scope = of.scope();
            tx.put_function(&scope.account, &scope.region, &record)?;
            Ok::<_, Fault>(version)
        })
        .await?;
    Ok(shown::configuration(caller, &version))
}

async fn list_versions(
    app: &Arc<App>,
    caller: &Caller,
    request: ListVersionsByFunctionRequest,
) -> Result<ListVersionsByFunctionResponse, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    let after = list::after::<u64>(LIST, request.marker)?;
    let limit = list::limit(request.max_items);
    let mut found = app.meta.read(|tx| {
        let latest = lookup::function(tx, caller, &name)?;
        let versions = tx.versions(latest.id, after.unwrap_or(0), limit + 1)?;
        // `$LATEST` comes first; a marker is a number behind it.
        let first = after.is_none().then(|| latest.clone());
        let versions = versions.into_iter().map(|version| version.version_of(&latest));
        Ok::<_, Fault>(first.into_iter().chain(versions).collect::<Vec<_>>())
    })?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|last| last.version.parse().unwrap_or(0u64));
    Ok(ListVersionsByFunctionResponse {
        next_marker: last.map(|last| page::token(LIST, last)),
        versions: Some(
            found
                .iter()
                .map(|version| list::shown(shown::qualified(caller, version, Some(&version.version))))
                .collect(),
        ),
    })
}
