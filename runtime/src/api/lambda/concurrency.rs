//! Owns PutFunctionConcurrency, GetFunctionConcurrency and DeleteFunctionConcurrency. Refuses to hold calls back:
//! `functions/admit.rs` does.

use std::sync::Arc;

use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{
    Concurrency, DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest,
    GetFunctionConcurrencyResponse, PutFunctionConcurrencyRequest,
};

use super::settings::refuse;
use super::{account, lookup};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::PutFunctionConcurrency => put),
    operation!(Lambda::GetFunctionConcurrency => get),
    operation!(Lambda::DeleteFunctionConcurrency => delete),
];

/// What AWS keeps for the functions without a reservation.
const UNRESERVED_MIN: u32 = 100;

async fn put(
    app: &Arc<App>,
    caller: &Caller,
    request: PutFunctionConcurrencyRequest,
) -> Result<Concurrency, Fault> {
    let name = of_function(caller, &request.function_name)?;
    let reserved = request.reserved_concurrent_executions;
    let Ok(wanted) = u32::try_from(reserved) else {
        return refuse(format!("ReservedConcurrentExecutions is 0 or more, not {reserved}."));
    };
    let of = caller.clone();
    app.meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            let others = account::reserved(tx, &of, Some(record.id))?;
            let left = account::CONCURRENCY.saturating_sub(others);
            if wanted > 0 && left < wanted.saturating_add(UNRESERVED_MIN) {
                return refuse(format!(
                    "Specified ReservedConcurrentExecutions for function decreases account's \
                     UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
                ));
            }
            record.reserved_concurrency = Some(wanted);
            record.revision += 1;
            let scope = of.scope();
            Ok::<_, Fault>(tx.put_function(&scope.account, &scope.region, &record)?)
        })
        .await?;
    Ok(Concurrency { reserved_concurrent_executions: Some(reserved) })
}

async fn get(
    app: &Arc<App>,
    caller: &Caller,
    request: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Fault> {
    let name = of_function(caller, &request.function_name)?;
    let record = app.meta.read(|tx| lookup::function(tx, caller, &name))?;
    let reserved = record.reserved_concurrency.and_then(|reserved| i32::try_from(reserved).ok());
    Ok(GetFunctionConcurrencyResponse { reserved_concurrent_executions: reserved })
}

async fn delete(
    app: &Arc<App>,
    caller: &Caller,
    request: DeleteFunctionConcurrencyRequest,
) -> Result<(), Fault> {
    let name = of_function(caller, &request.function_name)?;
    let of = caller.clone();
    app.meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            record.reserved_concurrency = None;
            record.revision += 1;
            let scope = of.scope();
            Ok(tx.put_function(&scope.account, &scope.region, &record)?)
        })
        .await
}

/// The name of a function that is meant as a whole.
fn of_function(caller: &Caller, given: &str) -> Result<String, Fault> {
    let named = lookup::named(caller, given, None)?;
    if named.qualifier.is_some() {
        return refuse(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
             Please specify either a function name or an unqualified function ARN.",
        );
    }
    Ok(named.name)
}
