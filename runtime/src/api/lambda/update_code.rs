//! Owns UpdateFunctionCode: new code is staged, and takes over when it has been compiled. Until then, and if it
//! does not compile, the old code runs. Refuses to know compiling.

use std::sync::Arc;

use serde_json::json;
use wasm::{Records, Staged, code_sha256};
use wire::Fault;
use wire::shape::lambda::{FunctionConfiguration, UpdateFunctionCodeRequest};

use super::{account, create, lookup, settings, shown};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, stopping};
use crate::app::App;
use crate::functions::{registry, versions};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::UpdateFunctionCode => update)];

async fn update(
    app: &Arc<App>,
    caller: &Caller,
    mut request: UpdateFunctionCodeRequest,
) -> Result<FunctionConfiguration, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    let zip_file = request.zip_file.take();
    settings::check_honoured(&json!(request), &name)?;
    let publish = request.publish == Some(true);
    let before = app.meta.read(|tx| lookup::function(tx, caller, &name))?;
    let handler = before.handler;
    let unpacked = app.functions.aside(move || settings::unpack(zip_file.as_deref(), &handler)).await;
    let (package, upload) = unpacked.unwrap_or_else(|| Err(stopping()))?;
    let staged = Staged {
        digest: create::digest(&package.wasm),
        manifest: package.manifest,
        code_size: upload.len() as u64,
        code_sha256: code_sha256(&upload),
    };
    let (wasm, now_ms, of) = (package.wasm, app.clock.now_ms(), caller.clone());
    let changed = app
        .meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            lookup::check_revision(&record, request.revision_id.as_deref())?;
            lookup::check_settled(&of, &record)?;
            let mut trial = record.clone();
            trial.manifest.clone_from(&staged.manifest);
            settings::check_grants(&trial)?;
            account::check_room(tx, &of, staged.code_size)?;
            tx.put_code(&staged.digest, &wasm)?;
            record.staged = Some(staged);
            record.revision += 1;
            record.last_modified_ms = now_ms;
            if let Some(architectures) = request.architectures {
                record.architectures = architectures;
            }
            let version = if publish { Some(versions::publish(tx, &mut record, None)?) } else { None };
            let scope = of.scope();
            tx.put_function(&scope.account, &scope.region, &record)?;
            Ok::<_, Fault>((record, version))
        })
        .await?;
    let (changed, version) = changed;
    registry::compile(app, &caller.scope(), &changed);
    Ok(shown::configuration(caller, version.as_ref().unwrap_or(&changed)))
}
