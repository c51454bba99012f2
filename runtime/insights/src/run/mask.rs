//! Which rows of a batch a condition holds for. Knows no condition.

/// Some rows of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mask {
    All,
    None,
    /// Ascending; neither none nor all where that is known cheaply.
    Rows(Vec<u32>),
}

impl Mask {
    /// All rows or none.
    pub(crate) fn whole(all: bool) -> Mask {
        if all { Mask::All } else { Mask::None }
    }

    /// The listed rows of `len`.
    pub(crate) fn listed(rows: Vec<u32>, len: usize) -> Mask {
        match rows.len() {
            0 => Mask::None,
            n if n == len => Mask::All,
            _ => Mask::Rows(rows),
        }
    }

    /// The rows of `len` that `holds` is true for.
    pub(crate) fn of(len: usize, mut holds: impl FnMut(usize) -> bool) -> Mask {
        // Row numbers fit u32: a block never holds more. Written without a branch per row.
        let mut rows = vec![0u32; len];
        let mut count = 0;
        for row in 0..len {
            rows[count] = u32::try_from(row).unwrap_or(u32::MAX);
            count += usize::from(holds(row));
        }
        rows.truncate(count);
        Mask::listed(rows, len)
    }

    /// The other rows.
    pub(crate) fn not(self, len: usize) -> Mask {
        match self {
            Mask::All => Mask::None,
            Mask::None => Mask::All,
            Mask::Rows(rows) => {
                let mut next = rows.into_iter().peekable();
                Mask::of(len, |row| next.next_if(|listed| *listed as usize == row).is_none())
            }
        }
    }

    /// The rows in both.
    pub(crate) fn and(self, other: Mask) -> Mask {
        match (self, other) {
            (Mask::None, _) | (_, Mask::None) => Mask::None,
            (Mask::All, mask) | (mask, Mask::All) => mask,
            (Mask::Rows(a), Mask::Rows(b)) => {
                let mut next = b.into_iter().peekable();
                let rows: Vec<u32> = a
                    .into_iter()
                    .filter(|row| {
                        while next.next_if(|other| other < row).is_some() {}
                        next.peek() == Some(row)
                    })
                    .collect();
                if rows.is_empty() { Mask::None } else { Mask::Rows(rows) }
            }
        }
    }

    /// The rows in either.
    pub(crate) fn or(self, other: Mask, len: usize) -> Mask {
        match (self, other) {
            (Mask::All, _) | (_, Mask::All) => Mask::All,
            (Mask::None, mask) | (mask, Mask::None) => mask,
            (Mask::Rows(a), Mask::Rows(b)) => Mask::listed(union(&a, &b), len),
        }
    }

    /// One flag per row.
    pub(crate) fn flags(self, len: usize) -> Vec<bool> {
        match self {
            Mask::All => vec![true; len],
            Mask::None => vec![false; len],
            Mask::Rows(rows) => {
                let mut flags = vec![false; len];
                rows.into_iter().for_each(|row| flags[row as usize] = true);
                flags
            }
        }
    }
}

/// Both ascending lists as one, each number once.
pub(crate) fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let next = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => *x.min(y),
            (Some(x), None) | (None, Some(x)) => *x,
            (None, None) => break,
        };
        i += usize::from(a.get(i) == Some(&next));
        j += usize::from(b.get(j) == Some(&next));
        out.push(next);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_combine_like_sets() {
        let len = 4;
        let of = |bits: u32| Mask::of(len, |row| bits >> row & 1 == 1);
        let bits = |mask: Mask| -> u32 {
            mask.flags(len).into_iter().enumerate().map(|(row, flag)| u32::from(flag) << row).sum()
        };
        for a in 0..16 {
            assert_eq!(bits(of(a)), a);
            assert_eq!(bits(of(a).not(len)), !a & 15);
            for b in 0..16 {
                assert_eq!(bits(of(a).and(of(b))), a & b);
                assert_eq!(bits(of(a).or(of(b), len)), a | b);
            }
        }
    }
}
