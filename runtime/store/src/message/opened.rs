//! Owns a block whose head is known: decodes its parts when they are asked for.
//! Refuses to know what a reader may see (see `column_block`).

use std::ops::Range;
use std::sync::Arc;

use super::head::{self, Head};
use super::origin::{self, Origins};
use super::{COLUMNS, Chunks, Decoded, ORIGINS, TIMES, plain};
use crate::block::{BlockMeta, Rows};
use crate::codec::Malformed;
use crate::error::ReadError;

/// The head of a stored block; keep it as long as the segment is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) meta: BlockMeta,
    head: Head,
}

impl Opened {
    pub(crate) fn open(meta: BlockMeta, head: &[u8]) -> Result<Arc<Self>, Malformed> {
        let head = head::decode(head)?;
        if head.rows as u64 != meta.events {
            return Err(Malformed("head rows"));
        }
        Ok(Arc::new(Self { meta, head }))
    }

    pub(crate) fn len(&self) -> usize {
        self.head.rows
    }

    /// What the parsed head takes in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let parts = self.head.templates.iter().flat_map(|template| &template.parts);
        let bytes: usize = parts.map(|part| part.len() + 32).sum();
        (bytes + self.head.columns.len() * 64 + 256) as u64
    }

    pub(crate) fn times(&self, chunks: &dyn Chunks) -> Result<Arc<Vec<i64>>, ReadError> {
        if let Some(Decoded::Times(times)) = chunks.decoded(TIMES) {
            return Ok(times);
        }
        let bytes = chunks.chunk(TIMES)?;
        let times = origin::decode_times(self.len(), &bytes).map_err(|error| chunks.corrupt(error))?;
        let times = Arc::new(times);
        chunks.keep(TIMES, &Decoded::Times(Arc::clone(&times)));
        Ok(times)
    }

    pub(crate) fn origins(&self, chunks: &dyn Chunks) -> Result<Arc<Origins>, ReadError> {
        if let Some(Decoded::Origins(origins)) = chunks.decoded(ORIGINS) {
            return Ok(origins);
        }
        let bytes = chunks.chunk(ORIGINS)?;
        let origins = origin::decode_origins(self.len(), &bytes).map_err(|error| chunks.corrupt(error))?;
        let origins = Arc::new(origins);
        chunks.keep(ORIGINS, &Decoded::Origins(Arc::clone(&origins)));
        Ok(origins)
    }

    fn column(&self, chunks: &dyn Chunks, column: u32) -> Result<Arc<plain::Column>, ReadError> {
        if let Some(Decoded::Column(column)) = chunks.decoded(COLUMNS + column) {
            return Ok(column);
        }
        let bytes = match self.head.columns[column as usize].chunk {
            Some(chunk) => chunks.chunk(chunk)?,
            None => Arc::default(),
        };
        let found = plain::Column::decode(self.len(), &bytes).map_err(|error| chunks.corrupt(error))?;
        let found = Arc::new(found);
        chunks.keep(COLUMNS + column, &Decoded::Column(Arc::clone(&found)));
        Ok(found)
    }

    /// Appends the messages of these rows; the ends are offsets into the text.
    pub(crate) fn push_messages(
        &self,
        chunks: &dyn Chunks,
        rows: impl Iterator<Item = usize>,
        text: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        let column = self.column(chunks, 0)?;
        for row in rows {
            column.push_value(row, text);
            ends.push(text.len() as u32);
        }
        Ok(())
    }

    /// Some of the rows, rebuilt.
    pub(crate) fn rows(&self, chunks: &dyn Chunks, range: Range<usize>) -> Result<Rows, ReadError> {
        let mut rows = Rows::empty(self.meta.group, self.meta.stream);
        rows.timestamps = self.times(chunks)?[range.clone()].to_vec();
        let origins = self.origins(chunks)?;
        rows.ingestion = origins.ingestion[range.clone()].to_vec();
        rows.seqs = origins.seqs[range.clone()].to_vec();
        rows.hops = origins.hops[range.clone()].to_vec();
        self.push_messages(chunks, range, &mut rows.text, &mut rows.offsets)?;
        Ok(rows)
    }
}
