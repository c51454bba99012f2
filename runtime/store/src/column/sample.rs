//! Owns the look at some of the values of a column before one decides how to store them all.
//! Refuses to know the kinds.

use super::Strings;
use crate::filter;

/// Values looked at.
const MOST: usize = 256;

/// Some rows of a column.
pub(super) struct Sample {
    pub(super) rows: Vec<u32>,
    /// Different values among them.
    pub(super) distinct: usize,
}

impl Sample {
    pub(super) fn of(values: &Strings) -> Self {
        let len = values.len();
        let count = len.min(MOST);
        let rows: Vec<u32> = (0..count).map(|index| (index * len / count) as u32).collect();
        let mut table = [0_u64; MOST * 2];
        let mut distinct = 0;
        for &row in &rows {
            let hash = filter::hash(values.get(row as usize)).max(1);
            let mut at = hash as usize % table.len();
            while table[at] != 0 && table[at] != hash {
                at = (at + 1) % table.len();
            }
            distinct += usize::from(table[at] == 0);
            table[at] = hash;
        }
        Self { rows, distinct }
    }

    /// True when all values looked at are numbers.
    pub(super) fn is_number(&self, values: &Strings) -> bool {
        let number = |value: &[u8]| {
            let digits = value.strip_prefix(b"-").unwrap_or(value);
            digits.first().is_some_and(u8::is_ascii_digit)
                && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        };
        self.rows.iter().all(|&row| number(values.get(row as usize)))
    }
}
