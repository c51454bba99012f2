//! Owns what a call did in a form that two versions can be held against each other by: what it said about each
//! event, its answer, its effects. Refuses to know which version is which.
//!
//! Times of effects are left out: the versions run one after the other, and a time would always differ.

use std::borrow::Cow;

use wasm::{
    Effects, Extracted, InvokeError, MetricDatum, Notification, Publish, SinkWrite, StateOp, Verdict,
};

use crate::functions::Answer;

/// Bytes of a text in an example.
const SHOWN_BYTES_MAX: usize = 512;

/// What a call did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Why it gave no answer: Lambda's `errorType`, and a sentence.
    pub(super) failure: Option<(&'static str, String)>,
    /// What it said about each event; empty where it says nothing about single events.
    events: Vec<Cow<'static, str>>,
    /// Its answer as a whole, where it gives one.
    answer: Option<String>,
    /// What it wants to change, one line each.
    effects: Vec<String>,
}

/// Where two calls of the same events differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Differing {
    /// Indexes of events about which they say something else.
    pub(super) events: Vec<usize>,
    /// One failed, or they failed in different ways.
    pub(super) outcome: bool,
    /// Their answers.
    pub(super) answer: bool,
    /// Their effects.
    pub(super) effects: bool,
}

impl Differing {
    /// Whether they do not differ at all.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Differing::default()
    }
}

impl Seen {
    /// What a call that was given `count` events did.
    pub(super) fn of(count: usize, result: &Result<Answer, InvokeError>, effects: &Effects) -> Seen {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                let failure = Some((error.error_type(), error.to_string()));
                return Seen { failure, ..Seen::default() };
            }
        };
        let mut seen = Seen { effects: effect_lines(effects), ..Seen::default() };
        match answer {
            Answer::Verdicts(verdicts) => seen.events = verdicts.iter().map(verdict).collect(),
            Answer::Kept(kept) => {
                let told = |kept: &bool| verdict(if *kept { &Verdict::Keep } else { &Verdict::Drop });
                seen.events = kept.iter().map(told).collect();
            }
            Answer::Outcome(outcome) => {
                seen.events = vec![Cow::Borrowed("handled"); count];
                for index in &outcome.failed {
                    if let Some(event) = seen.events.get_mut(*index as usize) {
                        *event = Cow::Borrowed("asked for again");
                    }
                }
            }
            Answer::Extracted(found) => seen.events = extracted(count, found),
            Answer::Bytes(bytes) => seen.answer = Some(String::from_utf8_lossy(bytes).into_owned()),
            Answer::Done | Answer::Values(_) => {}
        }
        seen
    }

    /// Bytes it takes up in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let events: usize = self.events.iter().map(|event| event.len() + size_of::<Cow<'_, str>>()).sum();
        let effects: usize = self.effects.iter().map(|line| line.len() + size_of::<String>()).sum();
        events + effects + self.answer.as_ref().map_or(0, String::len)
    }

    /// Where another call of the same events differs.
    pub(super) fn against(&self, other: &Seen) -> Differing {
        match (&self.failure, &other.failure) {
            // Texts of traps name addresses, so the kind of the failure decides.
            (Some((one, _)), Some((two, _))) => {
                return Differing { outcome: one != two, ..Differing::default() };
            }
            (None, None) => {}
            _ => return Differing { outcome: true, ..Differing::default() },
        }
        let longest = self.events.len().max(other.events.len());
        Differing {
            events: (0..longest)
                .filter(|index| self.events.get(*index) != other.events.get(*index))
                .collect(),
            outcome: false,
            answer: self.answer != other.answer,
            effects: self.effects != other.effects,
        }
    }

    /// For people, what it did where it differs: about one event, or about the call when that is `None`.
    pub(super) fn shown(&self, other: &Seen, event: Option<usize>) -> String {
        if let Some((_, reason)) = &self.failure {
            return cut(&format!("failed: {reason}"));
        }
        if let Some(index) = event {
            return self.events.get(index).map_or_else(|| "nothing".to_owned(), |told| cut(told));
        }
        if self.answer != other.answer && other.failure.is_none() {
            return self.answer.as_deref().map_or_else(|| "no answer".to_owned(), cut);
        }
        let own = self.effects.iter().enumerate();
        let first = own.clone().find(|(index, line)| other.effects.get(*index) != Some(line));
        match first {
            Some((_, line)) => cut(line),
            None if other.failure.is_some() => "succeeded".to_owned(),
            None => format!("{} effects, and no more", self.effects.len()),
        }
    }
}

/// A text of bounded length.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default())
}

fn verdict(verdict: &Verdict) -> Cow<'static, str> {
    match verdict {
        Verdict::Keep => Cow::Borrowed("keep"),
        Verdict::Drop => Cow::Borrowed("drop"),
        Verdict::Replace(text) => Cow::Owned(format!("replace: {text}")),
    }
}

fn extracted(count: usize, found: &[Extracted]) -> Vec<Cow<'static, str>> {
    let mut events = vec![Cow::Borrowed("nothing"); count];
    for one in found {
        let Some(event) = events.get_mut(one.event as usize) else { continue };
        let line = datum(&one.datum);
        *event = if *event == "nothing" { line.into() } else { format!("{event}; {line}").into() };
    }
    events
}

fn effect_lines(effects: &Effects) -> Vec<String> {
    let Effects { publishes, metrics, writes, state_reads: _, state_writes } = effects;
    let mut lines: Vec<String> = publishes.iter().map(publish).collect();
    lines.extend(metrics.iter().map(|one| format!("metric {}", datum(one))));
    for SinkWrite { log_group, log_stream, events } in writes {
        lines.extend(events.iter().map(|event| format!("log {log_group} {log_stream}: {}", event.message)));
    }
    lines.extend(state_writes.iter().map(|write| match &write.op {
        StateOp::Put { value, ttl_seconds, .. } => {
            let life = ttl_seconds.map_or_else(String::new, |seconds| format!(" for {seconds} s"));
            format!("state {} = {}{life}", write.key, value.escape_ascii())
        }
        StateOp::Delete => format!("state {} deleted", write.key),
    }));
    lines
}

fn publish(publish: &Publish) -> String {
    let Publish { topic_arn, message_id: _, notification } = publish;
    let Notification { subject, message, attributes, dedup_key } = notification;
    let mut line = format!("publish {topic_arn} {}: {message}", subject.as_deref().unwrap_or_default());
    attributes.iter().for_each(|one| line.push_str(&format!(" {}={}", one.key, one.value)));
    if let Some(key) = dedup_key {
        line.push_str(&format!(" once as {key}"));
    }
    line
}

fn datum(datum: &MetricDatum) -> String {
    let mut line = format!("{}/{} {} {}", datum.namespace, datum.name, datum.value, datum.unit.name());
    datum.dimensions.iter().for_each(|one| line.push_str(&format!(" {}={}", one.key, one.value)));
    line
}

#[cfg(test)]
mod tests {
    use wasm::{Outcome, SinkEvent, StateWrite};

    use super::*;

    fn outcome(failed: &[u32]) -> Result<Answer, InvokeError> {
        Ok(Answer::Outcome(Outcome { failed: failed.to_vec() }))
    }

    fn failure(message: &str, retry: bool) -> Result<Answer, InvokeError> {
        Err(InvokeError::Handler { message: message.to_owned(), retry, after_ms: 0 })
    }

    fn writes(messages: &[(i64, &str)]) -> Effects {
        let event = |(timestamp, message): &(i64, &str)| SinkEvent {
            timestamp: *timestamp,
            message: (*message).to_owned(),
        };
        let events = messages.iter().map(event).collect();
        let write = SinkWrite { log_group: "/out".to_owned(), log_stream: "s".to_owned(), events };
        Effects { writes: vec![write], ..Effects::default() }
    }

    #[test]
    fn verdicts_differ_event_by_event() {
        let of = |verdicts: &[Verdict]| {
            Seen::of(verdicts.len(), &Ok(Answer::Verdicts(verdicts.to_vec())), &Effects::default())
        };
        let one = of(&[Verdict::Keep, Verdict::Drop, Verdict::Replace("a".to_owned())]);
        let two = of(&[Verdict::Keep, Verdict::Keep, Verdict::Replace("b".to_owned())]);
        let differing = one.against(&two);
        assert_eq!(differing, Differing { events: vec![1, 2], ..Differing::default() });
        assert_eq!(
            (one.shown(&two, Some(1)), two.shown(&one, Some(2))),
            ("drop".into(), "replace: b".into())
        );
        assert!(one.against(&one.clone()).is_nothing());
    }

    #[test]
    fn of_a_pattern_only_what_is_kept_is_compared() {
        let of = |kept: &[bool]| Seen::of(kept.len(), &Ok(Answer::Kept(kept.to_vec())), &Effects::default());
        let (one, two) = (of(&[true, false, true]), of(&[true, true, true]));
        assert_eq!(one.against(&two), Differing { events: vec![1], ..Differing::default() });
        assert!(one.against(&of(&[true, false, true])).is_nothing());
    }

    #[test]
    fn effects_are_compared_without_their_times() {
        let of = |effects: &Effects| Seen::of(2, &outcome(&[1]), effects);
        let (one, two) = (of(&writes(&[(1, "a"), (1, "b")])), of(&writes(&[(9, "a"), (9, "c")])));
        assert_eq!(one.against(&two), Differing { effects: true, ..Differing::default() });
        assert_eq!(
            (one.shown(&two, None), two.shown(&one, None)),
            ("log /out s: b".into(), "log /out s: c".into())
        );
        assert!(of(&writes(&[(1, "a")])).against(&of(&writes(&[(2, "a")]))).is_nothing());
        let fewer = of(&writes(&[(1, "a")]));
        assert_eq!(fewer.shown(&one, None), "1 effects, and no more");
        let put = |version| {
            let op = StateOp::Put { value: b"x".to_vec(), version, ttl_seconds: Some(5) };
            Effects { state_writes: vec![StateWrite { key: "k".to_owned(), op }], ..Effects::default() }
        };
        assert!(of(&put(1)).against(&of(&put(7))).is_nothing(), "versions of state count calls");
    }

    #[test]
    fn failures_are_compared_by_their_kind() {
        let of = |result| Seen::of(1, &result, &Effects::default());
        let (good, busy) = (of(outcome(&[])), of(failure("busy", true)));
        assert!(good.against(&busy).outcome && busy.against(&good).outcome);
        assert_eq!(
            (busy.shown(&good, None), good.shown(&busy, None)),
            ("failed: busy".into(), "succeeded".into())
        );
        assert!(busy.against(&of(failure("other words", false))).is_nothing());
        let stopped = of(Err(InvokeError::Timeout { limit_ms: 1 }));
        assert!(busy.against(&stopped).outcome);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "\u{e4}".repeat(SHOWN_BYTES_MAX);
        assert!(cut(&long).ends_with("\u{e4}...") && cut(&long).len() <= SHOWN_BYTES_MAX + 3);
        assert_eq!(cut("short"), "short");
    }
}
