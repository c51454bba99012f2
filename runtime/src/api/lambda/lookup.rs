//! Owns finding the function that a request names: by name, partial ARN or ARN, with or without `$LATEST`.
//! Refuses to know operations.

use wasm::{FunctionRecord, Records};
use wire::Fault;

use crate::api::Caller;
use crate::meta::Tx;
use crate::records::Scope;

/// The only version there is.
pub(super) const LATEST: &str = "$LATEST";

/// The longest name of a function.
const NAME_CHARS_MAX: usize = 64;

/// The name in a request's `FunctionName`, which may be an ARN of this scope.
///
/// # Errors
/// `ResourceNotFoundException` for a version or alias and for another account or region,
/// `ValidationException` for what is no name.
pub(super) fn name_in(caller: &Caller, given: &str, qualifier: Option<&str>) -> Result<String, Fault> {
    let Scope { account, region } = caller.scope();
    let missing = |name: &str| not_found(caller, name);
    let rest = match given.split_once(":function:") {
        None => given,
        Some((before, rest)) => {
            let owner = before.rsplit(':').next().unwrap_or_default();
            let here = owner == account
                && (!before.contains(':') || before == format!("arn:aws:lambda:{region}:{account}"));
            if !here {
                return Err(missing(rest));
            }
            rest
        }
    };
    let (name, version) = rest.split_once(':').map_or((rest, None), |(name, version)| (name, Some(version)));
    for version in [version, qualifier].into_iter().flatten() {
        if version != LATEST {
            return Err(missing(&format!("{name}:{version}")));
        }
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(good) {
        let text = format!(
            "1 validation error detected: Value '{given}' at 'functionName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [a-zA-Z0-9-_]+ and have length less than or equal to {NAME_CHARS_MAX}"
        );
        return Err(Fault::new("ValidationException", text).status(400));
    }
    Ok(name.to_owned())
}

/// The function of this name.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) fn function(tx: &mut Tx<'_>, caller: &Caller, name: &str) -> Result<FunctionRecord, Fault> {
    let Scope { account, region } = caller.scope();
    tx.function(&account, &region, name)?.ok_or_else(|| not_found(caller, name))
}

/// AWS's answer for a function that is not there.
pub(super) fn not_found(caller: &Caller, name: &str) -> Fault {
    let arn = caller.arn_of("lambda", format_args!("function:{name}"));
    Fault::new("ResourceNotFoundException", format!("Function not found: {arn}")).status(404)
}

/// The id that a change can name as the one it is based on; another one with every change.
pub(super) fn revision_id(record: &FunctionRecord) -> String {
    let FunctionRecord { id, revision, .. } = record;
    format!("{:08x}-{:04x}-4{:03x}-8000-{revision:012x}", id >> 28, id >> 12 & 0xffff, id & 0xfff)
}

/// Refuses a change that is based on another revision.
///
/// # Errors
/// `PreconditionFailedException`.
pub(super) fn check_revision(record: &FunctionRecord, wanted: Option<&str>) -> Result<(), Fault> {
    if wanted.is_none_or(|wanted| wanted == revision_id(record)) {
        return Ok(());
    }
    let text = "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to \
                retrieve the latest RevisionId";
    Err(Fault::new("PreconditionFailedException", text).status(412))
}

/// Refuses a change while another one is at work.
///
/// # Errors
/// `ResourceConflictException`.
pub(super) fn check_settled(caller: &Caller, record: &FunctionRecord) -> Result<(), Fault> {
    let arn = caller.arn_of("lambda", format_args!("function:{}", record.name));
    let text = if record.staged.is_some() {
        format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        )
    } else if record.state == wasm::State::Pending {
        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Fault::new("ResourceConflictException", text).status(409))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        let config = crate::config::Config::default();
        let identity = access::Identity::administrator(&config.account, "root", "test");
        Caller {
            identity,
            region: "us-east-1".to_owned(),
            request_id: String::new(),
            source: std::net::IpAddr::from([127, 0, 0, 1]),
            hop: 0,
            secure: false,
        }
    }

    #[test]
    fn functions_are_named_by_name_or_arn() {
        let caller = caller();
        let named = |given: &str, qualifier| {
            name_in(&caller, given, qualifier).map_err(|fault| fault.code().to_owned())
        };
        let good = Ok("f".to_owned());
        assert_eq!(named("f", None), good);
        assert_eq!(named("f:$LATEST", None), good);
        assert_eq!(named("f", Some("$LATEST")), good);
        assert_eq!(named("000000000000:function:f", None), good);
        assert_eq!(named("arn:aws:lambda:us-east-1:000000000000:function:f", None), good);
        let missing = Err("ResourceNotFoundException".to_owned());
        assert_eq!(named("f", Some("1")), missing);
        assert_eq!(named("f:live", None), missing);
        assert_eq!(named("arn:aws:lambda:eu-west-1:000000000000:function:f", None), missing);
        assert_eq!(named("111111111111:function:f", None), missing);
        assert_eq!(named("../x", None), Err("ValidationException".to_owned()));
        assert_eq!(named(&"x".repeat(65), None), Err("ValidationException".to_owned()));
    }
}
