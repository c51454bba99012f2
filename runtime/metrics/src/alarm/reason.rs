//! Owns the texts of a state: StateReason for people, StateReasonData for programs, in AWS's wording. Refuses to
//! decide.

use crate::alarm::missing::{Decision, Rule};
use crate::alarm::spec::{AlarmSpec, TreatMissingData};
use crate::alarm::state::StateValue;
use crate::alarm::window::{Datapoint, Slot};
use crate::number::text;
use crate::time;
use serde::Serialize;

/// From this many on, a reason shows the newest five only.
const LISTED_MAX: usize = 5;
/// StateReason's limit.
const REASON_CHARS_MAX: usize = 1023;
/// StateReasonData's limit.
const DATA_CHARS_MAX: usize = 4000;

/// The StateReason for going to `to`.
pub fn reason(spec: &AlarmSpec, slots: &[Slot], decision: &Decision, to: StateValue) -> String {
    let text = if to == StateValue::InsufficientData {
        format!("Insufficient Data: {} unknown.", were(spec.n(), "datapoint"))
    } else {
        format!("Threshold Crossed: {}.", crossed(spec, slots, decision, to))
    };
    text.chars().take(REASON_CHARS_MAX).collect()
}

fn crossed(spec: &AlarmSpec, slots: &[Slot], decision: &Decision, to: StateValue) -> String {
    let filled = filled_text(spec, decision);
    if decision.counted.is_empty() {
        return format!("no datapoints were received for {}{filled}", count(spec.n(), "period"));
    }
    let datapoints = supporting(slots, decision, to);
    if datapoints.is_empty() {
        let received = were(decision.counted.len(), "datapoint");
        let periods = count(spec.n(), "period");
        return if filled.is_empty() {
            format!("{received} received for {periods}, fewer than the {} that ALARM needs", spec.m())
        } else {
            format!("{received} received for {periods}{filled}")
        };
    }
    let not = if to == StateValue::Alarm { "" } else { "not " };
    let relation = format!("{not}{} the threshold ({})", spec.comparison.words(), text(spec.threshold));
    let number = datapoints.len();
    let verb = if number == 1 { "was" } else { "were" };
    let (head, minimum) = match spec.datapoints_to_alarm {
        Some(_) => (format!("{number} out of the last {} datapoints", spec.n()), minimum_text(spec, to)),
        None => (count(number, "datapoint"), String::new()),
    };
    let list: Vec<String> = datapoints
        .iter()
        .take(LISTED_MAX)
        .map(|(start_ms, datapoint)| format!("{} ({})", text(datapoint.value), time::short(*start_ms)))
        .collect();
    let list = list.join(", ");
    if number < LISTED_MAX {
        format!("{head} [{list}] {verb} {relation}{filled}{minimum}")
    } else {
        format!(
            "{head} {verb} {relation}{filled}. The most recent datapoints which crossed the threshold: \
             [{list}]{minimum}"
        )
    }
}

/// The counted datapoints that speak for `to`, newest first.
fn supporting<'a>(slots: &'a [Slot], decision: &Decision, to: StateValue) -> Vec<(i64, &'a Datapoint)> {
    let datapoint = |index: &usize| slots[*index].datapoint.as_ref().map(|d| (slots[*index].start_ms, d));
    let speaks = |d: &(i64, &Datapoint)| d.1.breaching == (to == StateValue::Alarm);
    decision.counted.iter().filter_map(datapoint).filter(speaks).collect()
}

/// How many datapoints a transition to `to` takes.
fn minimum(spec: &AlarmSpec, to: StateValue) -> usize {
    if to == StateValue::Alarm { spec.m() } else { spec.n() - spec.m() + 1 }
}

fn minimum_text(spec: &AlarmSpec, to: StateValue) -> String {
    let transition = if to == StateValue::Alarm { "OK -> ALARM" } else { "ALARM -> OK" };
    format!(" (minimum {} for {transition} transition)", count(minimum(spec, to), "datapoint"))
}

fn filled_text(spec: &AlarmSpec, decision: &Decision) -> String {
    let treated = match spec.treatment() {
        TreatMissingData::Breaching => "Breaching",
        TreatMissingData::NotBreaching => "NonBreaching",
        TreatMissingData::Missing | TreatMissingData::Ignore => return String::new(),
    };
    match decision.filled {
        0 => String::new(),
        filled => format!(" and {} treated as [{treated}]", were(filled, "missing datapoint")),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn were(number: usize, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "was" } else { "were" })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReasonData<'a> {
    version: &'a str,
    query_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    statistic: &'a str,
    period: u32,
    recent_datapoints: &'a [f64],
    threshold: f64,
    evaluated_datapoints: &'a [EvaluatedDatapoint],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EvaluatedDatapoint {
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

/// The StateReasonData for going to `to`: `recentDatapoints` are the counted ones, oldest first;
/// `evaluatedDatapoints` those that were needed for the step, newest first, a missing one with its timestamp
/// alone. Cut to AWS's 4,000 characters from the old end.
pub fn reason_data(
    spec: &AlarmSpec,
    slots: &[Slot],
    decision: &Decision,
    to: StateValue,
    now_ms: i64,
) -> String {
    let values: Vec<f64> = decision
        .counted
        .iter()
        .rev()
        .filter_map(|index| slots[*index].datapoint.as_ref().map(|d| d.value))
        .collect();
    let evaluated = evaluated(spec, slots, decision, to);
    let (mut recent, mut shown) = (&values[..], &evaluated[..]);
    loop {
        let start = decision.counted.get(recent.len().wrapping_sub(1)).map(|oldest| slots[*oldest].start_ms);
        let data = ReasonData {
            version: "1.0",
            query_date: time::iso(now_ms),
            start_date: start.map(time::iso),
            unit: spec.unit.map(crate::Unit::as_str),
            statistic: spec.statistic.as_str(),
            period: spec.period_s,
            recent_datapoints: recent,
            threshold: spec.threshold,
            evaluated_datapoints: shown,
        };
        let text = serde_json::to_string(&data).unwrap_or_default();
        if text.len() <= DATA_CHARS_MAX || (recent.len() <= 1 && shown.len() <= 1) {
            return text;
        }
        shown = &shown[..shown.len() - shown.len() / 4];
        recent = &recent[recent.len() / 4..];
        if shown.len() <= 3 {
            shown = &shown[..shown.len().min(1)];
        }
        if recent.len() <= 3 {
            recent = &recent[recent.len().saturating_sub(1)..];
        }
    }
}

fn evaluated(
    spec: &AlarmSpec,
    slots: &[Slot],
    decision: &Decision,
    to: StateValue,
) -> Vec<EvaluatedDatapoint> {
    let gap = |slot: &Slot| EvaluatedDatapoint {
        timestamp: time::iso(slot.start_ms),
        sample_count: None,
        value: None,
    };
    let gaps = slots.iter().filter(|slot| slot.datapoint.is_none()).take(decision.filled);
    if decision.rule == Rule::NoDatapoints {
        return gaps.map(gap).collect();
    }
    let real = supporting(slots, decision, to).into_iter().map(|(start_ms, d)| {
        let shown = EvaluatedDatapoint {
            timestamp: time::iso(start_ms),
            sample_count: Some(d.sample_count),
            value: Some(d.value),
        };
        (start_ms, shown)
    });
    let gaps_speak = match spec.treatment() {
        TreatMissingData::Breaching => to == StateValue::Alarm,
        TreatMissingData::NotBreaching => to == StateValue::Ok,
        TreatMissingData::Missing | TreatMissingData::Ignore => false,
    };
    let mut all: Vec<(i64, EvaluatedDatapoint)> = real.collect();
    if gaps_speak {
        all.extend(gaps.map(|slot| (slot.start_ms, gap(slot))));
    }
    all.sort_by_key(|(start_ms, _)| std::cmp::Reverse(*start_ms));
    all.into_iter().take(minimum(spec, to)).map(|(_, shown)| shown).collect()
}
