//! Owns PutSubscriptionFilter, DescribeSubscriptionFilters and DeleteSubscriptionFilter. Refuses to deliver:
//! `ingest/subscriptions.rs` does.

use std::sync::Arc;

use pattern::Place;
use wire::Fault;
use wire::shape::logs::{
    DeleteSubscriptionFilterRequest, DescribeSubscriptionFiltersRequest, DescribeSubscriptionFiltersResponse,
    PutSubscriptionFilterRequest, SubscriptionFilter,
};

use super::lookup;
use super::metric_filters::{
    check_guests, check_regexes, limit_exceeded, parse, refuse_own_output, refuse_unserved, warn,
};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::functions::{OUTPUT_PREFIX, resolve};
use crate::ingest::guests::{self, Purpose, Unusable};
use crate::records::filters::{self, SUBSCRIPTION_FILTERS};
use crate::records::revisions::Revision;
use crate::records::{Scope, deliveries};

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Logs::PutSubscriptionFilter => put),
    operation!(Logs::DescribeSubscriptionFilters => describe),
    operation!(Logs::DeleteSubscriptionFilter => delete),
];

/// Filters on a page when the request does not say.
const PAGE: usize = 50;

fn refusal(text: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", text)
}

async fn put(app: &Arc<App>, caller: &Caller, request: PutSubscriptionFilterRequest) -> Result<(), Fault> {
    refuse_unserved(&[
        ("applyOnTransformedLogs", request.apply_on_transformed_logs == Some(true)),
        ("fieldSelectionCriteria", request.field_selection_criteria.is_some()),
        ("emitSystemFields", request.emit_system_fields.as_ref().is_some_and(|fields| !fields.is_empty())),
    ])?;
    let pattern = parse(app, &request.filter_pattern, Place::SubscriptionFilter)?;
    let scope = caller.scope();
    // The group first: a missing one is the plainer mistake.
    app.meta.read(|tx| lookup::group(tx, &scope, &request.log_group_name))?;
    let function = destination(&scope, &request.destination_arn, request.role_arn.is_some())?;
    if request.log_group_name.strip_prefix(OUTPUT_PREFIX) == Some(resolve::split(function).0) {
        let group = &request.log_group_name;
        return Err(refusal(format!(
            "The function {function} writes to {group}: subscribing it there is a loop."
        )));
    }
    guests::check(app, &scope, function, Purpose::Subscription).map_err(|unusable| match unusable {
        Unusable::Missing => refusal(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to \
             execute your function.",
        ),
        Unusable::Unfit(reason) => {
            refusal(format!("Could not execute the lambda function. {function}: {reason}."))
        }
    })?;
    check_guests(app, caller, pattern.guests().iter().map(String::as_str), Purpose::Filter)?;
    refuse_own_output(&request.log_group_name, pattern.guests().iter().map(String::as_str))?;
    warn(&pattern, &request.log_group_name, &request.filter_name);
    let now_ms = app.clock.now_ms();
    let quotas = app.limits.quotas.clone();
    let mut body = filters::SubscriptionFilter {
        // Events stored from here on are delivered.
        from: app.store.durable_position().seq,
        pattern: request.filter_pattern,
        function: function.to_owned(),
        destination: request.destination_arn,
        role: request.role_arn,
        distribution: request.distribution.unwrap_or_else(|| "ByLogStream".to_owned()),
    };
    let (group, name) = (request.log_group_name, request.filter_name);
    app.meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &group)?;
            check_regexes(tx, group.id, &name, &pattern, quotas.as_ref())?;
            let others = SUBSCRIPTION_FILTERS.list(tx, group.id)?;
            let count = others.iter().filter(|one| one.name != name).count() as u64;
            if quotas.is_some_and(|quotas| count >= quotas.subscription_filters_per_group) {
                return Err(limit_exceeded());
            }
            // A filter that is changed goes on where it is.
            if let Some(before) = SUBSCRIPTION_FILTERS.current(tx, group.id, &name)? {
                body.from = before.body.map_or(body.from, |before| before.from);
            }
            SUBSCRIPTION_FILTERS.put(tx, group.id, &name, body, now_ms)?;
            Ok(())
        })
        .await?;
    app.fan_out.definitions_changed();
    Ok(())
}

/// The function that a destination names, with its qualifier.
fn destination<'a>(scope: &Scope, arn: &'a str, has_role: bool) -> Result<&'a str, Fault> {
    let mut parts = arn.splitn(6, ':');
    let [prefix, _partition, service, region, account, resource] =
        [(); 6].map(|()| parts.next().unwrap_or_default());
    if prefix != "arn" || resource.is_empty() {
        return Err(refusal(format!("The destinationArn {arn} is not an ARN.")));
    }
    match service {
        "lambda" => {}
        "kinesis" | "firehose" if !has_role => {
            return Err(refusal(format!(
                "destinationArn for vendor {service} cannot be used without roleArn"
            )));
        }
        _ => {
            let text = format!(
                "The destinationArn {arn} names a destination of the service {service}, which is not served by \
                 Logboom yet: use the ARN of a function."
            );
            return Err(refusal(text));
        }
    }
    if account != scope.account {
        let text = "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to \
                    create cross account lambda triggers.";
        return Err(Fault::new("AccessDeniedException", text));
    }
    if region != scope.region {
        return Err(refusal(format!("The destinationArn {arn} is of another region than the log group.")));
    }
    let Some(function) = resource.strip_prefix("function:") else {
        return Err(refusal(format!("The destinationArn {arn} is not the ARN of a function.")));
    };
    Ok(function.strip_suffix(":$LATEST").unwrap_or(function))
}

async fn describe(
    app: &Arc<App>,
    caller: &Caller,
    request: DescribeSubscriptionFiltersRequest,
) -> Result<DescribeSubscriptionFiltersResponse, Fault> {
    let after = page::position::<String>("DescribeSubscriptionFilters", request.next_token.as_deref())?;
    let limit = request.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let scope = caller.scope();
    let mut found = app.meta.read(|tx| -> Result<_, Fault> {
        let group = lookup::group(tx, &scope, &request.log_group_name)?;
        Ok(SUBSCRIPTION_FILTERS.list(tx, group.id)?)
    })?;
    let prefix = request.filter_name_prefix.as_deref().unwrap_or("");
    found.retain(|one| one.name.starts_with(prefix) && after.as_ref().is_none_or(|after| one.name > *after));
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next_token = last.map(|last| page::token("DescribeSubscriptionFilters", &last.name));
    let shown = found.into_iter().filter_map(|one| shown(&request.log_group_name, one)).collect();
    Ok(DescribeSubscriptionFiltersResponse { subscription_filters: Some(shown), next_token })
}

fn shown(group: &str, revision: Revision<filters::SubscriptionFilter>) -> Option<SubscriptionFilter> {
    let body = revision.body?;
    Some(SubscriptionFilter {
        filter_name: Some(revision.name),
        log_group_name: Some(group.to_owned()),
        filter_pattern: Some(body.pattern),
        destination_arn: Some(body.destination),
        role_arn: body.role,
        distribution: Some(body.distribution),
        apply_on_transformed_logs: Some(false),
        creation_time: Some(revision.created_ms),
        ..SubscriptionFilter::default()
    })
}

async fn delete(
    app: &Arc<App>,
    caller: &Caller,
    request: DeleteSubscriptionFilterRequest,
) -> Result<(), Fault> {
    let (scope, now_ms) = (caller.scope(), app.clock.now_ms());
    app.meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &request.log_group_name)?;
            let Some(removed) = SUBSCRIPTION_FILTERS.remove(tx, group.id, &request.filter_name, now_ms)?
            else {
                let text = "The specified subscription filter does not exist.";
                return Err(Fault::new("ResourceNotFoundException", text));
            };
            deliveries::forget(tx, removed.id)?;
            Ok(())
        })
        .await?;
    app.fan_out.definitions_changed();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_functions_of_this_scope() {
        let scope = Scope { account: "000000000000".into(), region: "us-east-1".into() };
        let seen = |arn: &str, role| match destination(&scope, arn, role) {
            Ok(function) => function.to_owned(),
            Err(fault) => fault.message().to_owned(),
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:digest";
        assert_eq!(seen(arn, false), "digest");
        assert_eq!(seen(&format!("{arn}:$LATEST"), false), "digest");
        assert_eq!(seen(&format!("{arn}:prod"), false), "digest:prod");
        assert!(seen("arn:aws:lambda:us-east-1:111111111111:function:x", false).starts_with("Cross-account"));
        assert!(seen("arn:aws:lambda:eu-west-1:000000000000:function:x", false).contains("another region"));
        let kinesis = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
        assert_eq!(seen(kinesis, false), "destinationArn for vendor kinesis cannot be used without roleArn");
        assert!(seen(kinesis, true).contains("the service kinesis"));
        assert!(
            seen("arn:aws:logs:us-east-1:000000000000:destination:d", false).contains("the service logs")
        );
        assert!(seen("digest", false).contains("is not an ARN"));
    }
}
