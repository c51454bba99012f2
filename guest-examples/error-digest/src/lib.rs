//! Counts the events of a batch by kind, writes a digest to its own log, and publishes it if the
//! setting TOPIC names a topic. Subscribe it with a pattern such as `ERROR`.
//! Two events are of one kind when they differ in numbers and ids only.

use std::collections::BTreeMap;

use logboom_sdk::prelude::*;

struct ErrorDigest;

/// Kinds a digest shows.
const SHOWN: usize = 10;

impl Subscription for ErrorDigest {
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome {
        if events.is_empty() {
            return done();
        }
        let digest = digest(context, &events);
        for line in digest.lines() {
            println!("{line}");
        }
        if let Some(topic) = config::get("TOPIC") {
            let subject = format!("{} errors in {}", events.len(), context.log_group);
            let message = Notification::new(digest).subject(subject).dedup_key(&context.delivery_id);
            notify::send(&topic, &message)?;
        }
        done()
    }
}

logboom_sdk::export!(ErrorDigest: subscription);

fn digest(context: &Context, events: &[LogEvent]) -> String {
    let mut kinds: BTreeMap<String, (usize, &LogEvent)> = BTreeMap::new();
    for event in events {
        kinds.entry(kind(&event.message)).or_insert((0, event)).0 += 1;
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by_key(|(count, event)| (std::cmp::Reverse(*count), event.timestamp));
    let total = events.len();
    let mut text = format!("{total} events of {} kinds in {}\n", kinds.len(), context.log_group);
    for (count, event) in kinds.iter().take(SHOWN) {
        let example: String = event.message.trim_end().chars().take(200).collect();
        text.push_str(&format!("{count:>6} x {}\n", example.replace(['\n', '\r'], " ")));
    }
    if let Some(more) = kinds.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more kinds\n"));
    }
    text
}

/// The message with everything that tells two events of one kind apart cut out: words with a digit
/// become `#`.
fn kind(message: &str) -> String {
    let words = message.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty());
    let cut = |word| if str::bytes(word).any(|b| b.is_ascii_digit()) { "#" } else { word };
    words.map(cut).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
