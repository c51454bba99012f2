//! Owns AddPermission, GetPolicy and RemovePermission: the resource policies of a function, of its versions and of its
//! aliases. They are kept and shown;
//! within one account every caller may invoke, as AWS has it. Refuses conditions it would not keep.

use std::sync::Arc;

use serde_json::{Value, json};
use wasm::{AliasRecord, FunctionRecord, Records, Statement};
use wire::Fault;
use wire::shape::lambda::{
    AddPermissionRequest, AddPermissionResponse, GetPolicyRequest, GetPolicyResponse, RemovePermissionRequest,
};

use super::lookup::{self, Named, Target};
use super::settings::refuse;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::meta::Tx;
use crate::records::aliases::ALIASES;

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
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
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
    let (of, revision_id, now_ms) = (caller.clone(), request.revision_id, app.clock.now_ms());
    let added = app
        .meta
        .change(move |tx| {
            let target = lookup::target(tx, &of, &named)?;
            lookup::check_revision_id(&target.revision_id(), revision_id.as_deref())?;
            let mut statements = target.policy().to_vec();
            if statements.iter().any(|one| one.id == statement.id) {
                let text = format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                     existing statement.",
                    statement.id
                );
                return Err(Fault::new("ResourceConflictException", text).status(409));
            }
            let added = shown(&of, &named, &statement).to_string();
            statements.push(statement);
            if policy(&of, &named, &statements).len() > POLICY_BYTES_MAX {
                let text = format!("The final policy size is bigger than the limit ({POLICY_BYTES_MAX}).");
                return Err(Fault::new("PolicyLengthExceededException", text).status(400));
            }
            write(tx, &of, (target, now_ms), statements)?;
            Ok(added)
        })
        .await?;
    Ok(AddPermissionResponse { statement: Some(added) })
}

async fn get(app: &Arc<App>, caller: &Caller, request: GetPolicyRequest) -> Result<GetPolicyResponse, Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    let target = app.meta.read(|tx| lookup::target(tx, caller, &named))?;
    if target.policy().is_empty() {
        return Err(no_policy());
    }
    Ok(GetPolicyResponse {
        policy: Some(policy(caller, &named, target.policy())),
        revision_id: Some(target.revision_id()),
    })
}

async fn remove(app: &Arc<App>, caller: &Caller, request: RemovePermissionRequest) -> Result<(), Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    let (of, now_ms) = (caller.clone(), app.clock.now_ms());
    app.meta
        .change(move |tx| {
            let target = lookup::target(tx, &of, &named)?;
            lookup::check_revision_id(&target.revision_id(), request.revision_id.as_deref())?;
            let mut statements = target.policy().to_vec();
            let before = statements.len();
            if before == 0 {
                return Err(no_policy());
            }
            statements.retain(|one| one.id != request.statement_id);
            if statements.len() == before {
                let text = format!("Statement {} is not found in resource policy.", request.statement_id);
                return Err(Fault::new("ResourceNotFoundException", text).status(404));
            }
            write(tx, &of, (target, now_ms), statements)
        })
        .await
}

fn write(
    tx: &mut Tx<'_>,
    caller: &Caller,
    (target, now_ms): (Target, i64),
    policy: Vec<Statement>,
) -> Result<(), Fault> {
    match target {
        Target::Version(record) => {
            let record = FunctionRecord { revision: record.revision + 1, policy, ..*record };
            if record.is_latest() {
                let scope = caller.scope();
                return Ok(tx.put_function(&scope.account, &scope.region, &record)?);
            }
            // What the function says for all its versions is not written into one.
            let tags = Default::default();
            Ok(tx.put_version(&FunctionRecord { tags, reserved_concurrency: None, ..record })?)
        }
        Target::Alias(revision, alias, version) => {
            let alias = AliasRecord { policy, ..alias };
            ALIASES.put(tx, version.id, &revision.name, alias, now_ms)?;
            Ok(())
        }
    }
}

fn no_policy() -> Fault {
    Fault::new("ResourceNotFoundException", "The resource you requested does not exist.").status(404)
}

fn policy(caller: &Caller, named: &Named, statements: &[Statement]) -> String {
    let statements: Vec<Value> = statements.iter().map(|one| shown(caller, named, one)).collect();
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements }).to_string()
}

fn shown(caller: &Caller, named: &Named, statement: &Statement) -> Value {
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
        "Resource": caller.arn_of("lambda", format_args!("function:{}", named.text())),
    });
    if let Some(account) = &statement.source_account {
        shown["Condition"]["StringEquals"] = json!({ "AWS:SourceAccount": account });
    }
    if let Some(arn) = &statement.source_arn {
        shown["Condition"]["ArnLike"] = json!({ "AWS:SourceArn": arn });
    }
    shown
}
