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

/// Makes blocks, keeping its buffers from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    splitter: Splitter,
    values: Strings,
    times: Vec<i64>,
    rows: Vec<u32>,
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
        let by_template = rows_by_template(&numbers, plan.templates.len());

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
        let users = users(&plan);
        for users in &users {
            self.gather(rows, &plan, users, &by_template);
            let EncodedColumn { head: column, body } = column::encode(&self.values, &self.times, &mut filter);
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
        Composed { head: head.finish(), chunks, filter: filter.finish() }
    }

    /// Collects the values of one column and the times of their rows.
    fn gather(&mut self, rows: &Rows, plan: &Plan, users: &[(u16, u16)], by_template: &[Vec<u32>]) {
        self.values.clear();
        self.times.clear();
        let Self { splitter, values, times, .. } = self;
        let mut push = |row: usize, slot: usize| {
            let message = rows.message(row);
            let value = if plan.given_up[splitter.of_rows[row] as usize] {
                message
            } else {
                let (start, end) = splitter.spans[splitter.starts[row] as usize + slot];
                &message[start as usize..end as usize]
            };
            values.push(value);
            times.push(rows.timestamps[row]);
        };
        if let [(template, slot)] = users {
            for &row in &by_template[*template as usize] {
                push(row as usize, *slot as usize);
            }
            return;
        }
        self.rows.clear();
        for &(template, _) in users {
            self.rows.extend_from_slice(&by_template[template as usize]);
        }
        self.rows.sort_unstable();
        for &row in &self.rows {
            let template = plan.number[splitter.of_rows[row as usize] as usize];
            // Invariant: the rows are those of the users, in the order of their templates.
            let at = users.partition_point(|user| user.0 < template);
            push(row as usize, users[at].1 as usize);
        }
    }
}

/// For each column the templates that use it, in order, and for which variable.
fn users(plan: &Plan) -> Vec<Vec<(u16, u16)>> {
    let mut users = vec![Vec::new(); plan.columns as usize];
    for (number, template) in plan.templates.iter().enumerate() {
        for (slot, &column) in template.columns.iter().enumerate() {
            users[column as usize].push((number as u16, slot as u16));
        }
    }
    users
}

fn rows_by_template(numbers: &[u16], templates: usize) -> Vec<Vec<u32>> {
    let mut rows = vec![Vec::new(); templates];
    for (row, &number) in numbers.iter().enumerate() {
        rows[number as usize].push(row as u32);
    }
    rows
}

// Chunk 2: the number of the template of each row, one byte each; empty when there is one template.

fn encode_numbers(numbers: &[u16], templates: usize) -> Vec<u8> {
    if templates < 2 {
        return Vec::new();
    }
    // Invariant: a block has at most 256 templates.
    numbers.iter().map(|&number| number as u8).collect()
}
