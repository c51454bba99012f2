//! Owns how a call and the sum of all calls look: lines for people, objects for programs. Refuses to make calls.

use serde_json::{Value, json};
use wasm::{Effects, Extracted, Invoked, Role, StateOp, Verdict};

use super::recorded::Recorded;

/// What a call answered, whatever its role.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A program: it ended well.
    Done,
    /// A subscription: what it wants again.
    Again(wasm::Outcome),
    /// A filter.
    Verdicts(Vec<Verdict>),
    /// An extractor.
    Values(Vec<Extracted>),
    /// A lambda handler.
    Answer(Vec<u8>),
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) role: Role,
    /// Index of the first event.
    pub(super) first: usize,
    /// What it wrote to its log.
    pub(super) lines: Vec<String>,
    pub(super) invoked: Invoked<Outcome>,
}

impl Shown {
    /// Prints the call.
    pub(super) fn print(&self, as_json: bool, part: &[Recorded]) {
        if as_json {
            println!("{}", self.json());
        } else {
            self.lines_for_people(part).iter().for_each(|line| println!("{line}"));
        }
    }

    fn json(&self) -> Value {
        let report = &self.invoked.report;
        let mut told = json!({
            "role": self.role.name(), "firstEvent": self.first, "log": self.lines,
            "fuel": report.fuel, "memoryPeakBytes": report.memory_peak_bytes, "cpuMicros": report.cpu_us,
            "effects": effects(&self.invoked.effects),
        });
        match &self.invoked.result {
            Err(error) => told["error"] = json!(error.to_string()),
            Ok(outcome) => told["result"] = result(outcome),
        }
        told
    }

    fn lines_for_people(&self, part: &[Recorded]) -> Vec<String> {
        let mut told = Vec::new();
        match &self.invoked.result {
            Err(error) => told.push(format!("FAILED  {error}")),
            Ok(Outcome::Verdicts(verdicts)) => {
                told.extend(verdicts.iter().zip(part).map(|(verdict, event)| match verdict {
                    Verdict::Keep => format!("keep    {}", event.message),
                    Verdict::Drop => format!("drop    {}", event.message),
                    Verdict::Replace(text) => format!("replace {} -> {text}", event.message),
                }));
            }
            Ok(Outcome::Values(values)) => told.extend(values.iter().map(|one| {
                let datum = &one.datum;
                format!("value   {}/{} {} of event {}", datum.namespace, datum.name, datum.value, one.event)
            })),
            Ok(Outcome::Again(outcome)) if !outcome.failed.is_empty() => {
                told.push(format!("again   events {:?}", outcome.failed));
            }
            Ok(Outcome::Answer(bytes)) => told.push(format!("answer  {}", String::from_utf8_lossy(bytes))),
            Ok(Outcome::Done | Outcome::Again(_)) => {}
        }
        told.extend(self.lines.iter().map(|line| format!("log     {line}")));
        let Effects { publishes, metrics, writes, state_writes, .. } = &self.invoked.effects;
        told.extend(publishes.iter().map(|one| {
            let subject = one.notification.subject.as_deref().unwrap_or_default();
            format!("publish {} {subject:?}: {}", one.topic_arn, one.notification.message.trim_end())
        }));
        told.extend(
            metrics.iter().map(|one| format!("metric  {}/{} {}", one.namespace, one.name, one.value)),
        );
        told.extend(writes.iter().flat_map(|one| {
            one.events.iter().map(move |event| format!("write   {} {}", one.log_group, event.message))
        }));
        told.extend(state_writes.iter().map(|one| match &one.op {
            StateOp::Put { value, .. } => format!("state   {} = {}", one.key, String::from_utf8_lossy(value)),
            StateOp::Delete => format!("state   {} is gone", one.key),
        }));
        told
    }
}

fn result(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Done => Value::Null,
        Outcome::Again(outcome) => json!({"failed": outcome.failed}),
        Outcome::Answer(bytes) => {
            serde_json::from_slice(bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(bytes)))
        }
        Outcome::Verdicts(verdicts) => verdicts
            .iter()
            .map(|verdict| match verdict {
                Verdict::Keep => json!("keep"),
                Verdict::Drop => json!("drop"),
                Verdict::Replace(text) => json!({"replace": text}),
            })
            .collect(),
        Outcome::Values(values) => values
            .iter()
            .map(|one| {
                let datum = &one.datum;
                json!({"event": one.event, "namespace": datum.namespace, "name": datum.name, "value": datum.value})
            })
            .collect(),
    }
}

fn effects(effects: &Effects) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let publishes = effects.publishes.iter().map(|one| {
        json!({"topic": one.topic_arn, "subject": one.notification.subject, "message": one.notification.message})
    });
    let metrics = effects.metrics.iter();
    let metrics =
        metrics.map(|one| json!({"namespace": one.namespace, "name": one.name, "value": one.value}));
    let writes = effects.writes.iter().flat_map(|one| {
        one.events.iter().map(
            move |event| json!({"logGroup": one.log_group, "logStream": one.log_stream, "message": event.message}),
        )
    });
    let state = effects.state_writes.iter().map(|one| match &one.op {
        StateOp::Put { value, .. } => json!({"key": one.key, "value": text(value)}),
        StateOp::Delete => json!({"key": one.key, "value": null}),
    });
    json!({
        "publish": publishes.collect::<Value>(), "metrics": metrics.collect::<Value>(),
        "write": writes.collect::<Value>(), "state": state.collect::<Value>(),
    })
}

/// All calls of one role.
#[derive(Debug)]
pub(super) struct Sum {
    role: Role,
    calls: u64,
    failed: u64,
    events: u64,
    fuel: u64,
    memory_peak_bytes: usize,
}

impl Sum {
    pub(super) fn new(role: Role) -> Sum {
        Sum { role, calls: 0, failed: 0, events: 0, fuel: 0, memory_peak_bytes: 0 }
    }

    pub(super) fn add(&mut self, shown: &Shown, events: usize) {
        self.calls += 1;
        self.failed += u64::from(shown.invoked.result.is_err());
        self.events += events as u64;
        self.fuel += shown.invoked.report.fuel;
        self.memory_peak_bytes = self.memory_peak_bytes.max(shown.invoked.report.memory_peak_bytes);
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn print(&self, as_json: bool) {
        let Sum { role, calls, failed, events, fuel, memory_peak_bytes } = self;
        let per_event = fuel / events.max(&1);
        if as_json {
            println!(
                "{}",
                json!({
                    "role": role.name(), "calls": calls, "failed": failed, "events": events, "fuel": fuel,
                    "fuelPerEvent": per_event, "memoryPeakBytes": memory_peak_bytes,
                })
            );
        } else {
            println!(
                "{}: {events} events in {calls} {}, {failed} failed; {per_event} fuel an event, {} KB memory",
                role.name(),
                if *calls == 1 { "call" } else { "calls" },
                memory_peak_bytes / 1024
            );
        }
    }
}
