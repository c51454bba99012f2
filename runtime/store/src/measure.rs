//! Owns looking into stored blocks from outside, for the example `blocks` that looks for waste in them.
//! Refuses to be part of the store: nothing here is used to serve.

use std::cell::RefCell;
use std::sync::Arc;

use crate::block::{BlockMeta, Rows};
use crate::codec::Malformed;
use crate::column::Kind;
use crate::error::ReadError;
use crate::id::{GroupId, SegmentId, StreamId};
use crate::message::{COLUMNS, Chunks, Composed, Composer, Opened};

/// What a stored part costs besides its bytes: its seal and its place in the directory.
const PLACE_BYTES: usize = 24;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Makes blocks.
#[derive(Default)]
pub struct Maker {
    composer: Composer,
}

impl std::fmt::Debug for Maker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Maker")
    }
}

/// A part of a stored block.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it holds.
    pub name: String,
    /// How its values are stored, for columns.
    pub kind: Option<Kind>,
    /// Rows that have a value.
    pub rows: usize,
    /// Bytes before compression, head and body.
    pub raw: usize,
    /// Bytes after it, with what it takes to find them.
    pub stored: usize,
}

/// A block that was made.
pub struct Made {
    composed: Composed,
    rows: Arc<Rows>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Made")
    }
}

/// A block that is read.
pub struct Reading {
    opened: Arc<Opened>,
    chunks: Memory,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Reading")
    }
}

struct Memory(Vec<Stored>);

/// A chunk as it is stored: compressed if that is shorter, then with its size before.
#[derive(Clone, Debug)]
pub struct Stored {
    bytes: Vec<u8>,
    raw: Option<usize>,
}

impl Stored {
    fn of(bytes: &[u8], compress: bool) -> Self {
        let packed = if compress { zstd::bulk::compress(bytes, 1).unwrap_or_default() } else { Vec::new() };
        if !packed.is_empty() && packed.len() < bytes.len() {
            return Self { bytes: packed, raw: Some(bytes.len()) };
        }
        Self { bytes: bytes.to_vec(), raw: None }
    }

    fn cost(&self) -> usize {
        if self.bytes.is_empty() { 0 } else { self.bytes.len() + PLACE_BYTES }
    }
}

impl Chunks for Memory {
    fn chunk(&self, index: u32) -> Result<Arc<Vec<u8>>, ReadError> {
        let stored = self.0.get(index as usize).ok_or_else(|| self.corrupt(Malformed("no such chunk")))?;
        let Some(raw) = stored.raw else { return Ok(Arc::new(stored.bytes.clone())) };
        let bytes = DECOMPRESSOR.with_borrow_mut(|slot| match slot {
            Some(decompressor) => decompressor.decompress(&stored.bytes, raw),
            None => slot.insert(zstd::bulk::Decompressor::new()?).decompress(&stored.bytes, raw),
        });
        Ok(Arc::new(bytes.map_err(|_| self.corrupt(Malformed("chunk compression")))?))
    }

    fn corrupt(&self, malformed: Malformed) -> ReadError {
        ReadError::Corrupt { segment: SegmentId(0), what: malformed.0 }
    }
}

impl Maker {
    /// Makes one block of the events of a stream: timestamp, ingestion time, number, message.
    pub fn compose<'a>(&mut self, events: impl Iterator<Item = (i64, i64, u64, &'a [u8])>) -> Made {
        let mut rows = Rows::empty(GroupId(1), StreamId(1));
        events.for_each(|(time, came, seq, message)| rows.push(time, came, seq, 0, message));
        Made { composed: self.composer.compose(&rows), rows: Arc::new(rows) }
    }
}

impl Made {
    /// The chunks, compressed where it helps; the head is the last one.
    #[must_use]
    pub fn compress(&self) -> Vec<Stored> {
        let chunks = self.composed.chunks.iter().map(|(bytes, compress)| Stored::of(bytes, *compress));
        chunks.chain([Stored::of(&self.composed.head, true)]).collect()
    }

    /// The block, to read from it.
    ///
    /// # Errors
    /// The head is damaged.
    pub fn read(&self, stored: Vec<Stored>) -> Result<Reading, String> {
        let rows = &self.rows;
        let meta = BlockMeta {
            group: rows.group,
            stream: rows.stream,
            min_ms: rows.timestamps.first().copied().unwrap_or_default(),
            max_ms: rows.timestamps.last().copied().unwrap_or_default(),
            min_seq: 0,
            max_seq: u64::MAX,
            events: rows.len() as u64,
            raw_bytes: rows.text.len() as u64,
        };
        let opened = Opened::open(meta, &self.composed.head).map_err(|error| error.0.to_owned())?;
        Ok(Reading { opened, chunks: Memory(stored) })
    }

    /// What each part takes.
    #[must_use]
    pub fn parts(&self, reading: &Reading) -> Vec<Part> {
        let stored = &reading.chunks.0;
        let opened = &reading.opened;
        let mut parts = Vec::new();
        let mut add = |name: &str, kind, rows, raw, stored| {
            parts.push(Part { name: name.to_owned(), kind, rows, raw, stored });
        };
        let rows = self.rows.len();
        for (chunk, name) in ["(times)", "(origins)", "(templates)", "(small columns)"].iter().enumerate() {
            add(name, None, rows, self.composed.chunks[chunk].0.len(), stored[chunk].cost());
        }
        let head = stored.last().map_or(0, Stored::cost);
        add("(head)", None, rows, self.composed.head.len(), head);
        add("(filter)", None, rows, self.composed.filter.len(), self.composed.filter.len() + PLACE_BYTES);
        let mut names = vec![String::new(); opened.columns()];
        for template in opened.templates().iter().rev() {
            for (part, &column) in template.parts.iter().zip(&template.columns) {
                let from = part.len().saturating_sub(20);
                names[column as usize] = String::from_utf8_lossy(&part[from..]).into_owned();
            }
        }
        for (column, name) in names.iter().enumerate() {
            let head = opened.column_head(column as u32);
            let (raw, stored) = match opened.body_of(column as u32) {
                Some(chunk) if chunk > COLUMNS => {
                    (self.composed.chunks[chunk as usize].0.len(), stored[chunk as usize].cost())
                }
                _ => (0, 0),
            };
            add(name, Some(head.kind()), head.rows(), raw, stored);
        }
        parts
    }

    /// Whether the block gives back the messages that were put in.
    ///
    /// # Errors
    /// The block is damaged.
    pub fn is_read_back(&self, reading: &Reading) -> Result<bool, ReadError> {
        let rows = reading.opened.rows(&reading.chunks, 0..self.rows.len())?;
        Ok(rows == *self.rows)
    }
}

impl Reading {
    /// Puts all messages together; how many bytes they are.
    ///
    /// # Errors
    /// The block is damaged.
    pub fn rebuild(&self) -> Result<usize, ReadError> {
        let (mut text, mut ends) = (Vec::with_capacity(self.opened.meta.raw_bytes as usize), Vec::new());
        self.opened.push_messages(&self.chunks, None, &mut text, &mut ends)?;
        Ok(text.len())
    }

    /// How many messages contain the text.
    ///
    /// # Errors
    /// The block is damaged.
    pub fn find(&self, needle: &[u8]) -> Result<usize, ReadError> {
        Ok(self.opened.rows_containing(&self.chunks, needle)?.len())
    }

    /// The number of templates.
    #[must_use]
    pub fn templates(&self) -> usize {
        self.opened.templates().len()
    }

    /// The rows whose message is one variable.
    ///
    /// # Errors
    /// The block is damaged.
    pub fn whole_rows(&self) -> Result<usize, ReadError> {
        let is_whole = |parts: &[Vec<u8>]| parts.len() == 2 && parts.iter().all(Vec::is_empty);
        let Some(whole) = self.opened.templates().iter().position(|it| is_whole(&it.parts)) else {
            return Ok(0);
        };
        let map = self.opened.map(&self.chunks)?;
        let all = self.opened.len();
        Ok(map
            .of_rows()
            .map_or(all, |numbers| numbers.iter().filter(|&&it| usize::from(it) == whole).count()))
    }
}
