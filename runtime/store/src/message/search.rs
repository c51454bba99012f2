//! Owns finding the rows whose message contains a text, without putting messages together.
//! Refuses to know how columns are stored.
//!
//! A message contains the needle in one of three ways: a static part does, a value does, or the needle lies
//! across the border of a static part and a value. Between two values there is always a static part that is
//! not empty, so in the third case it covers part of one: every way to lay it over a static part is tried,
//! and what hangs over on the left and on the right is compared with the values there.

use std::sync::Arc;

use memchr::memmem;

use super::Chunks;
use super::head::Template;
use super::opened::Opened;
use super::rowmap::RowMap;
use crate::column::{self, Column, Hits};
use crate::error::ReadError;

/// The rows whose message contains the needle, ascending.
pub(super) fn rows_containing(
    opened: &Opened,
    chunks: &dyn Chunks,
    needle: &[u8],
) -> Result<Vec<u32>, ReadError> {
    let rows = opened.len();
    if needle.is_empty() {
        return Ok((0..rows as u32).collect());
    }
    let columns = vec![None; opened.columns()];
    let mut search = Search { opened, chunks, needle, map: None, found: Found::default(), columns };
    search.in_static_parts()?;
    search.in_values()?;
    if needle.iter().any(|&byte| !is_word(byte)) {
        for (number, template) in opened.templates().iter().enumerate() {
            search.across(number, template)?;
        }
    }
    Ok(search.found.list())
}

/// A needle that fits in more ways (`----------`) is searched in the messages themselves.
const LAYS_MAX: usize = 32;

/// Borders never lie between two of these.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The rows found so far. Most often one column has them all, and its list is what was found.
#[derive(Default)]
struct Found {
    /// Ascending.
    rows: Vec<u32>,
    /// One for each row of the block once several lists came; empty before.
    flags: Vec<bool>,
}

impl Found {
    /// Adds an ascending list to the rows of a block of `len`.
    fn add(&mut self, rows: Vec<u32>, len: usize) {
        if self.rows.is_empty() && self.flags.is_empty() {
            self.rows = rows;
        } else if !rows.is_empty() {
            self.flags.resize(len, false);
            let before = std::mem::take(&mut self.rows);
            before.into_iter().chain(rows).for_each(|row| self.flags[row as usize] = true);
        }
    }

    fn has(&self, row: u32) -> bool {
        self.flags.get(row as usize).copied().unwrap_or_else(|| self.rows.binary_search(&row).is_ok())
    }

    fn list(self) -> Vec<u32> {
        if self.flags.is_empty() { self.rows } else { rows_where(self.flags.len(), |row| self.flags[row]) }
    }
}

struct Search<'a> {
    opened: &'a Opened,
    chunks: &'a dyn Chunks,
    needle: &'a [u8],
    map: Option<Arc<RowMap>>,
    found: Found,
    columns: Vec<Option<Arc<Column>>>,
}

/// One way in which the needle lies over a static part.
struct Lay<'a> {
    /// The static part; the variable before it has the number below.
    part: usize,
    /// What must end the text before the part, if anything.
    left: &'a [u8],
    /// What must begin the value behind the part, if anything.
    right: &'a [u8],
}

impl<'a> Search<'a> {
    fn map(&mut self) -> Result<Arc<RowMap>, ReadError> {
        if let Some(map) = &self.map {
            return Ok(Arc::clone(map));
        }
        let map = self.opened.map(self.chunks)?;
        self.map = Some(Arc::clone(&map));
        Ok(map)
    }

    fn column(&mut self, column: u32) -> Result<Arc<Column>, ReadError> {
        if let Some(column) = &self.columns[column as usize] {
            return Ok(Arc::clone(column));
        }
        let decoded = self.opened.column(self.chunks, column)?;
        self.columns[column as usize] = Some(Arc::clone(&decoded));
        Ok(decoded)
    }

    fn in_static_parts(&mut self) -> Result<(), ReadError> {
        let finder = memmem::Finder::new(self.needle);
        let has = |template: &Template| template.parts.iter().any(|part| finder.find(part).is_some());
        let templates: Vec<bool> = self.opened.templates().iter().map(has).collect();
        if templates.iter().any(|&hit| hit) {
            let map = self.map()?;
            self.found.add(rows_where(map.rows(), |row| templates[map.template(row)]), map.rows());
        }
        Ok(())
    }

    /// What is known of the rows of a column that contain a text, after reading it if necessary.
    fn hits(&mut self, column: u32, text: &[u8]) -> Result<Hits, ReadError> {
        match self.opened.column_head(column).find(text) {
            Some(hits) => Ok(hits),
            None => Ok(self.column(column)?.find(text)),
        }
    }

    fn in_values(&mut self) -> Result<(), ReadError> {
        for column in 0..self.opened.columns() as u32 {
            let hits = self.hits(column, self.needle)?;
            if hits == Hits::None {
                continue;
            }
            let map = self.map()?;
            let rows = match (hits, map.column_rows(self.chunks, column)) {
                (Hits::None, _) => Vec::new(),
                (Hits::All, None) => (0..map.rows() as u32).collect(),
                (Hits::All, Some(rows)) => rows.to_vec(),
                (Hits::Rows(hits), None) => hits,
                (Hits::Rows(hits), Some(rows)) => hits.into_iter().map(|hit| rows[hit as usize]).collect(),
            };
            self.found.add(rows, map.rows());
        }
        Ok(())
    }

    fn across(&mut self, number: usize, template: &Template) -> Result<(), ReadError> {
        let lays = lays(template, self.needle);
        if lays.len() > LAYS_MAX {
            return self.in_messages(number);
        }
        for lay in lays {
            let Some(mut rows) = self.candidates(number, template, &lay)? else { continue };
            rows.retain(|&row| !self.found.has(row));
            if rows.is_empty() {
                continue;
            }
            let map = self.map()?;
            if !lay.right.is_empty() {
                let column = self.column(template.columns[lay.part])?;
                let mut cursor = Cursor::new(map.column_rows(self.chunks, template.columns[lay.part]));
                let mut value = Vec::new();
                rows.retain(|&row| {
                    value.clear();
                    column.push_value(cursor.index(row), &mut value);
                    value.starts_with(lay.right)
                });
            }
            if !lay.left.is_empty() {
                rows = self.with_left(template, &lay, rows, &map)?;
            }
            self.found.add(rows, map.rows());
        }
        Ok(())
    }

    /// Puts the messages of the template together and searches them.
    fn in_messages(&mut self, number: usize) -> Result<(), ReadError> {
        let map = self.map()?;
        let mine = |row: &u32| map.template(*row as usize) == number && !self.found.has(*row);
        let rows: Vec<u32> = (0..map.rows() as u32).filter(mine).collect();
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        self.opened.push_messages(self.chunks, Some(&rows), &mut text, &mut ends)?;
        let hits = column::rows_containing(&text, &ends, self.needle);
        self.found.add(hits.into_iter().map(|hit| rows[hit as usize]).collect(), map.rows());
        Ok(())
    }

    /// Rows of the template in which the needle may lie so; `None` when there are none.
    fn candidates(
        &mut self,
        number: usize,
        template: &Template,
        lay: &Lay<'a>,
    ) -> Result<Option<Vec<u32>>, ReadError> {
        let mut sure = None;
        // A word at the border is wholly in the value: see the module's first lines.
        let word = lay.left.iter().rev().take_while(|&&byte| is_word(byte)).count();
        let word = &lay.left[lay.left.len() - word..];
        if !word.is_empty() {
            let column = template.columns[lay.part - 1];
            match self.hits(column, word)? {
                Hits::None => return Ok(None),
                Hits::All => {}
                Hits::Rows(rows) => sure = Some((column, rows)),
            }
        }
        if !lay.right.is_empty() {
            let column = template.columns[lay.part];
            match self.hits(column, lay.right)? {
                Hits::None => return Ok(None),
                Hits::All => {}
                Hits::Rows(rows) => match &sure {
                    Some((_, others)) if others.len() <= rows.len() => {}
                    _ => sure = Some((column, rows)),
                },
            }
        }
        let map = self.map()?;
        let mine = |row: &u32| map.template(*row as usize) == number;
        Ok(Some(match sure {
            None => (0..map.rows() as u32).filter(mine).collect(),
            Some((column, hits)) => match map.column_rows(self.chunks, column) {
                None => hits.into_iter().filter(mine).collect(),
                Some(rows) => hits.into_iter().map(|hit| rows[hit as usize]).filter(mine).collect(),
            },
        }))
    }

    /// Those of the rows in which the text before the part ends as it must.
    fn with_left(
        &mut self,
        template: &Template,
        lay: &Lay<'a>,
        rows: Vec<u32>,
        map: &RowMap,
    ) -> Result<Vec<u32>, ReadError> {
        let mut open: Vec<(u32, &[u8])> = rows.into_iter().map(|row| (row, lay.left)).collect();
        let mut matching = Vec::new();
        let mut value = Vec::new();
        for at in (0..lay.part).rev() {
            if open.is_empty() {
                break;
            }
            let column = self.column(template.columns[at])?;
            let mut cursor = Cursor::new(map.column_rows(self.chunks, template.columns[at]));
            let part = &template.parts[at];
            open.retain_mut(|(row, left)| {
                value.clear();
                column.push_value(cursor.index(*row), &mut value);
                for text in [&value, part] {
                    if text.ends_with(left) {
                        matching.push(*row);
                        return false;
                    }
                    match left.strip_suffix(text.as_slice()) {
                        Some(rest) => *left = rest,
                        None => return false,
                    }
                }
                true
            });
        }
        Ok(matching)
    }
}

/// The numbers below `rows` for which the test holds. Without a branch for each.
fn rows_where(rows: usize, holds: impl Fn(usize) -> bool) -> Vec<u32> {
    let (mut found, mut count) = (vec![0; rows], 0);
    for row in 0..rows {
        found[count] = row as u32;
        count += usize::from(holds(row));
    }
    found.truncate(count);
    found
}

/// Every way in which the needle covers bytes of a static part and, of the parts it covers, this one last,
/// with something hanging over.
fn lays<'a>(template: &Template, needle: &'a [u8]) -> Vec<Lay<'a>> {
    let mut lays = Vec::new();
    let variables = template.columns.len();
    let mut known = [false; 256];
    needle.iter().for_each(|&byte| known[usize::from(byte)] = true);
    for (number, part) in template.parts.iter().enumerate() {
        // Whatever is covered, its first or its last byte is.
        let [Some(&first), Some(&last)] = [part.first(), part.last()] else { continue };
        if !known[usize::from(first)] && !known[usize::from(last)] {
            continue;
        }
        // `ahead`: how many bytes of the needle come before the part.
        let most = if number == 0 { 0 } else { needle.len() - 1 };
        for ahead in (1..=most).rev() {
            let rest = &needle[ahead..];
            let covered = rest.len().min(part.len());
            if covered > 0
                && rest[..covered] == part[..covered]
                && (covered == rest.len() || number < variables)
            {
                lays.push(Lay { part: number, left: &needle[..ahead], right: &rest[covered..] });
            }
        }
        if number == variables {
            continue;
        }
        for start in part.len().saturating_sub(needle.len() - 1)..part.len() {
            let covered = part.len() - start;
            if part[start..] == needle[..covered] {
                lays.push(Lay { part: number, left: &[], right: &needle[covered..] });
            }
        }
    }
    lays
}

/// Finds rows among the rows of a column, in ascending order.
struct Cursor<'a> {
    rows: Option<&'a [u32]>,
    passed: usize,
}

impl<'a> Cursor<'a> {
    fn new(rows: Option<&'a [u32]>) -> Self {
        Self { rows, passed: 0 }
    }

    /// The row has the column.
    fn index(&mut self, row: u32) -> usize {
        let Some(rows) = self.rows else { return row as usize };
        self.passed += rows[self.passed..].partition_point(|&candidate| candidate < row);
        self.passed
    }
}
