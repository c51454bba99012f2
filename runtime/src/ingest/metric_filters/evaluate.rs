//! Owns what metric filters take from events: values by minute and dimension set, until they are published.
//! Refuses to read, to write and to wait.

use std::sync::Arc;

use metrics::filter::{Publication, Tally};
use metrics::gather::{Gathering, Origin, Seen};
use metrics::point::Tier;
use pattern::{Document, Hit, Messages};
use store::{Event, Lent};

use super::compiled::{Compiled, OfGroup};
use crate::ingest::matching::text;

/// What one filter took and has not published.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The filter.
    pub(super) filter: Arc<Compiled>,
    /// Digests of the modules that had a part in it.
    digests: Vec<String>,
    gathering: Gathering,
    /// The minutes of the events it read; only kept for a filter with a default value.
    pub(super) saw: Tally,
    /// The minute that was counted last as (minute, matched).
    counted: Option<(i64, bool)>,
}

impl Sheet {
    pub(super) fn new(filter: &Arc<Compiled>) -> Sheet {
        Sheet {
            filter: Arc::clone(filter),
            digests: Vec::new(),
            gathering: Gathering::default(),
            saw: Tally::default(),
            counted: None,
        }
    }

    /// How many points it will publish, about.
    pub(super) fn points(&self) -> usize {
        self.gathering.len()
    }

    /// Says which modules had a part in it; one that was replaced meanwhile stands beside the new one.
    pub(super) fn made_by(self, mut digests: Vec<String>) -> Sheet {
        digests.sort_unstable();
        digests.dedup();
        Sheet { digests, ..self }
    }

    /// Takes its points out.
    pub(super) fn publish(&mut self, now_ms: i64) -> Vec<Publication> {
        let source = if self.digests.is_empty() {
            Arc::clone(&self.filter.source)
        } else {
            format!("{} {}", self.filter.source, self.digests.join(" ")).into()
        };
        let origin = Origin { group_id: self.filter.group, source: &source };
        self.gathering.publish(&self.filter.transformation, origin, now_ms)
    }

    fn has_default(&self) -> bool {
        self.filter.transformation.default_value.is_some()
    }

    fn saw(&mut self, timestamp_ms: i64, matched: bool) {
        // Neighbours are mostly of one minute, which is counted once.
        let now = (Tier::Minute.bucket_ms(timestamp_ms), matched);
        if self.counted != Some(now) {
            self.saw.saw(timestamp_ms, matched);
            self.counted = Some(now);
        }
    }

    /// Takes a match of a filter that asks no function for the value.
    fn hit(&mut self, hit: &Hit<'_, '_>, seen: Seen) {
        // The values of a pattern are in the order of `Compiled::values`.
        let Some(value) = hit.number(0) else { return };
        self.gathering.add(value, (1..=self.filter.dimensions.len()).map(|at| hit.text(at)), seen);
    }

    fn add(&mut self, value: Option<f64>, document: &Document<'_>, seen: Seen) {
        let Some(value) = value else { return };
        let filter = &self.filter;
        let dimensions = filter.dimensions.iter();
        let texts = dimensions.map(|(_, selector)| selector.text(&filter.pattern, document));
        self.gathering.add(value, texts, seen);
    }
}

/// Evaluates the filters of a group that need no guest over neighbouring events: each message becomes one document,
/// lent to all of them. `sheets` are those of the filters, by the same index.
pub(super) fn native(of: &OfGroup, lent: &Lent<'_>, sheets: &mut [&mut Sheet]) {
    // A sheet may be older than the next revision: `of` knows up to where its own reads.
    let pairs = of.filters.iter().zip(sheets.iter_mut());
    for (filter, sheet) in pairs.filter(|(_, sheet)| sheet.has_default()) {
        for (row, timestamp_ms) in lent.timestamps.iter().enumerate() {
            if filter.reads_at(lent.seq(row)) {
                sheet.saw(*timestamp_ms, false);
            }
        }
    }
    of.patterns.each_match(&messages(lent), &mut |hit| {
        let seq = lent.seq(hit.row);
        let reads = of.filters.get(hit.pattern).is_some_and(|filter| filter.reads_at(seq));
        let Some(sheet) = sheets.get_mut(hit.pattern).filter(|_| reads) else { return };
        let timestamp_ms = lent.timestamps[hit.row];
        if sheet.has_default() {
            sheet.saw(timestamp_ms, true);
        }
        sheet.hit(hit, Seen { timestamp_ms, position: seq, stream_id: lent.stream.0 });
    });
}

/// The messages of lent events, as patterns take them.
pub(super) fn messages<'a>(lent: &Lent<'a>) -> Messages<'a> {
    Messages { text: lent.text(), start: lent.start(), ends: lent.ends() }
}

/// What a filter with guests took: `matched` are those of `events` that its pattern matched, `values` what an
/// extractor found in each of them.
pub(super) fn with_answers(
    filter: &Arc<Compiled>,
    events: &[&Event],
    matched: &[&Event],
    values: Option<&[Vec<f64>]>,
) -> Sheet {
    let mut sheet = Sheet::new(filter);
    if sheet.has_default() {
        let mut rest = matched.iter().map(|event| event.position).peekable();
        for event in events {
            let is_match = rest.next_if_eq(&event.position).is_some();
            sheet.saw(event.timestamp_ms, is_match);
        }
    }
    for (index, event) in matched.iter().enumerate() {
        let message = text(event);
        let document = Document::new(&message);
        let (timestamp_ms, position, stream_id) = (event.timestamp_ms, event.position.seq, event.stream.0);
        let seen = Seen { timestamp_ms, position, stream_id };
        match values {
            None => {
                let value = filter.value.number(&filter.pattern, &document);
                sheet.add(value, &document, seen);
            }
            Some(values) => {
                for value in values.get(index).into_iter().flatten() {
                    sheet.add(Some(*value), &document, seen);
                }
            }
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use metrics::Dimension;
    use store::{
        Batch, Borrower, GroupId, MemoryKeys, MemoryManifest, Options, Position, Store, StreamId,
        faulty::FaultyDisk,
    };

    use super::super::compiled::tests::{filter, filters};
    use super::*;

    fn taken(of: Vec<Arc<Compiled>>, messages: &[&str]) -> Vec<Vec<Publication>> {
        let sheets = of.iter().map(Sheet::new).collect();
        taken_on(sheets, of, messages)
    }

    /// Stores messages one millisecond apart in group 1 and asks the filters about them.
    fn taken_on(mut sheets: Vec<Sheet>, of: Vec<Arc<Compiled>>, messages: &[&str]) -> Vec<Vec<Publication>> {
        struct Asked<'a>(&'a OfGroup, &'a mut [Sheet]);
        impl Borrower for Asked<'_> {
            fn wants(&self, _group: GroupId) -> bool {
                true
            }
            fn take(&mut self, lent: Lent<'_>) {
                let mut sheets: Vec<&mut Sheet> = self.1.iter_mut().collect();
                native(self.0, &lent, &mut sheets);
            }
        }
        let (disk, manifest) = (FaultyDisk::new(1), MemoryManifest::default());
        let keys = Arc::new(MemoryKeys::new(1));
        let store = Store::open(Options::default(), Arc::new(disk), Arc::new(manifest), keys).unwrap();
        let events = messages.iter().enumerate().map(|(at, text)| (1_000 + at as i64, *text)).collect();
        let (group, stream) = (GroupId(1), StreamId(2));
        store.append_wait(Batch { group, stream, ingestion_ms: 9_000, hop: 0, events }).unwrap();
        let all = filters(of);
        let asked = &mut Asked(all.of(1).unwrap(), &mut sheets);
        store.lend_by_position(Position::at(0), Position::at(99), 1 << 20, asked).unwrap();
        sheets.iter_mut().map(|sheet| sheet.publish(9_000)).collect()
    }

    fn sum(published: &[Publication]) -> (f64, f64) {
        let points = || published.iter().flat_map(|one| &one.points);
        let count = points().map(|one| one.point.values.count).sum();
        (count, points().map(|one| one.point.values.sum).sum())
    }

    #[test]
    fn values_dimensions_and_references_come_from_matching_events() {
        let slow = filter("{ $.ms > 100 }", "$.ms", &[("Method", "$.method")]);
        let lines = [
            r#"{"ms": 120, "method": "GET"}"#,
            r#"{"ms": 90, "method": "GET"}"#,
            r#"{"ms": 300}"#,
            r#"{"ms": "450", "method": "PUT"}"#,
            "no json",
        ];
        let taken = taken(vec![slow], &lines);
        let [get, put] = &taken[0][..] else { panic!("{taken:?}") };
        assert_eq!(sum(&taken[0]), (2.0, 570.0), "an event without the dimension publishes nothing");
        assert_eq!(get.metric.dimensions, [Dimension::new("Method", "GET")]);
        assert_eq!(put.metric.dimensions, [Dimension::new("Method", "PUT")]);
        let event = &put.points[0].point.events[0];
        assert_eq!((event.position, event.stream_id, &*event.source), (3, 2, "errors@2"));
    }

    fn filter_of(first: &Compiled) -> Compiled {
        let one = Arc::try_unwrap(filter("", "1", &[])).unwrap();
        Compiled { from: first.from, ..one }
    }

    #[test]
    fn a_revision_reads_only_its_own_events() {
        let one = filter("", "1", &[]);
        let (first, second) = (Arc::try_unwrap(one).unwrap(), filter("", "1", &[]));
        let second = Arc::try_unwrap(second).unwrap();
        let first = Compiled { from: 1, until: 3, ..first };
        let second = Compiled { from: 3, number: 3, ..second };
        // The sheet of the first was begun before there was a second.
        let before = filter_of(&first);
        let revisions = vec![Arc::new(first), Arc::new(second)];
        let sheets = vec![Sheet::new(&Arc::new(before)), Sheet::new(&revisions[1])];
        let taken = taken_on(sheets, revisions, &["a", "b", "c", "d", "e"]);
        let counts: Vec<f64> = taken.iter().map(|one| sum(one).0).collect();
        assert_eq!(counts, [2.0, 2.0]);
    }

    #[test]
    fn an_extractor_may_find_several_values() {
        let one = filter("ERROR", "wasm:latency", &[]);
        let event = |(seq, message): (usize, &str)| Event {
            group: GroupId(1),
            stream: StreamId(2),
            position: Position::at(seq as u64),
            timestamp_ms: 1_000 + seq as i64,
            ingestion_ms: 9_000,
            hop: 0,
            message: message.to_owned().into(),
        };
        let page: Vec<Event> = ["ERROR a", "fine", "ERROR b"].into_iter().enumerate().map(event).collect();
        let all: Vec<&Event> = page.iter().collect();
        let answers = vec![vec![1.0, 2.0], vec![]];
        let mut sheet = with_answers(&one, &all, &[all[0], all[2]], Some(&answers));
        assert_eq!(sum(&sheet.publish(9_000)), (2.0, 3.0));
    }
}
