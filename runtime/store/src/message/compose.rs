//! Owns making the bytes of a block from its rows. Refuses to know where they go.

use super::head;
use super::plan::Plan;
use super::split::Splitter;
use super::{COLUMNS, Composed, origin};
use crate::block::Rows;
use crate::column::{self, EncodedColumn, Strings};
use crate::filter;

/// Bodies of columns below this share a chunk.
const SMALL_BYTES: usize = 384;

/// A buffer that grew beyond this for one block is not kept for the next.
const KEPT_BYTES: usize = 1 << 20;

/// Makes blocks, keeping its buffers from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    splitter: Splitter,
    /// By column.
    columns: Vec<Gathered>,
}

/// The values of one column.
#[derive(Debug, Default)]
struct Gathered {
    values: Strings,
    /// The times of the rows, if not all rows have the column.
    times: Vec<i64>,
    partial: bool,
}

impl Composer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The bytes of the block of these rows (at least one).
    pub(crate) fn compose(&mut self, rows: &Rows) -> Composed {
        self.splitter.clear();
        (0..rows.len()).for_each(|row| self.splitter.push(rows.message(row)));
        let plan = Plan::of(&self.splitter.known);
        let numbers: Vec<u16> =
            self.splitter.of_rows.iter().map(|&known| plan.number[known as usize]).collect();
        self.gather(rows, &plan, &numbers);

        let mut filter = filter::Builder::new();
        let parts = plan.templates.iter().flat_map(|template| &template.parts);
        parts.for_each(|part| filter.add(part));
        let mut chunks = vec![
            (origin::encode_times(&rows.timestamps), true),
            (origin::encode_origins(rows), true),
            (encode_numbers(&numbers, plan.templates.len()), true),
            (Vec::new(), true),
        ];
        let mut head = head::Writer::new(rows.len(), &plan.templates, plan.columns);
        for gathered in &self.columns[..plan.columns as usize] {
            let times = if gathered.partial { &gathered.times } else { &rows.timestamps };
            let EncodedColumn { head: column, body } = column::encode(&gathered.values, times, &mut filter);
            match body.len() {
                0 => head.column(&column, head::Place::Nowhere),
                small if small < SMALL_BYTES => {
                    head.column(&column, head::Place::Shared(small));
                    chunks[COLUMNS as usize].0.extend_from_slice(&body);
                }
                _ => {
                    head.column(&column, head::Place::Own);
                    chunks.push((body, false));
                }
            }
        }
        self.columns.retain(|gathered| gathered.values.text.capacity() <= KEPT_BYTES);
        Composed { head: head.finish(), chunks, filter: filter.finish() }
    }

    /// Collects the values of all columns, row by row: each message is read once.
    fn gather(&mut self, rows: &Rows, plan: &Plan, numbers: &[u16]) {
        let columns = plan.columns as usize;
        if self.columns.len() < columns {
            self.columns.resize_with(columns, Gathered::default);
        }
        let mut counts = vec![0; plan.templates.len()];
        numbers.iter().for_each(|&number| counts[number as usize] += 1);
        let mut having = vec![0; columns];
        for (template, count) in plan.templates.iter().zip(counts) {
            template.columns.iter().for_each(|&column| having[column as usize] += count);
        }
        for (gathered, having) in self.columns.iter_mut().zip(having) {
            gathered.values.clear();
            gathered.times.clear();
            gathered.partial = having < rows.len();
        }
        let Self { splitter, columns } = self;
        for (row, &number) in numbers.iter().enumerate() {
            let message = rows.message(row);
            let whole = [(0, message.len() as u32)];
            let spans = match plan.given_up[splitter.of_rows[row] as usize] {
                true => &whole[..],
                false => &splitter.spans[splitter.starts[row] as usize..],
            };
            for (&column, &(start, end)) in plan.templates[number as usize].columns.iter().zip(spans) {
                let gathered = &mut columns[column as usize];
                gathered.values.push(&message[start as usize..end as usize]);
                if gathered.partial {
                    gathered.times.push(rows.timestamps[row]);
                }
            }
        }
    }
}

// Chunk 2: the number of the template of each row, one byte each; empty when there is one template.

fn encode_numbers(numbers: &[u16], templates: usize) -> Vec<u8> {
    if templates < 2 {
        return Vec::new();
    }
    // Invariant: a block has at most 256 templates.
    numbers.iter().map(|&number| number as u8).collect()
}
