//! Owns matching a batch of events against one pattern, guests included. Refuses to know whose pattern it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use pattern::{Document, Guests, Pattern};
use store::Event;

use super::guests::{self, Batch};
use crate::app::App;

/// The message of an event as text. Messages come in as text; what is not UTF-8 was damaged since.
pub(crate) fn text(event: &Event) -> Cow<'_, str> {
    String::from_utf8_lossy(&event.message)
}

/// Which events of the batch the pattern matches, by index. `batch.function` is not looked at: the pattern
/// names its guests. They are asked only about the events that the rest of the pattern leaves open.
///
/// # Errors
/// A sentence, when a guest could not be asked.
pub(crate) async fn matching(
    app: &Arc<App>,
    pattern: &Pattern,
    batch: &Batch<'_>,
) -> Result<Vec<usize>, String> {
    let texts: Vec<Cow<'_, str>> = batch.events.iter().map(|event| text(event)).collect();
    let mut open: Vec<usize> =
        (0..texts.len()).filter(|&index| pattern.may_match(&Document::new(&texts[index]))).collect();
    if pattern.guests().is_empty() || open.is_empty() {
        return Ok(open);
    }
    let candidates: Vec<&Event> = open.iter().map(|&index| batch.events[index]).collect();
    let mut answers = HashMap::new();
    for name in pattern.guests() {
        let asked = Batch { function: name, events: &candidates, ..*batch };
        answers.insert(name.as_str(), guests::verdicts(app, &asked).await?);
    }
    let mut place = 0;
    open.retain(|&index| {
        let mut verdicts = Verdicts { answers: &answers, place };
        place += 1;
        pattern.matches(&Document::new(&texts[index]), &mut verdicts)
    });
    Ok(open)
}

/// The verdicts about one event.
struct Verdicts<'a> {
    answers: &'a HashMap<&'a str, Vec<bool>>,
    place: usize,
}

impl Guests for Verdicts<'_> {
    fn verdict(&mut self, name: &str) -> bool {
        self.answers.get(name).and_then(|verdicts| verdicts.get(self.place)).copied().unwrap_or(false)
    }
}
