//! Owns the bytes of a block's head: its templates and what is known of each column without reading it.
//! Refuses to know the bodies of columns.

// The head of a block, all numbers varints unless said otherwise:
//   rows
//   templates, and for each
//     flags (bit 0: the message is one JSON object), variables v
//     v + 1 parts: length, bytes
//     v column numbers
//   columns, and for each
//     the place of its body: 0 = it has none, 1 = a chunk of its own (numbered from 3 in the order of the
//     columns), then the column's head (see `column`)

use crate::codec::{Malformed, Reader, put_varint};

/// Static parts with variables between them: parts[0] v0 parts[1] v1 ... parts[n].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// One more than variables.
    pub parts: Vec<Vec<u8>>,
    /// The column of each variable.
    pub columns: Vec<u32>,
    /// The message is one JSON object, and each variable is one of its scalars (strings without quotes).
    pub json: bool,
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) rows: usize,
    pub(crate) templates: Vec<Template>,
    pub(crate) columns: Vec<ColumnPlace>,
}

#[derive(Debug)]
pub(crate) struct ColumnPlace {
    pub(crate) chunk: Option<u32>,
}

/// No block has more rows.
const ROWS_MAX: u64 = 1 << 24;

pub(crate) fn encode(head: &Head) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, head.rows as u64);
    put_varint(&mut out, head.templates.len() as u64);
    for template in &head.templates {
        out.push(u8::from(template.json));
        put_varint(&mut out, template.columns.len() as u64);
        for part in &template.parts {
            put_varint(&mut out, part.len() as u64);
            out.extend_from_slice(part);
        }
        template.columns.iter().for_each(|&column| put_varint(&mut out, u64::from(column)));
    }
    put_varint(&mut out, head.columns.len() as u64);
    head.columns.iter().for_each(|column| out.push(u8::from(column.chunk.is_some())));
    out
}

/// A count of things that take at least one byte each.
fn count(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = reader.varint()?;
    if count > reader.left() as u64 { Err(Malformed("head count")) } else { Ok(count as usize) }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Head, Malformed> {
    let mut reader = Reader::new(bytes);
    let rows = reader.varint()?;
    if rows > ROWS_MAX {
        return Err(Malformed("head rows"));
    }
    let mut templates = Vec::new();
    for _ in 0..count(&mut reader)? {
        let json = reader.u8()? & 1 == 1;
        let variables = count(&mut reader)?;
        let mut parts = Vec::with_capacity(variables + 1);
        for _ in 0..=variables {
            let length = count(&mut reader)?;
            parts.push(reader.bytes(length)?.to_vec());
        }
        let mut columns = Vec::with_capacity(variables);
        for _ in 0..variables {
            columns.push(u32::try_from(reader.varint()?).map_err(|_| Malformed("head column"))?);
        }
        templates.push(Template { parts, columns, json });
    }
    let mut columns = Vec::new();
    let mut next = super::COLUMNS;
    for _ in 0..count(&mut reader)? {
        let chunk = (reader.u8()? == 1).then_some(next);
        next += u32::from(chunk.is_some());
        columns.push(ColumnPlace { chunk });
    }
    let known = |&column: &u32| (column as usize) < columns.len();
    if templates.is_empty() || !templates.iter().all(|template| template.columns.iter().all(known)) {
        return Err(Malformed("head templates"));
    }
    if reader.left() != 0 {
        return Err(Malformed("head size"));
    }
    Ok(Head { rows: rows as usize, templates, columns })
}
