//! Owns what the head of a column says about all of its values. Refuses to know how values are stored.

use super::Kind;
use crate::codec::{Malformed, Reader};

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteSet(pub [u64; 4]);

// Layout of a byte set: u8 flags (bit 0: any byte below 0x20, bit 1: any byte from 0x80), then 12 bytes, bit
// `b & 7` of byte `(b - 0x20) / 8` for each byte `b` from 0x20 to 0x7f. So the set that is read back may be larger.

const CONTROLS: u8 = 1;
const HIGH: u8 = 2;

impl ByteSet {
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);
    /// `0` to `9`.
    pub const DIGITS: Self = Self([0x3ff << b'0', 0, 0, 0]);

    /// The bytes of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut seen = [false; 256];
        for &byte in text {
            seen[byte as usize] = true;
        }
        let mut set = Self::default();
        for (byte, _) in seen.iter().enumerate().filter(|(_, seen)| **seen) {
            set.insert(byte as u8);
        }
        set
    }

    /// Adds a byte.
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Adds the bytes of another set.
    pub fn union(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// True when the byte is in the set.
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    /// True when every byte of the text is in the set.
    #[must_use]
    pub fn has_all(&self, text: &[u8]) -> bool {
        text.iter().all(|&byte| self.has(byte))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let controls = u8::from(self.0[0] as u32 != 0) * CONTROLS;
        let high = u8::from(self.0[2] | self.0[3] != 0) * HIGH;
        out.push(controls | high);
        out.extend_from_slice(&self.0[0].to_le_bytes()[4..]);
        out.extend_from_slice(&self.0[1].to_le_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.u8()?;
        let mut first = u64::from(reader.u32()?) << 32;
        let second = reader.u64()?;
        if flags & CONTROLS != 0 {
            first |= u64::from(u32::MAX);
        }
        let high = if flags & HIGH != 0 { u64::MAX } else { 0 };
        Ok(Self([first, second, high, high]))
    }
}

/// What is known about all values of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// How they are stored.
    pub kind: Kind,
    /// Of a column of numbers: no value is smaller.
    pub min: Option<f64>,
    /// Of a column of numbers: no value is greater.
    pub max: Option<f64>,
    /// Every byte that occurs, and maybe more.
    pub bytes: ByteSet,
    /// No value is longer.
    pub longest: usize,
}

/// Bounds of `min / 10^scale` and `max / 10^scale` that also hold after rounding.
pub(super) fn bounds(min: i64, max: i64, scale: u8) -> (Option<f64>, Option<f64>) {
    let power = 10_f64.powi(i32::from(scale));
    // 2^53: up to here whole numbers are exact.
    let exact = scale == 0 && min.unsigned_abs().max(max.unsigned_abs()) <= 1 << 53;
    let (min, max) = (min as f64 / power, max as f64 / power);
    if exact { (Some(min), Some(max)) } else { (Some(min.next_down()), Some(max.next_up())) }
}
