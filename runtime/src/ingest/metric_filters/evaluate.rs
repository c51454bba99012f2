//! Owns what metric filters take from a page of events. Refuses to read, to write and to wait.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::Dimension;
use metrics::filter::Match;
use metrics::point::EventReference;
use pattern::{Document, NoGuests};
use store::Event;

use super::compiled::{Compiled, Filters};
use crate::ingest::matching::text;

/// What one filter took from a page.
#[derive(Debug)]
pub(super) struct Taken {
    /// The filter.
    pub(super) filter: Arc<Compiled>,
    /// Its matches.
    pub(super) matches: Vec<Match>,
    /// The time of every event it read, and whether it matched; only kept for a filter with a default value.
    pub(super) saw: Vec<(i64, bool)>,
}

impl Taken {
    fn nothing(filter: &Arc<Compiled>) -> Taken {
        Taken { filter: Arc::clone(filter), matches: Vec::new(), saw: Vec::new() }
    }

    fn saw(&mut self, event: &Event, matched: bool) {
        if self.filter.transformation.default_value.is_some() {
            self.saw.push((event.timestamp_ms, matched));
        }
    }
}

/// Evaluates the filters that need no guest: each message becomes one document, lent to all of them.
pub(super) fn native(filters: &Filters, events: &[Event]) -> Vec<Taken> {
    let mut taken: Vec<Taken> = Vec::new();
    let mut places: HashMap<(u64, u64), usize> = HashMap::new();
    for event in events {
        let message = text(event);
        let document = Document::new(&message);
        for filter in filters.of(event.group.0).filter(|filter| filter.reads(event)) {
            let place = *places.entry((filter.id, filter.number)).or_insert_with(|| {
                taken.push(Taken::nothing(filter));
                taken.len() - 1
            });
            let matched = filter.pattern.matches(&document, &mut NoGuests);
            taken[place].saw(event, matched);
            if matched {
                let value = filter.value.number(&filter.pattern, &document);
                taken[place].matches.extend(found(filter, event, &document, value));
            }
        }
    }
    taken
}

/// What a filter with guests took: `matched` are those of `events` that its pattern matched, `values` what an
/// extractor found in each of them.
pub(super) fn with_answers(
    filter: &Arc<Compiled>,
    events: &[&Event],
    matched: &[&Event],
    values: Option<&[Vec<f64>]>,
) -> Taken {
    let mut taken = Taken::nothing(filter);
    let mut rest = matched.iter().map(|event| event.position).peekable();
    for event in events {
        let is_match = rest.next_if_eq(&event.position).is_some();
        taken.saw(event, is_match);
    }
    for (index, event) in matched.iter().enumerate() {
        let message = text(event);
        let document = Document::new(&message);
        match values {
            None => {
                let value = filter.value.number(&filter.pattern, &document);
                taken.matches.extend(found(filter, event, &document, value));
            }
            Some(values) => {
                for value in values.get(index).into_iter().flatten() {
                    taken.matches.extend(found(filter, event, &document, Some(*value)));
                }
            }
        }
    }
    taken
}

/// The match to publish; `None` when the event lacks the value of a dimension.
fn found(filter: &Compiled, event: &Event, document: &Document<'_>, value: Option<f64>) -> Option<Match> {
    let dimensions = filter.dimensions.iter().map(|(name, selector)| {
        let text = selector.text(&filter.pattern, document)?;
        Some(Dimension::new(name, text))
    });
    let event = EventReference {
        timestamp_ms: event.timestamp_ms,
        position: event.position.seq,
        group_id: event.group.0,
        stream_id: event.stream.0,
        source: filter.source.clone(),
    };
    Some(Match { value, dimensions: dimensions.collect::<Option<Vec<_>>>()?, event })
}

#[cfg(test)]
mod tests {
    use store::{GroupId, Position, StreamId};

    use super::super::compiled::tests::{filter, filters};
    use super::*;

    fn events(messages: &[&str]) -> Vec<Event> {
        let event = |(seq, message): (usize, &&str)| Event {
            group: GroupId(1),
            stream: StreamId(2),
            position: Position::at(seq as u64),
            timestamp_ms: 1_000 + seq as i64,
            ingestion_ms: 9_000,
            hop: 0,
            message: message.as_bytes().to_vec(),
        };
        messages.iter().enumerate().map(event).collect()
    }

    fn values(taken: &Taken) -> Vec<Option<f64>> {
        taken.matches.iter().map(|one| one.value).collect()
    }

    #[test]
    fn values_dimensions_and_references_come_from_matching_events() {
        let slow = filter("{ $.ms > 100 }", "$.ms", &[("Method", "$.method")]);
        let all = filters(vec![slow]);
        let page = events(&[
            r#"{"ms": 120, "method": "GET"}"#,
            r#"{"ms": 90, "method": "GET"}"#,
            r#"{"ms": 300}"#,
            r#"{"ms": "450", "method": "PUT"}"#,
            "no json",
        ]);
        let taken = native(&all, &page);
        assert_eq!(
            values(&taken[0]),
            [Some(120.0), Some(450.0)],
            "an event without the dimension publishes nothing"
        );
        let last = &taken[0].matches[1];
        assert_eq!(last.dimensions, [Dimension::new("Method", "PUT")]);
        assert_eq!((last.event.position, last.event.source.as_str()), (3, "errors@2"));
    }

    #[test]
    fn a_revision_reads_only_its_own_events() {
        let one = filter("", "1", &[]);
        let (first, second) = (Arc::try_unwrap(one).unwrap(), filter("", "1", &[]));
        let second = Arc::try_unwrap(second).unwrap();
        let first = Compiled { from: 1, until: 3, ..first };
        let second = Compiled { from: 3, number: 3, ..second };
        let all = filters(vec![Arc::new(first), Arc::new(second)]);
        let taken = native(&all, &events(&["a", "b", "c", "d", "e"]));
        let counts: Vec<_> = taken.iter().map(|one| (one.filter.number, one.matches.len())).collect();
        assert_eq!(counts, [(2, 2), (3, 2)]);
    }

    #[test]
    fn an_extractor_may_find_several_values() {
        let one = filter("ERROR", "wasm:latency", &[]);
        let page = events(&["ERROR a", "fine", "ERROR b"]);
        let all: Vec<&Event> = page.iter().collect();
        let answers = vec![vec![1.0, 2.0], vec![]];
        let taken = with_answers(&one, &all, &[all[0], all[2]], Some(&answers));
        assert_eq!(values(&taken), [Some(1.0), Some(2.0)]);
    }
}
