//! Owns the small building blocks of the formats: varints and a checked reader.
//! Refuses to know any format. All integers are little-endian.

/// Bytes that are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Appends an unsigned LEB128 varint (1 to 10 bytes).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the difference of two numbers, small either way, as a zigzag varint.
pub(crate) fn put_delta(out: &mut Vec<u8>, from: u64, to: u64) {
    let delta = to.wrapping_sub(from).cast_signed();
    put_varint(out, ((delta << 1) ^ (delta >> 63)).cast_unsigned());
}

/// Reads what the functions above wrote; every read is checked against the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Malformed("ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed("ends too early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(Malformed("varint too large"));
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed("varint does not end"))
    }

    pub(crate) fn delta(&mut self, from: u64) -> Result<u64, Malformed> {
        let raw = self.varint()?;
        let delta = (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed());
        Ok(from.wrapping_add(delta.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back(values in prop::collection::vec(any::<u64>().prop_map(|v| v >> (v % 64)), 0..20)) {
            let mut bytes = Vec::new();
            let mut last = 0;
            for &value in &values {
                put_varint(&mut bytes, value);
                put_delta(&mut bytes, last, value);
                last = value;
            }
            let mut reader = Reader::new(&bytes);
            let mut last = 0;
            for &value in &values {
                prop_assert_eq!(reader.varint(), Ok(value));
                last = reader.delta(last).unwrap();
                prop_assert_eq!(last, value);
            }
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(_value) = reader.varint() {}
            prop_assert!(reader.left() <= bytes.len());
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Malformed("varint too large")));
        let mut largest = vec![0xff; 9];
        largest.push(1);
        assert_eq!(Reader::new(&largest).varint(), Ok(u64::MAX));
    }
}
