//! Owns GetFunctionCodeSigningConfig and GetRuntimeManagementConfig: what clients read back of a function (Terraform
//! does) that has neither here. Refuses to set them.

use std::sync::Arc;

use wire::Fault;
use wire::shape::lambda::{
    GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse,
    GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse,
};

use super::{lookup, shown};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::GetFunctionCodeSigningConfig => code_signing),
    operation!(Lambda::GetRuntimeManagementConfig => runtime_management),
];

/// No function has a code signing configuration: what AWS answers then.
async fn code_signing(
    app: &Arc<App>,
    caller: &Caller,
    request: GetFunctionCodeSigningConfigRequest,
) -> Result<GetFunctionCodeSigningConfigResponse, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    let record = app.meta.read(|tx| lookup::function(tx, caller, &name))?;
    Ok(GetFunctionCodeSigningConfigResponse {
        code_signing_config_arn: String::new(),
        function_name: record.name,
    })
}

/// The engine changes with Logboom itself, for all functions: AWS's `Auto`.
async fn runtime_management(
    app: &Arc<App>,
    caller: &Caller,
    request: GetRuntimeManagementConfigRequest,
) -> Result<GetRuntimeManagementConfigResponse, Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    app.meta.read(|tx| lookup::target(tx, caller, &named))?;
    Ok(GetRuntimeManagementConfigResponse {
        update_runtime_on: Some("Auto".to_owned()),
        function_arn: Some(shown::arn(caller, &named.name, Some(named.qualifier()))),
        runtime_version_arn: None,
    })
}
