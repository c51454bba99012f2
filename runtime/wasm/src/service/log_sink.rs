//! `log-sink`: events for other log groups. Capability: the log group.

use crate::bindings::logboom::extension::log_sink::{self, Host, NewEvent};
use crate::guest::Guest;
use crate::{SinkError, SinkEvent, SinkWrite};

/// The largest event CloudWatch Logs takes.
const MAX_EVENT_BYTES: usize = 1 << 20;

impl Host for Guest {
    fn put(
        &mut self,
        log_group: String,
        log_stream: String,
        events: Vec<NewEvent>,
    ) -> Result<(), log_sink::SinkError> {
        if let Some(reason) = self.refusal("log-sink") {
            return Err(log_sink::SinkError::NotAllowed(reason));
        }
        if !self.call.grants.may_write(&log_group) {
            let reason = format!("events for {log_group}; grant it with the tag logboom:allow-logs");
            return Err(log_sink::SinkError::NotAllowed(reason));
        }
        let own = log_group.strip_prefix("/aws/lambda/") == Some(&self.call.function_name);
        if own || self.call.sources.contains(&log_group) {
            return Err(log_sink::SinkError::WouldLoop(log_group));
        }
        self.call.services.check_log_group(&log_group)?;
        if log_stream.is_empty() || log_stream.len() > 512 || log_stream.contains([':', '*']) {
            return Err(log_sink::SinkError::Invalid(format!(
                "{log_stream:?} is not the name of a log stream"
            )));
        }
        if events.iter().any(|e| e.message.is_empty() || e.message.len() > MAX_EVENT_BYTES) {
            return Err(log_sink::SinkError::Invalid("an event is empty or larger than 1 MiB".to_owned()));
        }
        let bytes = events.iter().map(|e| e.message.len()).sum();
        if !self.effects.charge(events.len(), bytes, &self.limits) {
            return Err(log_sink::SinkError::Throttled);
        }
        let events =
            events.into_iter().map(|NewEvent { timestamp, message }| SinkEvent { timestamp, message });
        self.effects.writes.push(SinkWrite { log_group, log_stream, events: events.collect() });
        Ok(())
    }
}

impl From<SinkError> for log_sink::SinkError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::NoSuchGroup(group) => Self::NoSuchGroup(group),
            SinkError::WouldLoop(group) => Self::WouldLoop(group),
            SinkError::Throttled => Self::Throttled,
            SinkError::Invalid(reason) => Self::Invalid(reason),
        }
    }
}
