//! Owns making the bytes of a block from its rows. Refuses to know where they go.

use super::head::{self, ColumnPlace, Head, Template};
use super::{Composed, origin, plain};
use crate::block::Rows;

/// Makes blocks, keeping its buffers from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Composer {}

impl Composer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The bytes of the block of these rows (at least one).
    pub(crate) fn compose(&mut self, rows: &Rows) -> Composed {
        let template = Template { parts: vec![Vec::new(); 2], columns: vec![0], json: false };
        let columns = vec![ColumnPlace { chunk: Some(super::COLUMNS) }];
        let head = Head { rows: rows.len(), templates: vec![template], columns };
        let messages = plain::encode((0..rows.len()).map(|row| rows.message(row)));
        Composed {
            head: head::encode(&head),
            chunks: vec![
                (origin::encode_times(&rows.timestamps), true),
                (origin::encode_origins(rows), true),
                (Vec::new(), false),
                (messages, true),
            ],
            filter: Vec::new(),
        }
    }
}
