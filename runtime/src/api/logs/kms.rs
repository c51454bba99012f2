//! Owns AssociateKmsKey and DisassociateKmsKey, and what a request is told about a key that is not there. Refuses to
//! know how keys are wrapped (`keyring`).
//!
//! Only the group's data key is wrapped anew, so a change is quick whatever is stored, and what was stored before is
//! under the KMS key too.

use std::sync::Arc;

use wire::Fault;
use wire::shape::logs::{AssociateKmsKeyRequest, DisassociateKmsKeyRequest};

use super::lookup;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::keyring::{Unavailable, Unmapped};
use crate::records::Scope;
use crate::records::groups::{self, GroupRecord};

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Logs::AssociateKmsKey => associate), operation!(Logs::DisassociateKmsKey => disassociate)];

async fn associate(app: &Arc<App>, caller: &Caller, request: AssociateKmsKeyRequest) -> Result<(), Fault> {
    let named = (request.log_group_name, request.resource_identifier);
    set(app, caller, named, Some(request.kms_key_id)).await
}

async fn disassociate(
    app: &Arc<App>,
    caller: &Caller,
    request: DisassociateKmsKeyRequest,
) -> Result<(), Fault> {
    set(app, caller, (request.log_group_name, request.resource_identifier), None).await
}

async fn set(
    app: &Arc<App>,
    caller: &Caller,
    named: (Option<String>, Option<String>),
    kms_key: Option<String>,
) -> Result<(), Fault> {
    let scope = caller.scope();
    let name = group_name(&scope, named)?;
    let wrapping = app.keyring.wrapping();
    app.meta
        .change(move |tx| {
            let mut group = lookup::group(tx, &scope, &name)?;
            if let Some(arn) = &kms_key {
                wrapping.check_kms(arn).map_err(|unmapped| unusable(&group.arn(), &unmapped))?;
            }
            wrapping.rewrap_group(tx, group.id, kms_key.as_deref())?;
            group.kms_key = kms_key;
            Ok::<_, Fault>(groups::update(tx, &group)?)
        })
        .await
}

/// The group that one of name and identifier names. Query results are not stored, so no key can be theirs.
fn group_name(scope: &Scope, named: (Option<String>, Option<String>)) -> Result<String, Fault> {
    match named {
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) if identifier.contains(":query-result:") => Err(Fault::new(
            "InvalidParameterException",
            "resourceIdentifier query-result is not served by Logboom: results of queries are not stored, so \
             there is nothing to encrypt.",
        )),
        (None, Some(identifier)) if !identifier.starts_with("arn:") => Err(Fault::new(
            "InvalidParameterException",
            format!("{identifier} is not the ARN of a log group."),
        )),
        (None, Some(identifier)) => lookup::name_in(scope, &identifier).map(str::to_owned),
        _ => Err(Fault::new(
            "InvalidParameterException",
            "Exactly one of logGroupName and resourceIdentifier must be specified.",
        )),
    }
}

/// AWS's answer for a KMS key that a group cannot be put under, and what to do about it here.
pub(super) fn unusable(group_arn: &str, unmapped: &Unmapped) -> Fault {
    let text = format!(
        "The specified KMS key does not exist or is not allowed to be used with LogGroup '{group_arn}'. {unmapped}"
    );
    Fault::new("InvalidParameterException", text)
}

impl From<Unavailable> for Fault {
    /// Whoever asks can try again once the key is there, so it is not said to be their fault.
    fn from(error: Unavailable) -> Fault {
        match error {
            Unavailable::Meta(error) => error.into(),
            Unavailable::Kms(_) | Unavailable::Refused { .. } => no_key(&error),
        }
    }
}

/// The answer where log data cannot be read or written for want of their key.
pub(crate) fn no_key(error: &dyn std::fmt::Display) -> Fault {
    Fault::new("ServiceUnavailableException", format!("The log group's key is not available. {error}"))
        .status(503)
        .receiver()
}

/// Refuses to read or write a group whose key is not available.
///
/// # Errors
/// `ServiceUnavailableException` with what is missing.
pub(crate) fn check_readable(app: &App, group: &GroupRecord) -> Result<(), Fault> {
    // The master key is there, or the server would not be.
    if group.kms_key.is_none() { Ok(()) } else { Ok(app.keyring.check_group(group.id)?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_one_way() {
        let scope = Scope { account: "111111111111".into(), region: "eu-west-1".into() };
        let named = |name: Option<&str>, identifier: Option<&str>| {
            let named = (name.map(str::to_owned), identifier.map(str::to_owned));
            group_name(&scope, named).map_err(|fault| fault.message().to_owned())
        };
        assert_eq!(named(Some("/a"), None).unwrap(), "/a");
        assert_eq!(named(None, Some("arn:aws:logs:eu-west-1:111111111111:log-group:/a")).unwrap(), "/a");
        for (name, identifier) in [(None, None), (Some("/a"), Some("/a")), (None, Some("/a"))] {
            assert!(named(name, identifier).is_err(), "{name:?} {identifier:?}");
        }
        let results = named(None, Some("arn:aws:logs:eu-west-1:111111111111:query-result:*"));
        assert!(results.unwrap_err().contains("query-result is not served"));
    }
}
