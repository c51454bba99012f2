//! Owns the kind Text: any values, as they are. Refuses to know other kinds.

use super::choose::Input;
use super::planes::{put_lengths, read_strings};
use super::strings::{get, rows_containing};
use super::{EncodedColumn, Facts, Head, Hits, Kind, Rows, Values, Variable, start_head};
use crate::codec::{Malformed, Reader, put_varint};
use crate::column::ByteSet;
use crate::filter::Builder;

// Layout.
// Head: the byte set (see `facts`), varint length of the longest value.
// Body: the lengths as numbers, then all values as a text (see `planes`).

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let values = input.values;
    let mut head = start_head(Kind::Text, values.len());
    let mut lengths = Vec::with_capacity(values.len());
    for value in values.iter() {
        lengths.push(value.len() as i64);
        filter.add(value);
    }
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut body = Vec::new();
    put_lengths(&lengths, &values.text, &mut body);
    ByteSet::of(&values.text).write(&mut head);
    put_varint(&mut head, longest as u64);
    Some(EncodedColumn { head, body })
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let bytes = ByteSet::read(reader)?;
    let longest = reader.varint()? as usize;
    Ok(Box::new(TextHead(Facts { kind: Kind::Text, min: None, max: None, bytes, longest })))
}

#[derive(Debug)]
struct TextHead(Facts);

impl Head for TextHead {
    fn kind(&self) -> Kind {
        Kind::Text
    }

    fn facts(&self) -> Facts {
        self.0
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let mut reader = Reader::new(body);
        let (text, ends) = read_strings(&mut reader, times.len())?;
        if reader.left() != 0 {
            return Err(Malformed("bytes behind texts"));
        }
        Ok(Box::new(Text { text, ends }))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct Text {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Values for Text {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        rows.copy(out, ends, |row| get(&self.text, &self.ends, row));
    }

    fn variable(&self) -> Variable<'_> {
        Variable::Texts { text: &self.text, ends: &self.ends }
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.ends.len() * 4
    }

    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        Hits::of(rows_containing(&self.text, &self.ends, needle), rows)
    }
}
