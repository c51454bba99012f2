//! Owns what a word is: its boundaries, its class, its skeleton and its 64-bit hash, which is part of the format.
//! Refuses to know what is done with words.

/// A decimal digit.
pub(crate) const DIGIT: u8 = 1;
/// A letter that is also a hexadecimal digit.
pub(crate) const HEX: u8 = 2;
/// Any other byte of a word.
pub(crate) const OTHER: u8 = 4;

/// Whole words of this length and more are keys of the bloom filter when they look like numbers or ids.
pub(crate) const KEY_BYTES: usize = 6;

/// What stands for a run of digits in a skeleton. Not a byte of any word.
const DIGITS: u8 = b'#';

/// The class of every byte, 0 for bytes outside words: words are made of ASCII letters, digits, `_` and every
/// byte from 0x80.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX,
            b'g'..=b'z' | b'G'..=b'Z' | b'_' | 0x80.. => OTHER,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// True when the words of this class that are long enough are keys: they hold a digit, or hexadecimal letters only.
pub(crate) fn is_key(class: u8, length: usize) -> bool {
    length >= KEY_BYTES && (class & DIGIT != 0 || class & OTHER == 0)
}

/// Calls `each(start, end, class)` for every word of a text.
#[inline]
pub(crate) fn for_each_word(text: &[u8], mut each: impl FnMut(usize, usize, u8)) {
    let mut at = 0;
    while at < text.len() {
        let mut class = CLASS[text[at] as usize];
        if class == 0 {
            at += 1;
            continue;
        }
        let start = at;
        at += 1;
        while at < text.len() {
            let next = CLASS[text[at] as usize];
            if next == 0 {
                break;
            }
            class |= next;
            at += 1;
        }
        each(start, at, class);
    }
}

/// Appends a word with each run of digits replaced by one `#`.
pub(crate) fn push_skeleton(word: &[u8], out: &mut Vec<u8>) {
    let mut digits = false;
    for &byte in word {
        let digit = byte.is_ascii_digit();
        if !digit {
            out.push(byte);
        } else if !digits {
            out.push(DIGITS);
        }
        digits = digit;
    }
}

const SEEDS: [u64; 3] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3];

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    match bytes[at..].first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => 0,
    }
}

fn four(bytes: &[u8], at: usize) -> u64 {
    match bytes[at..].first_chunk::<4>() {
        Some(chunk) => u64::from(u32::from_le_bytes(*chunk)),
        None => 0,
    }
}

/// The hash of a word. Sixteen bytes at a time are folded into the state `s` (first the length times the second
/// seed) as `fold(first ^ seed 1, second ^ s)`, where `fold` multiplies to 128 bits and xors the halves; the last
/// step takes the last 16 bytes, or of a word of 8 to 15 bytes its first and its last 8, or of 4 to 7 bytes its
/// first and its last 4, or of fewer bytes the bytes as a little-endian number. In the end `fold(s ^ seed 0, seed 2)`.
#[inline]
pub(crate) fn hash(word: &[u8]) -> u64 {
    let length = word.len();
    let mut state = (length as u64).wrapping_mul(SEEDS[1]);
    let mut at = 0;
    while length - at > 16 {
        state = fold(eight(word, at) ^ SEEDS[1], eight(word, at + 8) ^ state);
        at += 16;
    }
    let (first, second) = match length {
        16.. => (eight(word, length - 16), eight(word, length - 8)),
        8.. => (eight(word, 0), eight(word, length - 8)),
        4.. => (four(word, 0), four(word, length - 4)),
        _ => (word.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)), 0),
    };
    state = fold(first ^ SEEDS[1], second ^ state);
    fold(state ^ SEEDS[0], SEEDS[2])
}
