//! Owns the entropy coder of byte planes: range asymmetric numeral systems (rANS) over the frequencies of the bytes.
//! Refuses to know what the bytes mean.

use crate::codec::{Malformed, Reader, put_varint};

// Layout of a coded plane, whose length the reader knows:
// u8 table form, the table, varint number of words, four u32 states, the words (u16), all little-endian.
// - Form 0: u8 number of symbols less one; for each, ascending, u8 symbol and u16 frequency. They sum up to 2^10.
// - Form 1, for more symbols: u8 lowest and u8 highest symbol; for each symbol from the one to the other four bits, lower half first:
//   0 = does not occur, else one more than the logarithm of its count, rounded down. Such a logarithm `e` stands for
//   the weight 2 if it is 0 and 3 * 2^e if not; the weights are scaled to the sum 2^12 by `normalised`.
// Byte `i` belongs to state `i % 4`. With frequencies of the sum 2^n, the low n bits of a state select the symbol (the
// symbols divide 0..2^n in ascending order by their frequencies); then `state = frequency * (state >> n) + (low bits -
// start of the symbol)`, and if that is below 2^16, `state = state << 16 | next word`. In the end all states are 2^16.

/// Few symbols do with a small table, which is made faster.
const EXACT_BITS: u32 = 10;
const LOGARITHM_BITS: u32 = 12;
const LOWEST: u32 = 1 << 16;
const LANES: usize = 4;
/// With this many symbols or fewer the table says their frequencies exactly.
const MOST_EXACT: usize = 24;
const EXACT: u8 = 0;
const LOGARITHMS: u8 = 1;

pub(super) fn histogram(plane: &[u8]) -> [u32; 256] {
    // Four tables, so that equal neighbours do not wait for each other.
    let mut counts = [[0_u32; 256]; 4];
    let (chunks, rest) = plane.as_chunks::<4>();
    for chunk in chunks {
        for (counts, &byte) in counts.iter_mut().zip(chunk) {
            counts[byte as usize] += 1;
        }
    }
    for &byte in rest {
        counts[0][byte as usize] += 1;
    }
    std::array::from_fn(|byte| counts.iter().map(|counts| counts[byte]).sum())
}

/// About how many bytes `encode` makes of a plane.
pub(super) fn estimate(counts: &[u32; 256], length: usize) -> usize {
    let total = length as f32;
    let mut bits = 0.0;
    let mut symbols = 0;
    for &count in counts.iter().filter(|&&count| count != 0) {
        bits += count as f32 * (total / count as f32).log2();
        symbols += 1;
    }
    let table = if symbols <= MOST_EXACT { symbols * 3 } else { 130.min(symbols + 2) };
    (bits * (1.0 / 8.0)) as usize
        + table
        + 4 * LANES
        + 4
        + if symbols > MOST_EXACT { length / 250 } else { 0 }
}

/// Frequencies of the given sum, none that was there gone.
fn normalised(weights: &[u32; 256], scale: u32) -> [u16; 256] {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let mut frequencies = [0_u16; 256];
    let mut sum = 0_u32;
    for (frequency, &weight) in frequencies.iter_mut().zip(weights).filter(|(_, weight)| **weight != 0) {
        *frequency = (u64::from(weight) * u64::from(scale) / total).max(1) as u16;
        sum += u32::from(*frequency);
    }
    while sum > scale {
        for frequency in frequencies.iter_mut().filter(|frequency| **frequency > 1) {
            let less = u32::from(*frequency / 16).max(1).min(sum - scale);
            *frequency -= less as u16;
            sum -= less;
        }
    }
    let mut largest = 0;
    for symbol in 1..256 {
        if frequencies[symbol] > frequencies[largest] {
            largest = symbol;
        }
    }
    frequencies[largest] += (scale - sum) as u16;
    frequencies
}

fn weight(code: u8) -> u32 {
    match code {
        0 => 0,
        1 => 2,
        _ => 3 << (code - 1),
    }
}

/// Writes the table and returns the frequencies it stands for, and the bits of their sum.
fn write_table(counts: &[u32; 256], out: &mut Vec<u8>) -> ([u16; 256], u32) {
    let symbols = counts.iter().filter(|&&count| count != 0).count();
    if symbols <= MOST_EXACT {
        let frequencies = normalised(counts, 1 << EXACT_BITS);
        out.extend([EXACT, (symbols - 1) as u8]);
        for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency != 0) {
            out.push(symbol as u8);
            out.extend_from_slice(&frequency.to_le_bytes());
        }
        return (frequencies, EXACT_BITS);
    }
    let codes = counts.map(|count| if count == 0 { 0 } else { (1 + count.ilog2()).min(15) as u8 });
    let lowest = codes.iter().position(|&code| code != 0).unwrap_or(0);
    let highest = codes.iter().rposition(|&code| code != 0).unwrap_or(0);
    out.extend([LOGARITHMS, lowest as u8, highest as u8]);
    for pair in codes[lowest..=highest].chunks(2) {
        out.push(pair[0] | pair.get(1).copied().unwrap_or(0) << 4);
    }
    (normalised(&codes.map(weight), 1 << LOGARITHM_BITS), LOGARITHM_BITS)
}

fn read_table(reader: &mut Reader<'_>) -> Result<([u16; 256], u32), Malformed> {
    let mut weights = [0_u32; 256];
    match reader.u8()? {
        EXACT => {
            for _ in 0..=reader.u8()? {
                let symbol = reader.u8()?;
                let low = reader.u8()?;
                weights[symbol as usize] = u32::from(u16::from_le_bytes([low, reader.u8()?]));
            }
            if weights.iter().sum::<u32>() != 1 << EXACT_BITS {
                return Err(Malformed("frequencies of another sum"));
            }
            Ok((weights.map(|weight| weight as u16), EXACT_BITS))
        }
        LOGARITHMS => {
            let (lowest, highest) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
            if lowest > highest {
                return Err(Malformed("symbols the wrong way round"));
            }
            let codes = reader.bytes((highest - lowest + 2) / 2)?;
            for (index, weight_of) in weights[lowest..=highest].iter_mut().enumerate() {
                *weight_of = weight(codes[index / 2] >> (index % 2 * 4) & 15);
            }
            if weights.iter().all(|&weight| weight == 0) {
                return Err(Malformed("table without symbols"));
            }
            Ok((normalised(&weights, 1 << LOGARITHM_BITS), LOGARITHM_BITS))
        }
        _ => Err(Malformed("unknown form of table")),
    }
}

/// `counts` is the histogram of the plane, which holds more than one symbol.
pub(super) fn encode(plane: &[u8], counts: &[u32; 256], out: &mut Vec<u8>) {
    match write_table(counts, out) {
        (frequencies, EXACT_BITS) => encode_by::<EXACT_BITS>(plane, &frequencies, out),
        (frequencies, _) => encode_by::<LOGARITHM_BITS>(plane, &frequencies, out),
    }
}

fn encode_by<const BITS: u32>(plane: &[u8], frequencies: &[u16; 256], out: &mut Vec<u8>) {
    let mut symbols = [(0_u32, 0_u32); 256];
    let mut start = 0;
    for (symbol, &frequency) in symbols.iter_mut().zip(frequencies) {
        *symbol = (u32::from(frequency).max(1), start);
        start += u32::from(frequency);
    }
    let mut words = Vec::with_capacity(plane.len() / 2 + 8);
    let mut states = [LOWEST; LANES];
    let mut step = |state: &mut u32, byte: u8| {
        let (frequency, start) = symbols[byte as usize];
        // A symbol among others has less than the whole sum, so this does not overflow.
        if *state >= frequency << (32 - BITS) {
            words.push(*state as u16);
            *state >>= 16;
        }
        *state = ((*state / frequency) << BITS) + *state % frequency + start;
    };
    let (chunks, rest) = plane.as_chunks::<LANES>();
    for (state, &byte) in states.iter_mut().zip(rest).rev() {
        step(state, byte);
    }
    for chunk in chunks.iter().rev() {
        for (state, &byte) in states.iter_mut().zip(chunk).rev() {
            step(state, byte);
        }
    }
    put_varint(out, words.len() as u64);
    out.extend(states.iter().flat_map(|state| state.to_le_bytes()));
    out.extend(words.iter().rev().flat_map(|word| word.to_le_bytes()));
}

/// Appends `length` bytes.
pub(super) fn decode(reader: &mut Reader<'_>, length: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match read_table(reader)? {
        (frequencies, EXACT_BITS) => decode_by::<EXACT_BITS>(reader, &frequencies, length, out),
        (frequencies, _) => decode_by::<LOGARITHM_BITS>(reader, &frequencies, length, out),
    }
}

/// Per low bits of a state: symbol (8 bits), frequency less one (12 bits), low bits less start (12 bits).
fn slots(frequencies: &[u16; 256]) -> [u32; 1 << LOGARITHM_BITS] {
    let mut table = [0; 1 << LOGARITHM_BITS];
    let mut rest = &mut table[..];
    for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency != 0) {
        let Some((slots, behind)) = rest.split_at_mut_checked(usize::from(frequency)) else {
            break;
        };
        let entry = symbol as u32 | (u32::from(frequency) - 1) << 8;
        for (offset, slot) in slots.iter_mut().enumerate() {
            *slot = entry | (offset as u32) << 20;
        }
        rest = behind;
    }
    table
}

fn decode_by<const BITS: u32>(
    reader: &mut Reader<'_>,
    frequencies: &[u16; 256],
    length: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let table = slots(frequencies);
    let count = reader.varint()?;
    if count > length as u64 {
        return Err(Malformed("more words than bytes"));
    }
    let mut states = [0_u32; LANES];
    for state in &mut states {
        *state = reader.u32()?;
    }
    let words = reader.bytes(count as usize * 2)?.as_chunks::<2>().0;
    let mut at = 0;
    let mut step = |state: u32, byte: &mut u8| {
        let entry = table[(state & ((1 << BITS) - 1)) as usize];
        *byte = entry as u8;
        let next = ((entry >> 8 & 0xfff) + 1).wrapping_mul(state >> BITS).wrapping_add(entry >> 20);
        let word = u32::from(words.get(at).map_or(0, |word| u16::from_le_bytes(*word)));
        let short = next < LOWEST;
        at += usize::from(short);
        // Without a branch: which states need a word is as good as random.
        let (shift, word) = (u32::from(short) << 4, word & u32::from(short).wrapping_neg());
        next << shift | word
    };
    let start = out.len();
    out.resize(start + length, 0);
    let (chunks, rest) = out[start..].as_chunks_mut::<LANES>();
    let [mut first, mut second, mut third, mut fourth] = states;
    for [one, two, three, four] in chunks {
        first = step(first, one);
        second = step(second, two);
        third = step(third, three);
        fourth = step(fourth, four);
    }
    states = [first, second, third, fourth];
    for (byte, state) in rest.iter_mut().zip(&mut states) {
        *state = step(*state, byte);
    }
    if at != words.len() || states != [LOWEST; LANES] {
        return Err(Malformed("coded bytes do not end where they should"));
    }
    Ok(())
}
