//! Owns making versions of `$LATEST`, and finding the one that is like it. Refuses to know aliases and who asks.

use std::collections::BTreeMap;

use wasm::{FunctionRecord, Records};

use crate::meta::{MetaError, Tx};

/// Makes a version of `$LATEST` as it is, or as it will be when its staged code has been compiled; gives the last
/// version when nothing changed since. The caller writes `latest`.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn publish(
    tx: &mut Tx<'_>,
    latest: &mut FunctionRecord,
    description: Option<String>,
) -> Result<FunctionRecord, MetaError> {
    if let Some(last) = tx.version(latest.id, latest.published)?
        && latest.is_published_as(&last)
    {
        return Ok(last.version_of(latest));
    }
    latest.published += 1;
    let version = latest.snapshot(latest.published, description);
    tx.put_version(&version)?;
    Ok(version.version_of(latest))
}

/// The newest version that is as `$LATEST` is now.
pub(crate) fn like(tx: &mut Tx<'_>, latest: &FunctionRecord) -> Result<Option<FunctionRecord>, MetaError> {
    let versions = tx.versions(latest.id, 0, usize::MAX)?;
    Ok(versions.into_iter().rev().find(|version| is_like(latest, version)))
}

/// Whether a version is as `$LATEST` is now.
pub(crate) fn is_like(latest: &FunctionRecord, version: &FunctionRecord) -> bool {
    let Ok(published) = version.version.parse() else { return false };
    // Tags and the like are the function's, on the version only where it was put together with these.
    let alone = FunctionRecord { tags: BTreeMap::new(), reserved_concurrency: None, ..version.clone() };
    FunctionRecord { published, ..latest.clone() }.is_published_as(&alone)
}
