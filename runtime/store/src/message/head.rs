//! Owns the bytes of a block's head: its templates and what is known of each column without reading it.
//! Refuses to know the bodies of columns.

// The head of a block, all numbers varints unless said otherwise:
//   rows
//   templates (at least one), and for each
//     1 byte: 1 = the message is one JSON object, else 0
//     variables v
//     v + 1 parts: length, bytes
//     v column numbers, none twice
//   columns, and for each
//     the place of its body: 0 = it has none; 1 = a chunk of its own, numbered from 4 in the order of the
//     columns; 2 = in chunk 3, which holds such bodies one behind the other, followed by its length
//     the column's head (see `column`)

use crate::codec::{Malformed, Reader, put_varint};
use crate::column::{self, ColumnHead};

/// Static parts with variables between them: parts[0] v0 parts[1] v1 ... parts[n].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// One more than variables.
    pub parts: Vec<Vec<u8>>,
    /// The column of each variable; none is there twice.
    pub columns: Vec<u32>,
    /// The message is one JSON object, and each variable is one of its scalars (strings without quotes).
    pub json: bool,
}

/// Where the body of a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    Own,
    /// In the chunk of small bodies, with this length.
    Shared(usize),
}

/// Writes a head.
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn new(rows: usize, templates: &[Template], columns: u32) -> Self {
        let mut out = Vec::new();
        put_varint(&mut out, rows as u64);
        put_varint(&mut out, templates.len() as u64);
        for template in templates {
            out.push(u8::from(template.json));
            put_varint(&mut out, template.columns.len() as u64);
            for part in &template.parts {
                put_varint(&mut out, part.len() as u64);
                out.extend_from_slice(part);
            }
            template.columns.iter().for_each(|&column| put_varint(&mut out, u64::from(column)));
        }
        put_varint(&mut out, u64::from(columns));
        Self { out }
    }

    /// Adds the next column.
    pub(super) fn column(&mut self, head: &[u8], place: Place) {
        match place {
            Place::Nowhere => self.out.push(0),
            Place::Own => self.out.push(1),
            Place::Shared(length) => {
                self.out.push(2);
                put_varint(&mut self.out, length as u64);
            }
        }
        self.out.extend_from_slice(head);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// A head that was read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) rows: usize,
    pub(super) templates: Vec<Template>,
    pub(super) columns: Vec<ColumnEntry>,
}

/// What the head says of a column.
#[derive(Debug)]
pub(super) struct ColumnEntry {
    pub(super) head: ColumnHead,
    /// The chunk of its body and where in it; the whole chunk if the range is `None`.
    pub(super) body: Option<(u32, Option<std::ops::Range<usize>>)>,
}

/// A block has no more templates: their numbers are bytes.
const TEMPLATES_MAX: usize = 256;

/// A count of things that take at least one byte each.
fn count(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = reader.varint()?;
    if count > reader.left() as u64 { Err(Malformed("head count")) } else { Ok(count as usize) }
}

fn read_template(reader: &mut Reader<'_>) -> Result<Template, Malformed> {
    let json = reader.u8()? == 1;
    let variables = count(reader)?;
    let mut parts = Vec::with_capacity(variables + 1);
    for _ in 0..=variables {
        let length = count(reader)?;
        parts.push(reader.bytes(length)?.to_vec());
    }
    let mut columns = Vec::with_capacity(variables);
    for _ in 0..variables {
        columns.push(u32::try_from(reader.varint()?).map_err(|_| Malformed("head column"))?);
    }
    Ok(Template { parts, columns, json })
}

fn read_columns(reader: &mut Reader<'_>) -> Result<Vec<ColumnEntry>, Malformed> {
    let mut columns = Vec::new();
    let (mut next, mut shared) = (super::COLUMNS + 1, 0_usize);
    for _ in 0..count(reader)? {
        let body = match reader.u8()? {
            0 => None,
            1 => {
                next += 1;
                Some((next - 1, None))
            }
            2 => {
                let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
                let start = shared;
                shared = shared.checked_add(length).ok_or(Malformed("head column place"))?;
                Some((super::COLUMNS, Some(start..shared)))
            }
            _ => return Err(Malformed("head column place")),
        };
        columns.push(ColumnEntry { head: column::read_head(reader)?, body });
    }
    Ok(columns)
}

/// Reads a head. Every template's columns exist and have as many rows as the templates will need is checked
/// when the template numbers are read.
pub(super) fn read(bytes: &[u8]) -> Result<Head, Malformed> {
    let mut reader = Reader::new(bytes);
    let rows = reader.varint()?;
    if rows == 0 || rows > column::MAX_ROWS as u64 {
        return Err(Malformed("head rows"));
    }
    let mut templates = Vec::new();
    for _ in 0..count(&mut reader)? {
        templates.push(read_template(&mut reader)?);
    }
    if templates.is_empty() || templates.len() > TEMPLATES_MAX {
        return Err(Malformed("head templates"));
    }
    let columns = read_columns(&mut reader)?;
    if reader.left() != 0 {
        return Err(Malformed("head size"));
    }
    let mut last_use = vec![usize::MAX; columns.len()];
    for (number, template) in templates.iter().enumerate() {
        for &column in &template.columns {
            match last_use.get_mut(column as usize) {
                Some(last) if *last != number => *last = number,
                _ => return Err(Malformed("head template columns")),
            }
        }
    }
    Ok(Head { rows: rows as usize, templates, columns })
}
