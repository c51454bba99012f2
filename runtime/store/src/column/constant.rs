//! Owns the kind Constant: one short value in all rows. Refuses to know other kinds.

use super::choose::Input;
use super::{EncodedColumn, Facts, HEAD_VALUES_BYTES, Head, Hits, Kind, Rows, Values, Variable, start_head};
use crate::codec::{Malformed, Reader, put_varint};
use crate::column::ByteSet;
use crate::filter::Builder;

// Layout. Head: varint length of the value, the value (at most 256 bytes). Body: empty.

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let values = input.values;
    let first = if values.len() == 0 { &[][..] } else { values.get(0) };
    if input.sample.distinct > 1
        || first.len() > HEAD_VALUES_BYTES
        || values.iter().any(|value| value != first)
    {
        return None;
    }
    filter.add(first);
    let mut head = start_head(Kind::Constant, values.len());
    put_varint(&mut head, first.len() as u64);
    head.extend_from_slice(first);
    Some(EncodedColumn { head, body: Vec::new() })
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let length = reader.varint()?;
    if length > HEAD_VALUES_BYTES as u64 {
        return Err(Malformed("constant too long"));
    }
    Ok(Box::new(Constant([reader.bytes(length as usize)?.into()])))
}

#[derive(Clone, Debug)]
struct Constant([Box<[u8]>; 1]);

impl Head for Constant {
    fn kind(&self) -> Kind {
        Kind::Constant
    }

    fn facts(&self) -> Facts {
        let value = &self.0[0];
        Facts { kind: Kind::Constant, min: None, max: None, bytes: ByteSet::of(value), longest: value.len() }
    }

    fn values(&self) -> &[Box<[u8]>] {
        &self.0
    }

    fn decode(&self, body: &[u8], _times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        if !body.is_empty() {
            return Err(Malformed("constant with a body"));
        }
        Ok(Box::new(self.clone()))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.0[0].len()
    }
}

impl Values for Constant {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        rows.copy(out, ends, |_| &self.0[0]);
    }

    fn variable(&self) -> Variable<'_> {
        Variable::Constant(&self.0[0])
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.0[0].len()
    }

    fn find(&self, needle: &[u8], _rows: usize) -> Hits {
        if memchr::memmem::find(&self.0[0], needle).is_some() { Hits::All } else { Hits::None }
    }
}
