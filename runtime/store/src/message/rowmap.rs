//! Owns which rows of a block have which template and which column. Refuses to know what is in them.

use std::sync::{Arc, OnceLock};

use super::head::{ColumnEntry, Template};
use super::{Chunks, Decoded, ROW_LISTS};
use crate::codec::Malformed;

/// Which template each row has, and which columns have the same rows.
#[derive(Debug)]
pub(crate) struct Numbers {
    rows: usize,
    /// Empty when all rows are template 0.
    of_rows: Vec<u8>,
    /// For each column the set of its templates, as an index into `sets`.
    set_of: Vec<u16>,
    sets: Vec<Set>,
}

#[derive(Debug)]
struct Set {
    /// By template number.
    templates: Vec<bool>,
    len: usize,
}

impl Numbers {
    /// `numbers`: chunk 2.
    pub(super) fn new(
        rows: usize,
        templates: &[Template],
        columns: &[ColumnEntry],
        numbers: &[u8],
    ) -> Result<Self, Malformed> {
        let mut counts = vec![0_usize; templates.len()];
        if templates.len() > 1 {
            if numbers.len() != rows || numbers.iter().any(|&number| usize::from(number) >= templates.len()) {
                return Err(Malformed("block template numbers"));
            }
            numbers.iter().for_each(|&number| counts[usize::from(number)] += 1);
        } else {
            counts[0] = rows;
        }
        let of_rows = if templates.len() > 1 { numbers.to_vec() } else { Vec::new() };
        let mut uses = vec![vec![false; templates.len()]; columns.len()];
        for (number, template) in templates.iter().enumerate() {
            template.columns.iter().for_each(|&column| uses[column as usize][number] = true);
        }
        let mut map = Self { rows, of_rows, set_of: Vec::with_capacity(columns.len()), sets: Vec::new() };
        let mut known = std::collections::HashMap::new();
        for (templates, column) in uses.into_iter().zip(columns) {
            let len = templates.iter().zip(&counts).filter(|(used, _)| **used).map(|(_, count)| count).sum();
            if len != column.head.rows() {
                return Err(Malformed("block column rows"));
            }
            let next = map.sets.len() as u16;
            let set = *known.entry(templates.clone()).or_insert(next);
            if set == next {
                map.sets.push(Set { templates, len });
            }
            map.set_of.push(set);
        }
        Ok(map)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| set.templates.len() + 40).sum();
        self.of_rows.len() + self.set_of.len() * 2 + sets
    }

    /// The rows of a set, ascending.
    fn rows_of(&self, set: &Set) -> Vec<u32> {
        let mut rows = vec![0; set.len + 1];
        let mut len = 0;
        for (row, &number) in self.of_rows.iter().enumerate() {
            // Without a branch: which template comes next cannot be foretold.
            rows[len] = row as u32;
            len += usize::from(set.templates[usize::from(number)]);
        }
        rows.truncate(set.len);
        rows
    }
}

/// Which template each row has, and which rows each column has, for one reader.
#[derive(Debug)]
pub(crate) struct RowMap {
    numbers: Arc<Numbers>,
    /// The rows of each set, once they were asked for.
    lists: Box<[OnceLock<Arc<Vec<u32>>>]>,
}

impl RowMap {
    pub(super) fn of(numbers: Arc<Numbers>) -> Self {
        let lists = numbers.sets.iter().map(|_| OnceLock::new()).collect();
        Self { numbers, lists }
    }

    pub(super) fn rows(&self) -> usize {
        self.numbers.rows
    }

    /// The template of each row; `None` when all are template 0.
    pub(crate) fn of_rows(&self) -> Option<&[u8]> {
        let of_rows = &self.numbers.of_rows;
        (!of_rows.is_empty()).then_some(of_rows)
    }

    #[inline]
    pub(super) fn template(&self, row: usize) -> usize {
        self.numbers.of_rows.get(row).map_or(0, |&number| usize::from(number))
    }

    /// How many sets of columns there are.
    pub(super) fn sets(&self) -> usize {
        self.numbers.sets.len()
    }

    /// Columns with the same set have the same rows.
    pub(super) fn set_of(&self, column: u32) -> usize {
        usize::from(self.numbers.set_of[column as usize])
    }

    /// The rows that have the column; `None` = all. `chunks`: those of the block of this map.
    pub(crate) fn column_rows(&self, chunks: &dyn Chunks, column: u32) -> Option<&[u32]> {
        let set = self.set_of(column);
        if self.numbers.sets[set].len == self.rows() {
            return None;
        }
        Some(self.lists[set].get_or_init(|| {
            let key = ROW_LISTS + set as u32;
            if let Some(Decoded::List(rows)) = chunks.decoded(key) {
                return rows;
            }
            let rows = Arc::new(self.numbers.rows_of(&self.numbers.sets[set]));
            chunks.keep(key, &Decoded::List(Arc::clone(&rows)));
            rows
        }))
    }
}
