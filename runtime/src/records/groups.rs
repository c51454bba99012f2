//! Owns log groups. Refuses to know their events (`store`) and who filters them (`revisions`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Scope, data_keys, filters, makers, streams};
use crate::keyring::{Unavailable, Wrapping};
use crate::meta::{Key, MetaError, Span, Table, Tx};

/// (account, region, name) -> group.
const GROUPS: Table<GroupRecord> = Table::new("log_groups");

/// id -> where the group's row is.
const PLACES: Table<Place> = Table::new("log_group_ids");

/// id of a group whose row is gone and whose log data may not be yet.
const DOOMED: Table<()> = Table::new("log_groups_doomed");

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    /// Never used again, not even by a group of the same name.
    pub(crate) id: u64,
    /// Name, unique in its scope.
    pub(crate) name: String,
    /// Where it lives.
    pub(crate) scope: Scope,
    /// When it was made, epoch milliseconds.
    pub(crate) created_ms: i64,
    /// Days that events are kept; for ever without.
    #[serde(default)]
    pub(crate) retention_days: Option<u32>,
    /// `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`.
    pub(crate) class: String,
    /// Tags; `logboom:transformer` names the function that every batch goes through.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// ARN of the KMS key that wraps its data key; the master key without.
    #[serde(default)]
    pub(crate) kms_key: Option<String>,
}

impl GroupRecord {
    /// The ARN as newer operations write it, without `:*`.
    pub(crate) fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:logs:{region}:{account}:log-group:{}", self.name)
    }
}

#[derive(Serialize, Deserialize)]
struct Place {
    scope: Scope,
    name: String,
}

fn key(scope: &Scope, name: &str) -> Key {
    Key::of((&scope.account, &scope.region, name))
}

fn all_of(scope: &Scope, prefix: &str) -> Span {
    Span::prefix(&Key::of((&scope.account, &scope.region)).starting(prefix))
}

/// The group of this name.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn find(tx: &Tx<'_>, scope: &Scope, name: &str) -> Result<Option<GroupRecord>, MetaError> {
    tx.get(&GROUPS, &key(scope, name))
}

/// The group with this id, unless it has been deleted.
pub(crate) fn by_id(tx: &Tx<'_>, id: u64) -> Result<Option<GroupRecord>, MetaError> {
    let Some(place) = tx.get(&PLACES, &Key::of(id))? else { return Ok(None) };
    find(tx, &place.scope, &place.name)
}

/// Makes a group that `find` did not find and gives it its id and its data key; `record.id` is ignored.
///
/// # Errors
/// Storage failures, and a KMS key that is not configured.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    mut record: GroupRecord,
    wrapping: &Wrapping,
) -> Result<GroupRecord, Unavailable> {
    record.id = tx.next_id("log_group")?;
    wrapping.make_group(tx, record.id, record.kms_key.as_deref())?;
    let place = Place { scope: record.scope.clone(), name: record.name.clone() };
    tx.put(&PLACES, &Key::of(record.id), &place)?;
    update(tx, &record)?;
    Ok(record)
}

/// Writes a group back that was found.
pub(crate) fn update(tx: &mut Tx<'_>, record: &GroupRecord) -> Result<(), MetaError> {
    tx.put(&GROUPS, &key(&record.scope, &record.name), record)
}

/// Removes a group, its streams and what is defined on it, and destroys its data key: nobody can read its log data
/// any more. Notes that they are to go.
pub(crate) fn remove(tx: &mut Tx<'_>, record: &GroupRecord, now_ms: i64) -> Result<(), MetaError> {
    streams::remove_all(tx, record.id)?;
    filters::end_all(tx, record.id, now_ms)?;
    makers::remove_all(tx, record.id)?;
    tx.delete(&GROUPS, &key(&record.scope, &record.name))?;
    tx.delete(&PLACES, &Key::of(record.id))?;
    data_keys::destroy_group(tx, record.id)?;
    tx.put(&DOOMED, &Key::of(record.id), &())
}

/// Groups whose log data may still be there after [`remove`].
pub(crate) fn doomed(tx: &Tx<'_>) -> Result<Vec<u64>, MetaError> {
    tx.scan(&DOOMED, &Span::all())?.map(|row| row?.0.reader().u64()).collect()
}

/// Notes that the log data of a removed group are gone.
pub(crate) fn forget(tx: &mut Tx<'_>, id: u64) -> Result<(), MetaError> {
    tx.delete(&DOOMED, &Key::of(id))
}

/// Groups of a scope in order of their names: those that begin with `prefix`, after the name `after`, that
/// `wanted` takes, at most `limit`.
pub(crate) fn list(
    tx: &Tx<'_>,
    scope: &Scope,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    wanted: impl Fn(&GroupRecord) -> bool,
) -> Result<Vec<GroupRecord>, MetaError> {
    let mut span = all_of(scope, prefix);
    if let Some(after) = after {
        span = span.after(&key(scope, after));
    }
    let mut found = Vec::new();
    for row in tx.scan(&GROUPS, &span)? {
        let (_, record) = row?;
        if found.len() == limit {
            break;
        }
        if wanted(&record) {
            found.push(record);
        }
    }
    Ok(found)
}

/// How many groups a scope has.
pub(crate) fn count(tx: &Tx<'_>, scope: &Scope) -> Result<u64, MetaError> {
    Ok(tx.scan(&GROUPS, &all_of(scope, ""))?.count() as u64)
}

/// Every group of every scope, for sweeps.
pub(crate) fn every(tx: &Tx<'_>) -> Result<Vec<GroupRecord>, MetaError> {
    tx.scan(&GROUPS, &Span::all())?.map(|row| Ok(row?.1)).collect()
}
