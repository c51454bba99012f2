//! Owns the account of an evaluation for people: the window, each datapoint, the rule that decided. Refuses to
//! evaluate again: it tells what was found.

use crate::alarm::evaluate::Evaluation;
use crate::alarm::missing::Rule;
use crate::alarm::spec::AlarmSpec;
use crate::alarm::window::Slot;
use crate::number::text;
use crate::time;
use std::fmt::Write;

/// The evaluation in sentences, one fact a line.
pub fn explain(spec: &AlarmSpec, evaluation: &Evaluation) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, spec, evaluation);
    out
}

fn write_all(out: &mut String, spec: &AlarmSpec, evaluation: &Evaluation) -> std::fmt::Result {
    let (m, n) = (spec.m(), spec.n());
    writeln!(
        out,
        "Alarm \"{}\": ALARM when {m} of {n} datapoints are {} {}.",
        spec.name,
        spec.comparison.words(),
        text(spec.threshold)
    )?;
    writeln!(
        out,
        "A datapoint is the {} of {} over {} s{}.",
        spec.statistic,
        metric(spec),
        spec.period_s,
        unit(spec)
    )?;
    writeln!(
        out,
        "Looked at {} periods up to {} (N + {} are fetched, so that late data still count):",
        evaluation.slots.len(),
        time::iso(evaluation.watermark_ms),
        evaluation.slots.len() - n
    )?;
    for (index, slot) in evaluation.slots.iter().enumerate() {
        writeln!(
            out,
            "  {}  {}",
            time::iso(slot.start_ms),
            slot_text(slot, evaluation.decision.counted.contains(&index))
        )?;
    }
    writeln!(out, "{}", rule(spec, evaluation))?;
    match &evaluation.transition {
        Some(change) => {
            writeln!(out, "State: {} -> {}. {}", change.old.value, change.new.value, change.new.reason)?;
            if !change.events.is_empty() {
                writeln!(out, "Behind it: {} log events.", change.events.len())?;
            }
        }
        None => writeln!(out, "State: stays {}. {}", evaluation.state.value, evaluation.state.reason)?,
    }
    if evaluation.state.evaluation_state.is_some() {
        writeln!(out, "Not every event before that time had been read: PARTIAL_DATA.")?;
    }
    Ok(())
}

fn metric(spec: &AlarmSpec) -> String {
    let dimensions: Vec<String> =
        spec.metric.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
    let dimensions =
        if dimensions.is_empty() { String::new() } else { format!(" [{}]", dimensions.join(", ")) };
    format!("{}/{}{dimensions}", spec.metric.namespace, spec.metric.name)
}

fn unit(spec: &AlarmSpec) -> String {
    spec.unit.map_or_else(String::new, |unit| format!(", in {unit} only"))
}

fn slot_text(slot: &Slot, counted: bool) -> String {
    let Some(datapoint) = &slot.datapoint else { return "no data".to_owned() };
    format!(
        "{} ({} samples): {}{}",
        text(datapoint.value),
        text(datapoint.sample_count),
        if datapoint.breaching { "breaching" } else { "fine" },
        if counted { "" } else { ", not needed" }
    )
}

fn rule(spec: &AlarmSpec, evaluation: &Evaluation) -> String {
    let decision = &evaluation.decision;
    let (treatment, real) = (spec.treatment().as_str(), decision.counted.len());
    let breaching = decision
        .counted
        .iter()
        .filter(|index| evaluation.slots[**index].datapoint.as_ref().is_some_and(|d| d.breaching))
        .count();
    let (m, n) = (spec.m(), spec.n());
    let mut told = match decision.rule {
        Rule::NoDatapoints => format!("No datapoint at all: TreatMissingData = {treatment} decides alone."),
        Rule::EnoughDatapoints => format!(
            "The newest {n} datapoints decide, whatever is missing between them: {breaching} breaching, {m} needed."
        ),
        Rule::Filled => format!(
            "{real} of {n} datapoints are there; {} missing ones count as {treatment}: {breaching} real ones are \
             breaching, {m} needed.",
            decision.filled
        ),
        Rule::OnlyBreachingSince => format!(
            "{real} of {n} datapoints are there, all breaching, the oldest at least {m} periods back and nothing \
             fine since: with TreatMissingData = {treatment} that {}.",
            if decision.state.is_some() { "is ALARM" } else { "keeps the state" }
        ),
        Rule::FewDatapoints => format!(
            "{real} of {n} datapoints are there and TreatMissingData = {treatment} adds none: {breaching} breaching, \
             {m} needed."
        ),
    };
    if evaluation.too_few_samples {
        let needed = spec.samples_needed().map(text).unwrap_or_default();
        told.push_str(&format!(
            " Set aside: a datapoint has fewer than {needed} samples and EvaluateLowSampleCountPercentile = ignore."
        ));
    }
    told
}
