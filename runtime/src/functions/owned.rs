//! Owns what a call is given while it runs on the threads of guests: a copy, or events that it holds itself, since whoever
//! asks may go away meanwhile.
//! Refuses to know when it is made.

use std::borrow::Cow;

use bytes::Bytes;
use store::{Held, Lent};
use wasm::{
    AlarmEvent, BatchContext, Call, Host, Invoked, LogEvent, Module, PackedBatch, Pieces, Role, Stdout, Tick,
    Verdict,
};

use super::run::{Answer, Rows, Work, map};
use crate::utf8;

/// [`Work`] that borrows nothing.
pub(super) enum Owned {
    Subscription(BatchContext, Batch),
    Alarm(AlarmEvent),
    Scheduled(Tick),
    Lambda(Vec<u8>),
    Command(Bytes, Stdout),
    Http(Bytes, u32),
    Filter(BatchContext, Batch),
    Keep(BatchContext, Batch),
    KeepHeld(BatchContext, Vec<Held>),
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

    fn into_packed(self) -> Packed<'static> {
        // A batch is at most a few MiB.
        let end = |(.., end): &(i64, i64, usize)| u32::try_from(*end).unwrap_or(u32::MAX);
        Packed {
            timestamps: self.events.iter().map(|(timestamp, ..)| *timestamp).collect(),
            ingestion_times: self.events.iter().map(|(_, ingestion_ms, _)| *ingestion_ms).collect(),
            ends: self.events.iter().map(end).collect(),
            text: vec![self.text.into_bytes().into()],
        }
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
            Work::Keep(context, events) => Owned::Keep((*context).clone(), Batch::of(events)),
            Work::KeepHeld(context, held) => Owned::KeepHeld((*context).clone(), held.to_vec()),
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
            Owned::Filter(context, batch) => packed(host, module, call, &context, &batch.into_packed()).await,
            Owned::Keep(context, batch) if module.has(Role::PackedFilter) => {
                packed(host, module, call, &context, &batch.into_packed()).await
            }
            Owned::Keep(context, batch) => {
                map(host.filter(module, call, &context, &batch.lent()).await, |verdicts| kept(&verdicts))
            }
            Owned::KeepHeld(context, held) if module.has(Role::PackedFilter) => {
                packed(host, module, call, &context, &Packed::of(&held)).await
            }
            Owned::KeepHeld(context, held) => {
                let texts = utf8::messages(&held);
                let judged = host.filter(module, call, &context, &lent(&held, &texts)).await;
                map(judged, |verdicts| kept(&verdicts))
            }
        }
    }
}

/// A text in place of the message is a way to keep it.
fn kept(verdicts: &[Verdict]) -> Answer {
    Answer::Kept(verdicts.iter().map(|verdict| *verdict != Verdict::Drop).collect())
}

/// As typed functions get them.
pub(super) fn lent<'a>(held: &'a [Held], texts: &'a [Cow<'_, str>]) -> Vec<LogEvent<'a>> {
    let times = held.iter().flat_map(|held| {
        let lent = held.lend();
        (0..lent.len()).map(move |row| (lent.timestamps[row], lent.ingestion_ms(row)))
    });
    let event = |((timestamp, ingestion_time), message)| LogEvent { timestamp, ingestion_time, message };
    times.zip(texts.iter().map(|text| &**text)).map(event).collect()
}

/// Events in the shape of the packed world. Texts are lent as they lie, run by run.
struct Packed<'a> {
    timestamps: Vec<i64>,
    ingestion_times: Vec<i64>,
    ends: Vec<u32>,
    text: Vec<Cow<'a, [u8]>>,
}

impl<'a> Packed<'a> {
    /// What was damaged is repaired, as everywhere.
    fn of(held: &'a [Held]) -> Packed<'a> {
        let runs: Vec<Lent<'_>> = held.iter().map(Held::lend).collect();
        if !runs.iter().all(|lent| utf8::are_texts(lent.text(), lent.start(), lent.ends())) {
            return Batch::of(&lent(held, &utf8::messages(held))).into_packed();
        }
        let count = runs.iter().map(Lent::len).sum();
        let (mut timestamps, mut ingestion_times) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut ends, mut before) = (Vec::with_capacity(count), 0);
        for lent in &runs {
            let from = lent.start();
            // A batch is at most a few MiB.
            let moved = |end: &u32| u32::try_from(*end as usize - from + before).unwrap_or(u32::MAX);
            ends.extend(lent.ends().iter().map(moved));
            before += lent.messages().len();
            timestamps.extend_from_slice(lent.timestamps);
            ingestion_times.extend((0..lent.len()).map(|row| lent.ingestion_ms(row)));
        }
        Packed {
            timestamps,
            ingestion_times,
            ends,
            text: runs.iter().map(|lent| lent.messages().into()).collect(),
        }
    }
}

async fn packed(
    host: &Host,
    module: &Module,
    call: &Call,
    context: &BatchContext,
    packed: &Packed<'_>,
) -> Invoked<Answer> {
    let Packed { timestamps, ingestion_times, ends, text } = packed;
    let text: Vec<&[u8]> = text.iter().map(|run| &**run).collect();
    let batch = PackedBatch { timestamps, ingestion_times, ends, text: Pieces(&text) };
    map(host.packed_filter(module, call, context, &batch).await, Answer::Kept)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn events_are_lent_as_they_were_given() {
        let event = |timestamp, message| LogEvent { timestamp, ingestion_time: timestamp + 1, message };
        let given = [event(1, "one"), event(2, ""), event(3, "zwölf")];
        assert_eq!(Batch::of(&given).lent(), given);
    }

    /// A store's events from one position on, in runs as they were appended.
    fn held(batches: &[&[&[u8]]], from: u64) -> Vec<Held> {
        use store::{
            Batch, GroupId, MemoryKeys, MemoryManifest, Options, PageLimit, Position, Store, StreamId,
        };
        let disk = Arc::new(store::faulty::FaultyDisk::new(1));
        let (manifest, keys) = (Arc::new(MemoryManifest::default()), Arc::new(MemoryKeys::new(1)));
        let store = Store::open(Options::default(), disk, manifest, keys).unwrap();
        for (number, messages) in (1..).zip(batches) {
            let events: Vec<(i64, Vec<u8>)> =
                (0..).zip(*messages).map(|(at, message)| (100 * number + at, message.to_vec())).collect();
            let (group, stream, ingestion_ms) = (GroupId(1), StreamId(number as u64), 1_000 * number);
            store.append_wait(Batch { group, stream, ingestion_ms, hop: 0, events: events.into() }).unwrap();
        }
        let limit = PageLimit { events: 100, bytes: 1 << 20 };
        store.scan_by_position(Position::at(from), store.durable_position(), limit, None).unwrap().held
    }

    /// Timestamp, ingestion time and message of each event of a packed batch.
    fn unpacked(packed: &Packed<'_>) -> Vec<(i64, i64, String)> {
        let whole = packed.text.concat();
        let starts = std::iter::once(0).chain(packed.ends.iter().copied());
        let text = |(start, end): (u32, u32)| {
            String::from_utf8(whole[start as usize..end as usize].to_vec()).unwrap()
        };
        let texts = starts.zip(packed.ends.iter().copied()).map(text);
        let times = packed.timestamps.iter().zip(&packed.ingestion_times);
        times
            .zip(texts)
            .map(|((timestamp, ingestion_time), text)| (*timestamp, *ingestion_time, text))
            .collect()
    }

    #[test]
    fn runs_are_packed_one_behind_the_other() {
        let of = |batches: &[&[&[u8]]], from| {
            let held = held(batches, from);
            let packed = Packed::of(&held);
            (unpacked(&packed), packed.text.iter().filter(|run| matches!(run, Cow::Borrowed(_))).count())
        };
        let whole = |events: &[(i64, &str)]| -> Vec<(i64, i64, String)> {
            events.iter().map(|(at, text)| (*at, at / 100 * 1_000, (*text).to_owned())).collect()
        };
        let batches: &[&[&[u8]]] = &[&[b"one", b"", "zwölf".as_bytes()], &[b"four"], &[b"five", b"six"]];
        let all = [(100, "one"), (101, ""), (102, "zwölf"), (200, "four"), (300, "five"), (301, "six")];
        assert_eq!(of(batches, 0), (whole(&all), 3));
        assert_eq!(of(batches, 2), (whole(&all[2..]), 3), "from within a run on");
        assert_eq!(of(&batches[..1], 1), (whole(&all[1..3]), 1), "each run is lent");
        assert_eq!(of(&[], 0), (Vec::new(), 0));
        let damaged: &[&[&[u8]]] = &[&[b"a\xff"], &[b"b"]];
        assert_eq!(of(damaged, 0), (whole(&[(100, "a\u{fffd}"), (200, "b")]), 0), "and repaired");
    }
}
