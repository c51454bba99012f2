//! Owns the doors of attach points: whether a function can be used for a purpose, by what it exports, and what
//! it was granted. Refuses to run it.

use std::collections::BTreeMap;

use wasm::{FunctionRecord, Grants, Role, State};

use super::resolve;
use crate::app::App;
use crate::meta::{MetaError, Tx};
use crate::records::Scope;

/// What a function is to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A verdict per event: `{ wasm:NAME }` in a pattern, the transformer of a log group.
    Filter,
    /// Values out of events: `metricValue=wasm:NAME`.
    Extractor,
    /// The destination of a subscription filter.
    Subscription,
    /// An alarm's action.
    AlarmAction,
    /// The target of a schedule.
    Schedule,
    /// A subscription of a topic, or Invoke.
    Payload,
}

impl Purpose {
    /// What it must export, one of them.
    pub(crate) fn roles(self) -> &'static [Role] {
        match self {
            Purpose::Filter => &[Role::Filter, Role::PackedFilter],
            Purpose::Extractor => &[Role::Extractor],
            Purpose::Subscription => &[Role::Subscription, Role::Lambda, Role::Command, Role::Http],
            Purpose::AlarmAction => &[Role::AlarmAction, Role::Lambda, Role::Command, Role::Http],
            Purpose::Schedule => &[Role::Scheduled, Role::Lambda, Role::Command, Role::Http],
            Purpose::Payload => &[Role::Lambda, Role::Command, Role::Http],
        }
    }
}

/// Why a function cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is none of that name.
    Missing,
    /// There is, but it does not do; a sentence without a full stop that says why.
    Unfit(String),
}

/// Whether a function (`NAME`, `NAME:VERSION`, `NAME:ALIAS`) can be used for a purpose: it exists, is not `Failed`, and
/// exports what that needs. One that is still being compiled is taken; what it exports shows when it is called.
///
/// # Errors
/// See [`Unusable`].
pub(crate) fn check(app: &App, scope: &Scope, name: &str, purpose: Purpose) -> Result<(), Unusable> {
    app.meta
        .read(|tx| Ok::<_, MetaError>(check_in(tx, scope, name, purpose)))
        .unwrap_or_else(|error| unreadable(&error))
}

fn unreadable(error: &MetaError) -> Result<(), Unusable> {
    Err(Unusable::Unfit(error.to_string()))
}

/// As [`check`], inside a transaction: of an alias all its versions have to fit.
///
/// # Errors
/// See [`Unusable`].
pub(crate) fn check_in(tx: &mut Tx<'_>, scope: &Scope, name: &str, purpose: Purpose) -> Result<(), Unusable> {
    let found = match resolve::all(tx, scope, name) {
        Ok(found) => found,
        Err(error) => return unreadable(&error),
    };
    if found.is_empty() {
        return Err(Unusable::Missing);
    }
    found.iter().try_for_each(|record| fits(record, name, purpose))
}

fn fits(record: &FunctionRecord, name: &str, purpose: Purpose) -> Result<(), Unusable> {
    if record.state == State::Failed {
        return Err(Unusable::Unfit(format!("the function {name} has failed: {}", record.state_reason)));
    }
    if record.roles.is_empty() || purpose.roles().iter().any(|role| has(record, *role)) {
        return Ok(());
    }
    let wanted: Vec<&str> = purpose.roles().iter().map(|role| role.name()).collect();
    Err(Unusable::Unfit(format!(
        "the function {name} exports {}, and this needs {}",
        record.roles.join(", "),
        wanted.join(" or ")
    )))
}

/// Refuses the ARN of a function that is there and cannot do what it is wanted for. AWS takes the ARN of a
/// function that is not there yet, so this does; an ARN of something else is not looked at.
///
/// # Errors
/// A sentence that says what the function exports.
pub(crate) fn check_arn(tx: &mut Tx<'_>, scope: &Scope, arn: &str, purpose: Purpose) -> Result<(), String> {
    let Some(name) = resolve::of_arn(scope, arn) else { return Ok(()) };
    match check_in(tx, scope, name, purpose) {
        Ok(()) | Err(Unusable::Missing) => Ok(()),
        Err(Unusable::Unfit(reason)) => Err(format!("{arn} cannot be used: {reason}.")),
    }
}

/// Whether a compiled function can be used as `role`.
pub(crate) fn has(record: &FunctionRecord, role: Role) -> bool {
    record.roles.iter().any(|name| name == role.name())
}

/// What a function may touch: its tags and the `[allow]` table of its `function.toml` together.
///
/// # Errors
/// A sentence that names a grant that means nothing.
pub(crate) fn grants(record: &FunctionRecord) -> Result<Grants, String> {
    let granted = Grants::from_tags(&tags(&record.tags))?;
    match &record.manifest {
        Some(text) => Ok(granted.merge(Grants::from_manifest(text)?)),
        None => Ok(granted),
    }
}

/// `logboom:allow-write` and `logboom:allow-logs` are the same grant. The Lambda API takes no `*` and no comma in
/// a tag: there `...` stands for any run of characters, and spaces separate.
fn tags(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut same: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in tags {
        let key = if key == "logboom:allow-write" { "logboom:allow-logs" } else { key };
        let value = if key.starts_with("logboom:") { value.replace("...", "*") } else { value.clone() };
        same.entry(key.to_owned())
            .and_modify(|before| *before = format!("{before} {value}"))
            .or_insert(value);
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_come_from_tags_and_the_manifest() {
        let tags = [("logboom:allow-write", "/a/..."), ("logboom:allow-logs", "/b"), ("team", "x")];
        let record = FunctionRecord {
            tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            manifest: Some("[allow]\npublish = ['ops']".to_owned()),
            ..FunctionRecord::default()
        };
        assert_eq!(grants(&record).unwrap().lines(), ["publish ops", "logs /b", "logs /a/*"]);
        let record = FunctionRecord { manifest: Some("[allow]\nnet = true".to_owned()), ..record };
        assert!(grants(&record).unwrap_err().contains("net"));
    }
}
