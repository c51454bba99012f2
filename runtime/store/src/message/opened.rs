//! Owns a block whose head is known: decodes its parts when they are asked for.
//! Refuses to know what a reader may see (see `column_block`).

use std::ops::Range;
use std::sync::Arc;

use super::head::{self, Head, Template};
use super::origin::{self, Origins, Times};
use super::rowmap::{Numbers, RowMap};
use super::{COLUMNS, Chunks, Decoded, ORIGINS, TEMPLATES, TIMES, rebuild, search};
use crate::block::{BlockMeta, Rows};
use crate::codec::Malformed;
use crate::column::{Column, ColumnHead};
use crate::error::ReadError;

/// What columns get that need no times.
static NO_TIMES: [i64; 1 << 14] = [0; 1 << 14];

/// The head of a stored block; keep it as long as the segment is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) meta: BlockMeta,
    head: Head,
}

impl Opened {
    pub(crate) fn open(meta: BlockMeta, head: &[u8]) -> Result<Arc<Self>, Malformed> {
        let head = head::read(head)?;
        if head.rows as u64 != meta.events {
            return Err(Malformed("head rows"));
        }
        Ok(Arc::new(Self { meta, head }))
    }

    pub(crate) fn len(&self) -> usize {
        self.head.rows
    }

    pub(crate) fn templates(&self) -> &[Template] {
        &self.head.templates
    }

    pub(crate) fn columns(&self) -> usize {
        self.head.columns.len()
    }

    pub(crate) fn column_head(&self, column: u32) -> &ColumnHead {
        &self.head.columns[column as usize].head
    }

    /// The chunk of a column's body, if it has one.
    pub(crate) fn body_of(&self, column: u32) -> Option<u32> {
        self.head.columns[column as usize].body.as_ref().map(|(chunk, _)| *chunk)
    }

    /// What the parsed head takes in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let parts = self.head.templates.iter().flat_map(|template| &template.parts);
        let parts: usize = parts.map(|part| part.len() + 32).sum();
        let columns: usize = self.head.columns.iter().map(|column| column.head.memory_bytes() + 40).sum();
        (parts + columns + 256) as u64
    }

    pub(crate) fn times(&self, chunks: &dyn Chunks) -> Result<Arc<Vec<i64>>, ReadError> {
        if let Some(Decoded::Times(times)) = chunks.decoded(TIMES) {
            return Ok(times.list());
        }
        let bytes = chunks.chunk(TIMES)?;
        let times = origin::decode_times(self.len(), &bytes).map_err(|error| chunks.corrupt(error))?;
        let times = Arc::new(times);
        chunks.keep(TIMES, &Decoded::Times(Arc::new(Times::of(&times))));
        Ok(times)
    }

    pub(crate) fn origins(&self, chunks: &dyn Chunks) -> Result<Arc<Origins>, ReadError> {
        let kept = chunks.decoded(ORIGINS);
        let bytes = match &kept {
            Some(Decoded::Runs(bytes)) => Arc::clone(bytes),
            _ => chunks.chunk(ORIGINS)?,
        };
        let origins = origin::decode_origins(self.len(), &bytes).map_err(|error| chunks.corrupt(error))?;
        if kept.is_none() {
            chunks.keep(ORIGINS, &Decoded::Runs(bytes));
        }
        Ok(Arc::new(origins))
    }

    /// Which rows have which template and column.
    pub(crate) fn map(&self, chunks: &dyn Chunks) -> Result<Arc<RowMap>, ReadError> {
        if let Some(Decoded::Numbers(numbers)) = chunks.decoded(TEMPLATES) {
            return Ok(Arc::new(RowMap::of(numbers)));
        }
        let numbers = if self.head.templates.len() > 1 { chunks.chunk(TEMPLATES)? } else { Arc::default() };
        let numbers = Numbers::new(self.len(), &self.head.templates, &self.head.columns, &numbers)
            .map_err(|error| chunks.corrupt(error))?;
        let numbers = Arc::new(numbers);
        chunks.keep(TEMPLATES, &Decoded::Numbers(Arc::clone(&numbers)));
        Ok(Arc::new(RowMap::of(numbers)))
    }

    pub(crate) fn column(&self, chunks: &dyn Chunks, column: u32) -> Result<Arc<Column>, ReadError> {
        if let Some(Decoded::Column(column)) = chunks.decoded(COLUMNS + column) {
            return Ok(column);
        }
        let entry = &self.head.columns[column as usize];
        // The map checks that the column has the rows that its templates say.
        let map = self.map(chunks)?;
        let gathered: Vec<i64>;
        let times = match (entry.head.needs_times(), map.column_rows(chunks, column)) {
            (false, _) if entry.head.rows() <= NO_TIMES.len() => &NO_TIMES[..entry.head.rows()],
            (false, _) => {
                gathered = vec![0; entry.head.rows()];
                &gathered
            }
            (true, rows) => {
                let times = self.times(chunks)?;
                gathered = match rows {
                    None => times.to_vec(),
                    Some(rows) => rows.iter().map(|&row| times[row as usize]).collect(),
                };
                &gathered
            }
        };
        let chunk;
        let body = match &entry.body {
            None => &[][..],
            Some((index, range)) => {
                chunk = chunks.chunk(*index)?;
                let range = range.clone().unwrap_or(0..chunk.len());
                chunk.get(range).ok_or_else(|| chunks.corrupt(Malformed("small columns")))?
            }
        };
        let found = Column::decode(&entry.head, body, times).map_err(|error| chunks.corrupt(error))?;
        let found = Arc::new(found);
        chunks.keep(COLUMNS + column, &Decoded::Column(Arc::clone(&found)));
        Ok(found)
    }

    /// Appends the messages of these rows (ascending; `None` = all); the ends are offsets into the text.
    pub(crate) fn push_messages(
        &self,
        chunks: &dyn Chunks,
        rows: Option<&[u32]>,
        text: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        rebuild::push_messages(self, chunks, rows, text, ends)
    }

    /// The rows whose message contains the needle, ascending.
    pub(crate) fn rows_containing(&self, chunks: &dyn Chunks, needle: &[u8]) -> Result<Vec<u32>, ReadError> {
        search::rows_containing(self, chunks, needle)
    }

    /// Some of the rows, rebuilt.
    pub(crate) fn rows(&self, chunks: &dyn Chunks, range: Range<usize>) -> Result<Rows, ReadError> {
        let mut rows = Rows::empty(self.meta.group, self.meta.stream);
        if range.is_empty() {
            return Ok(rows);
        }
        rows.timestamps = self.times(chunks)?[range.clone()].to_vec();
        let origins = self.origins(chunks)?;
        rows.ingestion = origins.ingestion[range.clone()].to_vec();
        rows.seqs = origins.seqs[range.clone()].to_vec();
        rows.hops = origins.hops[range.clone()].to_vec();
        let some: Vec<u32>;
        let wanted = if range.len() == self.len() {
            rows.text.reserve_exact(self.meta.raw_bytes as usize);
            None
        } else {
            some = (range.start as u32..range.end as u32).collect();
            Some(&some[..])
        };
        self.push_messages(chunks, wanted, &mut rows.text, &mut rows.offsets)?;
        Ok(rows)
    }
}
