//! Owns putting messages together again from their templates and columns.
//! Refuses to know how columns are stored.
//!
//! It goes column by column: the values of all wanted rows are rendered one behind the other, then the rows
//! are put together from them in order. Constants become part of the static text first.

use std::sync::Arc;

use super::Chunks;
use super::opened::Opened;
use super::rowmap::RowMap;
use crate::column::{Codes, Column, Variable};
use crate::error::ReadError;

/// Appends the messages of these rows (ascending; `None` = all) and where they end.
pub(super) fn push_messages(
    opened: &Opened,
    chunks: &dyn Chunks,
    rows: Option<&[u32]>,
    text: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) -> Result<(), ReadError> {
    let map = opened.map(chunks)?;
    let rows = rows.filter(|rows| rows.len() < map.rows());
    let wanted = Wanted::of(opened, chunks, &map, rows);
    let mut columns: Vec<Option<Arc<Column>>> = vec![None; opened.columns()];
    for (column, slot) in columns.iter_mut().enumerate().filter(|(column, _)| wanted.columns[*column]) {
        *slot = Some(opened.column(chunks, column as u32)?);
    }
    let render = |(number, column): (usize, &Option<Arc<Column>>)| match column {
        Some(column) => {
            let longest = opened.column_head(number as u32).facts().longest;
            wanted.render(&map, number, column, longest)
        }
        None => Rendered::default(),
    };
    let rendered: Vec<Rendered> = columns.iter().enumerate().map(render).collect();
    let pieces: Vec<Piece<'_>> = columns
        .iter()
        .enumerate()
        .map(|(number, column)| match column {
            Some(column) => Piece::of(column, &rendered[number], wanted.indices(&map, number)),
            None => Piece::Constant(&[]),
        })
        .collect();
    let recipes: Vec<Recipe> = opened
        .templates()
        .iter()
        .zip(&wanted.templates)
        .map(|(template, wanted)| if *wanted { Recipe::of(template, &pieces) } else { Recipe::default() })
        .collect();
    let share = rows.map_or(map.rows(), <[u32]>::len) as u64 * opened.meta.raw_bytes / map.rows() as u64;
    text.reserve((share + share / 16) as usize);
    ends.reserve(rows.map_or(map.rows(), <[u32]>::len));
    let mut cursors = vec![0; pieces.len()];
    let mut push = |row: usize| {
        recipes[map.template(row)].push(&pieces, &mut cursors, text);
        ends.push(text.len() as u32);
    };
    match rows {
        Some(rows) => rows.iter().for_each(|&row| push(row as usize)),
        None => (0..map.rows()).for_each(push),
    }
    Ok(())
}

/// No more is reserved for the values of a column before their size is known.
const RESERVED_MAX: usize = 1 << 20;

/// What the wanted rows need.
struct Wanted {
    templates: Vec<bool>,
    columns: Vec<bool>,
    /// By set of columns: which rows of its columns are wanted, in the order of the rows; `None` = all.
    indices: Option<Vec<Vec<u32>>>,
}

impl Wanted {
    fn of(opened: &Opened, chunks: &dyn Chunks, map: &RowMap, rows: Option<&[u32]>) -> Self {
        let mut templates = vec![rows.is_none(); opened.templates().len()];
        rows.unwrap_or_default().iter().for_each(|&row| templates[map.template(row as usize)] = true);
        let mut columns = vec![false; opened.columns()];
        let used = opened.templates().iter().zip(&templates).filter(|(_, wanted)| **wanted);
        used.flat_map(|(template, _)| &template.columns).for_each(|&column| columns[column as usize] = true);
        let indices = rows.map(|rows| {
            let mut sets = vec![Vec::new(); map.sets()];
            let mut made = vec![false; map.sets()];
            for column in (0..columns.len()).filter(|&column| columns[column]) {
                let set = map.set_of(column as u32);
                if !std::mem::replace(&mut made[set], true) {
                    sets[set] = indices_of(map.column_rows(chunks, column as u32), rows);
                }
            }
            sets
        });
        Self { templates, columns, indices }
    }

    fn indices(&self, map: &RowMap, column: usize) -> Option<&[u32]> {
        self.indices.as_ref().map(|sets| sets[map.set_of(column as u32)].as_slice())
    }

    /// The values of a column that is not kept as text already; none is longer than this.
    fn render(&self, map: &RowMap, number: usize, column: &Column, longest: usize) -> Rendered {
        let mut rendered = Rendered::default();
        let direct = matches!(
            column.variable(),
            Variable::Constant(_) | Variable::Dictionary { .. } | Variable::Texts { .. }
        );
        if !direct {
            let rows = self.indices(map, number).map_or(column.len(), <[u32]>::len);
            rendered.ends.reserve_exact(rows);
            rendered.text.reserve_exact((rows * longest).min(RESERVED_MAX));
            column.push_values(self.indices(map, number), &mut rendered.text, &mut rendered.ends);
        }
        rendered
    }
}

/// Where the wanted rows are among the rows of a column; those that do not have it are left out.
fn indices_of(column_rows: Option<&[u32]>, wanted: &[u32]) -> Vec<u32> {
    let Some(mut left) = column_rows else { return wanted.to_vec() };
    let all = left.len();
    let mut indices = Vec::with_capacity(wanted.len());
    for &row in wanted {
        // The wanted rows are often close together: look at the next ones first.
        let mut step = 1;
        while step < left.len() && left[step] < row {
            step *= 2;
        }
        let near = &left[..left.len().min(step + 1)];
        left = &left[near.partition_point(|&candidate| candidate < row)..];
        if left.first() == Some(&row) {
            indices.push((all - left.len()) as u32);
        }
    }
    indices
}

#[derive(Default)]
struct Rendered {
    text: Vec<u8>,
    ends: Vec<u32>,
}

/// The values of one column for the wanted rows.
enum Piece<'a> {
    Constant(&'a [u8]),
    Small { codes: &'a [u8], values: &'a [Box<[u8]>], indices: Option<&'a [u32]> },
    Large { codes: &'a [u16], values: &'a [Box<[u8]>], indices: Option<&'a [u32]> },
    Texts { text: &'a [u8], ends: &'a [u32], indices: Option<&'a [u32]> },
}

impl<'a> Piece<'a> {
    fn of(column: &'a Column, rendered: &'a Rendered, indices: Option<&'a [u32]>) -> Self {
        match column.variable() {
            Variable::Constant(value) => Self::Constant(value),
            Variable::Dictionary { codes: Codes::U8(codes), values } => {
                Self::Small { codes, values, indices }
            }
            Variable::Dictionary { codes: Codes::U16(codes), values } => {
                Self::Large { codes, values, indices }
            }
            Variable::Texts { text, ends } => Self::Texts { text, ends, indices },
            _ => Self::Texts { text: &rendered.text, ends: &rendered.ends, indices: None },
        }
    }

    #[inline]
    fn value(&self, cursor: usize) -> &'a [u8] {
        let at = |indices: &Option<&[u32]>| indices.map_or(cursor, |indices| indices[cursor] as usize);
        match self {
            Self::Constant(value) => value,
            Self::Small { codes, values, indices } => &values[codes[at(indices)] as usize],
            Self::Large { codes, values, indices } => &values[codes[at(indices)] as usize],
            Self::Texts { text, ends, indices } => {
                let at = at(indices);
                let start = if at == 0 { 0 } else { ends[at - 1] as usize };
                &text[start..ends[at] as usize]
            }
        }
    }
}

/// A template with its constants filled in.
#[derive(Default)]
struct Recipe {
    /// Static text and the column whose value follows it.
    steps: Vec<(Vec<u8>, u32)>,
    last: Vec<u8>,
}

impl Recipe {
    fn of(template: &super::head::Template, pieces: &[Piece<'_>]) -> Self {
        let mut recipe = Self::default();
        for (part, &column) in template.parts.iter().zip(&template.columns) {
            recipe.last.extend_from_slice(part);
            match pieces[column as usize] {
                Piece::Constant(value) => recipe.last.extend_from_slice(value),
                _ => recipe.steps.push((std::mem::take(&mut recipe.last), column)),
            }
        }
        recipe.last.extend(template.parts.last().into_iter().flatten());
        recipe
    }

    #[inline]
    fn push(&self, pieces: &[Piece<'_>], cursors: &mut [usize], out: &mut Vec<u8>) {
        for (part, column) in &self.steps {
            out.extend_from_slice(part);
            let cursor = &mut cursors[*column as usize];
            out.extend_from_slice(pieces[*column as usize].value(*cursor));
            *cursor += 1;
        }
        out.extend_from_slice(&self.last);
    }
}
