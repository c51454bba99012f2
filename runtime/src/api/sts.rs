//! Owns STS: who am I. Refuses to know sessions; there are none.

use std::sync::Arc;

use wire::Fault;
use wire::shape::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};

use super::Caller;
use super::table::{Operation, operation};
use crate::app::App;

pub(crate) const OPERATIONS: &[Operation] = &[operation!(Sts::GetCallerIdentity => get_caller_identity)];

async fn get_caller_identity(
    _app: &Arc<App>,
    caller: &Caller,
    _request: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, Fault> {
    Ok(GetCallerIdentityResponse {
        user_id: Some(caller.identity.access_key.clone()),
        account: Some(caller.account().to_owned()),
        arn: Some(caller.identity.arn.clone()),
    })
}
