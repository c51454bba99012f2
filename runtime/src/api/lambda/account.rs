//! Owns GetAccountSettings, and the limits of an account that it shows. Refuses to know single functions.

use std::sync::Arc;

use wasm::Records;
use wire::Fault;
use wire::shape::lambda::{
    AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse,
};

use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::meta::{MetaError, Tx};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Lambda::GetAccountSettings => get)];

/// Calls of all functions that may be reserved or shared, as AWS has it. How many run at once is bounded by the
/// machine; the others wait.
pub(super) const CONCURRENCY: u32 = 1_000;

/// Bytes of uploads of all functions and versions (75 GiB, as AWS has it), ...
const CODE_BYTES: u64 = 75 << 30;

/// ... and of one upload.
const UPLOAD_BYTES: i64 = 50 << 20;

async fn get(
    app: &Arc<App>,
    caller: &Caller,
    _request: GetAccountSettingsRequest,
) -> Result<GetAccountSettingsResponse, Fault> {
    let (usage, reserved) =
        app.meta.read(|tx| Ok::<_, MetaError>((usage(tx, caller)?, reserved(tx, caller, None)?)))?;
    Ok(GetAccountSettingsResponse {
        account_limit: Some(AccountLimit {
            total_code_size: i64::try_from(CODE_BYTES).ok(),
            code_size_unzipped: i64::try_from(wasm::MAX_WASM_BYTES).ok(),
            code_size_zipped: Some(UPLOAD_BYTES),
            concurrent_executions: i32::try_from(CONCURRENCY).ok(),
            unreserved_concurrent_executions: i32::try_from(CONCURRENCY.saturating_sub(reserved)).ok(),
        }),
        account_usage: Some(AccountUsage {
            total_code_size: i64::try_from(usage.code_bytes).ok(),
            function_count: i64::try_from(usage.functions).ok(),
        }),
    })
}

struct Usage {
    functions: usize,
    code_bytes: u64,
}

fn usage(tx: &mut Tx<'_>, caller: &Caller) -> Result<Usage, MetaError> {
    let scope = caller.scope();
    let all = tx.functions(&scope.account, &scope.region, None, usize::MAX)?;
    let mut usage = Usage { functions: all.len(), code_bytes: 0 };
    for latest in all {
        usage.code_bytes += latest.code_size;
        usage.code_bytes +=
            tx.versions(latest.id, 0, usize::MAX)?.iter().map(|version| version.code_size).sum::<u64>();
    }
    Ok(usage)
}

/// What functions reserve, all but one.
///
/// # Errors
/// Storage failures.
pub(super) fn reserved(tx: &mut Tx<'_>, caller: &Caller, but: Option<u64>) -> Result<u32, MetaError> {
    let scope = caller.scope();
    let all = tx.functions(&scope.account, &scope.region, None, usize::MAX)?;
    let others = all.iter().filter(|record| Some(record.id) != but);
    Ok(others.filter_map(|record| record.reserved_concurrency).fold(0, u32::saturating_add))
}

/// Refuses code that the account has no room for.
///
/// # Errors
/// `CodeStorageExceededException`.
pub(super) fn check_room(tx: &mut Tx<'_>, caller: &Caller, code_bytes: u64) -> Result<(), Fault> {
    if usage(tx, caller)?.code_bytes.saturating_add(code_bytes) <= CODE_BYTES {
        return Ok(());
    }
    let text = "Code storage limit exceeded.";
    Err(Fault::new("CodeStorageExceededException", text).status(400))
}
