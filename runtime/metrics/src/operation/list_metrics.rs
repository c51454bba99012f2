//! Owns ListMetrics: filters and pages over the series of a scope. Refuses linked accounts by name.

use super::{Failure, Outcome, read_token, token};
use crate::Scope;
use crate::fault::Fault;
use crate::name::DimensionFilter;
use crate::records::{Reads, SeriesRecord};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many metrics a page holds.
const PAGE: usize = 500;
/// How many series are looked at for one page at most; then a token is given with fewer.
const LOOK_MAX: usize = 50_000;
const TWO_WEEKS_MS: i64 = 14 * 86_400_000;
const THREE_HOURS_MS: i64 = 3 * 3_600_000;

/// The request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "the members are documented by the operation of the same name")]
pub struct ListMetrics {
    pub namespace: Option<String>,
    pub metric_name: Option<String>,
    pub dimensions: Vec<DimensionFilter>,
    pub next_token: Option<String>,
    pub recently_active: Option<String>,
    pub include_linked_accounts: Option<bool>,
    pub owning_account: Option<String>,
}

/// Answers `{Metrics, NextToken?}`: metrics with data in the last two weeks (three hours if asked), by key.
pub fn list_metrics<R: Reads>(
    records: &mut R,
    scope: &Scope,
    list: &ListMetrics,
    now_ms: i64,
) -> Outcome<Value, R::Error> {
    let kept_ms = check(scope, list)?;
    let mut after = list.next_token.as_deref().map(|text| read_token('m', text)).transpose()?;
    let prefix = list.namespace.as_deref().map_or_else(String::new, |namespace| {
        crate::name::key_prefix(namespace, list.metric_name.as_deref())
    });
    let (mut metrics, mut looked) = (Vec::new(), 0);
    let keeps = |series: &SeriesRecord| {
        series.last_data_ms >= now_ms - kept_ms
            && list.metric_name.as_ref().is_none_or(|name| *name == series.metric.name)
            && series.metric.has_dimensions(&list.dimensions)
    };
    loop {
        let page = records.series_list(scope, &prefix, after.as_deref(), PAGE).map_err(Failure::Records)?;
        looked += page.len();
        let is_last = page.len() < PAGE;
        for series in page {
            if metrics.len() == PAGE {
                return Ok(answer(&metrics, after.as_deref()));
            }
            after = Some(series.metric.key());
            if keeps(&series) {
                metrics.push(json!({
                    "Namespace": series.metric.namespace,
                    "MetricName": series.metric.name,
                    "Dimensions": series.metric.dimensions,
                }));
            }
        }
        if is_last {
            return Ok(answer(&metrics, None));
        }
        if looked >= LOOK_MAX {
            return Ok(answer(&metrics, after.as_deref()));
        }
    }
}

fn check(scope: &Scope, list: &ListMetrics) -> Result<i64, Fault> {
    if list.include_linked_accounts == Some(true) {
        return Err(Fault::unsupported("IncludeLinkedAccounts in ListMetrics"));
    }
    if list.owning_account.as_ref().is_some_and(|owner| *owner != scope.account) {
        return Err(Fault::unsupported("OwningAccount in ListMetrics"));
    }
    match list.recently_active.as_deref() {
        None => Ok(TWO_WEEKS_MS),
        // The mark of a series lags by up to five minutes, well within AWS's own fifty.
        Some("PT3H") => Ok(THREE_HOURS_MS + crate::records::LAST_DATA_STEP_MS),
        Some(other) => Err(Fault::value(format!(
            "The value {other} for parameter RecentlyActive is invalid. Only PT3H is valid."
        ))),
    }
}

fn answer(metrics: &[Value], after: Option<&str>) -> Value {
    let mut answer = json!({ "Metrics": metrics });
    if let Some(after) = after {
        answer["NextToken"] = json!(token('m', after));
    }
    answer
}
