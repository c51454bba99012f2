//! Owns one delivery of a subscription: its parts by stream, their attempts, and when to try again. Refuses to
//! read events and to write metadata.

use std::collections::BTreeMap;

use store::{Event, StreamId};

use crate::ingest::guests::{Delivered, Fate, Why};
use crate::records::calls;

/// The first pause between attempts; each next one is twice as long ...
const FIRST_PAUSE_MS: u64 = 1_000;

/// ... up to this.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// Attempts after which an event that kills the function is given up. A function that handled other events of
/// the delivery works, so it is the event; ...
const KILLS_MAX: u32 = 3;

/// ... one that handled none may be broken and about to be mended (this is two minutes).
const ALL_KILL_MAX: u32 = 8;

/// Events of one call ...
const CALL_EVENTS_MAX: usize = 1_000;

/// ... and bytes of their messages; the last one may go beyond.
const CALL_BYTES_MAX: usize = 1 << 20;

/// Matching events that are being delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    /// One past the last position it stands for.
    pub(super) to: u64,
    /// When it was begun, epoch milliseconds.
    pub(super) since_ms: i64,
    /// Attempts made.
    pub(super) attempts: u32,
    /// Whether any of its events was handled.
    works: bool,
    /// When the next attempt is due, epoch milliseconds.
    pub(super) due_ms: i64,
    /// What is still to be handed over, by stream. What belongs to one call follows from the events, so that a call has
    /// the same id when it is made again, unless retention took some of them.
    pub(super) parts: Vec<Part>,
}

/// Events of one stream that are handed over in one call.
#[derive(Debug)]
pub(super) struct Part {
    /// The stream.
    pub(super) stream: StreamId,
    /// Attempts made.
    pub(super) attempts: u32,
    /// By rising position.
    pub(super) events: Vec<Event>,
}

/// Events that will not be handed over again, and why.
#[derive(Debug, PartialEq)]
pub(super) struct GivenUp {
    /// The stream.
    pub(super) stream: StreamId,
    /// By rising position.
    pub(super) events: Vec<Event>,
    /// Attempts made.
    pub(super) attempts: u32,
    /// Why.
    pub(super) why: Why,
}

impl Delivery {
    /// A delivery of `events` (by rising position) that is due at once.
    pub(super) fn new(events: Vec<Event>, to: u64, since_ms: i64) -> Delivery {
        let mut streams: BTreeMap<StreamId, Vec<Event>> = BTreeMap::new();
        for event in events {
            streams.entry(event.stream).or_default().push(event);
        }
        let parts = streams.into_iter().flat_map(|(stream, events)| {
            pieces(events).into_iter().map(move |events| Part { stream, attempts: 0, events })
        });
        let parts = parts.collect();
        Delivery { to, since_ms, attempts: 0, works: false, due_ms: since_ms, parts }
    }

    /// Takes in what became of one attempt at every part, in their order; `None`: it was not handed over, since
    /// events before it are still to be handled. What is left for another attempt stays; what is never to be tried
    /// again is returned, by reason.
    pub(super) fn settle(&mut self, outcomes: Vec<Option<Delivered>>, now_ms: i64) -> Vec<GivenUp> {
        self.attempts += 1;
        let handled = |(part, outcome): (&Part, &Option<Delivered>)| {
            outcome.as_ref().is_some_and(|outcome| outcome.left.len() < part.events.len())
        };
        self.works |= self.parts.iter().zip(&outcomes).any(handled);
        let kills_max = if self.works { KILLS_MAX } else { ALL_KILL_MAX };
        let asked_ms = outcomes.iter().flatten().map(|outcome| outcome.after_ms).max().unwrap_or(0);
        let mut given_up: Vec<GivenUp> = Vec::new();
        let parts = std::mem::take(&mut self.parts);
        for (part, outcome) in parts.into_iter().zip(outcomes) {
            let Some(outcome) = outcome else {
                self.parts.push(part);
                continue;
            };
            let (stream, attempts) = (part.stream, part.attempts + 1);
            let mut left = outcome.left.into_iter().peekable();
            let (mut again, mut buried) = (Vec::new(), Vec::new());
            for (index, event) in part.events.into_iter().enumerate() {
                let Some(one) = left.next_if(|one| one.index == index) else { continue };
                match one.fate {
                    // A copy: few events must not keep a page in memory.
                    Fate::Again => again.push(event.apart()),
                    Fate::Kills if attempts < kills_max => again.push(event.apart()),
                    Fate::Kills | Fate::Never => bury(&mut buried, (stream, attempts), event, one.why),
                }
            }
            given_up.append(&mut buried);
            if !again.is_empty() {
                self.parts.push(Part { stream, attempts, events: again });
            }
        }
        // Those behind one that came again were not tried yet: they are no reason to wait longer.
        let attempts = self.parts.iter().map(|part| part.attempts).max().unwrap_or(0);
        self.due_ms = now_ms.saturating_add_unsigned(asked_ms.max(pause_ms(attempts)));
        given_up
    }

    /// Gives everything up that is left and was handed over; what waited behind it has its time from now on.
    pub(super) fn give_up(&mut self, why: &Why, now_ms: i64) -> Vec<GivenUp> {
        let given_up = self.parts.extract_if(.., |part| part.attempts > 0);
        let given_up = given_up
            .map(|Part { stream, attempts, events }| GivenUp { stream, events, attempts, why: why.clone() })
            .collect();
        (self.since_ms, self.due_ms) = (now_ms, now_ms);
        given_up
    }

    /// Takes out what was done before a restart, by rising round.
    pub(super) fn take_in(&mut self, made: &[calls::Part]) {
        let done = |event: &Event| calls::is_done(made, event.stream.0, event.position.seq);
        self.works |= made.iter().any(|part| part.made.is_some());
        for part in &mut self.parts {
            part.events.retain(|event| !done(event));
        }
        self.parts.retain(|part| !part.events.is_empty());
    }
}

/// The pause after the attempt with this number: 1 s, 2 s, 4 s, ... 60 s.
pub(super) fn pause_ms(attempts: u32) -> u64 {
    let doubled = attempts.saturating_sub(1).min(16);
    (FIRST_PAUSE_MS << doubled).min(LONGEST_PAUSE_MS)
}

/// Events of one stream, cut into those of one call each.
fn pieces(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut pieces: Vec<Vec<Event>> = Vec::new();
    let mut bytes = CALL_BYTES_MAX;
    for event in events {
        match pieces.last_mut() {
            Some(last) if last.len() < CALL_EVENTS_MAX && bytes < CALL_BYTES_MAX => {
                bytes += event.message.len();
                last.push(event);
            }
            _ => {
                bytes = event.message.len();
                pieces.push(vec![event]);
            }
        }
    }
    pieces
}

fn bury(given_up: &mut Vec<GivenUp>, (stream, attempts): (StreamId, u32), event: Event, why: Why) {
    match given_up.last_mut() {
        Some(last) if last.stream == stream && last.why == why => last.events.push(event),
        _ => given_up.push(GivenUp { stream, events: vec![event], attempts, why }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use store::{GroupId, Position};

    use super::*;
    use crate::ingest::guests::Left;

    fn event(seq: u64, stream: u64) -> Event {
        Event {
            group: GroupId(1),
            stream: StreamId(stream),
            position: Position::at(seq),
            timestamp_ms: 0,
            ingestion_ms: 0,
            hop: 0,
            message: Bytes::new(),
        }
    }

    fn seqs(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.position.seq).collect()
    }

    fn left(index: usize, fate: Fate, reason: &str) -> Left {
        Left { index, fate, why: reason.into() }
    }

    #[test]
    fn a_delivery_is_a_part_for_each_stream() {
        let delivery = Delivery::new(vec![event(1, 7), event(2, 5), event(3, 7)], 9, 100);
        let parts: Vec<_> = delivery.parts.iter().map(|part| (part.stream.0, seqs(&part.events))).collect();
        assert_eq!(parts, [(5, vec![2]), (7, vec![1, 3])]);
        assert_eq!((delivery.to, delivery.due_ms), (9, 100));
    }

    #[test]
    fn a_call_is_given_so_many_events_and_bytes() {
        let lengths = |events: Vec<Event>| -> Vec<usize> { pieces(events).iter().map(Vec::len).collect() };
        assert_eq!(lengths((0..2_500).map(|seq| event(seq, 1)).collect()), [1_000, 1_000, 500]);
        let large = |seq| Event { message: vec![b'x'; 400_000].into(), ..event(seq, 1) };
        assert_eq!(lengths((0..7).map(large).collect()), [3, 3, 1]);
        assert!(pieces(Vec::new()).is_empty());
    }

    #[test]
    fn what_failed_comes_again_and_poison_does_not() {
        let mut delivery = Delivery::new((0..6).map(|seq| event(seq, seq % 2)).collect(), 6, 100);
        let first = Delivered {
            left: vec![
                left(0, Fate::Again, "busy"),
                left(1, Fate::Never, "trap"),
                left(2, Fate::Never, "trap"),
            ],
            after_ms: 0,
        };
        let given_up = delivery.settle(vec![Some(first), Some(Delivered::default())], 1_000);
        assert_eq!((given_up.len(), given_up[0].why.error.as_str()), (1, "trap"));
        assert_eq!(seqs(&given_up[0].events), [2, 4]);
        assert_eq!((delivery.parts.len(), seqs(&delivery.parts[0].events)), (1, vec![0]));
        assert_eq!((delivery.attempts, delivery.due_ms), (1, 2_000));
        let asked = Delivered { after_ms: 30_000, ..Delivered::nothing(1, "busy") };
        assert!(delivery.settle(vec![Some(asked)], 2_000).is_empty());
        assert_eq!(delivery.due_ms, 32_000);
        let rest = delivery.give_up(&"too old".into(), 90_000);
        assert_eq!((rest.len(), seqs(&rest[0].events), rest[0].attempts), (1, vec![0], 2));
        assert!(delivery.parts.is_empty());
    }

    #[test]
    fn what_was_not_handed_over_stays_as_it_is() {
        let mut delivery = Delivery::new((0..1_500).map(|seq| event(seq, 1)).collect(), 1_500, 0);
        let first = Delivered { left: vec![left(7, Fate::Again, "busy")], after_ms: 0 };
        assert!(delivery.settle(vec![Some(first), None], 0).is_empty());
        let parts: Vec<_> = delivery.parts.iter().map(|part| (part.events.len(), part.attempts)).collect();
        assert_eq!(parts, [(1, 1), (500, 0)]);
        let others = vec![
            Some(Delivered::default()),
            Some(Delivered { left: vec![left(3, Fate::Again, "busy")], after_ms: 0 }),
        ];
        let mut second = Delivery::new((0..1_500).map(|seq| event(seq, 1)).collect(), 1_500, 0);
        let again = Delivered { left: vec![left(7, Fate::Again, "busy")], after_ms: 0 };
        second.settle(vec![Some(again), None], 0);
        second.settle(others, 5_000);
        assert_eq!((second.attempts, second.due_ms), (2, 6_000), "the second call failed for the first time");
        let given_up = delivery.give_up(&"too old".into(), 90_000);
        assert_eq!((given_up.len(), seqs(&given_up[0].events)), (1, vec![7]));
        assert_eq!((delivery.parts.len(), delivery.since_ms, delivery.due_ms), (1, 90_000, 90_000));
        // The one that was not handed over before has all its attempts.
        let kills = || vec![Some(Delivered { left: vec![left(0, Fate::Kills, "trap")], after_ms: 0 })];
        for _ in 1..KILLS_MAX {
            assert!(delivery.settle(kills(), 90_000).is_empty());
        }
        assert_eq!(delivery.settle(kills(), 90_000)[0].attempts, KILLS_MAX);
    }

    #[test]
    fn an_event_that_kills_is_given_up_sooner_when_others_do_not() {
        let attempts = |others: usize| {
            let mut delivery = Delivery::new((0..=others as u64).map(|seq| event(seq, 1)).collect(), 9, 0);
            for attempt in 1.. {
                let outcome = Delivered { left: vec![left(0, Fate::Kills, "trap")], after_ms: 0 };
                if !delivery.settle(vec![Some(outcome)], 0).is_empty() {
                    return attempt;
                }
            }
            unreachable!()
        };
        assert_eq!((attempts(5), attempts(0)), (KILLS_MAX, ALL_KILL_MAX));
    }

    #[test]
    fn what_was_done_before_a_restart_is_not_handed_over_again() {
        let part = |(first, last): (u64, u64), round, again: &[u64]| calls::Part {
            stream: 1,
            first,
            last,
            round,
            again: again.to_vec(),
            made: None,
        };
        let left = |made: &[calls::Part]| {
            let mut delivery = Delivery::new((1..=9).map(|seq| event(seq, 1)).collect(), 10, 0);
            delivery.take_in(made);
            delivery.parts.first().map_or_else(Vec::new, |part| seqs(&part.events))
        };
        assert_eq!(left(&[]).len(), 9);
        assert_eq!(left(&[part((1, 4), 0, &[2, 3]), part((7, 7), 0, &[])]), [2, 3, 5, 6, 8, 9]);
        let made = [part((1, 9), 0, &[1, 5, 9]), part((1, 9), 1, &[1, 9]), part((9, 9), 2, &[])];
        assert_eq!(left(&made), [1]);
        assert!(left(&[part((1, 9), 0, &[1, 9]), part((1, 9), 1, &[])]).is_empty());
        let other = calls::Part { stream: 2, ..part((1, 9), 0, &[]) };
        assert_eq!(left(&[other]).len(), 9);
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<u64> = [1, 2, 3, 6, 7, 4_000_000_000].map(pause_ms).to_vec();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
    }
}
