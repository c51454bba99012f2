//! Owns a block as its columns, decoded when they are asked for, with what the reader may see of it.
//! Refuses to know files and formats (see `message`).

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::block::{Block, BlockMeta, Clip, Rows};
use crate::error::ReadError;
use crate::id::{GroupId, StreamId};
use crate::message::{Chunks, Opened};

enum Body {
    Stored { opened: Arc<Opened>, chunks: Arc<dyn Chunks> },
    Rows(Arc<Rows>),
}

/// A block whose parts are read one by one. Row numbers are those of the stored block; what of them the
/// reader may see is said by [`ColumnBlock::visible`].
pub struct ColumnBlock {
    meta: BlockMeta,
    clip: Clip,
    body: Body,
    times: OnceLock<Arc<Vec<i64>>>,
}

impl std::fmt::Debug for ColumnBlock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ColumnBlock").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl ColumnBlock {
    pub(crate) fn stored(opened: Arc<Opened>, chunks: Arc<dyn Chunks>, clip: Clip) -> Self {
        let meta = opened.meta;
        Self { meta, clip, body: Body::Stored { opened, chunks }, times: OnceLock::new() }
    }

    pub(crate) fn of_rows(meta: BlockMeta, rows: Arc<Rows>, clip: Clip) -> Self {
        Self { meta, clip, body: Body::Rows(rows), times: OnceLock::new() }
    }

    /// The group of all rows.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.meta.group
    }

    /// The stream of all rows.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.meta.stream
    }

    /// The number of stored rows, whether the reader may see them or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.meta.events as usize
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events' own times in ms, never falling.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn timestamps(&self) -> Result<&[i64], ReadError> {
        match &self.body {
            Body::Rows(rows) => Ok(&rows.timestamps),
            Body::Stored { opened, chunks } => {
                if self.times.get().is_none() {
                    let _ = self.times.set(opened.times(&**chunks)?);
                }
                Ok(self.times.get().map_or(&[], |times| times))
            }
        }
    }

    /// The rows that lie in the clip's time range.
    fn in_time(&self) -> Result<Range<usize>, ReadError> {
        let times = self.timestamps()?;
        let start = times.partition_point(|&time| time < self.clip.from_ms);
        let end = times.partition_point(|&time| time <= self.clip.to_ms);
        Ok(start..end.max(start))
    }

    /// The rows the reader may see, rebuilt.
    ///
    /// # Errors
    /// The storage fails or the block is damaged.
    pub fn load(&self) -> Result<Block, ReadError> {
        let range = self.in_time()?;
        let block = match &self.body {
            Body::Rows(rows) => Block { rows: Arc::clone(rows), range },
            Body::Stored { opened, chunks } => Block::whole(Arc::new(opened.rows(&**chunks, range)?)),
        };
        Ok(block.without_hidden(&self.meta, &self.clip))
    }
}
