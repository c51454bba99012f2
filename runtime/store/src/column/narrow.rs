//! Owns lists of whole numbers of which none is negative, in as little memory as the greatest of them needs.
//! Refuses to know what they count.

/// All numbers of a list take the same room.
#[derive(Debug)]
pub(super) enum Narrow {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl Narrow {
    /// `None` if one of the numbers is negative.
    pub(super) fn of(numbers: &[i64]) -> Option<Self> {
        // A fold, because the compiler makes it wide; one sign is in all of them.
        let all = numbers.iter().fold(0, |all, &number| all | number);
        let numbers = numbers.iter().map(|number| number.cast_unsigned());
        Some(match u64::try_from(all).ok()? {
            0..=0xff => Self::U8(numbers.map(|number| number as u8).collect()),
            0x100..=0xffff => Self::U16(numbers.map(|number| number as u16).collect()),
            0x1_0000..=0xffff_ffff => Self::U32(numbers.map(|number| number as u32).collect()),
            _ => Self::U64(numbers.collect()),
        })
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> u64 {
        match self {
            Self::U8(list) => u64::from(list[index]),
            Self::U16(list) => u64::from(list[index]),
            Self::U32(list) => u64::from(list[index]),
            Self::U64(list) => list[index],
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::U8(list) => list.len(),
            Self::U16(list) => list.len() * 2,
            Self::U32(list) => list.len() * 4,
            Self::U64(list) => list.len() * 8,
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
        ] {
            let narrow = Narrow::of(numbers).unwrap();
            assert_eq!(narrow.memory_bytes(), bytes, "{numbers:?}");
            let back: Vec<i64> = (0..numbers.len()).map(|index| narrow.get(index).cast_signed()).collect();
            assert_eq!(back, numbers);
        }
        assert!(Narrow::of(&[1, -1]).is_none() && Narrow::of(&[i64::MIN]).is_none());
    }
}
