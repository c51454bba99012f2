//! Owns Put-, Update-, Get-, Delete- and ListFunctionEventInvokeConfig(s): how asynchronous calls of a function,
//! version or alias are made, and who is told how they end. Refuses to make them (`outbox`, `functions`), and
//! destinations that are not there.

use std::sync::Arc;

use wasm::{EventInvokeRecord, FunctionRecord, Records};
use wire::Fault;
use wire::shape::lambda::{
    DeleteFunctionEventInvokeConfigRequest, DestinationConfig, FunctionEventInvokeConfig,
    GetFunctionEventInvokeConfigRequest, ListFunctionEventInvokeConfigsRequest,
    ListFunctionEventInvokeConfigsResponse, OnFailure, OnSuccess, PutFunctionEventInvokeConfigRequest,
    UpdateFunctionEventInvokeConfigRequest,
};

use super::lookup::Named;
use super::settings::refuse;
use super::{list, lookup, shown};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::functions::{Destination, resolve};
use crate::meta::Tx;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::PutFunctionEventInvokeConfig => put),
    operation!(Lambda::UpdateFunctionEventInvokeConfig => update),
    operation!(Lambda::GetFunctionEventInvokeConfig => get),
    operation!(Lambda::DeleteFunctionEventInvokeConfig => delete),
    operation!(Lambda::ListFunctionEventInvokeConfigs => list),
];

const LIST: &str = "ListFunctionEventInvokeConfigs";

async fn put(
    app: &Arc<App>,
    caller: &Caller,
    request: PutFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Fault> {
    let given = Given {
        retries: request.maximum_retry_attempts,
        age_s: request.maximum_event_age_in_seconds,
        destinations: request.destination_config,
    };
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    write(app, caller, named, given, Before::Replaced).await
}

async fn update(
    app: &Arc<App>,
    caller: &Caller,
    request: UpdateFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Fault> {
    let given = Given {
        retries: request.maximum_retry_attempts,
        age_s: request.maximum_event_age_in_seconds,
        destinations: request.destination_config,
    };
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    write(app, caller, named, given, Before::Kept).await
}

/// What a request sets; ranges were checked with its shape.
struct Given {
    retries: Option<i32>,
    age_s: Option<i32>,
    destinations: Option<DestinationConfig>,
}

/// What becomes of settings that a request leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Replaced,
    Kept,
}

async fn write(
    app: &Arc<App>,
    caller: &Caller,
    named: Named,
    given: Given,
    before: Before,
) -> Result<FunctionEventInvokeConfig, Fault> {
    if given.retries.is_none() && given.age_s.is_none() && given.destinations.is_none() {
        return refuse("You must specify at least one of error handling or destination setting.");
    }
    let (of, now_ms, target) = (caller.clone(), app.clock.now_ms(), named.clone());
    let written = app
        .meta
        .change(move |tx| {
            let latest = existing(tx, &of, &target)?;
            let found = tx.event_invoke(latest.id, target.qualifier())?;
            let mut record = match before {
                Before::Replaced => EventInvokeRecord::default(),
                Before::Kept => found.ok_or_else(|| nothing_said(&of, &target))?,
            };
            record.retries_max = number(given.retries).or(record.retries_max);
            record.age_max_s = number(given.age_s).or(record.age_max_s);
            if let Some(destinations) = given.destinations {
                let success = destinations.on_success.map(|on| on.destination.unwrap_or_default());
                let failure = destinations.on_failure.map(|on| on.destination.unwrap_or_default());
                if success.is_some() || before == Before::Replaced {
                    record.on_success = checked(tx, &of, &latest.name, success)?;
                }
                if failure.is_some() || before == Before::Replaced {
                    record.on_failure = checked(tx, &of, &latest.name, failure)?;
                }
            }
            record.last_modified_ms = now_ms;
            tx.put_event_invoke(latest.id, target.qualifier(), &record)?;
            Ok::<_, Fault>(record)
        })
        .await?;
    Ok(configuration(caller, &named, written))
}

fn number(given: Option<i32>) -> Option<u32> {
    given.and_then(|given| u32::try_from(given).ok())
}

/// A destination or dead letter target that a request names: `None` for none and for an empty one, which takes it
/// away.
///
/// # Errors
/// `InvalidParameterValueException` that names what cannot be told, is not there, or is the function itself.
pub(super) fn checked(
    tx: &mut Tx<'_>,
    caller: &Caller,
    function: &str,
    arn: Option<String>,
) -> Result<Option<String>, Fault> {
    let Some(arn) = arn.filter(|arn| !arn.is_empty()) else { return Ok(None) };
    let scope = caller.scope();
    let destination = Destination::parse(&scope, &arn);
    let destination =
        destination.or_else(|reason| refuse(format!("The destination ARN {arn} is invalid. {reason}")))?;
    if let Destination::Function(other) = destination
        && resolve::split(other).0 == function
    {
        return refuse("You can't specify the function as a destination for itself.");
    }
    if !destination.exists(tx, &scope, &arn)? {
        return refuse(format!("The destination ARN {arn} is invalid. It does not exist."));
    }
    Ok(Some(arn))
}

async fn get(
    app: &Arc<App>,
    caller: &Caller,
    request: GetFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    let found = app.meta.read(|tx| said(tx, caller, &named))?;
    Ok(configuration(caller, &named, found.1))
}

async fn delete(
    app: &Arc<App>,
    caller: &Caller,
    request: DeleteFunctionEventInvokeConfigRequest,
) -> Result<(), Fault> {
    let named = lookup::named(caller, &request.function_name, request.qualifier.as_deref())?;
    let of = caller.clone();
    app.meta
        .change(move |tx| {
            let (function, _) = said(tx, &of, &named)?;
            Ok(tx.delete_event_invoke(function, named.qualifier())?)
        })
        .await
}

/// The function's id and what was said for a qualifier of it.
fn said(tx: &mut Tx<'_>, caller: &Caller, named: &Named) -> Result<(u64, EventInvokeRecord), Fault> {
    let nothing = || nothing_said(caller, named);
    let scope = caller.scope();
    let latest = tx.function(&scope.account, &scope.region, &named.name)?.ok_or_else(nothing)?;
    let found = tx.event_invoke(latest.id, named.qualifier())?.ok_or_else(nothing)?;
    Ok((latest.id, found))
}

fn nothing_said(caller: &Caller, named: &Named) -> Fault {
    let arn = shown::arn(caller, &named.name, Some(named.qualifier()));
    let text = format!("The function {arn} doesn't have an EventInvokeConfig");
    Fault::new("ResourceNotFoundException", text).status(404)
}

/// The function, if what is named of it is there.
fn existing(tx: &mut Tx<'_>, caller: &Caller, named: &Named) -> Result<FunctionRecord, Fault> {
    let missing = || Fault::new("ResourceNotFoundException", "The function doesn't exist.").status(404);
    let scope = caller.scope();
    let latest = tx.function(&scope.account, &scope.region, &named.name)?.ok_or_else(missing)?;
    if resolve::all(tx, &scope, &named.text())?.is_empty() {
        return Err(missing());
    }
    Ok(latest)
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListFunctionEventInvokeConfigsRequest,
) -> Result<ListFunctionEventInvokeConfigsResponse, Fault> {
    let name = lookup::name_in(caller, &request.function_name, None)?;
    let after = list::after::<String>(LIST, request.marker)?;
    let limit = list::limit(request.max_items);
    let mut found = app.meta.read(|tx| {
        let named = Named { name: name.clone(), qualifier: None };
        let latest = existing(tx, caller, &named)?;
        Ok::<_, Fault>(tx.event_invokes(latest.id, after.as_deref(), limit + 1)?)
    })?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_marker = found.last().filter(|_| more).map(|(last, _)| page::token(LIST, last));
    let shown = found.into_iter().map(|(qualifier, record)| {
        configuration(caller, &Named { name: name.clone(), qualifier: Some(qualifier) }, record)
    });
    Ok(ListFunctionEventInvokeConfigsResponse {
        function_event_invoke_configs: Some(shown.collect()),
        next_marker,
    })
}

fn configuration(caller: &Caller, named: &Named, record: EventInvokeRecord) -> FunctionEventInvokeConfig {
    let number = |number: Option<u32>| number.and_then(|number| i32::try_from(number).ok());
    FunctionEventInvokeConfig {
        last_modified: Some(record.last_modified_ms as f64 / 1_000.0),
        function_arn: Some(shown::arn(caller, &named.name, Some(named.qualifier()))),
        maximum_retry_attempts: number(record.retries_max),
        maximum_event_age_in_seconds: number(record.age_max_s),
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess { destination: record.on_success }),
            on_failure: Some(OnFailure { destination: record.on_failure }),
        }),
    }
}
