//! Owns matching a batch of events against one pattern, functions included, and asking functions in parts so
//! that one bad event costs only itself. Refuses to know whose pattern it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use pattern::{Document, Guests, Pattern};
use store::{Event, Needle};

use super::guests::{self, Asker, Batch, Purpose};
use crate::app::App;

/// Events of one batch that a function may fail on; more, and it is the function that is broken.
const BAD_EVENTS_MAX: usize = 10;

/// The message of an event as text. Messages come in as text; what is not UTF-8 was damaged since.
pub(crate) fn text(event: &Event) -> Cow<'_, str> {
    crate::utf8::repaired(&event.message)
}

/// What every message has that the pattern matches: storage finds those faster than the pattern does.
pub(crate) fn needles(pattern: &Pattern) -> Vec<Needle> {
    let certain = pattern.required_literals();
    let escaped = pattern.required_literals_unless_escaped().iter().filter(|text| !certain.contains(text));
    let needle = |text: &String, or_escaped| Needle { text: text.clone().into_bytes(), or_escaped };
    certain.iter().map(|text| needle(text, false)).chain(escaped.map(|text| needle(text, true))).collect()
}

/// What a pattern said about a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matched {
    /// Indexes of the events that match, rising.
    pub(crate) yes: Vec<usize>,
    /// Indexes of events that a function failed on, rising: they may or may not match.
    pub(crate) unknown: Vec<usize>,
    /// Why it failed.
    pub(crate) reason: Option<String>,
}

/// Which events of the batch the pattern matches. `batch.asker.function` is not looked at: the pattern names its
/// guests. They are asked only about the events that the rest of the pattern leaves open.
///
/// # Errors
/// A sentence, when a guest could not be asked or fails on too many events.
pub(crate) async fn matching(
    app: &Arc<App>,
    pattern: &Pattern,
    batch: &Batch<'_>,
) -> Result<Matched, String> {
    let texts = batch.texts;
    let open: Vec<usize> =
        (0..texts.len()).filter(|&index| pattern.may_match(&Document::new(&texts[index]))).collect();
    if pattern.guests().is_empty() || open.is_empty() {
        return Ok(Matched { yes: open, ..Matched::default() });
    }
    let candidates: Vec<&Event> = open.iter().map(|&index| batch.events[index]).collect();
    let lent: Vec<Cow<'_, str>> = open.iter().map(|&index| Cow::Borrowed(&*texts[index])).collect();
    let mut answers = HashMap::new();
    let mut reason = None;
    for name in pattern.guests() {
        let asker = Asker { function: name, ..batch.asker };
        let asked = Batch { asker, events: &candidates, texts: &lent };
        let call = |part: Range<usize>| {
            let (events, texts) = (&candidates[part.clone()], &lent[part]);
            async move { guests::kept(app, &Batch { asker, events, texts }).await }
        };
        let about = (&asker, &*asked.whole_id());
        let parts = guests::parts(app, about, guests::count_and_bytes(&lent), Purpose::Filter).await?;
        let found = in_parts(parts, call).await?;
        reason = reason.or(found.reason);
        answers.insert(name.as_str(), found.values);
    }
    let mut matched = Matched { reason, ..Matched::default() };
    for (place, index) in open.into_iter().enumerate() {
        let mut verdicts = Verdicts { answers: &answers, place, is_unknown: false };
        let is_match = pattern.matches(&Document::new(&texts[index]), &mut verdicts);
        match (verdicts.is_unknown, is_match) {
            (true, _) => matched.unknown.push(index),
            (false, true) => matched.yes.push(index),
            (false, false) => {}
        }
    }
    Ok(matched)
}

/// The verdicts about one event.
struct Verdicts<'a> {
    answers: &'a HashMap<&'a str, Vec<Option<bool>>>,
    place: usize,
    /// Whether a verdict was asked for that there is none of.
    is_unknown: bool,
}

impl Guests for Verdicts<'_> {
    fn verdict(&mut self, name: &str) -> bool {
        let verdict = self.answers.get(name).and_then(|verdicts| verdicts.get(self.place)).copied().flatten();
        self.is_unknown |= verdict.is_none();
        verdict.unwrap_or(false)
    }
}

/// Answers of a function, one for each event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answers<T> {
    /// `None` for an event that the function fails on.
    pub(crate) values: Vec<Option<T>>,
    /// Why it fails on the first of them.
    pub(crate) reason: Option<String>,
}

/// How a function is asked about events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// All events.
    pub(crate) count: usize,
    /// Those of one call.
    pub(crate) events: usize,
    /// Calls at the same time: while the machine is busy, most of the time goes by between calls. No more than have a
    /// place: one that waits too long for it fails.
    pub(crate) at_once: usize,
}

/// Asks a function part by part, and halves a part that fails until the events are found that it fails on.
///
/// # Errors
/// What the function says, when it fails on too many events.
pub(crate) async fn in_parts<T, F, Fut>(parts: Parts, mut call: F) -> Result<Answers<T>, String>
where
    F: FnMut(Range<usize>) -> Fut,
    Fut: Future<Output = Result<Vec<T>, String>>,
{
    let Parts { count, events, at_once } = parts;
    let (events, at_once) = (events.max(1), at_once.max(1));
    let mut answers = Answers { values: Vec::new(), reason: None };
    answers.values.resize_with(count, || None);
    // The last range is the next one.
    let mut open: Vec<Range<usize>> =
        (0..count).step_by(events).map(|start| start..count.min(start + events)).rev().collect();
    let (mut bad, mut first) = (0, count);
    while !open.is_empty() {
        let mut now = open.split_off(open.len().saturating_sub(at_once));
        now.reverse();
        let asked = join_all(now.iter().cloned().map(&mut call)).await;
        let mut halves = Vec::new();
        for (range, asked) in now.into_iter().zip(asked) {
            match asked {
                Ok(values) if values.len() == range.len() => {
                    answers.values[range].iter_mut().zip(values).for_each(|(to, value)| *to = Some(value));
                }
                Ok(values) => {
                    return Err(format!("{} answers came for {} events", values.len(), range.len()));
                }
                Err(reason) if range.len() == 1 => {
                    bad += 1;
                    if bad > BAD_EVENTS_MAX {
                        return Err(reason);
                    }
                    if range.start < first {
                        (first, answers.reason) = (range.start, Some(reason));
                    }
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    halves.extend([range.start..middle, middle..range.end]);
                }
            }
        }
        open.extend(halves.into_iter().rev());
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(count: usize, bad: &[usize]) -> (Result<Answers<usize>, String>, usize) {
        let mut calls = 0;
        let parts = Parts { count, events: 1_000, at_once: 4 };
        let answers = in_parts(parts, |range| {
            calls += 1;
            let answer = match bad.iter().find(|bad| range.contains(bad)) {
                Some(bad) => Err(format!("{bad} is bad")),
                None => Ok(range.collect()),
            };
            async move { answer }
        });
        let answers = answers.await;
        (answers, calls)
    }

    #[tokio::test]
    async fn a_bad_event_costs_only_itself() {
        let (answers, calls) = asked(2_500, &[]).await;
        assert_eq!((answers.unwrap().values, calls), ((0..2_500).map(Some).collect(), 3));
        let (answers, calls) = asked(1_500, &[7, 1_200]).await;
        let answers = answers.unwrap();
        assert_eq!(answers.reason.as_deref(), Some("7 is bad"));
        let missing: Vec<usize> = (0..1_500).filter(|&index| answers.values[index] != Some(index)).collect();
        assert_eq!(missing, [7, 1_200]);
        assert!(calls < 50, "{calls}");
    }

    #[tokio::test]
    async fn a_broken_function_is_given_up() {
        let all: Vec<usize> = (0..1_000).collect();
        let (answers, calls) = asked(1_000, &all).await;
        assert_eq!(answers.unwrap_err(), "10 is bad");
        assert!(calls < 60, "{calls}");
    }
}
