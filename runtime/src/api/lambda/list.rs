//! Owns ListFunctions, and how the lists of this service are paged. Refuses to change anything.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use wasm::{FunctionRecord, Records};
use wire::Fault;
use wire::shape::lambda::{FunctionConfiguration, ListFunctionsRequest, ListFunctionsResponse};

use super::settings::refuse;
use super::shown;
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::meta::{MetaError, Tx};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::ListFunctions => list)];

const NAME: &str = "ListFunctions";
const WITH_VERSIONS: &str = "ListFunctions ALL";

/// The longest page, as AWS has it.
const PAGE_MAX: usize = 50;

/// What a page is to have.
pub(super) fn limit(max_items: Option<i32>) -> usize {
    max_items.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

/// Where the page begins that a marker of `operation` asks for.
///
/// # Errors
/// `InvalidParameterValueException`.
pub(super) fn after<T: DeserializeOwned>(
    operation: &str,
    marker: Option<String>,
) -> Result<Option<T>, Fault> {
    let marker = marker.filter(|marker| !marker.is_empty());
    page::position::<T>(operation, marker.as_deref()).or_else(|_| refuse("The specified Marker is invalid."))
}

/// A list shows settled things only: AWS leaves states out of it.
pub(super) fn shown(mut shown: FunctionConfiguration) -> FunctionConfiguration {
    (shown.state, shown.state_reason, shown.state_reason_code) = (None, None, None);
    (shown.last_update_status, shown.last_update_status_reason, shown.last_update_status_reason_code) =
        (None, None, None);
    shown
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListFunctionsRequest,
) -> Result<ListFunctionsResponse, Fault> {
    if request.master_region.is_some_and(|region| region != "ALL" && region != caller.region) {
        return refuse("MasterRegion is not served by Logboom: there are no replicas in other regions.");
    }
    let (limit, scope) = (limit(request.max_items), caller.scope());
    if request.function_version.as_deref() == Some("ALL") {
        let after = after::<(String, u64)>(WITH_VERSIONS, request.marker)?;
        let mut found = app.meta.read(|tx| with_versions(tx, caller, after, limit + 1))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let place = |last: &FunctionRecord| (last.name.clone(), last.version.parse().unwrap_or(0u64));
        let next_marker = found.last().filter(|_| more).map(|last| page::token(WITH_VERSIONS, place(last)));
        let functions =
            found.iter().map(|one| self::shown(shown::qualified(caller, one, Some(&one.version)))).collect();
        return Ok(ListFunctionsResponse { functions: Some(functions), next_marker });
    }
    let after = after::<String>(NAME, request.marker)?;
    let mut found =
        app.meta.read(|tx| tx.functions(&scope.account, &scope.region, after.as_deref(), limit + 1))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_marker = found.last().filter(|_| more).map(|last| page::token(NAME, &last.name));
    let functions = found.iter().map(|record| self::shown(shown::configuration(caller, record))).collect();
    Ok(ListFunctionsResponse { functions: Some(functions), next_marker })
}

/// Every function's `$LATEST` and then its versions, after the given place.
fn with_versions(
    tx: &mut Tx<'_>,
    caller: &Caller,
    after: Option<(String, u64)>,
    limit: usize,
) -> Result<Vec<FunctionRecord>, MetaError> {
    let scope = caller.scope();
    let mut found = Vec::new();
    if let Some((name, number)) = &after
        && let Some(latest) = tx.function(&scope.account, &scope.region, name)?
    {
        let versions = tx.versions(latest.id, *number, limit)?;
        found.extend(versions.into_iter().map(|version| version.version_of(&latest)));
    }
    let after = after.map(|(name, _)| name);
    for latest in tx.functions(&scope.account, &scope.region, after.as_deref(), limit)? {
        if found.len() >= limit {
            break;
        }
        let versions = tx.versions(latest.id, 0, limit - found.len())?;
        found.push(latest.clone());
        found.extend(versions.into_iter().map(|version| version.version_of(&latest)));
    }
    Ok(found)
}
