//! Owns the entropy coder of byte planes: range asymmetric numeral systems (rANS) over the frequencies of the bytes.
//! Refuses to know what the bytes mean.

use crate::codec::{Malformed, Reader, put_varint};

// Layout of a coded plane, whose length the reader knows:
// u8 table form, the table, varint number of words, four u32 states, the words (u16), all little-endian.
// - Form 0: u8 number of symbols less one; for each, ascending, u8 symbol and u16 frequency. They sum up to 4096.
// - Form 1: u8 lowest and u8 highest symbol; for each symbol from the one to the other four bits, lower half first:
//   0 = does not occur, else one more than the logarithm of its count, rounded down. Such a logarithm `e` stands for
//   the weight 2 if it is 0 and 3 * 2^e if not; the weights are scaled to the sum 4096 by `normalised`.
// Byte `i` belongs to state `i % 4`. The low 12 bits of a state select the symbol (the symbols divide 0..4096 in
// ascending order by their frequencies); then `state = frequency * (state >> 12) + (low bits - start of the symbol)`,
// and if that is below 2^16, `state = state << 16 | next word`. In the end all states are 2^16.

const SCALE_BITS: u32 = 12;
const SCALE: u32 = 1 << SCALE_BITS;
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

/// Frequencies of the sum 4096, none that was there gone.
fn normalised(weights: &[u32; 256]) -> [u16; 256] {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let mut frequencies = [0_u16; 256];
    let mut sum = 0_u32;
    for (frequency, &weight) in frequencies.iter_mut().zip(weights).filter(|(_, weight)| **weight != 0) {
        *frequency = (u64::from(weight) * u64::from(SCALE) / total).max(1) as u16;
        sum += u32::from(*frequency);
    }
    while sum > SCALE {
        for frequency in frequencies.iter_mut().filter(|frequency| **frequency > 1) {
            let less = u32::from(*frequency / 16).max(1).min(sum - SCALE);
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
    frequencies[largest] += (SCALE - sum) as u16;
    frequencies
}

fn weight(code: u8) -> u32 {
    match code {
        0 => 0,
        1 => 2,
        _ => 3 << (code - 1),
    }
}

/// Writes the table and returns the frequencies it stands for.
fn write_table(counts: &[u32; 256], out: &mut Vec<u8>) -> [u16; 256] {
    let symbols = counts.iter().filter(|&&count| count != 0).count();
    if symbols <= MOST_EXACT {
        let frequencies = normalised(counts);
        out.extend([EXACT, (symbols - 1) as u8]);
        for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency != 0) {
            out.push(symbol as u8);
            out.extend_from_slice(&frequency.to_le_bytes());
        }
        return frequencies;
    }
    let codes = counts.map(|count| if count == 0 { 0 } else { (1 + count.ilog2()).min(15) as u8 });
    let lowest = codes.iter().position(|&code| code != 0).unwrap_or(0);
    let highest = codes.iter().rposition(|&code| code != 0).unwrap_or(0);
    out.extend([LOGARITHMS, lowest as u8, highest as u8]);
    for pair in codes[lowest..=highest].chunks(2) {
        out.push(pair[0] | pair.get(1).copied().unwrap_or(0) << 4);
    }
    normalised(&codes.map(weight))
}

fn read_table(reader: &mut Reader<'_>) -> Result<[u16; 256], Malformed> {
    let mut weights = [0_u32; 256];
    match reader.u8()? {
        EXACT => {
            for _ in 0..=reader.u8()? {
                let symbol = reader.u8()?;
                let low = reader.u8()?;
                weights[symbol as usize] = u32::from(u16::from_le_bytes([low, reader.u8()?]));
            }
            if weights.iter().sum::<u32>() != SCALE {
                return Err(Malformed("frequencies of another sum"));
            }
            Ok(weights.map(|weight| weight as u16))
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
            Ok(normalised(&weights))
        }
        _ => Err(Malformed("unknown form of table")),
    }
}

/// `counts` is the histogram of the plane, which holds more than one symbol.
pub(super) fn encode(plane: &[u8], counts: &[u32; 256], out: &mut Vec<u8>) {
    let frequencies = write_table(counts, out);
    let mut symbols = [(0_u32, 0_u32); 256];
    let mut start = 0;
    for (symbol, &frequency) in symbols.iter_mut().zip(&frequencies) {
        *symbol = (u32::from(frequency).max(1), start);
        start += u32::from(frequency);
    }
    let mut words = Vec::with_capacity(plane.len() / 2 + 8);
    let mut states = [LOWEST; LANES];
    let mut step = |state: &mut u32, byte: u8| {
        let (frequency, start) = symbols[byte as usize];
        // In 64 bits: a frequency of 4096 would not fit.
        if u64::from(*state) >= u64::from(frequency) << 20 {
            words.push(*state as u16);
            *state >>= 16;
        }
        *state = ((*state / frequency) << SCALE_BITS) + *state % frequency + start;
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
    let frequencies = read_table(reader)?;
    // Per low bits of a state: symbol (8 bits), frequency less one (12 bits), low bits less start (12 bits).
    let mut table = vec![0_u32; SCALE as usize];
    let mut slots = table.iter_mut();
    for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency != 0) {
        let entry = symbol as u32 | (u32::from(frequency) - 1) << 8;
        for (offset, slot) in slots.by_ref().take(usize::from(frequency)).enumerate() {
            *slot = entry | (offset as u32) << 20;
        }
    }
    let Ok(table) = <&[u32; SCALE as usize]>::try_from(&table[..]) else {
        return Err(Malformed("table of another size"));
    };
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
    let mut step = |state: &mut u32| {
        let entry = table[(*state & (SCALE - 1)) as usize];
        let next = ((entry >> 8 & (SCALE - 1)) + 1).wrapping_mul(*state >> SCALE_BITS) + (entry >> 20);
        let word = u32::from(words.get(at).map_or(0, |word| u16::from_le_bytes(*word)));
        let short = next < LOWEST;
        at += usize::from(short);
        *state = if short { next << 16 | word } else { next };
        entry as u8
    };
    let start = out.len();
    out.resize(start + length, 0);
    let (chunks, rest) = out[start..].as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (byte, state) in chunk.iter_mut().zip(&mut states) {
            *byte = step(state);
        }
    }
    for (byte, state) in rest.iter_mut().zip(&mut states) {
        *byte = step(state);
    }
    if at != words.len() || states != [LOWEST; LANES] {
        return Err(Malformed("coded bytes do not end where they should"));
    }
    Ok(())
}
