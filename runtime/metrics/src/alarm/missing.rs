//! Owns the rule that turns datapoints and gaps into a state. Refuses to know values, time and reasons: it sees
//! only breaching, fine or missing.

use crate::alarm::spec::TreatMissingData;
use crate::alarm::state::StateValue;

/// What a slot of the evaluation range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A datapoint beyond the threshold.
    Breaching,
    /// A datapoint within it.
    Fine,
    /// No datapoint.
    Missing,
}

/// Which rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The range holds no datapoint at all: the treatment of missing data decides.
    NoDatapoints,
    /// At least N datapoints: the newest N decide, gaps do not matter.
    EnoughDatapoints,
    /// Fewer than N: the gaps are filled by the treatment.
    Filled,
    /// Fewer than N, all of them breaching, the oldest at least M periods back: no data since then is no reason
    /// to leave ALARM.
    OnlyBreachingSince,
    /// Fewer than N, and gaps are not filled.
    FewDatapoints,
}

/// The outcome: a state, or none to keep the one that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The state to be in; `None` keeps it.
    pub state: Option<StateValue>,
    /// The rule that decided.
    pub rule: Rule,
    /// The slots (indices, newest first) whose datapoints were counted.
    pub counted: Vec<usize>,
    /// How many missing datapoints were treated as something.
    pub filled: usize,
}

/// Decides over the evaluation range, newest first, for `m` out of `n`.
pub fn decide(range: &[Verdict], m: usize, n: usize, treatment: TreatMissingData) -> Decision {
    let real: Vec<usize> = (0..range.len()).filter(|i| range[*i] != Verdict::Missing).collect();
    let breaching = |slots: &[usize]| slots.iter().filter(|i| range[**i] == Verdict::Breaching).count();
    let alarm_if = |alarm: bool| Some(if alarm { StateValue::Alarm } else { StateValue::Ok });
    if real.is_empty() {
        let state = match treatment {
            TreatMissingData::Missing => Some(StateValue::InsufficientData),
            TreatMissingData::Ignore => None,
            TreatMissingData::Breaching => Some(StateValue::Alarm),
            TreatMissingData::NotBreaching => Some(StateValue::Ok),
        };
        return Decision { state, rule: Rule::NoDatapoints, counted: real, filled: n };
    }
    if real.len() >= n {
        let counted = real[..n].to_vec();
        let state = alarm_if(breaching(&counted) >= m);
        return Decision { state, rule: Rule::EnoughDatapoints, counted, filled: 0 };
    }
    let (beyond, gaps) = (breaching(&real), n - real.len());
    // The oldest datapoint is the last: `real` runs from new to old.
    let only_breaching_since = beyond == real.len() && real.last().is_some_and(|oldest| oldest + 1 >= m);
    let (state, rule, filled) = match treatment {
        TreatMissingData::Breaching => (alarm_if(beyond + gaps >= m), Rule::Filled, gaps),
        TreatMissingData::NotBreaching => (alarm_if(beyond >= m), Rule::Filled, gaps),
        _ if beyond >= m => (Some(StateValue::Alarm), Rule::FewDatapoints, 0),
        TreatMissingData::Missing if only_breaching_since => {
            (Some(StateValue::Alarm), Rule::OnlyBreachingSince, 0)
        }
        TreatMissingData::Ignore if only_breaching_since => (None, Rule::OnlyBreachingSince, 0),
        TreatMissingData::Missing | TreatMissingData::Ignore => {
            (Some(StateValue::Ok), Rule::FewDatapoints, 0)
        }
    };
    Decision { state, rule, counted: real, filled }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdicts(points_oldest_first: &str) -> Vec<Verdict> {
        let verdict = |c| match c {
            'X' => Verdict::Breaching,
            '0' => Verdict::Fine,
            _ => Verdict::Missing,
        };
        points_oldest_first.chars().rev().map(verdict).collect()
    }

    /// The table AWS publishes for evaluation ranges of five, one row a line, and more of our own.
    #[test]
    fn published_table() {
        let table = include_str!("../../cases/missing_data.jsonl");
        let mut cells = 0;
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (m, n) = (row["m"].as_u64().unwrap() as usize, row["n"].as_u64().unwrap() as usize);
            let range = verdicts(row["points"].as_str().unwrap());
            for treatment in TREATMENTS {
                let name = treatment.as_str();
                let Some(expected) = row.get(name) else { continue };
                let got = decide(&range, m, n, treatment).state.map_or("keep", StateValue::as_str);
                assert_eq!(expected, got, "{line} {name}");
                cells += 1;
            }
        }
        assert!(cells >= 50);
    }

    const TREATMENTS: [TreatMissingData; 4] = [
        TreatMissingData::Missing,
        TreatMissingData::Ignore,
        TreatMissingData::Breaching,
        TreatMissingData::NotBreaching,
    ];

    fn treatment() -> impl Strategy<Value = TreatMissingData> {
        proptest::sample::select(&TREATMENTS[..])
    }

    fn severity(state: Option<StateValue>) -> i32 {
        i32::from(state == Some(StateValue::Alarm))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(256)))]
        #[test]
        fn gaps_do_not_matter_when_there_is_enough(points in "[X0-]{3,9}", n in 1..4usize, m in 1..4usize, t in treatment()) {
            let m = m.min(n);
            let range = verdicts(&points);
            let decision = decide(&range, m, n, t);
            let real = range.iter().filter(|v| **v != Verdict::Missing).count();
            if real >= n {
                prop_assert_eq!(&decision, &decide(&range, m, n, TreatMissingData::Missing));
                prop_assert_eq!(decision.filled, 0);
            }
            prop_assert!(decision.counted.len() + decision.filled <= n);
            prop_assert!(decision.state != Some(StateValue::InsufficientData) || real == 0);
        }

        #[test]
        fn breaching_is_never_milder_than_not_breaching(points in "[X0-]{3,9}", n in 1..6usize, m in 1..6usize) {
            let m = m.min(n);
            let range = verdicts(&points);
            let strict = decide(&range, m, n, TreatMissingData::Breaching);
            let mild = decide(&range, m, n, TreatMissingData::NotBreaching);
            prop_assert!(severity(strict.state) >= severity(mild.state));
        }

        #[test]
        fn a_worse_datapoint_never_ends_an_alarm(points in "[X0]{3,9}", at in 0..9usize, n in 1..4usize, m in 1..4usize, t in treatment()) {
            let (m, at) = (m.min(n), at % points.len());
            let range = verdicts(&points);
            let mut worse = range.clone();
            worse[at] = Verdict::Breaching;
            prop_assert!(severity(decide(&worse, m, n, t).state) >= severity(decide(&range, m, n, t).state));
        }
    }
}
