//! Owns UpdateFunctionConfiguration: settings hold from the next call on. Refuses to know code.

use std::sync::Arc;

use serde_json::json;
use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{FunctionConfiguration, UpdateFunctionConfigurationRequest};

use super::settings::{self, Wanted};
use super::{event_invoke, lookup, shown};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::UpdateFunctionConfiguration => update)];

async fn update(
    app: &Arc<App>,
    caller: &Caller,
    request: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    settings::check_honoured(&json!(request), &name)?;
    let (now_ms, of) = (app.clock.now_ms(), caller.clone());
    let wanted = Wanted {
        runtime: request.runtime,
        handler: request.handler,
        role: request.role,
        description: request.description,
        timeout: request.timeout,
        memory_size: request.memory_size,
        environment: request.environment.map(|environment| environment.variables.unwrap_or_default()),
    };
    let dead_letter = request.dead_letter_config.map(|config| config.target_arn.unwrap_or_default());
    let revision_id = request.revision_id;
    let changed = app
        .meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            lookup::check_revision(&record, revision_id.as_deref())?;
            lookup::check_settled(&of, &record)?;
            wanted.apply(&mut record)?;
            if let Some(arn) = dead_letter {
                record.dead_letter_arn =
                    event_invoke::checked(tx, &of, &name, Some(arn))?.unwrap_or_default();
            }
            record.revision += 1;
            record.last_modified_ms = now_ms;
            (record.update_failure, record.update_failure_code) = Default::default();
            let scope = of.scope();
            tx.put_function(&scope.account, &scope.region, &record)?;
            Ok::<_, Fault>(record)
        })
        .await?;
    Ok(shown::configuration(caller, &changed))
}
