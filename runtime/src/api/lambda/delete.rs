//! Owns DeleteFunction: of a whole function, or of one version. Its log group stays, as at AWS; filters that name it
//! fail until it is made again.

use std::sync::Arc;

use wasm::{AliasRecord, LATEST, Records};
use wire::Fault;
use wire::shape::lambda::{DeleteFunctionRequest, DeleteFunctionResponse};

use super::lookup;
use super::settings::refuse;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::functions::{self, registry};
use crate::meta::Tx;
use crate::records::aliases::ALIASES;
use crate::records::shadows;

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::DeleteFunction => delete)];

async fn delete(
    app: &Arc<App>,
    caller: &Caller,
    request: DeleteFunctionRequest,
) -> Result<DeleteFunctionResponse, Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    let (of, now_ms, name) = (caller.clone(), app.clock.now_ms(), named.name);
    match named.qualifier.as_deref() {
        None => {
            let gone = app
                .meta
                .change(move |tx| {
                    let record = lookup::function(tx, &of, &name)?;
                    let scope = of.scope();
                    let versions = tx.versions(record.id, 0, usize::MAX)?;
                    tx.delete_function(&scope.account, &scope.region, &name)?;
                    functions::remove_all(tx, record.id, now_ms)?;
                    let staged = record.staged.iter().map(|staged| &staged.digest);
                    let published = versions.iter().map(|version| &version.digest);
                    for digest in std::iter::once(&record.digest).chain(staged).chain(published) {
                        registry::forget_code(tx, digest)?;
                    }
                    Ok::<_, Fault>(record)
                })
                .await?;
            registry::forget(app, &gone);
        }
        Some(LATEST) => {
            return refuse("$LATEST version cannot be deleted without deleting the function.");
        }
        Some(version) => {
            let Ok(number) = version.parse::<u64>() else {
                return refuse("Deletion of aliases is not currently supported.");
            };
            app.meta.change(move |tx| delete_version(tx, &of, &name, number)).await?;
            registry::prune(app);
        }
    }
    Ok(DeleteFunctionResponse { status_code: Some(204) })
}

/// One that is not there is deleted, as AWS has it; one that an alias needs stays.
fn delete_version(tx: &mut Tx<'_>, caller: &Caller, name: &str, number: u64) -> Result<(), Fault> {
    let latest = lookup::function(tx, caller, name)?;
    let Some(version) = tx.version(latest.id, number)? else { return Ok(()) };
    let aliases = ALIASES.list(tx, latest.id)?;
    let needs = aliases
        .iter()
        .filter(|one| one.body.iter().flat_map(AliasRecord::versions).any(|one| one == version.version));
    let needs: Vec<&str> = needs.map(|one| one.name.as_str()).collect();
    if !needs.is_empty() {
        let text = format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            needs.join(", ")
        );
        return Err(Fault::new("ResourceConflictException", text).status(409));
    }
    if shadows::of(tx, latest.id)?.is_some_and(|shadow| shadow.version == version.version) {
        let text = format!("Unable to delete version because it is the shadow of {name}");
        return Err(Fault::new("ResourceConflictException", text).status(409));
    }
    tx.delete_version(latest.id, number)?;
    tx.delete_event_invoke(latest.id, &version.version)?;
    Ok(registry::forget_code(tx, &version.digest)?)
}
