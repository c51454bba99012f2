//! Owns DescribeAlarmHistory. Refuses the history of composite alarms and contributors by name.

use super::{Failure, Outcome, read_token, token};
use crate::Scope;
use crate::alarm::history::HistoryKind;
use crate::fault::Fault;
use crate::number::Number;
use crate::operation::describe_alarms::record_limit;
use crate::records::{HistoryQuery, Reads};
use crate::time;
use serde::Deserialize;
use serde_json::{Value, json};

const DEFAULT_RECORDS: i64 = 100;

/// The request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct DescribeAlarmHistory {
    pub alarm_name: Option<String>,
    pub alarm_contributor_id: Option<String>,
    pub alarm_types: Vec<String>,
    pub history_item_type: Option<String>,
    pub start_date: Option<Number>,
    pub end_date: Option<Number>,
    pub max_records: Option<i64>,
    pub next_token: Option<String>,
    pub scan_by: Option<String>,
}

/// Answers `{AlarmHistoryItems, NextToken?}`, newest first unless asked otherwise.
pub fn describe_alarm_history<R: Reads>(
    records: &mut R,
    scope: &Scope,
    describe: &DescribeAlarmHistory,
) -> Outcome<Value, R::Error> {
    let limit = record_limit(describe.max_records, DEFAULT_RECORDS)?;
    let query = query(describe, limit + 1)?;
    // Composite alarms have no history: there are none. That is the true answer when only they are asked for.
    let only_composite =
        !describe.alarm_types.is_empty() && !describe.alarm_types.iter().any(|t| t == "MetricAlarm");
    if only_composite {
        return Ok(json!({ "AlarmHistoryItems": [] }));
    }
    let entries = records.history(scope, &query).map_err(Failure::Records)?;
    let shown: Vec<Value> = entries.iter().take(limit).map(|entry| entry.item.describe()).collect();
    let mut answer = json!({ "AlarmHistoryItems": shown });
    if entries.len() > limit {
        let (at_ms, sequence) = entries[limit - 1].place();
        answer["NextToken"] = json!(token('h', &format!("{at_ms}.{sequence}")));
    }
    Ok(answer)
}

fn query(describe: &DescribeAlarmHistory, limit: usize) -> Result<HistoryQuery, Fault> {
    if describe.alarm_contributor_id.is_some() {
        return Err(Fault::unsupported("AlarmContributorId in DescribeAlarmHistory"));
    }
    let kind = match describe.history_item_type.as_deref() {
        None => None,
        Some(text) => Some(HistoryKind::parse(text).ok_or_else(|| {
            Fault::unsupported(format_args!("the HistoryItemType {text} in DescribeAlarmHistory"))
        })?),
    };
    let newest_first = match describe.scan_by.as_deref() {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => {
            return Err(Fault::validation(format!("The value {other} for parameter ScanBy is invalid.")));
        }
    };
    let after = describe.next_token.as_deref().map(place).transpose()?;
    let moment = |number: Option<Number>, otherwise| number.map_or(otherwise, |n| time::from_seconds(n.0));
    Ok(HistoryQuery {
        alarm_name: describe.alarm_name.clone(),
        kind,
        from_ms: moment(describe.start_date, i64::MIN),
        to_ms: moment(describe.end_date, i64::MAX),
        newest_first,
        after,
        limit,
    })
}

fn place(text: &str) -> Result<(i64, u64), Fault> {
    let text = read_token('h', text)?;
    text.split_once('.')
        .and_then(|(at, sequence)| Some((at.parse().ok()?, sequence.parse().ok()?)))
        .ok_or_else(Fault::next_token)
}
