//! Owns events that are held where they lie: neighbours of one stream, in a batch in memory or in what was put together of
//! a sealed block. Refuses to know which they are and in what order they are read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::{Block, Event};
use crate::id::Position;
use crate::lend::Lent;
use crate::memtable::Chunk;

/// Events of one stream that lie next to each other, by rising time. A clone is another holder of the same events; what
/// holds some of a batch keeps all of it in memory.
#[derive(Clone, Debug)]
pub struct Held {
    holder: Holder,
    rows: Range<usize>,
}

#[derive(Clone, Debug)]
enum Holder {
    Batch(Arc<Chunk>),
    Block(Block),
}

impl Holder {
    fn lend(&self) -> Lent<'_> {
        match self {
            Holder::Batch(chunk) => Lent::of_chunk(chunk),
            Holder::Block(block) => Lent::of_block(block),
        }
    }
}

impl AsRef<[u8]> for Holder {
    fn as_ref(&self) -> &[u8] {
        match self {
            Holder::Batch(chunk) => &chunk.batch.events.text,
            Holder::Block(block) => block.text(),
        }
    }
}

impl Held {
    pub(crate) fn of_chunk(chunk: &Arc<Chunk>) -> Held {
        let rows = 0..chunk.batch.events.len();
        Held { holder: Holder::Batch(Arc::clone(chunk)), rows }
    }

    pub(crate) fn of_block(block: Block) -> Held {
        let rows = 0..block.len();
        Held { holder: Holder::Block(block), rows }
    }

    /// The number of events; never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The events themselves.
    #[must_use]
    pub fn lend(&self) -> Lent<'_> {
        self.holder.lend().slice(self.rows.clone())
    }

    /// Some of the events.
    ///
    /// # Panics
    /// Past the last row, as everywhere below.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Held {
        assert!(rows.end <= self.len(), "rows {rows:?} of {}", self.len());
        let start = self.rows.start;
        Held { holder: self.holder.clone(), rows: start + rows.start..start + rows.end }
    }

    /// Takes in the next event of the holder.
    pub(crate) fn grow(&mut self) {
        self.rows.end += 1;
    }

    /// Some events, each with its message as a part of the text that is held here.
    pub fn events(&self, rows: impl IntoIterator<Item = usize>) -> impl Iterator<Item = Event> {
        let text = Bytes::from_owner(self.holder.clone());
        self.made(rows, move |start, end| text.slice(start..end))
    }

    /// Some events with messages of their own, for whoever keeps few events of many for long.
    pub fn events_apart(&self, rows: impl IntoIterator<Item = usize>) -> impl Iterator<Item = Event> {
        let text = self.lend().text();
        self.made(rows, move |start, end| Bytes::copy_from_slice(&text[start..end]))
    }

    fn made(
        &self,
        rows: impl IntoIterator<Item = usize>,
        message: impl Fn(usize, usize) -> Bytes,
    ) -> impl Iterator<Item = Event> {
        let lent = self.lend();
        rows.into_iter().map(move |row| Event {
            group: lent.group,
            stream: lent.stream,
            position: Position::at(lent.seq(row)),
            timestamp_ms: lent.timestamps[row],
            ingestion_ms: lent.ingestion_ms(row),
            hop: lent.hop(row),
            message: message(lent.before(row), lent.ends()[row] as usize),
        })
    }
}

/// Some of the events that are held, counted over all of them.
#[must_use]
pub fn part(held: &[Held], rows: Range<usize>) -> Vec<Held> {
    let (mut part, mut before) = (Vec::new(), 0);
    for one in held {
        let (start, end) = (rows.start.max(before), rows.end.min(before + one.len()));
        if start < end {
            part.push(one.slice(start - before..end - before));
        }
        before += one.len();
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Rows;
    use crate::events::Batch;
    use crate::id::{GroupId, StreamId};

    fn chunk() -> Held {
        let events = vec![(5, "one"), (6, ""), (7, "three"), (9, "four")].into();
        let batch = Batch { group: GroupId(1), stream: StreamId(2), ingestion_ms: 50, hop: 3, events };
        Held::of_chunk(&Arc::new(Chunk { first_seq: 100, batch }))
    }

    fn block() -> Held {
        let mut rows = Rows::empty(GroupId(1), StreamId(2));
        rows.push(5, 50, 100, 3, b"one");
        rows.push(6, 50, 101, 3, b"");
        rows.push(7, 50, 102, 3, b"three");
        rows.push(9, 50, 103, 3, b"four");
        Held::of_block(Block::whole(Arc::new(rows)))
    }

    #[test]
    fn what_is_held_in_memory_is_what_is_read_of_a_block() {
        for rows in [0..4, 1..3, 3..4] {
            let (one, two) = (chunk().slice(rows.clone()), block().slice(rows.clone()));
            let events: Vec<Event> = one.events(0..rows.len()).collect();
            assert_eq!(events, two.events(0..rows.len()).collect::<Vec<_>>());
            assert_eq!(events, one.events_apart(0..rows.len()).collect::<Vec<_>>());
            let messages: Vec<&[u8]> = events.iter().map(|event| &event.message[..]).collect();
            assert_eq!(messages, [&b"one"[..], b"", b"three", b"four"][rows.clone()]);
            assert_eq!(one.lend().messages(), messages.concat());
            let first = &events[0];
            assert_eq!((first.position.seq, first.ingestion_ms, first.hop), (100 + rows.start as u64, 50, 3));
        }
    }

    #[test]
    fn a_part_is_counted_over_all() {
        let held = [chunk().slice(0..2), block().slice(2..4), chunk()];
        let seqs = |rows: Range<usize>| -> Vec<u64> {
            let of = |held: &Held| held.events(0..held.len()).map(|event| event.position.seq).collect();
            part(&held, rows).iter().flat_map(|held| -> Vec<u64> { of(held) }).collect()
        };
        let all = [100, 101, 102, 103, 100, 101, 102, 103];
        for start in 0..=all.len() {
            for end in start..=all.len() {
                assert_eq!(seqs(start..end), all[start..end], "{start}..{end}");
            }
        }
    }
}
