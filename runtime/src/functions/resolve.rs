//! Owns what a function's name, with or without a qualifier, stands for at this moment. Everything that calls a
//! function asks at each call, so an alias that moves holds from the next one. Refuses to run anything.

use wasm::{FunctionRecord, LATEST, Records};

use crate::meta::{MetaError, Tx};
use crate::records::Scope;
use crate::records::aliases::ALIASES;

/// `NAME:QUALIFIER` in two.
pub(crate) fn split(function: &str) -> (&str, Option<&str>) {
    function.split_once(':').map_or((function, None), |(name, qualifier)| (name, Some(qualifier)))
}

/// The part of a function's ARN behind `function:`, if it is one of this scope.
pub(crate) fn of_arn<'a>(scope: &Scope, arn: &'a str) -> Option<&'a str> {
    let here = format!("arn:aws:lambda:{}:{}:function:", scope.region, scope.account);
    arn.strip_prefix(&here)
}

/// What answers the call or delivery with this id: `function` is `NAME`, `NAME:VERSION` or `NAME:ALIAS`.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    scope: &Scope,
    function: &str,
    id: &str,
) -> Result<Option<FunctionRecord>, MetaError> {
    let (name, qualifier) = split(function);
    let Some(latest) = tx.function(&scope.account, &scope.region, name)? else { return Ok(None) };
    let Some(qualifier) = qualifier else { return Ok(Some(latest)) };
    match ALIASES.current(tx, latest.id, qualifier)?.and_then(|alias| alias.body) {
        Some(alias) => version(tx, &latest, alias.draw(id)),
        None => version(tx, &latest, qualifier),
    }
}

/// Everything that may answer: the versions of an alias, or the one that is named.
pub(crate) fn all(tx: &mut Tx<'_>, scope: &Scope, function: &str) -> Result<Vec<FunctionRecord>, MetaError> {
    let (name, qualifier) = split(function);
    let Some(latest) = tx.function(&scope.account, &scope.region, name)? else { return Ok(Vec::new()) };
    let qualifier = qualifier.unwrap_or(LATEST);
    let alias = ALIASES.current(tx, latest.id, qualifier)?.and_then(|alias| alias.body);
    let Some(alias) = alias else { return Ok(version(tx, &latest, qualifier)?.into_iter().collect()) };
    let mut found = Vec::new();
    for one in alias.versions() {
        found.extend(version(tx, &latest, one)?);
    }
    Ok(found)
}

/// A version of a function by what it is called: a number or `$LATEST`.
pub(crate) fn version(
    tx: &mut Tx<'_>,
    latest: &FunctionRecord,
    version: &str,
) -> Result<Option<FunctionRecord>, MetaError> {
    if version == LATEST {
        return Ok(Some(latest.clone()));
    }
    // `01` is not what `1` is called.
    let Some(number) = version.parse::<u64>().ok().filter(|number| number.to_string() == version) else {
        return Ok(None);
    };
    Ok(tx.version(latest.id, number)?.map(|found| found.version_of(latest)))
}

#[cfg(test)]
mod tests {
    use wasm::AliasRecord;

    use super::*;
    use crate::meta::Meta;

    #[test]
    fn names_stand_for_what_the_alias_says_now() {
        let meta = Meta::in_memory();
        let scope = Scope { account: "1".into(), region: "r".into() };
        let latest = FunctionRecord {
            id: 7,
            name: "f".into(),
            version: LATEST.into(),
            tags: [("logboom:allow-publish".to_owned(), "ops".to_owned())].into(),
            ..FunctionRecord::default()
        };
        meta.change_blocking(move |tx| {
            for number in 1..=2 {
                tx.put_version(&latest.snapshot(number, None))?;
            }
            tx.put_function("1", "r", &latest)
        })
        .unwrap();
        let point = |version: &str, additional: &[(&str, f64)]| {
            let additional = additional.iter().map(|(version, weight)| ((*version).to_owned(), *weight));
            let alias = AliasRecord {
                version: version.into(),
                additional: additional.collect(),
                ..Default::default()
            };
            meta.change_blocking(move |tx| ALIASES.put(tx, 7, "live", alias, 0)).unwrap();
        };
        let found = |function: &str| {
            let found = meta.read(|tx| find(tx, &scope, function, "a delivery")).unwrap();
            found.map(|found| found.version)
        };
        point("1", &[]);
        assert_eq!(found("f").as_deref(), Some("$LATEST"));
        assert_eq!(found("f:$LATEST").as_deref(), Some("$LATEST"));
        assert_eq!(found("f:2").as_deref(), Some("2"));
        assert_eq!(found("f:live").as_deref(), Some("1"));
        point("2", &[]);
        assert_eq!(found("f:live").as_deref(), Some("2"));
        for missing in ["f:3", "f:02", "f:none", "f:", "g", "g:live"] {
            assert_eq!(found(missing), None, "{missing}");
        }
        point("2", &[("1", 0.5)]);
        let all = meta.read(|tx| all(tx, &scope, "f:live")).unwrap();
        assert_eq!(all.iter().map(|one| one.version.as_str()).collect::<Vec<_>>(), ["2", "1"]);
        assert!(all.iter().all(|one| one.tags.len() == 1), "grants are the function's");
    }
}
