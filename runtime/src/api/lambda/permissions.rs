//! Owns AddPermission, GetPolicy and RemovePermission: the resource policy of a function. It is kept and shown;
//! within one account every caller may invoke, as AWS has it. Refuses conditions it would not keep.

use std::sync::Arc;

use serde_json::{Value, json};
use wasm::{FunctionRecord, Records, Statement};
use wire::Fault;
use wire::shape::lambda::{
    AddPermissionRequest, AddPermissionResponse, GetPolicyRequest, GetPolicyResponse, RemovePermissionRequest,
};

use super::lookup;
use super::settings::refuse;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::AddPermission => add),
    operation!(Lambda::GetPolicy => get),
    operation!(Lambda::RemovePermission => remove),
];

/// Bytes of a policy, as AWS has it.
const POLICY_BYTES_MAX: usize = 20 << 10;

async fn add(
    app: &Arc<App>,
    caller: &Caller,
    request: AddPermissionRequest,
) -> Result<AddPermissionResponse, Fault> {
    let name = lookup::name_in(caller, &request.function_name, request.qualifier.as_deref())?;
    let unserved = [
        ("FunctionUrlAuthType", request.function_url_auth_type.is_some()),
        ("InvokedViaFunctionUrl", request.invoked_via_function_url == Some(true)),
        ("EventSourceToken", request.event_source_token.is_some()),
        ("PrincipalOrgID", request.principal_org_id.is_some()),
    ];
    if let Some((setting, _)) = unserved.iter().find(|(_, given)| *given) {
        return refuse(format!("{setting} is not served by Logboom."));
    }
    let statement = Statement {
        id: request.statement_id,
        principal: request.principal,
        action: request.action,
        source_arn: request.source_arn,
        source_account: request.source_account,
    };
    let (of, revision_id) = (caller.clone(), request.revision_id);
    let added = app
        .meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            lookup::check_revision(&record, revision_id.as_deref())?;
            if record.policy.iter().any(|one| one.id == statement.id) {
                let text = format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                     existing statement.",
                    statement.id
                );
                return Err(Fault::new("ResourceConflictException", text).status(409));
            }
            let added = shown(&of, &name, &statement).to_string();
            record.policy.push(statement);
            if policy(&of, &record).len() > POLICY_BYTES_MAX {
                let text = format!("The final policy size is bigger than the limit ({POLICY_BYTES_MAX}).");
                return Err(Fault::new("PolicyLengthExceededException", text).status(400));
            }
            write(tx, &of, record)?;
            Ok(added)
        })
        .await?;
    Ok(AddPermissionResponse { statement: Some(added) })
}

async fn get(app: &Arc<App>, caller: &Caller, request: GetPolicyRequest) -> Result<GetPolicyResponse, Fault> {
    let name = lookup::name_in(caller, &request.function_name, request.qualifier.as_deref())?;
    let record = app.meta.read(|tx| lookup::function(tx, caller, &name))?;
    if record.policy.is_empty() {
        return Err(no_policy());
    }
    Ok(GetPolicyResponse {
        policy: Some(policy(caller, &record)),
        revision_id: Some(lookup::revision_id(&record)),
    })
}

async fn remove(app: &Arc<App>, caller: &Caller, request: RemovePermissionRequest) -> Result<(), Fault> {
    let name = lookup::name_in(caller, &request.function_name, request.qualifier.as_deref())?;
    let of = caller.clone();
    app.meta
        .change(move |tx| {
            let mut record = lookup::function(tx, &of, &name)?;
            lookup::check_revision(&record, request.revision_id.as_deref())?;
            let before = record.policy.len();
            if before == 0 {
                return Err(no_policy());
            }
            record.policy.retain(|one| one.id != request.statement_id);
            if record.policy.len() == before {
                let text = format!("Statement {} is not found in resource policy.", request.statement_id);
                return Err(Fault::new("ResourceNotFoundException", text).status(404));
            }
            write(tx, &of, record)
        })
        .await
}

fn write(tx: &mut crate::meta::Tx<'_>, caller: &Caller, mut record: FunctionRecord) -> Result<(), Fault> {
    record.revision += 1;
    let scope = caller.scope();
    Ok(tx.put_function(&scope.account, &scope.region, &record)?)
}

fn no_policy() -> Fault {
    Fault::new("ResourceNotFoundException", "The resource you requested does not exist.").status(404)
}

fn policy(caller: &Caller, record: &FunctionRecord) -> String {
    let statements: Vec<Value> = record.policy.iter().map(|one| shown(caller, &record.name, one)).collect();
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements }).to_string()
}

fn shown(caller: &Caller, name: &str, statement: &Statement) -> Value {
    let principal = match statement.principal.as_str() {
        "*" => json!("*"),
        service if service.contains('.') => json!({ "Service": service }),
        account if account.bytes().all(|byte| byte.is_ascii_digit()) => {
            json!({ "AWS": format!("arn:aws:iam::{account}:root") })
        }
        other => json!({ "AWS": other }),
    };
    let mut shown = json!({
        "Sid": statement.id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": statement.action,
        "Resource": caller.arn_of("lambda", format_args!("function:{name}")),
    });
    if let Some(account) = &statement.source_account {
        shown["Condition"]["StringEquals"] = json!({ "AWS:SourceAccount": account });
    }
    if let Some(arn) = &statement.source_arn {
        shown["Condition"]["ArnLike"] = json!({ "AWS:SourceArn": arn });
    }
    shown
}
