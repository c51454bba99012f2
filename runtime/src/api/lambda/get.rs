//! Owns GetFunction and GetFunctionConfiguration. Refuses to change anything.

use std::sync::Arc;

use wasm::FunctionRecord;
use wire::Fault;
use wire::shape::lambda::{
    FunctionCodeLocation, FunctionConfiguration, GetFunctionConfigurationRequest, GetFunctionRequest,
    GetFunctionResponse,
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
    let record = find(app, caller, &request.function_name, request.qualifier.as_deref())?;
    Ok(GetFunctionResponse {
        configuration: Some(shown::configuration(caller, &record)),
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
    let record = find(app, caller, &request.function_name, request.qualifier.as_deref())?;
    Ok(shown::configuration(caller, &record))
}

fn find(app: &App, caller: &Caller, given: &str, qualifier: Option<&str>) -> Result<FunctionRecord, Fault> {
    let name = lookup::name_in(caller, given, qualifier)?;
    app.meta.read(|tx| lookup::function(tx, caller, &name))
}

/// Where the WebAssembly can be fetched. There are no presigned links: with access keys there is none.
fn location(app: &App, record: &FunctionRecord) -> Option<String> {
    app.is_open().then(|| format!("{}/_logboom/code/{}", crate::functions::public_url(app), record.digest))
}
