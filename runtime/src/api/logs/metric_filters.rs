//! Owns PutMetricFilter, DescribeMetricFilters, DeleteMetricFilter and TestMetricFilter. Refuses to evaluate
//! events that are stored: `ingest/metric_filters.rs` does.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::Unit;
use metrics::filter::Transformation;
use pattern::{Document, Options, Pattern, Place, ValueSelector};
use store::{Event, GroupId, Position, StreamId};
use wire::Fault;
use wire::shape::logs::{
    DeleteMetricFilterRequest, DescribeMetricFiltersRequest, DescribeMetricFiltersResponse, MetricFilter,
    MetricFilterMatchRecord, MetricTransformation, PutMetricFilterRequest, TestMetricFilterRequest,
    TestMetricFilterResponse,
};

use super::lookup;
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::functions::{OUTPUT_PREFIX, resolve};
use crate::ingest::guests::{self, Asker, Batch, Purpose, Unusable, texts};
use crate::ingest::matching::matching;
use crate::limits::Quotas;
use crate::meta::Tx;
use crate::records::filters::{self, METRIC_FILTERS, SUBSCRIPTION_FILTERS};
use crate::records::groups::{self, GroupRecord};
use crate::records::revisions::Revision;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Logs::PutMetricFilter => put),
    operation!(Logs::DescribeMetricFilters => describe),
    operation!(Logs::DeleteMetricFilter => delete),
    operation!(Logs::TestMetricFilter => test),
];

/// Filters on a page when the request does not say.
const PAGE: usize = 50;

fn refusal(text: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", text)
}

/// A pattern with what a caller should know about it, or AWS's words for what is wrong with it.
pub(super) fn parse(app: &App, text: &str, place: Place) -> Result<Pattern, Fault> {
    let pattern = Pattern::parse(text, Options { strict: app.config.strict_patterns });
    pattern.map_err(|error| refusal(error.message_for(place)))
}

/// Refuses a pattern or value that names functions which cannot do what is asked of them.
pub(super) fn check_guests<'a>(
    app: &App,
    caller: &Caller,
    names: impl IntoIterator<Item = &'a str>,
    purpose: Purpose,
) -> Result<(), Fault> {
    for name in names {
        guests::check(app, &caller.scope(), name, purpose).map_err(|unusable| match unusable {
            Unusable::Missing => refusal(format!("wasm:{name} cannot be used: there is no function {name}.")),
            Unusable::Unfit(reason) => refusal(format!("wasm:{name} cannot be used: {reason}.")),
        })?;
    }
    Ok(())
}

/// Refuses a function that would be asked about the lines it writes itself.
pub(super) fn refuse_own_output<'a>(
    group: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), Fault> {
    let Some(writer) = group.strip_prefix(OUTPUT_PREFIX) else { return Ok(()) };
    if names.into_iter().any(|name| resolve::split(name).0 == writer) {
        return Err(refusal(format!(
            "The function {writer} writes to {group}: asking it about its own output is a loop."
        )));
    }
    Ok(())
}

/// AWS's options that have no counterpart here.
pub(super) fn refuse_unserved(given: &[(&str, bool)]) -> Result<(), Fault> {
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(refusal(format!("{name} is not served by Logboom yet."))),
    }
}

/// Refuses one filter with a regular expression too many in a group; `name` is being put, so it does not count.
pub(super) fn check_regexes(
    tx: &Tx<'_>,
    group: u64,
    name: &str,
    pattern: &Pattern,
    quotas: Option<&Quotas>,
) -> Result<(), Fault> {
    let Some(quotas) = quotas.filter(|_| pattern.regex_count() > 0) else { return Ok(()) };
    let metric =
        METRIC_FILTERS.list(tx, group)?.into_iter().filter_map(|one| Some((one.name, one.body?.pattern)));
    let subscription = SUBSCRIPTION_FILTERS.list(tx, group)?.into_iter();
    let subscription = subscription.filter_map(|one| Some((one.name, one.body?.pattern)));
    let others = metric.chain(subscription).filter(|(other, text)| {
        let parsed = || Pattern::parse(text, Options::default());
        other != name && parsed().is_ok_and(|parsed| parsed.regex_count() > 0)
    });
    if others.count() as u64 >= quotas.regex_filters_per_group {
        return Err(limit_exceeded());
    }
    Ok(())
}

/// AWS's answer at a quota.
pub(super) fn limit_exceeded() -> Fault {
    Fault::new("LimitExceededException", "Resource limit exceeded.")
}

/// Tells the log what the author of a pattern should know; the answer has no place for it.
pub(super) fn warn(pattern: &Pattern, group: &str, filter: &str) {
    for warning in pattern.warnings() {
        tracing::warn!(group, filter, warning, "a filter pattern may not mean what it says");
    }
}

async fn put(app: &Arc<App>, caller: &Caller, request: PutMetricFilterRequest) -> Result<(), Fault> {
    refuse_unserved(&[
        ("applyOnTransformedLogs", request.apply_on_transformed_logs == Some(true)),
        ("fieldSelectionCriteria", request.field_selection_criteria.is_some()),
        (
            "emitSystemFieldDimensions",
            request.emit_system_field_dimensions.is_some_and(|fields| !fields.is_empty()),
        ),
    ])?;
    let pattern = parse(app, &request.filter_pattern, Place::MetricFilter)?;
    let mut transformations = request.metric_transformations.into_iter();
    let (Some(wanted), None) = (transformations.next(), transformations.next()) else {
        return Err(refusal("A metric filter has exactly one metric transformation."));
    };
    let (pattern, value) = check_transformation(&pattern, &wanted)?;
    check_guests(app, caller, pattern.guests().iter().map(String::as_str), Purpose::Filter)?;
    check_guests(app, caller, value.guest(), Purpose::Extractor)?;
    let asked = pattern.guests().iter().map(String::as_str).chain(value.guest());
    refuse_own_output(&request.log_group_name, asked)?;
    warn(&pattern, &request.log_group_name, &request.filter_name);
    let (scope, now_ms, quotas) = (caller.scope(), app.clock.now_ms(), app.limits.quotas.clone());
    // Events stored from here on are the filter's.
    let from = app.store.durable_position().seq;
    let (group, name) = (request.log_group_name, request.filter_name);
    let body = filters::MetricFilter {
        from,
        pattern: request.filter_pattern,
        namespace: wanted.metric_namespace,
        name: wanted.metric_name,
        value: wanted.metric_value,
        default_value: wanted.default_value,
        dimensions: wanted.dimensions.unwrap_or_default(),
        unit: wanted.unit,
    };
    app.meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &group)?;
            check_regexes(tx, group.id, &name, &pattern, quotas.as_ref())?;
            let count =
                METRIC_FILTERS.list(tx, group.id)?.iter().filter(|one| one.name != name).count() as u64;
            if quotas.is_some_and(|quotas| count >= quotas.metric_filters_per_group) {
                return Err(limit_exceeded());
            }
            METRIC_FILTERS.put(tx, group.id, &name, body, now_ms)?;
            Ok(())
        })
        .await?;
    app.fan_out.definitions_changed();
    Ok(())
}

/// The pattern as the transformation reads it, and the value's selector.
fn check_transformation(
    pattern: &Pattern,
    wanted: &MetricTransformation,
) -> Result<(Pattern, ValueSelector), Fault> {
    let selector = |text: &String| ValueSelector::parse(text).map_err(|error| refusal(error.message));
    let value = selector(&wanted.metric_value)?;
    let dimensions = wanted.dimensions.clone().unwrap_or_default();
    let selectors = dimensions.values().map(selector).collect::<Result<Vec<_>, _>>()?;
    let pattern = pattern.for_metric(&value, &selectors).map_err(|error| refusal(error.message))?;
    let unit = wanted.unit.as_deref().map_or(Ok(Unit::None), |unit| Unit::parse(unit, "unit"));
    let transformation = Transformation {
        namespace: wanted.metric_namespace.clone(),
        name: wanted.metric_name.clone(),
        unit: unit.map_err(|fault| refusal(fault.message))?,
        default_value: wanted.default_value,
        dimensions: dimensions.into_keys().collect(),
    };
    transformation.check().map_err(|fault| refusal(fault.message))?;
    Ok((pattern, value))
}

async fn describe(
    app: &Arc<App>,
    caller: &Caller,
    request: DescribeMetricFiltersRequest,
) -> Result<DescribeMetricFiltersResponse, Fault> {
    if request.metric_name.is_some() != request.metric_namespace.is_some() {
        return Err(refusal("metricName and metricNamespace must be given together."));
    }
    let after = page::position::<(String, String)>("DescribeMetricFilters", request.next_token.as_deref())?;
    let limit = request.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let scope = caller.scope();
    let named = request.log_group_name.as_deref();
    let mut found = app.meta.read(|tx| -> Result<_, Fault> {
        let Some(name) = named else {
            let mut found = Vec::new();
            for (owner, revision) in METRIC_FILTERS.every(tx)? {
                let group = groups::by_id(tx, owner)?.filter(|group| group.scope == scope);
                found.extend(group.map(|group| (group, revision)));
            }
            return Ok(found);
        };
        let group = lookup::group(tx, &scope, name)?;
        let revisions = METRIC_FILTERS.list(tx, group.id)?;
        Ok(revisions.into_iter().map(|revision| (group.clone(), revision)).collect())
    })?;
    // AWS looks at the prefix only together with a group.
    let prefix = request.filter_name_prefix.as_deref().filter(|_| named.is_some()).unwrap_or("");
    found.retain(|(_, revision)| revision.name.starts_with(prefix) && publishes(revision, &request));
    found.sort_by(|(group, revision), (other, second)| place(group, revision).cmp(&place(other, second)));
    if let Some((name, group)) = after {
        found.retain(|(of, revision)| place(of, revision) > (name.as_str(), group.as_str()));
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|(group, revision)| place(group, revision));
    let next_token = last.map(|place| page::token("DescribeMetricFilters", place));
    let metric_filters = found.into_iter().filter_map(|(group, revision)| shown(group, revision)).collect();
    Ok(DescribeMetricFiltersResponse { metric_filters: Some(metric_filters), next_token })
}

fn place<'a>(group: &'a GroupRecord, revision: &'a Revision<filters::MetricFilter>) -> (&'a str, &'a str) {
    (&revision.name, &group.name)
}

fn publishes(revision: &Revision<filters::MetricFilter>, request: &DescribeMetricFiltersRequest) -> bool {
    let (Some(name), Some(namespace)) = (&request.metric_name, &request.metric_namespace) else {
        return true;
    };
    revision.body.as_ref().is_some_and(|body| body.name == *name && body.namespace == *namespace)
}

fn shown(group: GroupRecord, revision: Revision<filters::MetricFilter>) -> Option<MetricFilter> {
    let body = revision.body?;
    let transformation = MetricTransformation {
        metric_name: body.name,
        metric_namespace: body.namespace,
        metric_value: body.value,
        default_value: body.default_value,
        dimensions: (!body.dimensions.is_empty()).then_some(body.dimensions),
        unit: body.unit,
    };
    Some(MetricFilter {
        filter_name: Some(revision.name),
        filter_pattern: Some(body.pattern),
        metric_transformations: Some(vec![transformation]),
        creation_time: Some(revision.created_ms),
        log_group_name: Some(group.name),
        apply_on_transformed_logs: Some(false),
        ..MetricFilter::default()
    })
}

async fn delete(app: &Arc<App>, caller: &Caller, request: DeleteMetricFilterRequest) -> Result<(), Fault> {
    let (scope, now_ms) = (caller.scope(), app.clock.now_ms());
    app.meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &request.log_group_name)?;
            match METRIC_FILTERS.remove(tx, group.id, &request.filter_name, now_ms)? {
                Some(_) => Ok(()),
                None => {
                    let text = "The specified metric filter does not exist.";
                    Err(Fault::new("ResourceNotFoundException", text))
                }
            }
        })
        .await?;
    app.fan_out.definitions_changed();
    Ok(())
}

async fn test(
    app: &Arc<App>,
    caller: &Caller,
    request: TestMetricFilterRequest,
) -> Result<TestMetricFilterResponse, Fault> {
    let pattern = parse(app, &request.filter_pattern, Place::Filter)?;
    check_guests(app, caller, pattern.guests().iter().map(String::as_str), Purpose::Filter)?;
    let now_ms = app.clock.now_ms();
    let event = |(index, message): (usize, &String)| Event {
        group: GroupId(0),
        stream: StreamId(0),
        position: Position::at(index as u64),
        timestamp_ms: now_ms,
        ingestion_ms: now_ms,
        hop: 0,
        message: message.clone().into(),
    };
    let events: Vec<Event> = request.log_event_messages.iter().enumerate().map(event).collect();
    let lent: Vec<&Event> = events.iter().collect();
    let texts = texts(&lent);
    let asker = Asker {
        scope: &caller.scope(),
        function: "",
        group: "",
        stream: "",
        filter: "TestMetricFilter",
        source: &caller.request_id,
        attempt: 1,
    };
    let batch = Batch { asker, events: &lent, texts: &texts };
    let matched = matching(app, &pattern, &batch).await.map_err(refusal)?;
    if let Some(reason) = matched.reason {
        return Err(refusal(reason));
    }
    let matches = matched.yes.into_iter().map(|index| {
        let message = &request.log_event_messages[index];
        let extracted: BTreeMap<String, String> =
            pattern.extract(&Document::new(message)).into_iter().collect();
        MetricFilterMatchRecord {
            // The first message is number 1, as in the AWS CLI's examples.
            event_number: i64::try_from(index + 1).ok(),
            event_message: Some(message.clone()),
            extracted_values: Some(extracted),
        }
    });
    Ok(TestMetricFilterResponse { matches: Some(matches.collect()) })
}
