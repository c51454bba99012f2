//! Owns StartQuery, GetQueryResults, StopQuery and DescribeQueries. Refuses to know the language and how a query runs.

use std::sync::Arc;
use std::time::Duration;

use insights::{CompileError, Output, Query, Window};
use serde_json::json;
use wire::Fault;
use wire::shape::logs::{
    DescribeQueriesRequest, DescribeQueriesResponse, GetQueryResultsRequest, GetQueryResultsResponse,
    QueryInfo, QueryStatistics, ResultField, StartQueryRequest, StartQueryResponse, StopQueryRequest,
    StopQueryResponse,
};

use super::{kms, lookup};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::query::outside::{Called, Offered};
use crate::query::{Asked, Group, Session, State};
use crate::records::{Scope, groups};

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Logs::StartQuery => start),
    operation!(Logs::GetQueryResults => results),
    operation!(Logs::StopQuery => stop),
    operation!(Logs::DescribeQueries => describe),
];

/// The only query language there is so far.
const LANGUAGE: &str = "CWLI";
/// Log groups of one query.
const GROUPS_MAX: usize = 50;
/// How long a poll waits for a query that is about to end, so that a small one is complete at the first poll.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// Rows of one page of results.
const ROWS_MAX: usize = 10_000;
/// Bytes of names and values in one page of results.
const PAGE_BYTES_MAX: usize = 64 << 20;
const LIST_MAX: usize = 1_000;

async fn start(
    app: &Arc<App>,
    caller: &Caller,
    request: StartQueryRequest,
) -> Result<StartQueryResponse, Fault> {
    if let Some(language) = request.query_language.as_deref().filter(|language| *language != LANGUAGE) {
        let text = format!("The query language {language} is not supported by Logboom: only {LANGUAGE} is.");
        return Err(Fault::new("InvalidParameterException", text));
    }
    if request.start_time > request.end_time {
        let text = "The start time of a query must not lie behind its end time.";
        return Err(Fault::new("InvalidParameterException", text));
    }
    let scope = caller.scope();
    let groups = groups_of(app, &scope, &request, &caller.request_id)?;
    let edge = |seconds: i64, rest: i64| seconds.saturating_mul(1000).saturating_add(rest);
    let window = Window { start_ms: edge(request.start_time, 0), end_ms: edge(request.end_time, 999) };
    let (mut query, called) = compile(app, &scope, &request.query_string, window)?;
    for one in &called {
        one.prepare(app, &scope).await.map_err(|reason| Fault::new("MalformedQueryException", reason))?;
    }
    if let Some(limit) = request.limit.and_then(|limit| usize::try_from(limit).ok()) {
        query = query.default_limit(limit);
    }
    if let Some(quotas) = &app.limits.quotas
        && app.queries.open(&scope) as u64 >= quotas.concurrent_queries
    {
        return Err(too_many());
    }
    let sources: Vec<String> = groups.iter().map(|group| format!("{:?}", group.name)).collect();
    let (start, end) = (window.start_ms, window.end_ms);
    let text = format!("SOURCE {} START={start} END={end} | {}", sources.join(" "), request.query_string);
    let id = app.queries.start(app, Asked { scope, groups, text, query, called }).map_err(|_| too_many())?;
    Ok(StartQueryResponse { query_id: Some(id) })
}

/// The query, and what it calls of deployed modules.
fn compile(
    app: &Arc<App>,
    scope: &Scope,
    text: &str,
    window: Window,
) -> Result<(Query, Vec<Arc<Called>>), Fault> {
    let now_ms = app.clock.now_ms();
    let offered = Offered::new(app, scope, now_ms);
    let compiled = Query::compile(text, &offered, now_ms, window);
    let (called, said) = offered.into_called();
    match compiled {
        Ok(query) => Ok((query, called)),
        Err(mut error) => {
            if let Some(said) = said {
                error.message.push_str(&format!(" ({said})"));
            }
            Err(malformed(&error))
        }
    }
}

/// The groups that the request names in one of its three ways.
fn groups_of(app: &App, scope: &Scope, request: &StartQueryRequest, id: &str) -> Result<Vec<Group>, Fault> {
    let one = request.log_group_name.as_ref().map(|name| vec![name.clone()]);
    let ways = [one, request.log_group_names.clone(), request.log_group_identifiers.clone()];
    let mut given = ways.into_iter().flatten();
    let (Some(names), None) = (given.next(), given.next()) else {
        let text = "Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be specified.";
        return Err(Fault::new("InvalidParameterException", text));
    };
    if names.is_empty() || names.len() > GROUPS_MAX {
        let text = format!("A query reads 1 to {GROUPS_MAX} log groups, not {}.", names.len());
        return Err(Fault::new("InvalidParameterException", text));
    }
    app.meta.read(|tx| {
        let mut found: Vec<Group> = Vec::with_capacity(names.len());
        for name in &names {
            let name = lookup::name_in(scope, name)?;
            let Some(group) = groups::find(tx, scope, name)? else {
                return Err(unknown_group(name, &scope.account, id));
            };
            kms::check_readable(app, &group)?;
            if found.iter().all(|known| known.id != group.id) {
                found.push(Group { id: group.id, name: group.name });
            }
        }
        Ok(found)
    })
}

/// AWS answers this operation with the whole sentence of an internal call.
fn unknown_group(name: &str, account: &str, id: &str) -> Fault {
    let text = format!(
        "Log group '{name}' does not exist for account ID '{account}' (Service: AWSLogs; Status Code: 400; \
         Error Code: ResourceNotFoundException; Request ID: {id}; Proxy: null)"
    );
    Fault::new("ResourceNotFoundException", text)
}

fn malformed(error: &CompileError) -> Fault {
    let location = json!({"startCharOffset": error.start, "endCharOffset": error.end});
    Fault::new("MalformedQueryException", error.message.clone())
        .field("queryCompileError", json!({"location": location, "message": error.message}))
}

fn too_many() -> Fault {
    Fault::new("LimitExceededException", "Too many queries are open: wait until some have ended.")
}

fn find(app: &App, caller: &Caller, id: &str) -> Result<Arc<Session>, Fault> {
    let text =
        format!("The query {id} does not exist: it was never started here, or its results have expired.");
    app.queries.find(&caller.scope(), id).ok_or_else(|| Fault::new("ResourceNotFoundException", text))
}

async fn results(
    app: &Arc<App>,
    caller: &Caller,
    request: GetQueryResultsRequest,
) -> Result<GetQueryResultsResponse, Fault> {
    let session = find(app, caller, &request.query_id)?;
    let from: usize = page::position("GetQueryResults", request.next_token.as_deref())?.unwrap_or(0);
    // A query that takes longer is asked for again: that the wait ran out is no error.
    let _slow = tokio::time::timeout(POLL_WAIT, session.wait()).await;
    let state = session.state();
    let mut answer = GetQueryResultsResponse {
        query_language: Some(LANGUAGE.to_owned()),
        results: Some(Vec::new()),
        statistics: Some(statistics(&Output::default(), 0)),
        status: Some(state.name().to_owned()),
        ..Default::default()
    };
    if let State::Complete(outcome) = state {
        let limit = request.max_items.and_then(|items| usize::try_from(items).ok());
        let limit = limit.filter(|items| *items > 0).unwrap_or(ROWS_MAX).min(ROWS_MAX);
        let rows = &outcome.output.rows;
        let page = page_of(rows, from, limit);
        answer.results = Some(page.iter().map(|row| shown(row)).collect());
        let next = from.saturating_add(page.len());
        answer.next_token = (next < rows.len()).then(|| page::token("GetQueryResults", next));
        answer.statistics = Some(statistics(&outcome.output, session.asked.groups.len()));
    }
    Ok(answer)
}

/// The rows of a page: `limit` at most, and no more than fit an answer; at least one where there is one.
fn page_of(rows: &[Vec<(String, String)>], from: usize, limit: usize) -> &[Vec<(String, String)>] {
    let rest = rows.get(from..).unwrap_or_default();
    let mut bytes = 0;
    let mut fits = |row: &Vec<(String, String)>| {
        bytes += row.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        bytes <= PAGE_BYTES_MAX
    };
    let length = rest.iter().take(limit).take_while(|row| fits(row)).count();
    &rest[..length.max(1).min(rest.len())]
}

fn shown(row: &[(String, String)]) -> Vec<ResultField> {
    row.iter()
        .map(|(name, value)| ResultField { field: Some(name.clone()), value: Some(value.clone()) })
        .collect()
}

fn statistics(output: &Output, groups: usize) -> QueryStatistics {
    QueryStatistics {
        records_matched: Some(output.matched as f64),
        records_scanned: Some(output.scanned as f64),
        estimated_records_skipped: Some(0.0),
        bytes_scanned: Some(output.bytes as f64),
        estimated_bytes_skipped: Some(0.0),
        log_groups_scanned: Some(groups as f64),
        ..Default::default()
    }
}

async fn stop(
    app: &Arc<App>,
    caller: &Caller,
    request: StopQueryRequest,
) -> Result<StopQueryResponse, Fault> {
    let session = find(app, caller, &request.query_id)?;
    if session.stop(app.clock.now_ms()) {
        return Ok(StopQueryResponse { success: Some(true) });
    }
    let text = format!("The specified query is not running: it has ended as {}.", session.state().name());
    Err(Fault::new("InvalidParameterException", text))
}

async fn describe(
    app: &Arc<App>,
    caller: &Caller,
    request: DescribeQueriesRequest,
) -> Result<DescribeQueriesResponse, Fault> {
    let after: Option<String> = page::position("DescribeQueries", request.next_token.as_deref())?;
    let limit = request.max_results.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIST_MAX);
    let wanted = |session: &Arc<Session>| {
        let group = request.log_group_name.as_ref();
        group.is_none_or(|name| session.asked.groups.iter().any(|group| group.name == *name))
            && request.status.as_ref().is_none_or(|status| session.state().name() == status)
            && request.query_language.as_ref().is_none_or(|language| language == LANGUAGE)
    };
    let all = app.queries.list(&caller.scope());
    let start = match &after {
        Some(id) => all.iter().position(|session| session.id == *id).map_or(all.len(), |at| at + 1),
        None => 0,
    };
    let mut found: Vec<&Arc<Session>> = all[start..].iter().filter(|session| wanted(session)).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|session| session.id.clone());
    let next_token = last.filter(|_| more).map(|id| page::token("DescribeQueries", id));
    let queries = found.into_iter().map(|session| info(session)).collect();
    Ok(DescribeQueriesResponse { queries: Some(queries), next_token })
}

fn info(session: &Session) -> QueryInfo {
    let state = session.state();
    QueryInfo {
        query_language: Some(LANGUAGE.to_owned()),
        query_id: Some(session.id.clone()),
        query_string: Some(session.asked.text.clone()),
        status: Some(state.name().to_owned()),
        create_time: Some(session.created_ms),
        log_group_name: session.asked.groups.first().map(|group| group.name.clone()),
        query_duration: (!state.is_open()).then(|| session.duration_ms()),
        bytes_scanned: match &state {
            State::Complete(outcome) => Some(outcome.output.bytes as f64),
            _ => None,
        },
        ..Default::default()
    }
}
