//! Owns the books of one comparison: calls, events, failures, CPU time, and the first examples of what differed.
//! In memory: they begin anew with the process, and say when. Refuses to compare.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::seen::{Differing, Seen, cut};
use crate::functions::lock;

/// Examples that are kept, the first ones; of one call at most so many.
const EXAMPLES_MAX: usize = 10;
const EXAMPLES_PER_CALL: usize = 3;

/// What is said of the call that is compared.
pub(super) struct About<'a> {
    /// The version that served.
    pub(super) version: &'a str,
    /// See [`crate::functions::Cause`].
    pub(super) delivery_id: &'a str,
    /// The log group of the events.
    pub(super) group: &'a str,
    /// Their stream, if it is one.
    pub(super) stream: &'a str,
    /// How many they are.
    pub(super) count: usize,
    /// Time and text of one of them, where the call was given single events.
    pub(super) event: &'a dyn Fn(usize) -> Option<(i64, String)>,
    /// When it was compared, epoch milliseconds.
    pub(super) now_ms: i64,
}

#[derive(Debug, Default)]
struct Counts {
    same: u64,
    different: u64,
    incomparable: u64,
    skipped: u64,
    served_itself: u64,
    effects_different: u64,
    events: u64,
    events_different: u64,
    served_failed: u64,
    shadow_failed: u64,
    served_cpu_us: u64,
    shadow_cpu_us: u64,
    /// Calls by the version that served.
    versions: BTreeMap<String, u64>,
    incomparable_reason: Option<String>,
    examples: Vec<Value>,
}

/// Counts what is compared.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

impl Tally {
    /// A call was left out: the shadow could not keep up.
    pub(super) fn skipped(&self) {
        lock(&self.0).skipped += 1;
    }

    /// A call was served by the version that is the shadow.
    pub(super) fn served_itself(&self) {
        lock(&self.0).served_itself += 1;
    }

    /// The shadow was run, and what it did means nothing.
    pub(super) fn incomparable(&self, reason: &str) {
        let mut counts = lock(&self.0);
        counts.incomparable += 1;
        counts.incomparable_reason.get_or_insert_with(|| cut(reason));
    }

    /// Both have run. `cpu_us` is that of the served call and that of the shadow.
    pub(super) fn compared(&self, about: &About<'_>, served: &Seen, shadow: &Seen, cpu_us: [u64; 2]) {
        let differing = served.against(shadow);
        let mut counts = lock(&self.0);
        *counts.versions.entry(about.version.to_owned()).or_default() += 1;
        counts.events += about.count as u64;
        counts.served_failed += u64::from(served.failure.is_some());
        counts.shadow_failed += u64::from(shadow.failure.is_some());
        counts.served_cpu_us += cpu_us[0];
        counts.shadow_cpu_us += cpu_us[1];
        if differing.is_nothing() {
            counts.same += 1;
            return;
        }
        counts.different += 1;
        counts.effects_different += u64::from(differing.effects);
        // A failure or another answer is one of all the events.
        let whole = differing.outcome || differing.answer;
        counts.events_different += if whole { about.count } else { differing.events.len() } as u64;
        let room = EXAMPLES_MAX.saturating_sub(counts.examples.len()).min(EXAMPLES_PER_CALL);
        counts.examples.extend(examples(about, &differing, served, shadow).take(room));
    }

    /// All of it as JSON.
    pub(super) fn shown(&self) -> Value {
        let counts = lock(&self.0);
        json!({
            "calls": {
                "compared": counts.same + counts.different, "same": counts.same, "different": counts.different,
                "effectsDifferent": counts.effects_different, "incomparable": counts.incomparable,
                "incomparableReason": counts.incomparable_reason, "skipped": counts.skipped,
                "servedByShadow": counts.served_itself,
            },
            "events": { "compared": counts.events, "different": counts.events_different },
            "failures": { "served": counts.served_failed, "shadow": counts.shadow_failed },
            "cpuUs": { "served": counts.served_cpu_us, "shadow": counts.shadow_cpu_us },
            "servedVersions": counts.versions,
            "examples": counts.examples,
        })
    }
}

/// One example per event that differs, else one of the call.
fn examples<'a>(
    about: &'a About<'a>,
    differing: &'a Differing,
    served: &'a Seen,
    shadow: &'a Seen,
) -> impl Iterator<Item = Value> + 'a {
    let calls = if differing.events.is_empty() { Some(None) } else { None };
    let events = differing.events.iter().copied().map(Some);
    calls.into_iter().chain(events).map(move |index| {
        // The only event of a call is what it is about.
        let known = index.or((about.count == 1).then_some(0)).and_then(|index| (about.event)(index));
        json!({
            "atMs": about.now_ms,
            "logGroup": about.group,
            "logStream": about.stream,
            "deliveryId": about.delivery_id,
            "events": if index.is_some() { 1 } else { about.count },
            "event": known.map(|(timestamp, text)| json!({ "timestamp": timestamp, "message": cut(&text) })),
            "servedVersion": about.version,
            "served": served.shown(shadow, index),
            "shadow": shadow.shown(served, index),
        })
    })
}

#[cfg(test)]
mod tests {
    use wasm::{Effects, InvokeError, Verdict};

    use super::*;
    use crate::functions::Answer;

    fn about<'a>(count: usize, event: &'a dyn Fn(usize) -> Option<(i64, String)>) -> About<'a> {
        About { version: "1", delivery_id: "d", group: "/g", stream: "s", count, event, now_ms: 7 }
    }

    fn verdicts(dropped: &[usize], count: usize) -> Seen {
        let one = |index| if dropped.contains(&index) { Verdict::Drop } else { Verdict::Keep };
        Seen::of(count, &Ok(Answer::Verdicts((0..count).map(one).collect())), &Effects::default())
    }

    #[test]
    fn events_that_differ_are_counted_and_a_few_are_shown() {
        let tally = Tally::default();
        let event = |index| Some((index as i64, format!("line {index}")));
        let about = about(100, &event);
        tally.compared(&about, &verdicts(&[], 100), &verdicts(&[], 100), [10, 20]);
        tally.compared(&about, &verdicts(&[1, 2, 3, 4, 5], 100), &verdicts(&[5], 100), [10, 20]);
        for _ in 0..20 {
            tally.compared(&about, &verdicts(&[9], 100), &verdicts(&[], 100), [0, 0]);
        }
        tally.skipped();
        let shown = tally.shown();
        assert_eq!(shown["calls"]["compared"], 22);
        assert_eq!((&shown["calls"]["same"], &shown["calls"]["skipped"]), (&json!(1), &json!(1)));
        assert_eq!(shown["events"], json!({ "compared": 2_200, "different": 24 }));
        assert_eq!(shown["cpuUs"], json!({ "served": 20, "shadow": 40 }));
        let examples = shown["examples"].as_array().unwrap();
        assert_eq!(examples.len(), EXAMPLES_MAX);
        assert_eq!(examples[0]["event"], json!({ "timestamp": 1, "message": "line 1" }));
        assert_eq!((&examples[0]["served"], &examples[0]["shadow"]), (&json!("drop"), &json!("keep")));
        assert_eq!(examples[3]["event"]["message"], "line 9", "no more than three are of one call");
    }

    #[test]
    fn a_failure_is_one_of_all_events() {
        let tally = Tally::default();
        let failed = Seen::of(5, &Err(InvokeError::Refused("no".to_owned())), &Effects::default());
        tally.compared(&about(5, &|_| None), &verdicts(&[], 5), &failed, [1, 1]);
        tally.incomparable("it asked for HTTP");
        let shown = tally.shown();
        assert_eq!(shown["events"]["different"], 5);
        assert_eq!(shown["failures"], json!({ "served": 0, "shadow": 1 }));
        assert_eq!(shown["calls"]["incomparableReason"], "it asked for HTTP");
        let example = &shown["examples"][0];
        assert_eq!((&example["events"], &example["event"]), (&json!(5), &Value::Null));
        assert_eq!((&example["served"], &example["shadow"]), (&json!("succeeded"), &json!("failed: no")));
    }
}
