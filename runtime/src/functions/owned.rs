//! Owns what a call is given while it runs on the threads of guests: a copy, since whoever asks may go away meanwhile.
//! Refuses to know when it is made.

use bytes::Bytes;
use wasm::{
    AlarmEvent, BatchContext, Call, Host, Invoked, LogEvent, Module, PackedBatch, Role, Stdout, Tick, Verdict,
};

use super::run::{Answer, Rows, Work, map};

/// [`Work`] that borrows nothing.
pub(super) enum Owned {
    Subscription(BatchContext, Batch),
    Alarm(AlarmEvent),
    Scheduled(Tick),
    Lambda(Vec<u8>),
    Command(Bytes, Stdout),
    Http(Bytes, u32),
    Filter(BatchContext, Batch),
    Extract(BatchContext, Batch),
}

/// Events, their messages in one text.
pub(super) struct Batch {
    text: String,
    /// Timestamp, ingestion time, and where the message ends in `text`.
    events: Vec<(i64, i64, usize)>,
}

impl Batch {
    fn of(events: &[LogEvent<'_>]) -> Batch {
        let mut text = String::with_capacity(events.iter().map(|event| event.message.len()).sum());
        let row = |event: &LogEvent<'_>| {
            text.push_str(event.message);
            (event.timestamp, event.ingestion_time, text.len())
        };
        let events = events.iter().map(row).collect();
        Batch { text, events }
    }

    fn lent(&self) -> Vec<LogEvent<'_>> {
        let mut start = 0;
        let event = |(timestamp, ingestion_time, end): &(i64, i64, usize)| {
            let message = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            LogEvent { timestamp: *timestamp, ingestion_time: *ingestion_time, message }
        };
        self.events.iter().map(event).collect()
    }
}

impl Owned {
    /// # Errors
    /// Rows of a query: they are not copied.
    pub(super) fn of<'a>(work: &Work<'a>) -> Result<Owned, &'a Rows<'a>> {
        Ok(match work {
            Work::Subscription(context, events) => Owned::Subscription((*context).clone(), Batch::of(events)),
            Work::Alarm(event) => Owned::Alarm((*event).clone()),
            Work::Scheduled(tick) => Owned::Scheduled((*tick).clone()),
            Work::Lambda(payload) => Owned::Lambda(payload.to_vec()),
            Work::Command(payload, stdout) => Owned::Command(payload.clone(), *stdout),
            Work::Http(payload, attempt) => Owned::Http(payload.clone(), *attempt),
            Work::Filter(context, events) => Owned::Filter((*context).clone(), Batch::of(events)),
            Work::Extract(context, events) => Owned::Extract((*context).clone(), Batch::of(events)),
            Work::Evaluate(rows) => return Err(*rows),
        })
    }

    pub(super) async fn make(self, host: &Host, module: &Module, call: &Call) -> Invoked<Answer> {
        match self {
            Owned::Subscription(context, batch) => {
                map(host.subscription(module, call, &context, &batch.lent()).await, Answer::Outcome)
            }
            Owned::Alarm(event) => map(host.alarm_action(module, call, &event).await, |()| Answer::Done),
            Owned::Scheduled(tick) => map(host.scheduled(module, call, &tick).await, |()| Answer::Done),
            Owned::Lambda(payload) => map(host.lambda(module, call, &payload).await, Answer::Bytes),
            Owned::Command(payload, stdout) => {
                let ran = host.command(module, call, payload, stdout).await;
                map(ran, |output| Answer::Bytes(output.stdout))
            }
            Owned::Http(payload, attempt) => {
                map(host.http(module, call, payload, attempt).await, Answer::Bytes)
            }
            Owned::Extract(context, batch) => {
                map(host.extract(module, call, &context, &batch.lent()).await, Answer::Extracted)
            }
            Owned::Filter(context, batch) if module.has(Role::Filter) => {
                map(host.filter(module, call, &context, &batch.lent()).await, Answer::Verdicts)
            }
            Owned::Filter(context, batch) => packed(host, module, call, &context, &batch).await,
        }
    }
}

async fn packed(
    host: &Host,
    module: &Module,
    call: &Call,
    context: &BatchContext,
    batch: &Batch,
) -> Invoked<Answer> {
    let timestamps: Vec<i64> = batch.events.iter().map(|(timestamp, ..)| *timestamp).collect();
    // A batch is at most a few MiB.
    let ends: Vec<u32> =
        batch.events.iter().map(|(.., end)| u32::try_from(*end).unwrap_or(u32::MAX)).collect();
    let packed = PackedBatch { timestamps: &timestamps, ends: &ends, text: batch.text.as_bytes() };
    let now_ms = batch.events.iter().map(|(_, ingestion_ms, _)| *ingestion_ms).max().unwrap_or(0);
    let kept = host.packed_filter(module, call, context, &packed, now_ms).await;
    let verdict = |kept| if kept { Verdict::Keep } else { Verdict::Drop };
    map(kept, |kept| Answer::Verdicts(kept.into_iter().map(verdict).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lent_as_they_were_given() {
        let event = |timestamp, message| LogEvent { timestamp, ingestion_time: timestamp + 1, message };
        let given = [event(1, "one"), event(2, ""), event(3, "zwölf")];
        assert_eq!(Batch::of(&given).lent(), given);
    }
}
