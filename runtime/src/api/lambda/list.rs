//! Owns ListFunctions. Refuses to know versions: every function has one.

use std::sync::Arc;

use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{ListFunctionsRequest, ListFunctionsResponse};

use super::settings::refuse;
use super::shown;
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::ListFunctions => list)];

const NAME: &str = "ListFunctions";

/// The longest page, as AWS has it.
const PAGE_MAX: usize = 50;

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListFunctionsRequest,
) -> Result<ListFunctionsResponse, Fault> {
    if request.master_region.is_some_and(|region| region != "ALL" && region != caller.region) {
        return refuse("MasterRegion is not served by Logboom: there are no replicas in other regions.");
    }
    let marker = request.marker.filter(|marker| !marker.is_empty());
    let after = page::position::<String>(NAME, marker.as_deref());
    let after = after.or_else(|_| refuse("The specified Marker is invalid."))?;
    let limit = request
        .max_items
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(PAGE_MAX)
        .clamp(1, PAGE_MAX);
    let scope = caller.scope();
    let mut found =
        app.meta.read(|tx| tx.functions(&scope.account, &scope.region, after.as_deref(), limit + 1))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_marker = found.last().filter(|_| more).map(|last| page::token(NAME, &last.name));
    // A list shows settled things only: AWS leaves states out of it.
    let shown = found.iter().map(|record| {
        let mut shown = shown::configuration(caller, record);
        (shown.state, shown.state_reason, shown.state_reason_code) = (None, None, None);
        (shown.last_update_status, shown.last_update_status_reason, shown.last_update_status_reason_code) =
            (None, None, None);
        shown
    });
    Ok(ListFunctionsResponse { functions: Some(shown.collect()), next_marker })
}
