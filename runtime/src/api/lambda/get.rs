//! Owns GetFunction and GetFunctionConfiguration. Refuses to change anything.

use std::sync::Arc;

use wasm::FunctionRecord;
use wire::Fault;
use wire::shape::lambda::{
    Concurrency, FunctionCodeLocation, FunctionConfiguration, GetFunctionConfigurationRequest,
    GetFunctionRequest, GetFunctionResponse,
};

use super::{lookup, shown};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::GetFunction => get),
    operation!(Lambda::GetFunctionConfiguration => get_configuration),
];

async fn get(
    app: &Arc<App>,
    caller: &Caller,
    request: GetFunctionRequest,
) -> Result<GetFunctionResponse, Fault> {
    let (record, qualifier) = find(app, caller, &request.function_name, request.qualifier.as_deref())?;
    Ok(GetFunctionResponse {
        configuration: Some(shown::qualified(caller, &record, qualifier.as_deref())),
        concurrency: record
            .reserved_concurrency
            .map(|reserved| Concurrency { reserved_concurrent_executions: i32::try_from(reserved).ok() }),
        code: Some(FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: location(app, &record),
            ..FunctionCodeLocation::default()
        }),
        tags: (!record.tags.is_empty()).then(|| record.tags.clone()),
        ..GetFunctionResponse::default()
    })
}

async fn get_configuration(
    app: &Arc<App>,
    caller: &Caller,
    request: GetFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Fault> {
    let (record, qualifier) = find(app, caller, &request.function_name, request.qualifier.as_deref())?;
    Ok(shown::qualified(caller, &record, qualifier.as_deref()))
}

fn find(
    app: &App,
    caller: &Caller,
    given: &str,
    qualifier: Option<&str>,
) -> Result<(FunctionRecord, Option<String>), Fault> {
    let named = lookup::named(caller, given, qualifier)?;
    let target = app.meta.read(|tx| lookup::target(tx, caller, &named))?;
    Ok((target.version().clone(), named.qualifier))
}

/// Where the WebAssembly can be fetched. There are no presigned links: with access keys there is none.
fn location(app: &App, record: &FunctionRecord) -> Option<String> {
    app.is_open().then(|| format!("{}/_logboom/code/{}", crate::functions::public_url(app), record.digest))
}
