//! Owns StartLiveTail: what a session may follow, and its first event. Refuses to know what follows (`tail`).

use std::sync::Arc;

use pattern::{Options, Pattern};
use wire::Fault;
use wire::shape::logs::{LiveTailSessionStart, StartLiveTailRequest};

use super::lookup;
use super::metric_filters::{check_guests, refuse_own_output, warn};
use crate::api::table::{Operation, operation};
use crate::api::{Answer, Call, Caller};
use crate::app::App;
use crate::functions::attach::Purpose;
use crate::tail::{self, Full, Streams, Wanted};

pub(super) const OPERATIONS: &[Operation] = &[operation!(Logs::StartLiveTail raw => start)];

fn refusal(text: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", text)
}

async fn start(app: &Arc<App>, caller: &Caller, call: &Call) -> Answer {
    match open(app, caller, call) {
        Ok(body) => Answer::Streamed(wire::encode_stream(&caller.request_id), body),
        Err(fault) => call.answer::<()>(caller, Err(fault)).into(),
    }
}

fn open(app: &Arc<App>, caller: &Caller, call: &Call) -> Result<crate::server::Body, Fault> {
    let request: StartLiveTailRequest = call.input(caller)?;
    let StartLiveTailRequest {
        log_group_identifiers: identifiers,
        log_stream_names: names,
        log_stream_name_prefixes: prefixes,
        log_event_filter_pattern: pattern,
    } = request;
    for identifier in &identifiers {
        check_identifier(identifier)?;
    }
    let pattern = pattern.unwrap_or_default();
    let wanted = wanted(app, caller, &identifiers, streams(names.clone(), prefixes.clone())?, &pattern)?;
    let place = app.tails.enter(caller.account()).map_err(|full| full_fault(&full))?;
    let start = LiveTailSessionStart {
        request_id: Some(caller.request_id.clone()),
        session_id: Some(wanted.id.clone()),
        log_group_identifiers: Some(identifiers.clone()),
        log_stream_names: Some(names.unwrap_or_default()),
        log_stream_name_prefixes: Some(prefixes.unwrap_or_default()),
        log_event_filter_pattern: Some(pattern),
    };
    let shown = wanted.groups.iter().map(crate::records::groups::GroupRecord::arn).collect();
    tail::open(app, wanted, shown, &start, place)
        .map_err(|_| Fault::internal("The session could not be started."))
}

/// Why there is no place for one more tail, in AWS's form.
pub(crate) fn full_fault(full: &Full) -> Fault {
    Fault::new("LimitExceededException", full.to_string())
}

/// Sessions take ARNs alone, and none that ends with an asterisk (which the model's pattern refuses).
fn check_identifier(identifier: &str) -> Result<(), Fault> {
    if identifier.starts_with("arn:") {
        return Ok(());
    }
    Err(refusal(format!("logGroupIdentifiers must be ARNs of log groups: {identifier} is not an ARN.")))
}

/// The streams that names or prefixes choose.
///
/// # Errors
/// Both are given.
pub(crate) fn streams(names: Option<Vec<String>>, prefixes: Option<Vec<String>>) -> Result<Streams, Fault> {
    match (names, prefixes) {
        (Some(_), Some(_)) => {
            Err(refusal("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters."))
        }
        (Some(names), None) => Ok(Streams::Named(names)),
        (None, Some(prefixes)) => Ok(Streams::Prefixed(prefixes)),
        (None, None) => Ok(Streams::All),
    }
}

/// What a tail follows: `groups` are names or ARNs.
///
/// # Errors
/// What cannot be followed, in AWS's words.
pub(crate) fn wanted(
    app: &App,
    caller: &Caller,
    groups: &[String],
    streams: Streams,
    pattern: &str,
) -> Result<Wanted, Fault> {
    if streams != Streams::All && groups.len() != 1 {
        let text =
            "logStreamNames and logStreamNamePrefixes can only be specified when there is one log group.";
        return Err(refusal(text));
    }
    let parsed = Pattern::parse(pattern, Options { strict: app.config.strict_patterns });
    let pattern = parsed.map_err(|error| refusal(error.message))?;
    let guests = || pattern.guests().iter().map(String::as_str);
    check_guests(app, caller, guests(), Purpose::Filter)?;
    let scope = caller.scope();
    let mut found = app.meta.read(|tx| {
        let found = groups.iter().map(|group| lookup::group_of(tx, &scope, None, Some(group)));
        let found = found.collect::<Result<Vec<_>, Fault>>()?;
        if let (Streams::Named(names), Some(group)) = (&streams, found.first()) {
            for name in names {
                lookup::stream(tx, group, name)?;
            }
        }
        Ok::<_, Fault>(found)
    })?;
    let mut ids = std::collections::BTreeSet::new();
    found.retain(|group| ids.insert(group.id));
    for group in &found {
        refuse_own_output(&group.name, guests())?;
        warn(&pattern, &group.name, "live tail");
    }
    Ok(Wanted { scope, groups: found, streams, pattern, id: app.clock.uuid() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_arns_and_streams_are_chosen_one_way() {
        assert!(check_identifier("arn:aws:logs:us-east-1:000000000000:log-group:/a").is_ok());
        let refused = check_identifier("/a").unwrap_err();
        assert_eq!(refused.code(), "InvalidParameterException");
        assert!(refused.message().contains("/a is not an ARN"));
        let some = || Some(vec!["s".to_owned()]);
        assert!(streams(some(), some()).unwrap_err().message().contains("mutually exclusive"));
        assert_eq!(streams(None, some()).unwrap(), Streams::Prefixed(vec!["s".to_owned()]));
        assert_eq!(streams(None, None).unwrap(), Streams::All);
    }
}
