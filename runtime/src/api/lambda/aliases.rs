//! Owns CreateAlias, GetAlias, UpdateAlias, DeleteAlias and ListAliases. Refuses to know who calls a function: the
//! alias is looked at with every call.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasm::{AliasRecord, FunctionRecord, LATEST, Records};
use wire::Fault;
use wire::shape::lambda::{
    AliasConfiguration, AliasRoutingConfiguration, CreateAliasRequest, DeleteAliasRequest, GetAliasRequest,
    ListAliasesRequest, ListAliasesResponse, UpdateAliasRequest,
};

use super::settings::refuse;
use super::{list, lookup, shown};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::functions::resolve;
use crate::meta::Tx;
use crate::records::aliases::ALIASES;
use crate::records::revisions::Revision;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Lambda::CreateAlias => create),
    operation!(Lambda::GetAlias => get),
    operation!(Lambda::UpdateAlias => update),
    operation!(Lambda::DeleteAlias => delete),
    operation!(Lambda::ListAliases => list),
];

const LIST: &str = "ListAliases";

async fn create(
    app: &Arc<App>,
    caller: &Caller,
    request: CreateAliasRequest,
) -> Result<AliasConfiguration, Fault> {
    let function = lookup::name_in(caller, &request.function_name, None)?;
    let (of, named, now_ms) = (caller.clone(), function.clone(), app.clock.now_ms());
    let made = app
        .meta
        .change(move |tx| {
            let latest = lookup::function(tx, &of, &named)?;
            let name = request.name;
            if lookup::alias(tx, &latest, &name)?.is_some() {
                let text = format!("Alias already exists: {}", shown::arn(&of, &named, Some(&name)));
                return Err(Fault::new("ResourceConflictException", text).status(409));
            }
            let alias = AliasRecord {
                version: request.function_version,
                description: request.description.unwrap_or_default(),
                additional: weights(request.routing_config).unwrap_or_default(),
                policy: Vec::new(),
            };
            check(tx, &of, &latest, &alias)?;
            Ok::<_, Fault>(ALIASES.put(tx, latest.id, &name, alias, now_ms)?)
        })
        .await?;
    Ok(configuration(caller, &function, &made))
}

async fn get(app: &Arc<App>, caller: &Caller, request: GetAliasRequest) -> Result<AliasConfiguration, Fault> {
    let function = lookup::name_in(caller, &request.function_name, None)?;
    let found = app.meta.read(|tx| {
        let latest = lookup::function(tx, caller, &function)?;
        let found = lookup::alias(tx, &latest, &request.name)?;
        found.map(|(found, _)| found).ok_or_else(|| missing(caller, &function, &request.name))
    })?;
    Ok(configuration(caller, &function, &found))
}

async fn update(
    app: &Arc<App>,
    caller: &Caller,
    request: UpdateAliasRequest,
) -> Result<AliasConfiguration, Fault> {
    let function = lookup::name_in(caller, &request.function_name, None)?;
    let (of, named, now_ms) = (caller.clone(), function.clone(), app.clock.now_ms());
    let changed = app
        .meta
        .change(move |tx| {
            let latest = lookup::function(tx, &of, &named)?;
            let found = lookup::alias(tx, &latest, &request.name)?;
            let (revision, mut alias) = found.ok_or_else(|| missing(&of, &named, &request.name))?;
            lookup::check_revision_id(&lookup::alias_revision_id(&revision), request.revision_id.as_deref())?;
            if let Some(version) = request.function_version {
                alias.version = version;
            }
            if let Some(description) = request.description {
                alias.description = description;
            }
            if let Some(weights) = weights(request.routing_config) {
                alias.additional = weights;
            }
            check(tx, &of, &latest, &alias)?;
            Ok::<_, Fault>(ALIASES.put(tx, latest.id, &request.name, alias, now_ms)?)
        })
        .await?;
    Ok(configuration(caller, &function, &changed))
}

async fn delete(app: &Arc<App>, caller: &Caller, request: DeleteAliasRequest) -> Result<(), Fault> {
    let function = lookup::name_in(caller, &request.function_name, None)?;
    let (of, now_ms) = (caller.clone(), app.clock.now_ms());
    app.meta
        .change(move |tx| {
            let latest = lookup::function(tx, &of, &function)?;
            // One that is not there is deleted, as AWS has it.
            if ALIASES.remove(tx, latest.id, &request.name, now_ms)?.is_some() {
                tx.delete_event_invoke(latest.id, &request.name)?;
            }
            Ok(())
        })
        .await
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListAliasesRequest,
) -> Result<ListAliasesResponse, Fault> {
    let function = lookup::name_in(caller, &request.function_name, None)?;
    let after = list::after::<String>(LIST, request.marker)?;
    let limit = list::limit(request.max_items);
    let mut found = app.meta.read(|tx| {
        let latest = lookup::function(tx, caller, &function)?;
        Ok::<_, Fault>(ALIASES.list(tx, latest.id)?)
    })?;
    found.retain(|one| {
        let names = |alias: &AliasRecord| {
            request.function_version.as_ref().is_none_or(|version| alias.versions().any(|one| one == version))
        };
        after.as_ref().is_none_or(|after| one.name > *after) && one.body.as_ref().is_some_and(names)
    });
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(ListAliasesResponse {
        next_marker: found.last().filter(|_| more).map(|last| page::token(LIST, &last.name)),
        aliases: Some(found.iter().map(|one| configuration(caller, &function, one)).collect()),
    })
}

/// The weights that a request gives; an empty map takes them all away.
fn weights(given: Option<AliasRoutingConfiguration>) -> Option<BTreeMap<String, f64>> {
    given.map(|given| given.additional_version_weights.unwrap_or_default())
}

/// Whether an alias leads somewhere, with weights that make sense.
fn check(
    tx: &mut Tx<'_>,
    caller: &Caller,
    latest: &FunctionRecord,
    alias: &AliasRecord,
) -> Result<(), Fault> {
    check_weights(alias)?;
    for version in alias.versions() {
        if resolve::version(tx, latest, version)?.is_none() {
            return Err(lookup::not_found(caller, &format!("{}:{version}", latest.name)));
        }
    }
    Ok(())
}

fn check_weights(alias: &AliasRecord) -> Result<(), Fault> {
    let AliasRecord { version, additional, .. } = alias;
    if additional.len() > 1 {
        return refuse("Number of items in AdditionalVersionWeights cannot be greater than 1");
    }
    let Some((other, weight)) = additional.iter().next() else { return Ok(()) };
    if !(0.0..1.0).contains(weight) {
        let text = format!(
            "1 validation error detected: Value '{{{other}={weight}}}' at 'routingConfig.additionalVersionWeights' \
             failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or \
             equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
        );
        return Err(Fault::new("ValidationException", text).status(400));
    }
    if version == LATEST {
        return refuse("$LATEST is not supported for an alias pointing to more than 1 version");
    }
    if other == version {
        return refuse(format!(
            "Invalid function version {version}. Function version {version} is already included in routing \
             configuration."
        ));
    }
    Ok(())
}

fn missing(caller: &Caller, function: &str, name: &str) -> Fault {
    let text = format!("Cannot find alias arn: {}", shown::arn(caller, function, Some(name)));
    Fault::new("ResourceNotFoundException", text).status(404)
}

fn configuration(caller: &Caller, function: &str, found: &Revision<AliasRecord>) -> AliasConfiguration {
    let alias = found.body.clone().unwrap_or_default();
    AliasConfiguration {
        alias_arn: Some(shown::arn(caller, function, Some(&found.name))),
        name: Some(found.name.clone()),
        function_version: Some(alias.version),
        description: Some(alias.description),
        routing_config: (!alias.additional.is_empty())
            .then_some(AliasRoutingConfiguration { additional_version_weights: Some(alias.additional) }),
        revision_id: Some(lookup::alias_revision_id(found)),
    }
}
