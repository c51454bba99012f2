//! Counts events and errors of the log groups it is subscribed to (pattern: none, it wants them all), and tells the
//! rates whenever its schedule comes due: one module, two worlds. Settings: TOPIC, where the digest goes; WORDS, what
//! makes an event an error (`ERROR,FATAL,Exception` if not given). Needs `state`, and the topic to publish to.
//!
//! Counts are kept with the position of the subscription, so each event counts once, whatever is restarted when.

use logboom_sdk::prelude::*;

struct ErrorRate;

impl Subscription for ErrorRate {
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome {
        let words = config::get_or("WORDS", "ERROR,FATAL,Exception");
        let is_error = |event: &&LogEvent| words.split(',').any(|word| event.message.contains(word.trim()));
        let errors = events.iter().filter(is_error).count();
        state::increment(&format!("all {}", context.log_group), events.len() as i64)?;
        state::increment(&format!("errors {}", context.log_group), errors as i64)?;
        done()
    }
}

impl Scheduled for ErrorRate {
    fn handle(tick: &Tick) -> Result<(), HandlerError> {
        let Some(topic) = config::get("TOPIC") else {
            return Err(permanent("the setting TOPIC names no topic"));
        };
        let mut lines = Vec::new();
        let mut worst = 0.0_f64;
        for key in state::list_keys("all ", None, 1000)? {
            let group = &key["all ".len()..];
            let (all, errors) = (take(&key)?, take(&format!("errors {group}"))?);
            let percent = 100.0 * errors as f64 / all.max(1) as f64;
            worst = worst.max(percent);
            lines.push((percent, format!("{percent:6.2} %  {errors} of {all} in {group}\n")));
        }
        if lines.is_empty() {
            info!("no events since the last run");
            return Ok(());
        }
        lines.sort_by(|a, b| b.0.total_cmp(&a.0));
        let text: String = lines.into_iter().map(|(_, line)| line).collect();
        let subject = format!("Errors: {worst:.2} % at worst");
        let message = Notification::new(text).subject(subject);
        notify::send(&topic, &message.dedup_key(format!("{}/{}", tick.schedule, tick.due_at)))?;
        Ok(())
    }
}

logboom_sdk::export!(ErrorRate: subscription, scheduled);

/// A count, which starts over.
fn take(key: &str) -> Result<i64, HandlerError> {
    let count = state::get_text(key)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    state::delete(key)?;
    Ok(count)
}

#[cfg(test)]
mod tests;
