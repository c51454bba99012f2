//! Owns the simplest column: ends and bytes. Refuses to guess types.

use crate::codec::{Malformed, Reader, put_varint};

/// Values of one column, in row order.
#[derive(Debug, Default)]
pub(crate) struct Column {
    text: Vec<u8>,
    ends: Vec<u32>,
}

/// `n` varints, the length of each value; then the values.
pub(crate) fn encode<'a>(values: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let mut out = Vec::new();
    values.clone().for_each(|value| put_varint(&mut out, value.len() as u64));
    values.for_each(|value| out.extend_from_slice(value));
    out
}

impl Column {
    pub(crate) fn decode(rows: usize, body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if rows > body.len() {
            return Err(Malformed("column length"));
        }
        let mut ends = Vec::with_capacity(rows);
        let mut end = 0_u32;
        for _ in 0..rows {
            let length = u32::try_from(reader.varint()?).map_err(|_| Malformed("column length"))?;
            end = end.checked_add(length).ok_or(Malformed("column length"))?;
            ends.push(end);
        }
        if reader.left() != end as usize {
            return Err(Malformed("column length"));
        }
        Ok(Self { text: reader.bytes(end as usize)?.to_vec(), ends })
    }

    pub(crate) fn push_value(&self, row: usize, out: &mut Vec<u8>) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        out.extend_from_slice(&self.text[start..self.ends[row] as usize]);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4
    }
}
