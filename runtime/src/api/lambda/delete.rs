//! Owns DeleteFunction. Its log group stays, as at AWS; filters that name it fail until it is made again.

use std::sync::Arc;

use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{DeleteFunctionRequest, DeleteFunctionResponse};

use super::lookup;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::functions::{self, registry};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::DeleteFunction => delete)];

async fn delete(
    app: &Arc<App>,
    caller: &Caller,
    request: DeleteFunctionRequest,
) -> Result<DeleteFunctionResponse, Fault> {
    if request.qualifier.as_deref() == Some(lookup::LATEST) {
        let text = "$LATEST version cannot be deleted without deleting the function.";
        return Err(Fault::new("InvalidParameterValueException", text).status(400));
    }
    let name = lookup::name_in(caller, &request.function_name, request.qualifier.as_deref())?;
    let of = caller.clone();
    let gone = app
        .meta
        .change(move |tx| {
            let record = lookup::function(tx, &of, &name)?;
            let scope = of.scope();
            tx.delete_function(&scope.account, &scope.region, &name)?;
            functions::remove_all(tx, record.id)?;
            registry::forget_code(tx, &record.digest)?;
            if let Some(staged) = &record.staged {
                registry::forget_code(tx, &staged.digest)?;
            }
            Ok::<_, Fault>(record)
        })
        .await?;
    registry::forget(app, &gone);
    Ok(DeleteFunctionResponse { status_code: Some(204) })
}
