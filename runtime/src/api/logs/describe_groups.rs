//! Owns DescribeLogGroups and ListLogGroups. Refuses to know anything of a group but its record and size.

use std::sync::Arc;

use store::GroupId;
use wire::Fault;
use wire::shape::logs::{
    DescribeLogGroupsRequest, DescribeLogGroupsResponse, ListLogGroupsRequest, ListLogGroupsResponse,
    LogGroup, LogGroupSummary, TagFilter,
};

use super::lookup;
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::records::filters::METRIC_FILTERS;
use crate::records::groups::{self, GroupRecord};

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Logs::DescribeLogGroups => describe), operation!(Logs::ListLogGroups => list)];

/// Groups on a page when the request does not say.
const PAGE: usize = 50;

async fn describe(
    app: &Arc<App>,
    caller: &Caller,
    request: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, Fault> {
    check_filters(&request)?;
    own_account_only(caller, request.account_identifiers.as_deref())?;
    let scope = caller.scope();
    if let Some(identifiers) = &request.log_group_identifiers {
        let found = app.meta.read(|tx| {
            let find =
                |identifier: &String| Ok(groups::find(tx, &scope, lookup::name_in(&scope, identifier)?)?);
            identifiers.iter().map(find).collect::<Result<Vec<_>, Fault>>()
        });
        let found = found?.into_iter().flatten().map(|record| described(app, record)).collect();
        return Ok(DescribeLogGroupsResponse { log_groups: Some(found), next_token: None });
    }
    let prefix = request.log_group_name_prefix.as_deref().unwrap_or("");
    let pattern = request.log_group_name_pattern.as_deref().unwrap_or("");
    let wanted = |record: &GroupRecord| {
        record.name.contains(pattern)
            && request.log_group_class.as_ref().is_none_or(|class| record.class == *class)
    };
    let after = page::position::<String>("DescribeLogGroups", request.next_token.as_deref())?;
    let limit = request.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let (found, next_token) = app.meta.read(|tx| {
        paged(
            groups::list(tx, &scope, prefix, after.as_deref(), limit + 1, wanted)?,
            limit,
            "DescribeLogGroups",
        )
    })?;
    let found = found.into_iter().map(|record| described(app, record)).collect();
    Ok(DescribeLogGroupsResponse { log_groups: Some(found), next_token })
}

fn check_filters(request: &DescribeLogGroupsRequest) -> Result<(), Fault> {
    let (prefix, pattern) = (&request.log_group_name_prefix, &request.log_group_name_pattern);
    if prefix.is_some() && pattern.is_some() {
        let text = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(Fault::new("InvalidParameterException", text));
    }
    let others = [prefix, pattern, &request.log_group_class];
    if request.log_group_identifiers.is_some() && others.iter().any(|other| other.is_some()) {
        let text = "LogGroup identifiers cannot be combined with other filters.";
        return Err(Fault::new("InvalidParameterException", text));
    }
    Ok(())
}

/// There are no linked accounts: naming another one is a mistake, not an empty answer.
fn own_account_only(caller: &Caller, accounts: Option<&[String]>) -> Result<(), Fault> {
    match accounts.unwrap_or_default().iter().find(|account| *account != caller.account()) {
        None => Ok(()),
        Some(other) => {
            let text = format!("The account {other} is not linked; Logboom does not serve linked accounts.");
            Err(Fault::new("InvalidParameterException", text))
        }
    }
}

/// Cuts the one row too many off, and makes a token of the last that stays.
fn paged(
    mut found: Vec<GroupRecord>,
    limit: usize,
    operation: &str,
) -> Result<(Vec<GroupRecord>, Option<String>), Fault> {
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|record| page::token(operation, &record.name));
    Ok((found, last))
}

fn described(app: &App, record: GroupRecord) -> LogGroup {
    let arn = record.arn();
    let filters = app.meta.read(|tx| METRIC_FILTERS.list(tx, record.id)).map_or(0, |filters| filters.len());
    let filters = i32::try_from(filters).unwrap_or(i32::MAX);
    LogGroup {
        creation_time: Some(record.created_ms),
        retention_in_days: record.retention_days.and_then(|days| i32::try_from(days).ok()),
        metric_filter_count: Some(filters),
        arn: Some(format!("{arn}:*")),
        stored_bytes: Some(i64::try_from(app.store.group_bytes(GroupId(record.id))).unwrap_or(i64::MAX)),
        kms_key_id: record.kms_key,
        log_group_class: Some(record.class),
        log_group_arn: Some(arn),
        deletion_protection_enabled: Some(false),
        log_group_name: Some(record.name),
        ..LogGroup::default()
    }
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListLogGroupsRequest,
) -> Result<ListLogGroupsResponse, Fault> {
    let unserved = [
        ("dataSources", request.data_sources.is_some()),
        ("fieldIndexNames", request.field_index_names.is_some()),
    ];
    if let Some((name, _)) = unserved.into_iter().find(|(_, given)| *given) {
        let text = format!("The filter {name} of ListLogGroups is not served by Logboom.");
        return Err(Fault::new("InvalidParameterException", text));
    }
    own_account_only(caller, request.account_identifiers.as_deref())?;
    let after = page::position::<String>("ListLogGroups", request.next_token.as_deref())?;
    let limit = request.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let wanted = |record: &GroupRecord| {
        request.log_group_name_pattern.as_deref().is_none_or(|pattern| is_named(&record.name, pattern))
            && request.log_group_class.as_ref().is_none_or(|class| record.class == *class)
            && request.log_group_tags.iter().flatten().all(|filter| is_tagged(record, filter))
    };
    let scope = caller.scope();
    let (found, next_token) = app.meta.read(|tx| {
        paged(groups::list(tx, &scope, "", after.as_deref(), limit + 1, wanted)?, limit, "ListLogGroups")
    })?;
    let summary = |record: GroupRecord| LogGroupSummary {
        log_group_arn: Some(record.arn()),
        log_group_class: Some(record.class),
        log_group_name: Some(record.name),
    };
    Ok(ListLogGroupsResponse { log_groups: Some(found.into_iter().map(summary).collect()), next_token })
}

/// Alternatives between `|`; one that begins with `^` is a prefix, any other may stand anywhere.
fn is_named(name: &str, pattern: &str) -> bool {
    pattern.split('|').any(|part| match part.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(part),
    })
}

/// Any of the values, or any value where none is given.
fn is_tagged(record: &GroupRecord, filter: &TagFilter) -> bool {
    let values = filter.values.as_deref().unwrap_or_default();
    record.tags.get(&filter.key).is_some_and(|value| values.is_empty() || values.contains(value))
}
