//! Owns CreateFunction. Refuses to know compiling: the function is `Pending` until that is done.

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use wasm::{FunctionRecord, LATEST, Package, Records, State, code_sha256};
use wire::Fault;
use wire::shape::lambda::{CreateFunctionRequest, FunctionConfiguration};

use super::settings::{self, Wanted, refuse};
use super::{account, event_invoke, lookup, shown};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, stopping};
use crate::app::App;
use crate::functions::{registry, versions};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::CreateFunction => create)];

async fn create(
    app: &Arc<App>,
    caller: &Caller,
    mut request: CreateFunctionRequest,
) -> Result<FunctionConfiguration, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    let zip_file = request.code.zip_file.take();
    settings::check_honoured(&json!(request), &name)?;
    settings::check_honoured(&json!(request.code), &name)?;
    let publish = request.publish == Some(true);
    let dead_letter = request.dead_letter_config.take().and_then(|config| config.target_arn);
    let handler = request.handler.clone().unwrap_or_default();
    let unpacked = app.functions.aside(move || settings::unpack(zip_file.as_deref(), &handler)).await;
    let (package, upload) = unpacked.unwrap_or_else(|| Err(stopping()))?;
    let record = record(app, name, request, &package, &upload)?;
    let (of, scope, wasm) = (caller.clone(), caller.scope(), package.wasm);
    let made = app
        .meta
        .change(move |tx| {
            if tx.function(&scope.account, &scope.region, &record.name)?.is_some() {
                let text = format!("Function already exist: {}", record.name);
                return Err(Fault::new("ResourceConflictException", text).status(409));
            }
            let mut record = FunctionRecord { id: tx.next_id("function")?, ..record };
            record.dead_letter_arn =
                event_invoke::checked(tx, &of, &record.name, dead_letter)?.unwrap_or_default();
            account::check_room(tx, &of, record.code_size)?;
            tx.put_code(&record.digest, &wasm)?;
            let version = if publish { Some(versions::publish(tx, &mut record, None)?) } else { None };
            tx.put_function(&scope.account, &scope.region, &record)?;
            Ok((record, version))
        })
        .await?;
    let (made, version) = made;
    registry::compile(app, &caller.scope(), &made);
    Ok(shown::configuration(caller, version.as_ref().unwrap_or(&made)))
}

fn record(
    app: &App,
    name: String,
    request: CreateFunctionRequest,
    package: &Package,
    upload: &[u8],
) -> Result<FunctionRecord, Fault> {
    let Some(runtime) = request.runtime else {
        return refuse(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        );
    };
    let now_ms = app.clock.now_ms();
    let mut record = FunctionRecord {
        name,
        revision: 1,
        digest: digest(&package.wasm),
        version: LATEST.to_owned(),
        timeout_s: 3,
        memory_mb: 128,
        tags: request.tags.unwrap_or_default(),
        manifest: package.manifest.clone(),
        architectures: request.architectures.unwrap_or_else(|| vec!["x86_64".to_owned()]),
        state: State::Pending,
        created_ms: now_ms,
        last_modified_ms: now_ms,
        code_size: upload.len() as u64,
        code_sha256: code_sha256(upload),
        ..FunctionRecord::default()
    };
    if record.tags.len() as u64 > app.limits.sizes.tags_per_resource {
        return refuse(format!(
            "A function can have no more than {} tags.",
            app.limits.sizes.tags_per_resource
        ));
    }
    let wanted = Wanted {
        runtime: Some(runtime),
        handler: request.handler,
        role: Some(request.role),
        description: request.description,
        timeout: request.timeout,
        memory_size: request.memory_size,
        environment: request.environment.and_then(|environment| environment.variables),
    };
    wanted.apply(&mut record)?;
    settings::check_grants(&record)?;
    Ok(record)
}

/// What names code: SHA-256, hex.
pub(super) fn digest(wasm: &[u8]) -> String {
    Sha256::digest(wasm).iter().map(|byte| format!("{byte:02x}")).collect()
}
