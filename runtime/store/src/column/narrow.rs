//! Owns lists of whole numbers, in as little memory as the greatest of them needs.
//! Refuses to know what they count.

/// Whole numbers that are lent. What is not of eight bytes is never negative.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// Of one byte each.
    U8(&'a [u8]),
    /// Of two bytes each.
    U16(&'a [u16]),
    /// Of four bytes each.
    U32(&'a [u32]),
    /// Any.
    I64(&'a [i64]),
}

impl Numbers<'_> {
    /// One of them.
    #[must_use]
    #[inline]
    pub fn get(self, index: usize) -> i64 {
        match self {
            Self::U8(list) => i64::from(list[index]),
            Self::U16(list) => i64::from(list[index]),
            Self::U32(list) => i64::from(list[index]),
            Self::I64(list) => list[index],
        }
    }
}

/// All numbers of a list take the same room.
#[derive(Debug)]
pub(super) enum Narrow {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    I64(Vec<i64>),
}

impl Narrow {
    pub(super) fn of(numbers: Vec<i64>) -> Self {
        // A fold, because the compiler makes it wide; one sign is in all of them.
        let all = numbers.iter().fold(0, |all, &number| all | number).cast_unsigned();
        let each = || numbers.iter().map(|number| number.cast_unsigned());
        match all {
            0..=0xff => Self::U8(each().map(|number| number as u8).collect()),
            0x100..=0xffff => Self::U16(each().map(|number| number as u16).collect()),
            0x1_0000..=0xffff_ffff => Self::U32(each().map(|number| number as u32).collect()),
            _ => Self::I64(numbers),
        }
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> i64 {
        self.lend().get(index)
    }

    #[inline]
    pub(super) fn lend(&self) -> Numbers<'_> {
        match self {
            Self::U8(list) => Numbers::U8(list),
            Self::U16(list) => Numbers::U16(list),
            Self::U32(list) => Numbers::U32(list),
            Self::I64(list) => Numbers::I64(list),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::U8(list) => list.len(),
            Self::U16(list) => list.len() * 2,
            Self::U32(list) => list.len() * 4,
            Self::I64(list) => list.len() * 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_room_of_the_greatest() {
        for (numbers, bytes) in [
            (&[][..], 0),
            (&[0, 255], 2),
            (&[0, 256], 4),
            (&[65_535, 1, 2], 6),
            (&[65_536], 4),
            (&[i64::from(u32::MAX)], 4),
            (&[i64::from(u32::MAX) + 1, 1], 16),
            (&[i64::MAX], 8),
            (&[1, -1], 16),
            (&[i64::MIN], 8),
        ] {
            let narrow = Narrow::of(numbers.to_vec());
            assert_eq!(narrow.memory_bytes(), bytes, "{numbers:?}");
            let back: Vec<i64> = (0..numbers.len()).map(|index| narrow.get(index)).collect();
            assert_eq!(back, numbers);
        }
    }
}
