//! Owns the statistics: their spelling and their computation over the values of one period. Refuses to know
//! where periods come from.
//!
//! Percentiles are by nearest rank: the smallest value that at least the given share of the samples does not
//! exceed. Trimming is by mass: a sample on the border counts with the part of it that lies inside, so counts
//! may be fractions.

use crate::distribution::Distribution;
use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Part of the values: by share of samples, or by value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// From the low to the high percentage, 0..100.
    Percent(f64, f64),
    /// From `x` (exclusive) to `y` (inclusive).
    Value(f64, f64),
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// How many samples.
    SampleCount,
    /// Their sum.
    Sum,
    /// Sum / SampleCount.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// `pNN`: percentile, 0..100.
    Percentile(f64),
    /// `tmNN`, `TM(..)`, `IQM`: mean of the values inside.
    TrimmedMean(Range),
    /// `wmNN`, `WM(..)`: mean where the values outside count as the edge value.
    WinsorizedMean(Range),
    /// `tcNN`, `TC(..)`: how many samples are inside.
    TrimmedCount(Range),
    /// `tsNN`, `TS(..)`: the sum of those inside.
    TrimmedSum(Range),
    /// `PR(..)`: the share of samples inside, in percent.
    PercentileRank(Range),
}

/// A statistic: what is computed, and the spelling it was asked with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Statistic {
    text: String,
    kind: Kind,
}

const BASIC: [(&str, Kind); 5] = [
    ("SampleCount", Kind::SampleCount),
    ("Sum", Kind::Sum),
    ("Average", Kind::Average),
    ("Minimum", Kind::Minimum),
    ("Maximum", Kind::Maximum),
];

impl Statistic {
    /// Reads any statistic, basic or extended; `None` if it is none.
    pub fn parse(text: &str) -> Option<Statistic> {
        let basic = BASIC.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        let kind = basic.or_else(|| extended(text))?;
        Some(Statistic { text: text.to_owned(), kind })
    }

    /// Reads any statistic; `parameter` is the member to name in the error.
    pub fn read(text: &str, parameter: &str) -> Result<Statistic, Fault> {
        Statistic::parse(text).ok_or_else(|| {
            Fault::value(format!("The value {text} for parameter {parameter} is not supported."))
        })
    }

    /// The spelling it was asked with.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is computed.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// One of the five that every point can answer.
    pub fn is_basic(&self) -> bool {
        BASIC.iter().any(|(name, _)| *name == self.text)
    }

    /// Does it need the values themselves, so that statistic sets do not answer it?
    pub fn needs_values(&self) -> bool {
        !self.is_basic()
    }

    /// The percentile, if it is one.
    pub fn percentile(&self) -> Option<f64> {
        if let Kind::Percentile(percent) = self.kind { Some(percent) } else { None }
    }

    /// May PutMetricAlarm take it as ExtendedStatistic? p, tm, tc, ts, wm, IQM, PR(..), and TM, TC, TS, WM by
    /// percentages within 10..90.
    pub fn is_alarm_extended(&self) -> bool {
        let (Kind::TrimmedMean(range)
        | Kind::WinsorizedMean(range)
        | Kind::TrimmedCount(range)
        | Kind::TrimmedSum(range)) = self.kind
        else {
            return !self.is_basic();
        };
        if !self.text.contains('(') {
            return true;
        }
        let inside = |percent: f64| (10.0..=90.0).contains(&percent);
        matches!(range, Range::Percent(low, high) if inside(low) && inside(high))
    }

    /// The statistic of these values. `None` when it needs values that are not known, or nothing is left of
    /// them after trimming.
    pub fn compute(&self, values: &Distribution) -> Option<f64> {
        match self.kind {
            Kind::SampleCount => Some(values.count),
            Kind::Sum => Some(values.sum),
            Kind::Average => Some(values.sum / values.count),
            Kind::Minimum => Some(values.min),
            Kind::Maximum => Some(values.max),
            kind => extended_value(kind, &values.weighted()?),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Statistic {
    type Error = Fault;
    fn try_from(text: String) -> Result<Statistic, Fault> {
        Statistic::read(&text, "Statistic")
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> String {
        statistic.text
    }
}

fn extended(text: &str) -> Option<Kind> {
    if text == "IQM" {
        return Some(Kind::TrimmedMean(Range::Percent(25.0, 75.0)));
    }
    if let Some((name, rest)) = text.split_once('(') {
        let range = range(rest.strip_suffix(')')?)?;
        return match (name, range) {
            ("TM", _) => Some(Kind::TrimmedMean(range)),
            ("WM", _) => Some(Kind::WinsorizedMean(range)),
            ("TC", _) => Some(Kind::TrimmedCount(range)),
            ("TS", _) => Some(Kind::TrimmedSum(range)),
            ("PR", Range::Value(..)) => Some(Kind::PercentileRank(range)),
            _ => None,
        };
    }
    let up_to = |digits: &str| percent(digits).map(|high| Range::Percent(0.0, high));
    if let Some(digits) = text.strip_prefix("tm") {
        return up_to(digits).map(Kind::TrimmedMean);
    }
    if let Some(digits) = text.strip_prefix("wm") {
        return up_to(digits).map(Kind::WinsorizedMean);
    }
    if let Some(digits) = text.strip_prefix("tc") {
        return up_to(digits).map(Kind::TrimmedCount);
    }
    if let Some(digits) = text.strip_prefix("ts") {
        return up_to(digits).map(Kind::TrimmedSum);
    }
    text.strip_prefix('p').and_then(percent).map(Kind::Percentile)
}

/// `a%:b%`, `x:y`; either side may be empty, not both.
fn range(text: &str) -> Option<Range> {
    let (low, high) = text.split_once(':')?;
    let is_percent = low.ends_with('%') || high.ends_with('%');
    let side = |text: &str, empty: f64| match (text, is_percent) {
        ("", _) => Some(empty),
        (text, true) => percent(text.strip_suffix('%')?),
        (text, false) => bound(text),
    };
    if low.is_empty() && high.is_empty() {
        return None;
    }
    let (low, high) = if is_percent {
        (side(low, 0.0)?, side(high, 100.0)?)
    } else {
        (side(low, f64::NEG_INFINITY)?, side(high, f64::INFINITY)?)
    };
    if low >= high {
        return None;
    }
    Some(if is_percent { Range::Percent(low, high) } else { Range::Value(low, high) })
}

fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if digits(whole) && digits(fraction) && fraction.len() <= 10 { text.parse().ok() } else { None }
}

fn percent(text: &str) -> Option<f64> {
    decimal(text).filter(|value| *value <= 100.0)
}

fn bound(text: &str) -> Option<f64> {
    match text.strip_prefix('-') {
        Some(rest) => decimal(rest).map(|value| -value),
        None => decimal(text),
    }
}

fn extended_value(kind: Kind, values: &[(f64, f64)]) -> Option<f64> {
    let total: f64 = values.iter().map(|(_, count)| count).sum();
    match kind {
        Kind::Percentile(percent) => Some(at_share(values, total * percent / 100.0)),
        Kind::TrimmedMean(range) => {
            let (count, sum) = inside(values, total, range);
            (count > 0.0).then(|| sum / count)
        }
        Kind::TrimmedCount(range) => Some(inside(values, total, range).0),
        Kind::TrimmedSum(range) => {
            let (count, sum) = inside(values, total, range);
            (count > 0.0).then_some(sum)
        }
        Kind::PercentileRank(range) => Some(inside(values, total, range).0 / total * 100.0),
        Kind::WinsorizedMean(range) => Some(winsorized(values, total, range)),
        // The basic ones never come here: they need no values.
        Kind::SampleCount | Kind::Sum | Kind::Average | Kind::Minimum | Kind::Maximum => None,
    }
}

/// The smallest value up to which at least `mass` of the samples lie. `values` is sorted and not empty.
fn at_share(values: &[(f64, f64)], mass: f64) -> f64 {
    // Cumulated fractions of a share may miss it by a rounding: half a billionth of a sample is none.
    let tolerance = mass.abs() * 1e-12;
    let mut seen = 0.0;
    for &(value, count) in values {
        seen += count;
        if seen >= mass - tolerance {
            return value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

/// Count and sum of the samples inside the range.
fn inside(values: &[(f64, f64)], total: f64, range: Range) -> (f64, f64) {
    let (mut count, mut sum, mut seen) = (0.0, 0.0, 0.0);
    for &(value, samples) in values {
        let part = match range {
            Range::Value(low, high) => {
                if value > low && value <= high {
                    samples
                } else {
                    0.0
                }
            }
            Range::Percent(low, high) => {
                let (from, to) = (total * low / 100.0, total * high / 100.0);
                ((seen + samples).min(to) - seen.max(from)).max(0.0)
            }
        };
        seen += samples;
        count += part;
        sum += part * value;
    }
    (count, sum)
}

fn winsorized(values: &[(f64, f64)], total: f64, range: Range) -> f64 {
    let (low, high) = match range {
        Range::Value(low, high) => (low, high),
        Range::Percent(low, high) => {
            (first_above(values, total * low / 100.0), at_share(values, total * high / 100.0))
        }
    };
    let sum: f64 = values.iter().map(|(value, count)| value.max(low).min(high) * count).sum();
    sum / total
}

/// The value of the first sample beyond the lowest `mass`.
fn first_above(values: &[(f64, f64)], mass: f64) -> f64 {
    let mut seen = 0.0;
    for &(value, count) in values {
        seen += count;
        if seen > mass * (1.0 + 1e-12) {
            return value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let table = include_str!("../cases/statistic.jsonl");
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let values: Vec<(f64, f64)> = serde_json::from_value(case["values"].clone()).unwrap();
            let values = Distribution::values(&values).unwrap();
            for (text, expected) in case["expect"].as_object().unwrap() {
                let statistic = Statistic::parse(text).unwrap_or_else(|| panic!("{text} does not parse"));
                match (statistic.compute(&values), expected.as_f64()) {
                    (Some(got), Some(want)) => {
                        assert!((got - want).abs() < 1e-9, "{text}: {got}, not {want}");
                    }
                    (got, want) => assert_eq!(got, want, "{text}"),
                }
            }
        }
    }

    #[test]
    fn refuses_other_spellings() {
        for text in [
            "",
            "p",
            "P90",
            "p101",
            "p9.12345678901",
            "p-1",
            "p90.",
            "TM90",
            "tm",
            "tm(10%:90%)",
            "TM(:)",
            "TM(90%:10%)",
            "TM(10%:90)",
            "TM(5)",
            "PR(10%:20%)",
            "PR(:)",
            "IQM5",
            "iqm",
            "average",
            "SUM",
            "TM(10%:90%",
            "p1e1",
            "p+5",
            "WM(10%:10%)",
        ] {
            assert_eq!(Statistic::parse(text), None, "{text}");
        }
    }

    #[test]
    fn alarms_take_a_subset() {
        for (text, taken) in [
            ("p99.9", true),
            ("tm99", true),
            ("IQM", true),
            ("PR(1:5)", true),
            ("TM(10%:90%)", true),
            ("TC(5%:90%)", false),
            ("TS(1:5)", false),
            ("WM(10%:)", false),
            ("Average", false),
        ] {
            assert_eq!(Statistic::parse(text).unwrap().is_alarm_extended(), taken, "{text}");
        }
    }

    #[test]
    fn statistic_sets_answer_the_basic_five_only() {
        let opaque = Distribution::statistic_set(4.0, 12.0, 1.0, 6.0);
        let answers = |text| Statistic::parse(text).unwrap().compute(&opaque);
        assert_eq!(answers("Average"), Some(3.0));
        assert_eq!((answers("p50"), answers("tc50"), answers("PR(1:2)")), (None, None, None));
    }

    /// The plain meaning, over an expanded list.
    fn naive(percent: u32, values: &[u32]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (percent as usize * sorted.len()).div_ceil(100).max(1);
        f64::from(sorted[rank - 1])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn percentiles_agree_with_the_plain_meaning(values in proptest::collection::vec(1..140u32, 1..400),
                                                    percent in 0..=100u32) {
            let pairs: Vec<_> = values.iter().map(|v| (f64::from(*v), 1.0)).collect();
            let got = Statistic::parse(&format!("p{percent}")).unwrap()
                .compute(&Distribution::values(&pairs).unwrap()).unwrap();
            prop_assert_eq!(got, naive(percent, &values));
        }

        #[test]
        fn sketched_percentiles_are_within_their_error(values in proptest::collection::vec(1..1_000_000u32, 200..900),
                                                       percent in 0..=100u32) {
            let pairs: Vec<_> = values.iter().map(|v| (f64::from(*v), 1.0)).collect();
            let all = Distribution::values(&pairs).unwrap();
            let got = Statistic::parse(&format!("p{percent}")).unwrap().compute(&all).unwrap();
            let want = naive(percent, &values);
            prop_assert!((got - want).abs() <= want * (all.relative_error() + 1e-9), "{} {}", got, want);
        }

        #[test]
        fn trimmed_parts_fit_together(values in proptest::collection::vec((-50..50i32, 1..4i32), 1..60),
                                      low in 0..50u32, high in 50..=100u32) {
            let pairs: Vec<_> = values.iter().map(|(v, c)| (f64::from(*v), f64::from(*c))).collect();
            let all = Distribution::values(&pairs).unwrap();
            let of = |name: &str| Statistic::parse(&format!("{name}({low}%:{high}%)")).unwrap().compute(&all).unwrap();
            let share = f64::from(high - low) / 100.0;
            prop_assert!((of("TC") - all.count * share).abs() < 1e-6);
            prop_assert!((of("TM") * of("TC") - of("TS")).abs() < 1e-6);
            prop_assert!((all.min..=all.max).contains(&of("WM")));
        }

        #[test]
        fn never_panics_on_text(text in "[pPtTmMcCsSwWrRIQ(:%)0-9.-]{0,14}") {
            if let Some(statistic) = Statistic::parse(&text) {
                let back: Statistic = serde_json::from_value(serde_json::to_value(&statistic).unwrap()).unwrap();
                prop_assert_eq!(back, statistic);
            }
        }
    }
}
