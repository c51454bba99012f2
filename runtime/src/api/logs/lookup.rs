//! Owns finding what a request names, with AWS's answer when it is not there. Refuses to know operations.

use wire::Fault;

use crate::meta::Tx;
use crate::records::Scope;
use crate::records::groups::{self, GroupRecord};
use crate::records::streams::{self, StreamRecord};

/// The group of this name.
///
/// # Errors
/// `ResourceNotFoundException`, as everywhere below.
pub(crate) fn group(tx: &Tx<'_>, scope: &Scope, name: &str) -> Result<GroupRecord, Fault> {
    groups::find(tx, scope, name)?.ok_or_else(no_group)
}

/// The group that one of `name` and `identifier` (name or ARN) names.
pub(crate) fn group_of(
    tx: &Tx<'_>,
    scope: &Scope,
    name: Option<&str>,
    identifier: Option<&str>,
) -> Result<GroupRecord, Fault> {
    match (name, identifier) {
        (Some(name), None) => group(tx, scope, name),
        (None, Some(identifier)) => group(tx, scope, name_in(scope, identifier)?),
        (Some(_), Some(_)) => Err(Fault::new(
            "ValidationException",
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        )),
        (None, None) => Err(Fault::new(
            "InvalidParameterException",
            "Either LogGroup name or LogGroup ARN must be specified.",
        )),
    }
}

/// The stream of this name.
pub(crate) fn stream(tx: &Tx<'_>, group: &GroupRecord, name: &str) -> Result<StreamRecord, Fault> {
    streams::find(tx, group.id, name)?.ok_or_else(no_stream)
}

/// The group's name in an identifier: a name, or an ARN (with or without `:*`) of this account and region.
pub(crate) fn name_in<'a>(scope: &Scope, identifier: &'a str) -> Result<&'a str, Fault> {
    let Some(rest) = identifier.strip_prefix("arn:") else { return Ok(identifier) };
    let mut parts = rest.splitn(6, ':');
    let parts = [(); 6].map(|()| parts.next().unwrap_or_default());
    let [_partition, "logs", region, account, "log-group", name] = parts else {
        return Err(Fault::new(
            "InvalidParameterException",
            format!("{identifier} is not the ARN of a log group."),
        ));
    };
    if region != scope.region || account != scope.account {
        return Err(no_group());
    }
    Ok(name.strip_suffix(":*").unwrap_or(name))
}

/// Refuses `unmask`, which would show what a data protection policy masks.
pub(super) fn refuse_unmask(unmask: Option<bool>) -> Result<(), Fault> {
    if unmask != Some(true) {
        return Ok(());
    }
    let text = "unmask is not supported by Logboom: it masks nothing.";
    Err(Fault::new("InvalidParameterException", text))
}

/// AWS's answer for a group that is not there.
pub(crate) fn no_group() -> Fault {
    Fault::new("ResourceNotFoundException", "The specified log group does not exist.")
}

/// AWS's answer for a stream that is not there.
pub(crate) fn no_stream() -> Fault {
    Fault::new("ResourceNotFoundException", "The specified log stream does not exist.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_names_or_arns_of_this_scope() {
        let scope = Scope { account: "111111111111".into(), region: "eu-west-1".into() };
        let named = |identifier| name_in(&scope, identifier).map_err(|fault| fault.code().to_owned());
        assert_eq!(named("/a/b"), Ok("/a/b"));
        assert_eq!(named("arn:aws:logs:eu-west-1:111111111111:log-group:/a/b"), Ok("/a/b"));
        assert_eq!(named("arn:aws:logs:eu-west-1:111111111111:log-group:/a/b:*"), Ok("/a/b"));
        let elsewhere = Err("ResourceNotFoundException".to_owned());
        assert_eq!(named("arn:aws:logs:eu-west-2:111111111111:log-group:/a"), elsewhere);
        assert_eq!(named("arn:aws:logs:eu-west-1:222222222222:log-group:/a"), elsewhere);
        assert_eq!(
            named("arn:aws:sns:eu-west-1:111111111111:t"),
            Err("InvalidParameterException".to_owned())
        );
    }
}
