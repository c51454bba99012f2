//! Owns the storage of byte planes, whole numbers and texts inside the bodies of columns, each as small as it gets.
//! Refuses to know what they are the values of.

use super::rans;
use crate::codec::{Malformed, Reader, put_varint};
use crate::frame;

// Layout of a plane (bytes whose number the reader knows): u8 form, then
//   form 0: one byte, the value of all (nothing of an empty plane);
//   form 1: the bytes;
//   form 2: the bytes coded by their frequencies (see `rans`).
//
// Layout of numbers (as many i64 as the reader knows):
//   u8 form: bits 0-3 the number of planes (0 to 8), bit 4 set for differences; zigzag varint base;
//   of differences, zigzag varint first number; then the planes, the one of the lowest bytes first.
//   Plain: number = base + planes. Differences: number = number before + base + unzigzag(planes), and the planes
//   have one byte less than there are numbers. All sums wrap around.
//
// Layout of a text: varint length, varint length as stored, the stored bytes: a zstd frame if that is shorter, else
//   the text itself.

const SAME: u8 = 0;
const RAW: u8 = 1;
const CODED: u8 = 2;
const DIFFERENCES: u8 = 0x10;
/// Planes with fewer bytes are not worth a table of frequencies.
const MIN_CODED: usize = 48;
/// Texts with fewer bytes are not worth a frame.
const MIN_PACKED: usize = 64;
/// No text of a column is longer.
const MAX_TEXT: u64 = 64 << 20;

pub(super) fn put_plane(plane: &[u8], out: &mut Vec<u8>) {
    let first = plane.first().copied();
    if plane.iter().all(|&byte| Some(byte) == first) {
        out.push(SAME);
        out.extend(first);
        return;
    }
    if plane.len() >= MIN_CODED {
        let counts = rans::histogram(plane);
        if rans::estimate(&counts, plane.len()) < plane.len() - plane.len() / 32 {
            out.push(CODED);
            rans::encode(plane, &counts, out);
            return;
        }
    }
    out.push(RAW);
    out.extend_from_slice(plane);
}

pub(super) fn read_plane(reader: &mut Reader<'_>, length: usize) -> Result<Vec<u8>, Malformed> {
    let form = reader.u8()?;
    match form {
        SAME if length == 0 => Ok(Vec::new()),
        SAME => Ok(vec![reader.u8()?; length]),
        RAW => Ok(reader.bytes(length)?.to_vec()),
        CODED => {
            let mut plane = Vec::new();
            rans::decode(reader, length, &mut plane)?;
            Ok(plane)
        }
        _ => Err(Malformed("unknown form of plane")),
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

pub(super) fn signed(reader: &mut Reader<'_>) -> Result<i64, Malformed> {
    Ok(unzigzag(reader.varint()?))
}

fn bits(value: u64) -> u64 {
    u64::from(64 - value.leading_zeros())
}

/// The planes of numbers, the lowest bytes first.
fn put_planes(width: usize, numbers: &(impl Iterator<Item = u64> + Clone), out: &mut Vec<u8>) {
    let mut plane = Vec::with_capacity(numbers.size_hint().0);
    for index in 0..width {
        plane.clear();
        plane.extend(numbers.clone().map(|number| (number >> (8 * index)) as u8));
        put_plane(&plane, out);
    }
}

fn width_of(bits_of_all: u64) -> usize {
    bits(bits_of_all).div_ceil(8) as usize
}

/// Numbers looked at to choose between plain and differences.
const TRIED: usize = 512;

pub(super) fn put_numbers(values: &[i64], out: &mut Vec<u8>) {
    let (first, last) = (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
    let (min, max) =
        values.iter().fold((first, first), |(min, max), &value| (value.min(min), value.max(max)));
    let plain = |value: i64| value.wrapping_sub(min).cast_unsigned();
    let slope = (i128::from(last) - i128::from(first)) / (values.len().max(2) as i128 - 1);
    let slope = slope as i64;
    let step = |pair: &[i64; 2]| zigzag(pair[1].wrapping_sub(pair[0]).wrapping_sub(slope));
    let tried = &values[..values.len().min(TRIED)];
    let plain_bits: u64 = tried.iter().map(|&value| bits(plain(value))).sum();
    let step_bits: u64 = tried.array_windows().map(|pair| bits(step(pair))).sum();
    // Differences must be clearly smaller to be worth the slower way back.
    if step_bits + step_bits / 8 + tried.len() as u64 / 4 < plain_bits {
        let steps = values.array_windows().map(step);
        let width = width_of(steps.clone().fold(0, |all, step| all | step));
        out.push(DIFFERENCES | width as u8);
        put_signed(out, slope);
        put_signed(out, first);
        put_planes(width, &steps, out);
    } else {
        let width = width_of(plain(max));
        out.push(width as u8);
        put_signed(out, min);
        put_planes(width, &values.iter().map(|&value| plain(value)), out);
    }
}

fn read_planes(reader: &mut Reader<'_>, width: usize, count: usize) -> Result<Vec<i64>, Malformed> {
    let mut values = vec![0_i64; count];
    for index in 0..width {
        let plane = read_plane(reader, count)?;
        for (value, &byte) in values.iter_mut().zip(&plane) {
            *value |= i64::from(byte) << (8 * index);
        }
    }
    Ok(values)
}

pub(super) fn read_numbers(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Malformed> {
    let form = reader.u8()?;
    let width = usize::from(form & 0xf);
    if width > 8 || form & !(DIFFERENCES | 0xf) != 0 {
        return Err(Malformed("unknown form of numbers"));
    }
    let base = signed(reader)?;
    if form & DIFFERENCES == 0 {
        let mut values = read_planes(reader, width, count)?;
        values.iter_mut().for_each(|value| *value = value.wrapping_add(base));
        return Ok(values);
    }
    let mut last = signed(reader)?;
    let mut values = read_planes(reader, width, count.saturating_sub(1))?;
    for value in &mut values {
        let next = last.wrapping_add(base).wrapping_add(unzigzag(value.cast_unsigned()));
        *value = last;
        last = next;
    }
    if count > 0 {
        values.push(last);
    }
    Ok(values)
}

pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let packed = if text.len() < MIN_PACKED { None } else { frame::pack(text) };
    let stored = packed.as_deref().unwrap_or(text);
    put_varint(out, text.len() as u64);
    put_varint(out, stored.len() as u64);
    out.extend_from_slice(stored);
}

pub(super) fn read_text(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let (length, stored) = (reader.varint()?, reader.varint()?);
    if length > MAX_TEXT || stored > length {
        return Err(Malformed("text too long"));
    }
    let stored = reader.bytes(stored as usize)?;
    if stored.len() as u64 == length {
        return Ok(stored.to_vec());
    }
    frame::unpack(stored, length as usize)
}

/// The lengths of values, and all values one behind the other.
pub(super) fn put_strings<'a>(values: impl Iterator<Item = &'a [u8]> + Clone, out: &mut Vec<u8>) {
    let lengths: Vec<i64> = values.clone().map(|value| value.len() as i64).collect();
    let text: Vec<u8> = values.flatten().copied().collect();
    put_lengths(&lengths, &text, out);
}

pub(super) fn put_lengths(lengths: &[i64], text: &[u8], out: &mut Vec<u8>) {
    put_numbers(lengths, out);
    put_text(text, out);
}

/// What `put_strings` wrote of `count` values: all values, and where each ends.
pub(super) fn read_strings(reader: &mut Reader<'_>, count: usize) -> Result<(Vec<u8>, Vec<u32>), Malformed> {
    let lengths = read_numbers(reader, count)?;
    let text = read_text(reader)?;
    let mut end = 0_u64;
    let mut ends = Vec::with_capacity(count);
    for length in lengths {
        let length = u64::try_from(length).map_err(|_| Malformed("negative length"))?;
        end = end.saturating_add(length);
        if end > text.len() as u64 {
            return Err(Malformed("values longer than their text"));
        }
        ends.push(end as u32);
    }
    if end != text.len() as u64 {
        return Err(Malformed("text longer than its values"));
    }
    Ok((text, ends))
}
