//! Owns finding the function that a request names: by name, partial ARN or ARN, with or without a version or alias.
//! Refuses to know operations.

use wasm::{AliasRecord, FunctionRecord, LATEST, Records};
use wire::Fault;

use super::settings::refuse;
use crate::api::Caller;
use crate::functions::resolve;
use crate::meta::{MetaError, Tx};
use crate::records::Scope;
use crate::records::aliases::ALIASES;
use crate::records::revisions::Revision;

/// The longest name of a function.
const NAME_CHARS_MAX: usize = 64;

/// What a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The function.
    pub(super) name: String,
    /// A version, an alias or `$LATEST`, if one was given.
    pub(super) qualifier: Option<String>,
}

impl Named {
    /// `NAME` or `NAME:QUALIFIER`.
    pub(super) fn text(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.name),
            None => self.name.clone(),
        }
    }

    /// The qualifier, if it is not the one that is meant without.
    pub(super) fn other(&self) -> Option<&str> {
        self.qualifier.as_deref().filter(|qualifier| *qualifier != LATEST)
    }

    /// The qualifier, whether it was given or not.
    pub(super) fn qualifier(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(LATEST)
    }
}

/// The function and qualifier in a request's `FunctionName`, which may be an ARN of this scope, and `Qualifier`.
///
/// # Errors
/// `ResourceNotFoundException` for another account or region, `ValidationException` for what is no name,
/// `InvalidParameterValueException` for two qualifiers.
pub(super) fn named(caller: &Caller, given: &str, qualifier: Option<&str>) -> Result<Named, Fault> {
    let Scope { account, region } = caller.scope();
    let rest = match given.split_once(":function:") {
        None => given,
        Some((before, rest)) => {
            let owner = before.rsplit(':').next().unwrap_or_default();
            let here = owner == account
                && (!before.contains(':') || before == format!("arn:aws:lambda:{region}:{account}"));
            if !here {
                return Err(not_found(caller, rest));
            }
            rest
        }
    };
    let (name, derived) = resolve::split(rest);
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(good) {
        let text = format!(
            "1 validation error detected: Value '{given}' at 'functionName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [a-zA-Z0-9-_]+ and have length less than or equal to {NAME_CHARS_MAX}"
        );
        return Err(Fault::new("ValidationException", text).status(400));
    }
    if let (Some(derived), Some(qualifier)) = (derived, qualifier)
        && derived != qualifier
    {
        return refuse(
            "The derived qualifier from the function name does not match the specified qualifier.",
        );
    }
    let qualifier = derived.or(qualifier).map(str::to_owned);
    Ok(Named { name: name.to_owned(), qualifier })
}

/// As [`named`], for operations on the function itself.
///
/// # Errors
/// As [`named`], and `ResourceNotFoundException` for a version or alias.
pub(super) fn name_in(caller: &Caller, given: &str, qualifier: Option<&str>) -> Result<String, Fault> {
    let named = named(caller, given, qualifier)?;
    match named.other() {
        Some(_) => Err(not_found(caller, &named.text())),
        None => Ok(named.name),
    }
}

/// The function of this name: its `$LATEST`.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) fn function(tx: &mut Tx<'_>, caller: &Caller, name: &str) -> Result<FunctionRecord, Fault> {
    let Scope { account, region } = caller.scope();
    tx.function(&account, &region, name)?.ok_or_else(|| not_found(caller, name))
}

/// What a qualifier leads to.
#[derive(Debug)]
pub(super) enum Target {
    /// `$LATEST`, or a version.
    Version(Box<FunctionRecord>),
    /// An alias, and the version it means.
    Alias(Box<Revision<AliasRecord>>, AliasRecord, Box<FunctionRecord>),
}

impl Target {
    /// The version that is shown.
    pub(super) fn version(&self) -> &FunctionRecord {
        match self {
            Target::Version(version) | Target::Alias(_, _, version) => version,
        }
    }

    /// The resource policy of what was named.
    pub(super) fn policy(&self) -> &[wasm::Statement] {
        match self {
            Target::Version(version) => &version.policy,
            Target::Alias(_, alias, _) => &alias.policy,
        }
    }

    /// The id of the state it is in.
    pub(super) fn revision_id(&self) -> String {
        match self {
            Target::Version(version) => revision_id(version),
            Target::Alias(alias, _, _) => alias_revision_id(alias),
        }
    }
}

/// The function with what the qualifier leads to.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) fn target(tx: &mut Tx<'_>, caller: &Caller, named: &Named) -> Result<Target, Fault> {
    let missing = || not_found(caller, &named.text());
    let Scope { account, region } = caller.scope();
    let latest = tx.function(&account, &region, &named.name)?.ok_or_else(missing)?;
    let Some(qualifier) = named.other() else { return Ok(Target::Version(Box::new(latest))) };
    if let Some(found) = alias(tx, &latest, qualifier)? {
        let (revision, alias) = found;
        let version = resolve::version(tx, &latest, &alias.version)?.ok_or_else(missing)?;
        return Ok(Target::Alias(Box::new(revision), alias, Box::new(version)));
    }
    resolve::version(tx, &latest, qualifier)?
        .map(|version| Target::Version(Box::new(version)))
        .ok_or_else(missing)
}

/// An alias of a function, with what it says.
///
/// # Errors
/// Storage failures.
pub(super) fn alias(
    tx: &Tx<'_>,
    latest: &FunctionRecord,
    name: &str,
) -> Result<Option<(Revision<AliasRecord>, AliasRecord)>, MetaError> {
    let found = ALIASES.current(tx, latest.id, name)?;
    Ok(found.and_then(|found| found.body.clone().map(|alias| (found, alias))))
}

/// AWS's answer for a function that is not there.
pub(super) fn not_found(caller: &Caller, name: &str) -> Fault {
    let arn = caller.arn_of("lambda", format_args!("function:{name}"));
    Fault::new("ResourceNotFoundException", format!("Function not found: {arn}")).status(404)
}

/// The id that a change can name as the one it is based on; another one with every change.
pub(super) fn revision_id(record: &FunctionRecord) -> String {
    // `$LATEST` has no number.
    let number: u64 = record.version.parse().unwrap_or(0);
    uuid_of(record.id, 0x8000, number << 24 | record.revision & 0xff_ffff)
}

/// The same of an alias.
pub(super) fn alias_revision_id(alias: &Revision<AliasRecord>) -> String {
    uuid_of(alias.id, 0x9000, alias.number)
}

fn uuid_of(id: u64, kind: u16, state: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{kind:04x}-{:012x}",
        id >> 28,
        id >> 12 & 0xffff,
        id & 0xfff,
        state & 0xffff_ffff_ffff
    )
}

/// Refuses a change that is based on another revision.
///
/// # Errors
/// `PreconditionFailedException`.
pub(super) fn check_revision(record: &FunctionRecord, wanted: Option<&str>) -> Result<(), Fault> {
    check_revision_id(&revision_id(record), wanted)
}

/// As [`check_revision`], for whatever has such an id.
///
/// # Errors
/// `PreconditionFailedException`.
pub(super) fn check_revision_id(current: &str, wanted: Option<&str>) -> Result<(), Fault> {
    if wanted.is_none_or(|wanted| wanted == current) {
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
    fn every_state_has_an_id_of_its_own() {
        let of = |version: &str, revision| {
            revision_id(&FunctionRecord {
                id: 7,
                version: version.to_owned(),
                revision,
                ..FunctionRecord::default()
            })
        };
        let alias = Revision::<AliasRecord> {
            id: 7,
            number: 1,
            name: "live".to_owned(),
            valid_from_ms: 0,
            created_ms: 0,
            body: None,
        };
        let ids = [of(LATEST, 1), of(LATEST, 2), of("1", 1), of("2", 1), alias_revision_id(&alias)];
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!((unique.len(), ids[0].len()), (ids.len(), 36));
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
        let parts = |given: &str, qualifier| {
            let named = super::named(&caller, given, qualifier).map_err(|fault| fault.code().to_owned())?;
            Ok::<_, String>((named.name, named.qualifier))
        };
        let live = Ok(("f".to_owned(), Some("live".to_owned())));
        assert_eq!(parts("f:live", None), live);
        assert_eq!(parts("f", Some("live")), live);
        assert_eq!(parts("000000000000:function:f:live", Some("live")), live);
        assert_eq!(parts("f:live", Some("2")), Err("InvalidParameterValueException".to_owned()));
        assert_eq!(named("f:live", None), missing);
        assert_eq!(named("arn:aws:lambda:eu-west-1:000000000000:function:f", None), missing);
        assert_eq!(named("111111111111:function:f", None), missing);
        assert_eq!(named("../x", None), Err("ValidationException".to_owned()));
        assert_eq!(named(&"x".repeat(65), None), Err("ValidationException".to_owned()));
    }
}
